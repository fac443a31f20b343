//! What the callback does besides computing: nothing. No call of the allocator, none of the system.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;
mod watch;

use common::{Rig, fill, in_both_formats, plugin_without_core, until};
use uncodec_host::core::{Behaviour, TestCore};
use uncodec_host::signal::Random;
use uncodec_host::{Blocks, Change, Format, Mode, Plugin};
use watch::{Watched, watch};

/// Every kind of block, after the first ones of each have warmed up what is warmed up once. Between
/// the blocks a core is given time, if there is one.
fn watch_blocks(
    plugin: &Plugin,
    core: Option<&TestCore>,
    blocks: &mut Blocks,
    mode: Mode,
    seed: u64,
    rounds: usize,
) {
    let mut random = Random::new(seed);
    for round in 0..rounds {
        let length = match round % 5 {
            0 => 64,
            1 => 0,
            2 => 2000,
            _ => random.below(300),
        };
        fill(blocks, round * 64, length);
        let (result, watched) = watch(|| plugin.process(blocks, length, mode));
        assert_eq!(result, 0);
        if round >= 5 {
            assert_eq!(watched, Watched::NOTHING, "block {round} of {length} samples");
        }
        if let Some(core) = core {
            core.catch_up();
        }
    }
}

#[test]
fn the_watch_sees_what_it_is_for() {
    let (_, watched) = watch(|| std::hint::black_box(vec![0_u8; 64]));
    assert!(watched.allocations >= 1);
    assert_eq!(watched.system_call, None);
    // SAFETY: has no conditions.
    let (parent, watched) = watch(|| unsafe { libc::getppid() });
    assert_eq!(watched.system_call, Some(libc::SYS_getppid));
    // SAFETY: as above.
    assert_eq!(parent, unsafe { libc::getppid() }, "the call was made all the same");
    let (_, watched) = watch(|| std::hint::black_box(3.0_f64).sqrt());
    assert_eq!(watched, Watched::NOTHING);
}

fn the_watch_sees_into_the_module(format: Format) {
    // Saving is nothing for an audio thread: it makes a text, and asks under a lock.
    let plugin = plugin_without_core(format);
    plugin.set_up(48_000.0, 64, Mode::Realtime);
    let before = plugin.state().len();
    let mut blocks = Blocks::new(2, 64, true);
    plugin.set_active(true);
    let (_, watched) = watch(|| plugin.set_up(96_000.0, 64, Mode::Realtime));
    assert!(watched.allocations > 0, "the module's own allocations are counted");
    assert!(watched.system_call.is_some(), "the module's own calls are trapped");
    assert_eq!(plugin.process(&mut blocks, 64, Mode::Realtime), 0);
    assert_eq!(plugin.state().len(), before);
}

fn an_offline_wait_is_a_call_of_the_system(format: Format) {
    // The same callback, where it may wait: it sleeps, and the watch says so.
    let slow = Behaviour { hop_time: std::time::Duration::from_millis(5), ..Behaviour::default() };
    let rig = Rig::new(format, "wait", slow);
    rig.start(48_000.0, 2, 512, Mode::Offline);
    let mut blocks = Blocks::new(2, 512, true);
    let waited = (0..20).any(|_| {
        watch(|| rig.plugin.process(&mut blocks, 512, Mode::Offline)).1.system_call.is_some()
    });
    assert!(waited);
}

fn nothing_happens_without_a_core(format: Format) {
    let plugin = plugin_without_core(format);
    for mode in [Mode::Realtime, Mode::Offline] {
        plugin.set_up(44_100.0, 256, mode);
        plugin.set_active(true);
        watch_blocks(&plugin, None, &mut Blocks::new(2, 2000, false), mode, 1, 300);
        plugin.set_parameter(1, 1.0);
        watch_blocks(&plugin, None, &mut Blocks::new(2, 2000, true), mode, 2, 100);
        plugin.set_active(false);
        if format == Format::Vst3 {
            watch_blocks(&plugin, None, &mut Blocks::new(2, 2000, true), mode, 3, 20);
        }
    }
}

fn nothing_happens_while_parameters_change(format: Format) {
    let rig = Rig::new(format, "changes", Behaviour::gain(0.5));
    rig.start(48_000.0, 2, 256, Mode::Realtime);
    let mut random = Random::new(7);
    let changes = (0..40).flat_map(|n| {
        let value = random.below(100) as f64 / 99.0;
        [0, 1, 5, 6].map(|id| Change { id, offset: n * 6, value })
    });
    let changes = rig.plugin.changes(&changes.collect::<Vec<_>>());
    let mut blocks = Blocks::new(2, 256, true);
    for round in 0..100 {
        fill(&mut blocks, round * 256, 256);
        let (result, watched) =
            watch(|| rig.plugin.process_changing(&mut blocks, 256, Mode::Realtime, &changes));
        assert_eq!(result, 0);
        if round >= 5 {
            assert_eq!(watched, Watched::NOTHING, "block {round}");
        }
        rig.core.catch_up();
    }
}

fn nothing_happens_with_a_core_while_it_dies_and_when_it_is_back(format: Format) {
    let rig = Rig::new(format, "callback", Behaviour::gain(0.5));
    rig.start(48_000.0, 2, 256, Mode::Realtime);
    let mut blocks = Blocks::new(2, 2000, true);
    watch_blocks(&rig.plugin, Some(&rig.core), &mut blocks, Mode::Realtime, 4, 300);
    let [wet, ..] = rig.plugin.counters();
    assert!(wet > 0, "the core took part");
    let Rig { plugin, core, place } = rig;
    drop(core);
    watch_blocks(&plugin, None, &mut blocks, Mode::Realtime, 5, 300);
    until("the plugin notices", || !plugin.is_connected());
    let core = TestCore::start(&place.socket(), Behaviour::gain(0.5));
    until("the plugin is served again", || plugin.is_connected());
    let before = plugin.counters()[0];
    watch_blocks(&plugin, Some(&core), &mut blocks, Mode::Realtime, 6, 300);
    assert!(plugin.counters()[0] > before);
}

in_both_formats! {
    the_watch_sees_into_the_module,
    an_offline_wait_is_a_call_of_the_system,
    nothing_happens_without_a_core,
    nothing_happens_while_parameters_change,
    nothing_happens_with_a_core_while_it_dies_and_when_it_is_back,
}
