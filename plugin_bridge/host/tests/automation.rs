//! Changes of amount and bypass, each at its sample, whatever the blocks.
#![cfg(target_os = "linux")]
#![allow(clippy::cast_possible_wrap, reason = "blocks are short")]

mod common;

use common::{Rig, delayed, fill, in_both_formats};
use uncodec_host::core::Behaviour;
use uncodec_host::{Blocks, Change, Format, Mode};

const AMOUNT: u32 = 0;
const BYPASS: u32 = 1;
const RATE: f64 = 48_000.0;
/// A fade from all to nothing.
const FADE: usize = 240;
const BLOCK: usize = 1024;
/// Of the core: what it adds to the input is what it takes away from it.
const GAIN: f32 = 0.5;

/// A change at a sample of the whole signal.
type Point = (u32, usize, f64);

/// Plays `samples` with these changes in blocks of a size; all output of the left channel.
fn play(rig: &Rig, block: usize, samples: usize, points: &[Point]) -> Vec<f32> {
    rig.plugin.set_active(false);
    rig.plugin.set_parameter(AMOUNT, 1.0);
    rig.plugin.set_parameter(BYPASS, 0.0);
    // The same latency for all sizes.
    rig.start(RATE, 2, BLOCK, Mode::Offline);
    let mut blocks = Blocks::new(2, BLOCK, true);
    let mut output = Vec::new();
    while output.len() < samples {
        let from = output.len();
        let length = block.min(samples - from);
        let mut changes: Vec<Change> = points
            .iter()
            .filter(|(_, at, _)| (from..from + length).contains(at))
            .map(|&(id, at, value)| Change { id, offset: (at - from) as i32, value })
            .collect();
        changes.sort_by_key(|change| change.offset);
        let changes = rig.plugin.changes(&changes);
        fill(&mut blocks, from, length);
        let result = rig.plugin.process_changing(&mut blocks, length, Mode::Offline, &changes);
        assert_eq!(result, 0);
        output.extend_from_slice(&blocks.output(0)[..length]);
    }
    output
}

/// How much of the core's result is in each sample; nothing for samples too small to tell.
fn levels(rig: &Rig, output: &[f32]) -> Vec<Option<f32>> {
    let latency = rig.plugin.latency();
    let level = |(n, &sample): (usize, &f32)| {
        let dry = delayed(0, n, latency);
        (dry.abs() > 0.01).then(|| (sample - dry) / (GAIN * dry - dry))
    };
    output.iter().enumerate().map(level).collect()
}

fn check(rig: &Rig, output: &[f32], expected: impl Fn(usize) -> f32) {
    let mut compared = 0;
    for (n, level) in levels(rig, output).into_iter().enumerate() {
        let Some(level) = level else { continue };
        assert!((level - expected(n)).abs() < 1e-4, "{n}: {level}, must be {}", expected(n));
        compared += 1;
    }
    assert!(compared > output.len() / 3);
}

/// From 1 to 0 in a straight line, 0 at `end`.
fn falling(n: usize, end: usize, length: usize) -> f32 {
    ((end as f32 - n as f32) / length as f32).clamp(0.0, 1.0)
}

fn bypass_begins_and_ends_at_its_sample(format: Format) {
    let rig = Rig::new(format, "bypass", Behaviour::gain(GAIN));
    let (off, on) = (6003, 7007);
    let points = [(BYPASS, off, 1.0), (BYPASS, on, 0.0)];
    let output = play(&rig, BLOCK, 9 * BLOCK, &points);
    check(&rig, &output, |n| {
        let rising = (n as f32 + 1.0 - on as f32) / FADE as f32;
        falling(n + 1, off + FADE, FADE).max(rising.clamp(0.0, 1.0))
    });
}

fn both_of_two_changes_in_one_block_are_heard(format: Format) {
    let rig = Rig::new(format, "both", Behaviour::gain(GAIN));
    let start = 5 * BLOCK;
    let points = [(BYPASS, start + 100, 1.0), (BYPASS, start + 600, 0.0)];
    let levels = levels(&rig, &play(&rig, BLOCK, start + BLOCK, &points));
    let mean = |from: usize| {
        let known: Vec<f32> =
            levels[start + from..start + from + 50].iter().flatten().copied().collect();
        known.iter().sum::<f32>() / known.len() as f32
    };
    assert!((mean(40) - 1.0).abs() < 1e-4);
    assert!(mean(500).abs() < 1e-4);
    assert!((mean(900) - 1.0).abs() < 1e-4);
}

#[test]
fn the_amount_follows_straight_lines_from_point_to_point() {
    let rig = Rig::new(Format::Vst3, "lines", Behaviour::gain(GAIN));
    // The first point of a block is reached from where the block before it ended.
    let a = 5 * BLOCK - 1;
    let (b, c) = (a + 400, a + 900);
    let points = [(AMOUNT, b, 0.25), (AMOUNT, c, 0.75)];
    let output = play(&rig, BLOCK, 7 * BLOCK, &points);
    check(&rig, &output, |n| match n {
        n if n <= a => 1.0,
        n if n <= b => 1.0 - 0.75 * (n - a) as f32 / (b - a) as f32,
        n if n <= c => 0.25 + 0.5 * (n - b) as f32 / (c - b) as f32,
        _ => 0.75,
    });
}

// In CLAP a value holds from its event on.
#[test]
fn the_amount_steps_at_its_events() {
    let rig = Rig::new(Format::Clap, "steps", Behaviour::gain(GAIN));
    let (a, b) = (5 * BLOCK, 5 * BLOCK + 700);
    // Of two at the same sample the last one counts.
    let points = [(AMOUNT, a, 0.9), (AMOUNT, a, 0.25), (AMOUNT, b, 0.75)];
    let output = play(&rig, BLOCK, 7 * BLOCK, &points);
    let line = |from: f32, to: f32, n: usize, start: usize| {
        let gone = (n as f32 + 1.0 - start as f32) / FADE as f32;
        if from > to { (from - gone).max(to) } else { (from + gone).min(to) }
    };
    check(&rig, &output, |n| match n {
        n if n < a => 1.0,
        n if n < b => line(1.0, 0.25, n, a),
        n => line(0.25, 0.75, n, b),
    });
}

fn an_amount_that_jumps_does_so_at_its_sample_without_a_step(format: Format) {
    let rig = Rig::new(format, "jump", Behaviour::gain(GAIN));
    let at = 5 * BLOCK + 333;
    for points in [
        vec![(AMOUNT, at - 1, 1.0), (AMOUNT, at, 0.0)],
        match format {
            // The same sample twice, which means the one after it.
            Format::Vst3 => vec![(AMOUNT, at - 1, 1.0), (AMOUNT, at - 1, 0.0)],
            Format::Clap => vec![(AMOUNT, at, 1.0), (AMOUNT, at, 0.0)],
        },
    ] {
        let output = play(&rig, BLOCK, 7 * BLOCK, &points);
        check(&rig, &output, |n| falling(n + 1, at + FADE, FADE));
    }
}

fn a_knob_that_is_turned_between_blocks_makes_no_step(format: Format) {
    let rig = Rig::new(format, "knob", Behaviour::gain(GAIN));
    rig.start(RATE, 2, BLOCK, Mode::Offline);
    let mut blocks = Blocks::new(2, BLOCK, true);
    let mut output = Vec::new();
    for round in 0..8 {
        if round == 5 {
            rig.plugin.set_parameter(AMOUNT, 0.0);
        }
        fill(&mut blocks, round * BLOCK, BLOCK);
        assert_eq!(rig.plugin.process(&mut blocks, BLOCK, Mode::Offline), 0);
        output.extend_from_slice(blocks.output(0));
    }
    check(&rig, &output, |n| falling(n + 1, 5 * BLOCK + FADE, FADE));
    assert_eq!(rig.plugin.counters()[1], 0, "it all came from the core");
}

/// Lines from point to point, jumps and bypass, as a host with blocks of this size sends them: a
/// block has to have a point where it begins to speak of a line that is under way.
fn curve(format: Format, block: usize) -> Vec<Point> {
    if format == Format::Clap {
        // There are no lines in this format, and steps are the same whatever the blocks.
        let steps = [(5000, 0.3), (5001, 0.31), (5600, 0.0), (6100, 0.5), (6144, 0.9)];
        let amounts = steps.map(|(at, level)| (AMOUNT, at, level));
        return amounts.into_iter().chain([(BYPASS, 7000, 1.0), (BYPASS, 7300, 0.0)]).collect();
    }
    let level = |n: usize| match n {
        0..5000 => 1.0,
        5000..5600 => 1.0 - (n - 5000) as f64 / 600.0,
        5600..6100 => 0.0,
        _ => 0.5,
    };
    let ends = (block..9000).step_by(block).map(|end| end - 1);
    let mut places: Vec<usize> = [5000, 5599, 5600, 6099, 6100].into_iter().chain(ends).collect();
    places.sort_unstable();
    places.dedup();
    let mut points: Vec<Point> = places.into_iter().map(|n| (AMOUNT, n, level(n))).collect();
    points.extend([(BYPASS, 7000, 1.0), (BYPASS, 7300, 0.0)]);
    points
}

fn the_same_curve_gives_the_same_samples_whatever_the_blocks(format: Format) {
    let rig = Rig::new(format, "cuts", Behaviour::gain(GAIN));
    let reference = play(&rig, BLOCK, 9000, &curve(format, BLOCK));
    for block in [64, 333, 480] {
        let other = play(&rig, block, 9000, &curve(format, block));
        for (n, (one, two)) in reference.iter().zip(&other).enumerate() {
            assert!((one - two).abs() < 1e-5, "{block}: {n}");
        }
    }
}

fn points_out_of_place_do_no_harm(format: Format) {
    let rig = Rig::new(format, "astray", Behaviour::gain(GAIN));
    rig.start(RATE, 2, BLOCK, Mode::Offline);
    let mut blocks = Blocks::new(2, BLOCK, true);
    let astray = [i32::MIN, -1, 5, 5, 3, BLOCK as i32 - 1, BLOCK as i32, i32::MAX, 0];
    let changes: Vec<Change> = astray
        .iter()
        .flat_map(|&offset| {
            [(AMOUNT, f64::NAN), (AMOUNT, 7.0), (BYPASS, 1.0), (BYPASS, 0.0), (99, 0.5)]
                .map(|(id, value)| Change { id, offset, value })
        })
        .collect();
    for round in 0..8 {
        for length in [BLOCK, 1, 0, 7] {
            fill(&mut blocks, round * BLOCK, length);
            let result = rig.plugin.process_changing(
                &mut blocks,
                length,
                Mode::Offline,
                &rig.plugin.changes(&changes),
            );
            assert_eq!(result, 0);
            assert!(blocks.output(0)[..length].iter().all(|sample| sample.is_finite()));
        }
    }
    // The last point of each is what stays.
    assert!((rig.plugin.parameter(AMOUNT) - 1.0).abs() < 1e-12);
    assert!(rig.plugin.parameter(BYPASS).abs() < 1e-12);
}

fn samples_that_are_not_finite_count_as_zeros_wet_dry_and_bypassed(format: Format) {
    let rig = Rig::new(format, "finite", Behaviour::gain(GAIN));
    let mut heard = Vec::new();
    for bad in [0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut output = Vec::new();
        for bypass in [0.0, 1.0] {
            rig.plugin.set_active(false);
            rig.plugin.set_parameter(AMOUNT, 0.7);
            rig.plugin.set_parameter(BYPASS, bypass);
            rig.start(RATE, 2, BLOCK, Mode::Offline);
            let mut blocks = Blocks::new(2, BLOCK, true);
            for round in 0..6 {
                fill(&mut blocks, round * BLOCK, BLOCK);
                blocks.input(0)[200] = bad;
                assert_eq!(rig.plugin.process(&mut blocks, BLOCK, Mode::Offline), 0);
                output.extend(blocks.output(0).iter().map(|sample| sample.to_bits()));
            }
        }
        heard.push(output);
    }
    assert!(heard.iter().all(|one| *one == heard[0]));
}

in_both_formats! {
    bypass_begins_and_ends_at_its_sample,
    both_of_two_changes_in_one_block_are_heard,
    an_amount_that_jumps_does_so_at_its_sample_without_a_step,
    a_knob_that_is_turned_between_blocks_makes_no_step,
    the_same_curve_gives_the_same_samples_whatever_the_blocks,
    points_out_of_place_do_no_harm,
    samples_that_are_not_finite_count_as_zeros_wet_dry_and_bypassed,
}
