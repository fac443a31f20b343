//! A core that is absent, slow, stopped, killed, restarted, or of another version: the audio goes
//! on, aligned, without a step that is larger than the source's own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    reason = "helpers of tests fail like tests"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use common::{Place, Rig, in_both_formats, until, with_reference};
use uncodec_host::core::Behaviour;
use uncodec_host::{Blocks, Format, Mode, Module, Plugin, module_path, signal};

const RATE: f64 = 48_000.0;
const BLOCK: usize = 256;
/// Of the core: wet is half as loud as dry.
const GAIN: f32 = 0.5;

/// The core as a process; killed at the end.
struct Process(Child);

impl Process {
    fn start(socket: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_uncodec-test-core");
        let gain = GAIN.to_string();
        let child = Command::new(program).arg(socket).arg(gain).spawn().unwrap();
        until("the core listens", || UnixStreamProbe::answers(socket));
        Self(child)
    }

    fn signal(&self, signal: i32) {
        // SAFETY: the process is our own child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(self.0.id().cast_signed(), signal) }, 0);
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether somebody listens.
struct UnixStreamProbe;

impl UnixStreamProbe {
    fn answers(socket: &Path) -> bool {
        std::os::unix::net::UnixStream::connect(socket).is_ok()
    }
}

fn plugin_at(format: Format, place: &Place) -> Plugin {
    let plugin =
        Module::load(&module_path(format)).unwrap().instantiate_at(&place.socket()).unwrap();
    assert_eq!(plugin.set_up(RATE, BLOCK as i32, Mode::Realtime), 0);
    assert_eq!(plugin.set_active(true), 0);
    plugin
}

/// Plays a sine in real time and checks every sample of what comes back.
struct Listener {
    blocks: Blocks,
    position: u64,
    last: Option<f32>,
    last_source: f32,
    largest_step: f32,
    largest_own_step: f32,
    wet: usize,
    dry: usize,
}

impl Listener {
    fn new() -> Self {
        Self {
            blocks: Blocks::new(2, BLOCK, true),
            position: 0,
            last: None,
            last_source: 0.0,
            largest_step: 0.0,
            largest_own_step: 0.0,
            wet: 0,
            dry: 0,
        }
    }

    fn source(position: u64) -> f32 {
        signal::sine(997.0, RATE, position)
    }

    /// One block; sleeps as long as it lasts, for the core to run in.
    fn play(&mut self, plugin: &Plugin) {
        for channel in 0..2 {
            for (n, sample) in (0..).zip(self.blocks.input(channel)) {
                *sample = Self::source(self.position + n);
            }
        }
        assert_eq!(plugin.process(&mut self.blocks, BLOCK, Mode::Realtime), 0);
        let latency = plugin.latency() as u64;
        for (n, &sample) in (0..).zip(self.blocks.output(0)) {
            let now = self.position + n;
            let source = now.checked_sub(latency).map_or(0.0, Self::source);
            // Between wet and dry, whatever the fade: not lost, not shifted.
            let (low, high) = (source.min(GAIN * source), source.max(GAIN * source));
            assert!((low - 1e-6..=high + 1e-6).contains(&sample), "{now}: {sample}, {source}");
            if source.abs() > 0.01 {
                self.wet += usize::from((sample - GAIN * source).abs() < 1e-6);
                self.dry += usize::from((sample - source).abs() < 1e-6);
            }
            if let Some(last) = self.last {
                self.largest_step = self.largest_step.max((sample - last).abs());
                self.largest_own_step =
                    self.largest_own_step.max((source - self.last_source).abs());
            }
            (self.last, self.last_source) = (Some(sample), source);
        }
        self.position += BLOCK as u64;
        std::thread::sleep(Duration::from_secs_f64(BLOCK as f64 / RATE));
        // The steepest place of a sine, and what a fade of 5 ms adds where it is loudest.
        let allowed = self.largest_own_step + 1e-3;
        assert!(self.largest_step <= allowed, "{} > {allowed}", self.largest_step);
    }

    fn play_for(&mut self, plugin: &Plugin, blocks: usize) -> (usize, usize) {
        (self.wet, self.dry) = (0, 0);
        for _ in 0..blocks {
            self.play(plugin);
        }
        (self.wet, self.dry)
    }

    /// Plays until some block is wet, or dry, as a whole; how long that took.
    fn play_until(&mut self, plugin: &Plugin, wet: bool) -> Duration {
        let start = Instant::now();
        loop {
            let (wets, dries) = self.play_for(plugin, 2);
            if if wet { dries == 0 && wets > 0 } else { wets == 0 && dries > 0 } {
                return start.elapsed();
            }
            assert!(start.elapsed() < Duration::from_secs(20), "not within 20 s: {wets} {dries}");
        }
    }
}

fn killed_and_restarted(format: Format) {
    let place = Place::new("killed");
    let mut core = Process::start(&place.socket());
    let plugin = plugin_at(format, &place);
    let mut listener = Listener::new();
    for _ in 0..3 {
        listener.play_until(&plugin, true);
        core.kill();
        listener.play_until(&plugin, false);
        until("the plugin notices", || !plugin.is_connected());
        core = Process::start(&place.socket());
        let time = listener.play_until(&plugin, true);
        println!("wet again {} ms after the core was back", time.as_millis());
    }
}

fn stopped_and_continued(format: Format) {
    let place = Place::new("stopped");
    let core = Process::start(&place.socket());
    let plugin = plugin_at(format, &place);
    let mut listener = Listener::new();
    listener.play_until(&plugin, true);
    core.signal(libc::SIGSTOP);
    // What it gave before is heard yet, and on a busy machine not all of it was in time.
    listener.play_for(&plugin, plugin.latency() / BLOCK + 2);
    listener.play_until(&plugin, false);
    // Long enough for the core to be more than half of the slots behind.
    let (wet, _) = listener.play_for(&plugin, 50);
    assert_eq!(wet, 0);
    // An instance that is started meanwhile is dry, and not held up for longer than its limit.
    let start = Instant::now();
    let other = plugin_at(format, &place);
    assert!(!other.is_connected());
    println!("started beside a stopped core in {} ms", start.elapsed().as_millis());
    assert!(start.elapsed() < Duration::from_secs(5));
    core.signal(libc::SIGCONT);
    let time = listener.play_until(&plugin, true);
    println!("wet again {} ms after the core went on", time.as_millis());
    until("the other one is served as well", || other.is_connected());
}

fn slow(format: Format) {
    // Half of the time that a hop lasts is fine, and far too much is dry, aligned, and no worse.
    let hop = Duration::from_secs_f64(BLOCK as f64 / RATE);
    let too_slow = Behaviour { hop_time: 4 * hop, ..Behaviour::gain(GAIN) };
    let rig = Rig::new(format, "slow", too_slow);
    rig.start(RATE, 2, BLOCK, Mode::Realtime);
    let mut listener = Listener::new();
    let (_, dry) = listener.play_for(&rig.plugin, 200);
    assert!(dry > 0);
    assert!(rig.plugin.counters()[2] > 0, "late hops are counted");
}

fn offline_a_slow_core_is_waited_for(format: Format) {
    let slow = Behaviour { hop_time: Duration::from_millis(20), ..Behaviour::gain(GAIN) };
    let rig = Rig::new(format, "patience", slow);
    rig.start(RATE, 2, BLOCK, Mode::Offline);
    let mut blocks = Blocks::new(2, BLOCK, true);
    for _ in 0..40 {
        assert_eq!(rig.plugin.process(&mut blocks, BLOCK, Mode::Offline), 0);
    }
    let [wet, dry, late] = rig.plugin.counters();
    assert!(wet > 0);
    assert_eq!((dry, late), (0, 0));
}

fn offline_a_core_that_gets_no_processor_for_a_while_is_waited_for(format: Format) {
    let place = Place::new("starved");
    let core = Process::start(&place.socket());
    let plugin = plugin_at(format, &place);
    assert!(plugin.is_connected());
    let mut blocks = Blocks::new(2, BLOCK, true);
    for _ in 0..40 {
        assert_eq!(plugin.process(&mut blocks, BLOCK, Mode::Offline), 0);
    }
    core.signal(libc::SIGSTOP);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(1800));
            core.signal(libc::SIGCONT);
        });
        for _ in 0..40 {
            assert_eq!(plugin.process(&mut blocks, BLOCK, Mode::Offline), 0);
        }
    });
    let [wet, dry, late] = plugin.counters();
    assert!(wet > 0);
    assert_eq!((dry, late), (0, 0));
}

fn offline_a_stopped_core_is_waited_for_once(format: Format) {
    let place = Place::new("impatience");
    let core = Process::start(&place.socket());
    let plugin = plugin_at(format, &place);
    assert!(plugin.is_connected());
    core.signal(libc::SIGSTOP);
    let mut blocks = Blocks::new(2, BLOCK, true);
    let start = Instant::now();
    for _ in 0..400 {
        assert_eq!(plugin.process(&mut blocks, BLOCK, Mode::Offline), 0);
    }
    // One wait until the heartbeat is old; without that rule it would be some for each hop.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(plugin.counters()[1] > 0, "and what was dry is counted");
    core.signal(libc::SIGCONT);
}

fn another_reference_while_it_plays(format: Format) {
    let place = Place::new("reference");
    let _core = uncodec_host::core::TestCore::start(&place.socket(), Behaviour::gain(GAIN));
    let plugin = plugin_at(format, &place);
    let mut listener = Listener::new();
    listener.play_until(&plugin, true);
    let session = |plugin: &Plugin| plugin.status(200);
    let without = plugin.state();
    let mut served = session(&plugin);
    for (state, new) in [
        (with_reference(without.clone(), "one"), true),
        (with_reference(without.clone(), "one"), false),
        (with_reference(without.clone(), "two"), true),
        (without, true),
    ] {
        let latency = plugin.latency();
        assert_eq!(plugin.set_state(&state), 0);
        if new {
            until("there is another session", || {
                plugin.is_connected() && session(&plugin) > served
            });
        }
        assert_eq!(session(&plugin) > served, new, "the same reference is the same session");
        served = session(&plugin);
        // Nothing is lost, and nothing steps: the listener looks.
        listener.play_until(&plugin, true);
        assert_eq!(plugin.latency(), latency);
    }
}

fn a_reference_of_the_core_s_own_is_told(format: Format) {
    let place = Place::new("its-own");
    let behaviour = Behaviour { reference: true, ..Behaviour::gain(GAIN) };
    let core = uncodec_host::core::TestCore::start(&place.socket(), behaviour);
    let plugin = plugin_at(format, &place);
    assert!(plugin.is_connected());
    let text = || plugin.parameter_text(7, plugin.parameter(7)).unwrap();
    assert_eq!(text(), "the core's");
    assert_eq!(plugin.parse_parameter(7, "the core's"), Some(0.0));
    assert_eq!(plugin.set_state(&with_reference(plugin.state(), "its own")), 0);
    assert_eq!(text(), "its own");
    drop(core);
    assert_eq!(plugin.set_state(&plugin.state()), 0);
    let mut without = plugin.state();
    without[512..].fill(0);
    assert_eq!(plugin.set_state(&without), 0);
    until("the plugin notices", || text() == "none (Likeness is off)");
}

fn refusing(format: Format) {
    let refuses = Behaviour { refuses: true, ..Behaviour::gain(GAIN) };
    let place = Place::new("refusing");
    let _core = uncodec_host::core::TestCore::start(&place.socket(), refuses);
    let plugin = plugin_at(format, &place);
    assert!(!plugin.is_connected());
    let mut listener = Listener::new();
    let (wet, dry) = listener.play_for(&plugin, 30);
    assert!(wet == 0 && dry > 0);
    let state = plugin.state();
    let reason = String::from_utf8_lossy(&state[256..256 + usize::from(state[248])]).into_owned();
    assert_eq!(reason, "the core refused: this core refuses");
}

fn of_another_version_or_something_else_altogether(format: Format) {
    for (name, answer) in
        [("newer", &b"UNCODECA\x63\0\0\0"[..]), ("other", b"HTTP/1.1 400 Bad\r\n")]
    {
        let place = Place::new(name);
        let listener = UnixListener::bind(place.socket()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let server = std::thread::spawn(move || {
            let end = Instant::now() + Duration::from_secs(20);
            let mut asked = 0;
            while asked < 3 && Instant::now() < end {
                if let Ok((mut stream, _)) = listener.accept() {
                    asked += 1;
                    let _ = stream.write_all(answer);
                    let _ = stream.set_nonblocking(false);
                    let _ = stream.read(&mut [0; 64]);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            asked
        });
        let plugin = plugin_at(format, &place);
        assert!(!plugin.is_connected());
        let mut played = Listener::new();
        let (wet, dry) = played.play_for(&plugin, 100);
        assert!(wet == 0 && dry > 0);
        assert_eq!(server.join().unwrap(), 3, "it is tried again");
    }
}

fn a_socket_that_belongs_to_another_user_is_not_used(format: Format) {
    let place = Place::new("foreign");
    let _core = uncodec_host::core::TestCore::start(&place.socket(), Behaviour::gain(GAIN));
    // Only root can give a file away; for others the same rule is tested beside the rule itself.
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    std::os::unix::fs::chown(place.socket(), Some(12_345), None).unwrap();
    let plugin = plugin_at(format, &place);
    assert!(!plugin.is_connected());
    let state = plugin.state();
    let reason = String::from_utf8_lossy(&state[256..256 + usize::from(state[248])]).into_owned();
    assert!(reason.contains("belongs to user 12345"), "{reason}");
}

/// Files of this process that are sessions' memory.
fn memories() -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let is_memory =
        |target: &std::path::PathBuf| target.to_string_lossy().contains("memfd:uncodec");
    links.filter_map(|entry| fs::read_link(entry.path()).ok()).filter(is_memory).count()
}

fn kill_many_times(format: Format, times: usize) {
    let place = Place::new("killed-often");
    let plugin = plugin_at(format, &place);
    let mut listener = Listener::new();
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let (mut before, mut reached) = (0, 0);
    for round in 0..times {
        let core = Process::start(&place.socket());
        let end = Instant::now() + Duration::from_secs(20);
        while !plugin.is_connected() && Instant::now() < end {
            listener.play_for(&plugin, 1);
        }
        // Killed at another moment each time.
        reached += usize::from(listener.play_for(&plugin, round % 7).0 > 0);
        core.kill();
        listener.play_for(&plugin, 1 + round % 3);
        if round == 2 {
            before = open();
        }
    }
    listener.play_until(&plugin, false);
    assert!(reached > 0, "some of them were killed at work");
    assert!(open() <= before + 2, "descriptors: {before} before, {} after", open());
    drop(plugin);
}

fn killed_again_and_again(format: Format) {
    kill_many_times(format, 12);
}

fn killed_a_thousand_times(format: Format) {
    kill_many_times(format, 1000);
    assert_eq!(memories(), 0);
}

in_both_formats! {
    killed_and_restarted,
    stopped_and_continued,
    slow,
    offline_a_slow_core_is_waited_for,
    offline_a_core_that_gets_no_processor_for_a_while_is_waited_for,
    offline_a_stopped_core_is_waited_for_once,
    another_reference_while_it_plays,
    a_reference_of_the_core_s_own_is_told,
    refusing,
    of_another_version_or_something_else_altogether,
    a_socket_that_belongs_to_another_user_is_not_used,
    killed_again_and_again,
    #[ignore = "takes minutes"] killed_a_thousand_times,
}
