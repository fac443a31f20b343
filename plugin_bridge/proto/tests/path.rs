//! The audio path: aligned whatever the core does, exact with a core that changes nothing.
#![allow(clippy::float_cmp, reason = "equality to the bit is what is promised")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::{DelayCore, bits, block, noise, session, settings};
use proptest::prelude::*;
use uncodec_proto::{BlockError, CoreCounters, HostCounters, HostPath, HostSettings, Memory, word};

/// What the path must give for sample `n`, if all is dry or the core changes nothing.
fn delayed(channel: usize, n: u64, latency: u64) -> f32 {
    n.checked_sub(latency).map_or(0.0, |n| noise(channel, n))
}

fn expected(channel: usize, from: u64, length: usize, latency: u64) -> Vec<f32> {
    (from..from + length as u64).map(|n| delayed(channel, n, latency)).collect()
}

/// Any turnaround, and any block between the bounds.
fn any_settings() -> impl Strategy<Value = HostSettings> {
    (1..4_usize, 1..40_usize, 0..60_usize, 0..50_u64, 1..100_usize, 0..3_u32).prop_map(
        |(channels, hop, tail, more, max_block, turnaround)| HostSettings {
            channels,
            hop,
            tail,
            model_delay: tail as u64 + more,
            max_block,
            turnaround_s: f64::from(turnaround) * max_block as f64 / 48_000.0,
            ..settings()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A core that answers at once: every sample wet, whatever the partition, also blocks longer
    /// than announced.
    #[test]
    fn a_prompt_core_is_heard_from_the_first_sample_on(
        settings in any_settings(),
        lengths in prop::collection::vec(0..150_usize, 1..30),
    ) {
        let settings = HostSettings { turnaround_s: 0.0, ..settings };
        let (mut path, core) = session(&settings);
        let mut core = DelayCore::new(core, -2.0);
        path.activate();
        let (latency, buffering) = (path.latency_samples(), path.side().geometry().buffering());
        let mut position = 0;
        for length in lengths {
            // Longer blocks are cut by process(), which leaves no time for the core between.
            let length = length.min(settings.max_block);
            let input = block(settings.channels, position, length);
            let mut output = vec![vec![f32::NAN; length]; settings.channels];
            path.push(&input).unwrap();
            core.run();
            prop_assert!(path.is_complete());
            path.pull(&mut output).unwrap();
            for (channel, output) in output.iter().enumerate() {
                let wet = expected(channel, position, length, latency).iter()
                    .map(|v| -2.0 * v).collect::<Vec<_>>();
                prop_assert_eq!(output, &wet);
            }
            position += length as u64;
        }
        let counters = path.counters();
        prop_assert_eq!((counters.dry, counters.late), (0, 0));
        prop_assert_eq!(counters.wet, position.saturating_sub(buffering));
    }

    /// A core that changes nothing, at any speed, stopping and falling behind: the output is the
    /// delayed input, bit for bit, and every hop that was submitted arrived unless it was skipped.
    #[test]
    fn an_identity_core_is_bit_exact_at_any_speed(
        settings in any_settings(),
        steps in prop::collection::vec((0..150_usize, 0..5_usize, any::<bool>()), 1..60),
        stop in 0..60_usize,
    ) {
        let (mut path, core) = session(&settings);
        let mut core = DelayCore::new(core, 1.0);
        path.activate();
        let latency = path.latency_samples();
        let mut position = 0;
        for (number, (length, hops, publish)) in steps.into_iter().enumerate() {
            let input = block(settings.channels, position, length);
            let mut output = vec![vec![f32::NAN; length]; settings.channels];
            path.process(&input, &mut output).unwrap();
            for (channel, output) in output.iter().enumerate() {
                let expected = expected(channel, position, length, latency);
                prop_assert_eq!(bits(output), bits(&expected));
            }
            position += length as u64;
            if number < stop {
                for _ in 0..hops {
                    core.take();
                    if publish {
                        core.give();
                    }
                }
            }
        }
        let counters = path.counters();
        let buffering = path.side().geometry().buffering();
        prop_assert_eq!(counters.wet + counters.dry, position.saturating_sub(buffering));
        prop_assert_eq!(counters.refused, 0);
        prop_assert!(core.taken.is_sorted_by_key(|&(hop, _)| hop));
        prop_assert_eq!(u64::from(path.side().hops()), position / settings.hop as u64);
    }

    /// With any core, each sample lies between dry and wet, and the steps stay small.
    #[test]
    fn a_late_core_leaves_no_step_and_no_shift(
        settings in any_settings(),
        steps in prop::collection::vec((1..100_usize, 0..6_usize), 20..80),
    ) {
        // A constant: every step of the output is one of the fade.
        let (mut path, core) = session(&settings);
        let mut core = DelayCore::new(core, -1.0);
        path.activate();
        let latency = path.latency_samples();
        let mut last: Option<f32> = None;
        let mut position = 0;
        let shortest = if settings.tail == 0 { 240 } else { settings.tail.min(240) };
        for (length, hops) in steps {
            let input = vec![vec![1.0_f32; length]; settings.channels];
            let mut output = vec![vec![f32::NAN; length]; settings.channels];
            path.process(&input, &mut output).unwrap();
            for &sample in &output[0] {
                if position >= latency {
                    prop_assert!((-1.0..=1.0).contains(&sample));
                    if let Some(last) = last {
                        let step = (sample - last).abs();
                        prop_assert!(step <= 2.0 / shortest as f32 + 1e-5, "step {step}");
                    }
                    // At its very first sample the source itself steps.
                    last = Some(sample);
                } else {
                    prop_assert_eq!(sample, 0.0);
                }
                position += 1;
            }
            for channel in &output {
                prop_assert_eq!(bits(channel), bits(&output[0]));
            }
            for _ in 0..hops {
                core.take();
                core.give();
            }
        }
    }

    /// Garbage anywhere in the memory, all the time: the output is the delayed input, or the core's
    /// result, never something else.
    #[test]
    fn garbage_in_the_memory_cannot_shift_or_stop_the_audio(
        settings in any_settings(),
        steps in prop::collection::vec((0..150_usize, any::<u32>(), any::<u64>()), 1..40),
    ) {
        let (mut path, core) = session(&settings);
        let mut core = DelayCore::new(core, 1.0);
        path.activate();
        let latency = path.latency_samples();
        let mut position = 0;
        for (length, place, garbage) in steps {
            let words = path.side().memory().words();
            let first = if place % 2 == 0 { 0 } else { word::HEAD };
            let end = if place % 3 == 0 { 64 } else { words.len() };
            let target = first + (place as usize / 6) % (end - first);
            // Samples alone could be changed without a trace; tags and header are what is trusted
            // least, so only words that are no samples are hit.
            if target < 64 {
                words[target].store(garbage, std::sync::atomic::Ordering::Relaxed);
            }
            let input = block(settings.channels, position, length);
            let mut output = vec![vec![f32::NAN; length]; settings.channels];
            path.process(&input, &mut output).unwrap();
            core.run();
            for (channel, output) in output.iter().enumerate() {
                let expected = expected(channel, position, length, latency);
                prop_assert_eq!(bits(output), bits(&expected));
            }
            position += length as u64;
        }
    }
}

/// Blocks that were not entirely wet, with a core that answers `lag` blocks after a hop is complete.
fn dry_samples(settings: &HostSettings, lag: usize) -> u64 {
    let (mut path, core) = session(settings);
    let mut core = DelayCore::new(core, 1.0);
    path.activate();
    let mut submitted = Vec::new();
    for number in 0..200 {
        let mut buffer = vec![vec![0.5; settings.max_block]; 2];
        path.push(&buffer).unwrap();
        submitted.push(path.side().hops() as usize);
        let due = (number + 1_usize).checked_sub(lag + 1).map_or(0, |block| submitted[block]);
        while core.taken.len() < due && core.take() {
            core.give();
        }
        path.pull(&mut buffer).unwrap();
    }
    path.counters().dry
}

/// The turnaround that the session was set up with is enough, and a block more is too much.
#[test]
fn the_announced_turnaround_is_just_enough() {
    for (hop, block, blocks) in
        [(16, 64, 0), (16, 64, 1), (256, 64, 3), (256, 480, 1), (240, 441, 2), (100, 33, 5)]
    {
        let settings = HostSettings {
            hop,
            max_block: block,
            turnaround_s: blocks as f64 * block as f64 / 48_000.0,
            varying_blocks: false,
            ..settings()
        };
        assert_eq!(dry_samples(&settings, blocks), 0, "{settings:?}");
        assert!(dry_samples(&settings, blocks + 1) > 0, "{settings:?}");
    }
}

/// Impulse position equals reported latency, over the block lengths that hosts use.
#[test]
fn the_impulse_comes_exactly_when_it_was_announced() {
    for block in [16, 17, 31, 32, 48, 64, 100, 128, 160, 192, 240, 256, 333, 441, 480, 511, 512] {
        for (core_gain, in_place) in [(0.5, false), (0.5, true), (0.0, false)] {
            let settings = HostSettings {
                hop: 256,
                tail: 512,
                model_delay: 512,
                max_block: block,
                ..settings()
            };
            let (mut path, core) = session(&settings);
            let mut core = DelayCore::new(core, core_gain);
            path.activate();
            let latency = path.latency_samples();
            let impulse = 700;
            let (mut position, mut found) = (0_u64, Vec::new());
            while position < impulse + latency + 1000 {
                let mut buffer = vec![vec![0.0; block]; 2];
                if let Some(at) = impulse.checked_sub(position).filter(|&at| at < block as u64) {
                    buffer[1][at as usize] = 1.0;
                }
                let mut output = vec![vec![0.0; block]; 2];
                path.push(&buffer).unwrap();
                // Without an answer the impulse is dry, at the same place.
                if core_gain > 0.0 {
                    core.run();
                }
                if in_place {
                    path.pull(&mut buffer).unwrap();
                    output = buffer;
                } else {
                    path.pull(&mut output).unwrap();
                }
                assert!(output[0].iter().all(|&v| v == 0.0));
                for (n, &value) in output[1].iter().enumerate().filter(|&(_, &v)| v != 0.0) {
                    found.push((position + n as u64, value));
                }
                position += block as u64;
            }
            let gain = if core_gain > 0.0 { core_gain } else { 1.0 };
            assert_eq!(found, [(impulse + latency, gain)], "block {block}");
            // The check can fail: one sample off is another number.
            assert_ne!(found, [(impulse + latency + 1, gain)]);
        }
    }
}

#[test]
fn a_result_that_comes_within_its_hop_is_heard_from_there_on() {
    // The core answers between two blocks, which is one block of turnaround.
    let turnaround_s = 64.0 / 48_000.0;
    let settings = HostSettings { hop: 1024, tail: 0, max_block: 64, turnaround_s, ..settings() };
    let (mut path, core) = session(&settings);
    let mut core = DelayCore::new(core, -1.0);
    path.activate();
    let mut last = 0.0;
    for number in 0..64 {
        let mut buffer = [[1.0; 64]; 2];
        path.process_in_place(&mut buffer).unwrap();
        // The first hop is due with the 17th block; its result comes five blocks later.
        if number >= 21 {
            core.run();
        }
        last = buffer[0][63];
    }
    assert_eq!(last, -1.0);
    let counters = path.counters();
    assert_eq!(counters.late, 1);
    assert!(counters.dry < 1024 && counters.wet > 2 * 1024, "{counters:?}");
    assert_eq!(core.side.host_counters(), counters);
    assert_eq!(path.side().core_counters().published, core.side.counters().published);
}

#[test]
fn a_missing_result_is_replaced_along_the_tail_of_the_last_one() {
    let settings = HostSettings { tail: 20, ..settings() };
    let (mut path, core) = session(&settings);
    let mut core = DelayCore::new(core, -1.0);
    path.activate();
    let mut signal = Vec::new();
    for number in 0..20 {
        path.push(&[[1.0; 16], [1.0; 16]]).unwrap();
        if number < 10 {
            core.run();
        }
        let mut output = [[0.0; 16]; 2];
        path.pull(&mut output).unwrap();
        signal.extend(output[0]);
    }
    let first = 10 * 16 + path.side().geometry().buffering() as usize;
    assert!(signal[first - 60..first].iter().all(|&v| v == -1.0));
    for (n, &value) in signal[first..first + 20].iter().enumerate() {
        // From -1 to 1 within the tail's 20 samples.
        let gain = 1.0 - (n + 1) as f32 / 20.0;
        assert!((value - (1.0 - 2.0 * gain)).abs() < 1e-5, "{n}: {value}");
    }
    assert!(signal[first + 20..].iter().all(|&v| v == 1.0));
}

#[test]
fn bypass_fades_to_the_delayed_input_and_back() {
    let (mut path, core) = session(&settings());
    let mut core = DelayCore::new(core, -1.0);
    path.activate();
    let mut run = |path: &mut HostPath<_>, blocks: usize| -> Vec<f32> {
        let mut signal = Vec::new();
        for _ in 0..blocks {
            let mut buffer = [[1.0; 50]; 2];
            path.push(&buffer).unwrap();
            core.run();
            path.pull(&mut buffer).unwrap();
            signal.extend(buffer[0]);
        }
        signal
    };
    assert_eq!(run(&mut path, 10).last(), Some(&-1.0));
    path.set_bypass(true);
    let fading = run(&mut path, 10);
    assert_eq!(fading.last(), Some(&1.0));
    assert!(fading.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.01));
    path.set_bypass(false);
    assert_eq!(run(&mut path, 10).last(), Some(&-1.0));
    // Activated while bypassed: dry from the first sample on.
    path.set_bypass(true);
    path.activate();
    let latency = path.latency_samples() as usize;
    let signal = run(&mut path, 10);
    assert!(signal[..latency].iter().all(|&v| v == 0.0));
    assert!(signal[latency..].iter().all(|&v| v == 1.0));
}

#[test]
fn activation_forgets_everything_and_deactivated_means_silent() {
    let (mut path, core) = session(&settings());
    let mut core = DelayCore::new(core, 1.0);
    let mut output = [[f32::NAN; 40]; 2];
    path.process(&[[1.0; 40]; 2], &mut output).unwrap();
    assert_eq!(output, [[0.0; 40]; 2], "never activated");
    for round in 0..3 {
        path.activate();
        assert_eq!(path.side().generation(), 1 + 3 * round);
        path.deactivate();
        path.process(&[[1.0; 40]; 2], &mut output).unwrap();
        assert_eq!(output, [[0.0; 40]; 2]);
        path.deactivate();
        path.activate();
        path.activate();
        let mut position = 0;
        for length in [40, 0, 7, 33, 40, 40] {
            let input = block(2, position, length);
            let mut output = block(2, 0, length);
            path.process(&input, &mut output).unwrap();
            core.run();
            for (channel, output) in output.iter().enumerate() {
                let latency = path.latency_samples();
                assert_eq!(output, &expected(channel, position, length, latency));
            }
            position += length as u64;
        }
    }
}

#[test]
fn a_core_that_dies_during_a_bypass_leaves_no_stale_samples() {
    let (mut path, core) = session(&settings());
    let mut core = DelayCore::new(core, -1.0);
    path.activate();
    let latency = path.latency_samples();
    for number in 0..40_u64 {
        let mut buffer = block(2, number * 50, 50);
        path.push(&buffer).unwrap();
        if number < 20 {
            core.run();
        }
        path.set_bypass(number >= 20);
        path.pull(&mut buffer).unwrap();
        for (n, &value) in buffer[0].iter().enumerate() {
            // Anything between the dry signal and its opposite is made of this very sample.
            let dry = delayed(0, number * 50 + n as u64, latency);
            assert!(value.abs() <= dry.abs() + 1e-6, "block {number}, sample {n}: {value}");
        }
    }
}

#[test]
fn nothing_from_before_an_activation_is_heard_after_it() {
    let settings = HostSettings { model_delay: 0, tail: 0, ..settings() };
    let (mut path, core) = session(&settings);
    let mut core = DelayCore::new(core, -1.0);
    path.activate();
    let mut buffer = [[1.0; 20]; 2];
    path.push(&buffer).unwrap();
    core.run();
    path.pull(&mut buffer).unwrap();
    assert_eq!(buffer[0][14..], [0.0, -1.0, -1.0, -1.0, -1.0, -1.0], "hop 0, from sample 15 on");
    path.activate();
    buffer = [[0.5; 20]; 2];
    path.process_in_place(&mut buffer).unwrap();
    assert_eq!(buffer[1][14..], [0.0, 0.5, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(buffer[1][..14], [0.0; 14]);
}

/// Plays 40 blocks of 32 samples to a core that is away for some of them, with fades around it; bits
/// of all output.
fn around_an_absence(bypass: bool, change: impl Fn(u64, &mut f32)) -> [Vec<u32>; 2] {
    let (mut path, core) = session(&settings());
    let mut core = DelayCore::new(core, 0.5);
    path.set_bypass(bypass);
    path.activate();
    let mut output = [Vec::new(), Vec::new()];
    for number in 0..40_u64 {
        let mut buffer = block(2, number * 32, 32);
        for (n, sample) in (number * 32..).zip(&mut buffer[0]) {
            change(n, sample);
        }
        path.push(&buffer).unwrap();
        if !(6..9).contains(&number) {
            core.run();
        }
        path.pull(&mut buffer).unwrap();
        for (output, samples) in output.iter_mut().zip(&buffer) {
            output.extend(bits(samples));
        }
    }
    output
}

#[test]
fn values_that_are_not_finite_count_as_zeros_wet_dry_and_in_between() {
    let places = |n: u64| n % 37 == 5;
    for bypass in [false, true] {
        let zeros = around_an_absence(bypass, |n, sample| {
            if places(n) {
                *sample = 0.0;
            }
        });
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let replaced = around_an_absence(bypass, |n, sample| {
                if places(n) {
                    *sample = value;
                }
            });
            assert_eq!(replaced, zeros, "{value} {bypass}");
        }
        assert_ne!(around_an_absence(bypass, |_, _| ()), zeros, "the places are heard");
    }
}

/// A path whose core gives half of its input, after `level` was set at sample 1000 of the output.
fn with_level(level: f32, samples: usize, cut: usize) -> Vec<f32> {
    let (mut path, core) = session(&settings());
    let mut core = DelayCore::new(core, 0.5);
    path.activate();
    let mut output = Vec::new();
    while output.len() < 2000 {
        let until_then = 1000_usize.saturating_sub(output.len());
        let length = if until_then > 0 { cut.min(until_then) } else { cut };
        if output.len() == 1000 {
            path.set_level(level, samples);
        }
        let mut buffer = block(2, output.len() as u64, length);
        path.push(&buffer).unwrap();
        core.run();
        path.pull(&mut buffer).unwrap();
        output.extend_from_slice(&buffer[1]);
    }
    assert_eq!(path.counters().dry, 0, "what comes from the core is wet at every level");
    output
}

#[test]
fn a_level_is_reached_at_its_sample_along_a_line_whatever_the_blocks() {
    let latency = session(&settings()).0.latency_samples();
    // 5 ms are 240 samples: as fast as it may be, slower, and much too fast.
    for samples in [240, 600, 1, 0] {
        for level in [0.0, 0.25] {
            let slope = if samples > 1 { (1.0 - level) / samples as f32 } else { 1.0 / 240.0 };
            let reference = with_level(level, samples, 64);
            for (n, &sample) in (0_u64..).zip(&reference) {
                let dry = n.checked_sub(latency).map_or(0.0, |n| noise(1, n));
                // From the core comes half of the input.
                let gain = (1.0 - slope * n.saturating_sub(999) as f32).max(level);
                let expected = dry + gain * (-0.5 * dry);
                assert!((sample - expected).abs() < 1e-5, "{n} {samples} {level}");
                if gain <= 0.0 {
                    assert_eq!(sample.to_bits(), dry.to_bits(), "nothing is nothing");
                }
            }
            for cut in [1, 17, 50] {
                let other = with_level(level, samples, cut);
                assert_eq!(bits(&other[..1990]), bits(&reference[..1990]), "{cut}");
            }
        }
    }
}

#[test]
fn activation_begins_at_the_level_that_is_set() {
    let (mut path, core) = session(&settings());
    let mut core = DelayCore::new(core, 0.5);
    path.set_level(0.0, 500);
    path.activate();
    let latency = path.latency_samples();
    for number in 0..20_u64 {
        let mut buffer = block(2, number * 32, 32);
        path.push(&buffer).unwrap();
        core.run();
        path.pull(&mut buffer).unwrap();
        for (n, sample) in (number * 32..).zip(&buffer[0]) {
            let dry = n.checked_sub(latency).map_or(0.0, |n| noise(0, n));
            assert_eq!(sample.to_bits(), dry.to_bits());
        }
    }
}

#[test]
fn blocks_that_do_not_fit_are_refused_and_nothing_is_consumed() {
    let (mut path, _core) = session(&settings());
    path.activate();
    let mut out = [[0.0; 8], [0.0; 8]];
    let error = path.process(&[[0.0; 8]], &mut out).unwrap_err();
    assert_eq!(error, BlockError::Channels { name: "input", got: 1, expected: 2 });
    assert_eq!(error.to_string(), "input: has 1 channels, the session has 2");
    let error = path.process(&[[0.0; 9]; 2], &mut out).unwrap_err();
    assert_eq!(error, BlockError::Length { name: "output", got: 8, expected: 9 });
    assert!(path.process(&[vec![0.0; 8], vec![0.0; 7]], &mut out).is_err());
    assert_eq!(path.pull(&mut out).unwrap_err(), BlockError::NotPushed { got: 8, available: 0 });
    path.push(&[[0.0; 60]; 2]).unwrap();
    assert_eq!(path.push(&[[0.0; 8]; 2]).unwrap_err(), BlockError::NoRoom { got: 8, room: 4 });
    assert!(path.process(&out.clone(), &mut out).is_err(), "60 samples wait to be pulled");
    assert_eq!(path.waiting(), 60);
    assert_eq!(path.counters(), HostCounters::default());
}

#[test]
fn the_status_is_visible_to_the_other_side() {
    let (mut path, mut core) = session(&settings());
    assert_eq!(path.side().heartbeat_age(5_000), None, "no core yet");
    core.beat(2_000_000_000);
    let age = |now| path.side().heartbeat_age(now).map(|age| age.as_millis());
    assert_eq!(age(2_500_000_000), Some(500));
    assert_eq!(age(1_999_000_000), Some(0), "between two looks at the clock");
    assert_eq!(age(1_000_000_000), None, "a heartbeat from the future");
    path.record_callback(700);
    path.record_callback(300);
    assert_eq!(core.host_counters().worst_callback_ns, 700);
    assert_eq!(path.side().core_counters(), CoreCounters::default());
}
