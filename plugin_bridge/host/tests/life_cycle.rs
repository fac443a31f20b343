//! Everything a host may call, in every order.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "functions of tests fail like tests")]
#![allow(clippy::cast_possible_wrap, reason = "numbers at random are small")]

mod common;

use common::{Place, Rig, delayed, fill, in_both_formats};
use uncodec_host::core::{Behaviour, TestCore};
use uncodec_host::signal::Random;
use uncodec_host::{Arrangement, Blocks, Format, Mode, Module, Plugin, module_path};

const RATES: [f64; 6] = [44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0, 12.0];

/// One call at random, whatever came before it.
fn step(plugin: &Plugin, random: &mut Random, blocks: &mut Blocks) {
    let mode = if random.below(4) == 0 { Mode::Offline } else { Mode::Realtime };
    match random.below(14) {
        0 => {
            let rate = RATES[random.below(RATES.len())];
            let _ = plugin.set_up(rate, random.below(3000) as i32, mode);
        }
        1 | 2 => {
            let _ = plugin.set_active(true);
        }
        3 => {
            let _ = plugin.set_active(false);
        }
        4 => {
            let arrangements = [Arrangement::Mono, Arrangement::Stereo, Arrangement::Surround];
            let (input, output) = (arrangements[random.below(3)], arrangements[random.below(3)]);
            let _ = plugin.set_arrangement(input, output);
        }
        5 => {
            let _ = plugin.set_parameter(random.below(6) as u32, random.below(100) as f64 / 99.0);
        }
        6 => {
            let mut state = plugin.state();
            if random.below(2) == 0 {
                let place = random.below(state.len());
                state[place] = random.below(256) as u8;
            }
            let _ = plugin.set_state(&state);
        }
        7 => {
            let _ = plugin.process_nothing(random.below(500) as i32, random.below(2) == 0);
        }
        8 if random.below(10) == 0 => {
            let _ = plugin.initialize(random.below(2) == 0);
            let _ = plugin.initialize(true);
        }
        _ => {
            for _ in 0..random.below(8) {
                let length = random.below(1500);
                fill(blocks, 0, length);
                let result = plugin.process(blocks, length, mode);
                // A CLAP is not called while it is not active.
                assert!(result == 0 || plugin.format() == Format::Clap);
                for channel in 0..2 {
                    let finite = blocks.output(channel)[..length].iter().all(|v| v.is_finite());
                    assert!(finite);
                }
            }
        }
    }
}

/// A start as hosts make it, after which every sample must be right again.
fn recover(plugin: &Plugin, blocks: &mut Blocks) {
    plugin.set_active(false);
    assert_eq!(plugin.set_arrangement(Arrangement::Stereo, Arrangement::Stereo), 0);
    assert_eq!(plugin.set_up(48_000.0, 512, Mode::Realtime), 0);
    plugin.set_parameter(1, 1.0);
    assert_eq!(plugin.set_active(true), 0);
    let latency = plugin.latency();
    let mut position = 0;
    while position < latency + 600 {
        fill(blocks, position, 512);
        assert_eq!(plugin.process(blocks, 512, Mode::Realtime), 0);
        for n in 0..512 {
            let expected = delayed(0, position + n, latency);
            assert_eq!(blocks.output(0)[n].to_bits(), expected.to_bits());
        }
        position += 512;
    }
    plugin.set_parameter(1, 0.0);
}

fn storm(format: Format, seeds: std::ops::Range<u64>, steps: usize) {
    let rig = Rig::new(format, "storm", Behaviour::gain(1.0));
    let mut blocks = Blocks::new(2, 1500, true);
    for seed in seeds {
        let mut random = Random::new(seed);
        for _ in 0..steps {
            step(&rig.plugin, &mut random, &mut blocks);
        }
        recover(&rig.plugin, &mut blocks);
    }
}

fn calls_in_any_order_do_no_harm(format: Format) {
    storm(format, 0..8, 100);
}

fn many_calls_in_any_order_do_no_harm(format: Format) {
    storm(format, 100..300, 400);
}

fn set_up_while_active_and_a_second_activation(format: Format) {
    // A host that meets a larger block sets up anew without deactivating.
    let rig = Rig::new(format, "twice", Behaviour::gain(1.0));
    let plugin = &rig.plugin;
    let mut blocks = Blocks::new(2, 2048, true);
    for second_activation in [true, false] {
        rig.start(48_000.0, 2, 128, Mode::Offline);
        fill(&mut blocks, 0, 128);
        assert_eq!(plugin.process(&mut blocks, 128, Mode::Offline), 0);
        assert_eq!(plugin.set_up(48_000.0, 2048, Mode::Offline), 0);
        if second_activation {
            assert_eq!(plugin.set_active(true), 0);
        }
        let latency = plugin.latency();
        for round in 0..4 {
            fill(&mut blocks, round * 2048, 2048);
            assert_eq!(plugin.process(&mut blocks, 2048, Mode::Offline), 0);
            for n in 0..2048 {
                let expected = delayed(1, round * 2048 + n, latency);
                assert!((blocks.output(1)[n] - expected).abs() <= 0.0);
            }
        }
        plugin.set_active(false);
        plugin.set_active(false);
    }
}

fn equal_set_ups_keep_the_session_and_a_render_has_its_own(format: Format) {
    let rig = Rig::new(format, "kept", Behaviour::gain(1.0));
    rig.start(48_000.0, 2, 128, Mode::Realtime);
    let session = rig.plugin.status(200);
    assert_ne!(session, 0);
    rig.start(48_000.0, 2, 128, Mode::Realtime);
    assert_eq!(rig.plugin.status(200), session);
    rig.start(48_000.0, 2, 128, Mode::Offline);
    let render = rig.plugin.status(200);
    assert_ne!(render, session);
    rig.start(48_000.0, 2, 128, Mode::Offline);
    assert_eq!(rig.plugin.status(200), render);
    rig.start(48_000.0, 1, 128, Mode::Realtime);
    assert_ne!(rig.plugin.status(200), render);
    assert_ne!(rig.plugin.status(200), session);
}

fn processing_while_the_main_thread_sets_up_is_silent_or_right(format: Format) {
    // No host should; some do.
    let place = Place::new("both-at-once");
    let _core = TestCore::start(&place.socket(), Behaviour::gain(1.0));
    let plugin =
        Module::load(&module_path(format)).unwrap().instantiate_at(&place.socket()).unwrap();
    plugin.set_up(48_000.0, 512, Mode::Realtime);
    plugin.set_active(true);
    std::thread::scope(|scope| {
        let audio = scope.spawn(|| {
            let mut blocks = Blocks::new(2, 512, true);
            for round in 0..2000 {
                fill(&mut blocks, round * 512, 512);
                let result = plugin.process(&mut blocks, 512, Mode::Realtime);
                assert!(result == 0 || format == Format::Clap);
            }
        });
        let mut round = 0;
        while !audio.is_finished() {
            round += 1;
            // The host of a CLAP stops it for that, but may do the rest at the same time.
            if format == Format::Vst3 || round % 20 == 0 {
                plugin.set_up(48_000.0, 64 + round % 512, Mode::Realtime);
                plugin.set_active(round % 3 != 0);
            }
            let state = plugin.state();
            plugin.set_state(&state);
        }
    });
    recover(&plugin, &mut Blocks::new(2, 512, true));
}

in_both_formats! {
    calls_in_any_order_do_no_harm,
    #[ignore = "takes minutes"] many_calls_in_any_order_do_no_harm,
    set_up_while_active_and_a_second_activation,
    equal_set_ups_keep_the_session_and_a_render_has_its_own,
    processing_while_the_main_thread_sets_up_is_silent_or_right,
}
