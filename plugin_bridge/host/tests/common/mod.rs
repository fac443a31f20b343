//! What several tests need: a place for a socket, a plugin, the expected output.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use uncodec_host::core::{Behaviour, TestCore};
use uncodec_host::{Arrangement, Blocks, Format, Mode, Module, Plugin, module_path, signal};
use uncodec_proto::Reference;

/// Makes a test of each function for each format of the plugin.
macro_rules! in_both_formats {
    ($($(#[$attribute:meta])? $name:ident),* $(,)?) => {
        mod vst3 {
            use uncodec_host::Format;
            $(
                #[test]
                $(#[$attribute])?
                fn $name() {
                    super::$name(Format::Vst3);
                }
            )*
        }

        mod clap {
            use uncodec_host::Format;
            $(
                #[test]
                $(#[$attribute])?
                fn $name() {
                    super::$name(Format::Clap);
                }
            )*
        }
    };
}
pub(crate) use in_both_formats;

/// A folder of this test's own, gone at the end.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("uncodec-host-{name}-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("core.sock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn plugin_without_core(format: Format) -> Plugin {
    let place = Place::new("none");
    Module::load(&module_path(format)).unwrap().instantiate_at(&place.socket()).unwrap()
}

/// A plugin and a core for it.
#[derive(Debug)]
pub struct Rig {
    pub plugin: Plugin,
    pub core: TestCore,
    pub place: Place,
}

impl Rig {
    pub fn new(format: Format, name: &str, behaviour: Behaviour) -> Self {
        let place = Place::new(name);
        let core = TestCore::start(&place.socket(), behaviour);
        let module = Module::load(&module_path(format)).unwrap();
        Self { plugin: module.instantiate_at(&place.socket()).unwrap(), core, place }
    }

    /// Sets up and activates.
    pub fn start(&self, rate: f64, channels: usize, block: usize, mode: Mode) {
        self.plugin.set_active(false);
        let both = Arrangement::of(channels);
        assert_eq!(self.plugin.set_arrangement(both, both), 0);
        assert_eq!(self.plugin.set_up(rate, block.try_into().unwrap(), mode), 0);
        assert_eq!(self.plugin.set_active(true), 0);
        assert!(self.plugin.is_connected());
    }
}

/// A state with a reference of three bands.
pub fn with_reference(mut state: Vec<u8>, name: &str) -> Vec<u8> {
    let reference = Reference::new(name, 46.875, 20_000.0, &[0.5, -3.0, -60.0]).unwrap();
    state[512..].copy_from_slice(&reference.encode());
    state
}

/// Noise into the first `length` samples of all channels (there may be one only).
pub fn fill(blocks: &mut Blocks, position: usize, length: usize) {
    for channel in 0..blocks.channels() {
        let samples = &mut blocks.input(channel)[..length];
        for (n, sample) in samples.iter_mut().enumerate() {
            *sample = signal::noise(channel, (position + n) as u64);
        }
    }
}

/// What `fill` put in so many samples ago; silence before the beginning.
pub fn delayed(channel: usize, position: usize, latency: usize) -> f32 {
    position.checked_sub(latency).map_or(0.0, |n| signal::noise(channel, n as u64))
}

/// Waits until it holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
}
