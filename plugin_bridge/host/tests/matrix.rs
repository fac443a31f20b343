//! Latency and samples, with a core, at every rate and block size.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "functions of tests fail like tests")]

mod common;

use common::{Rig, delayed, fill, in_both_formats};
use uncodec_host::core::Behaviour;
use uncodec_host::signal::Random;
use uncodec_host::{Blocks, Format, Mode};

const BLOCKS: [usize; 22] = [
    16, 17, 31, 32, 48, 64, 100, 128, 160, 192, 240, 256, 333, 441, 480, 511, 512, 513, 1000, 1024,
    2048, 4096,
];
const RATES: [f64; 5] = [44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0];

/// What is said at set-up, and with each block.
#[derive(Debug, Clone, Copy)]
struct Modes {
    set_up: Mode,
    data: Mode,
}

const MODES: [Modes; 4] = [
    Modes { set_up: Mode::Realtime, data: Mode::Realtime },
    Modes { set_up: Mode::Offline, data: Mode::Offline },
    Modes { set_up: Mode::Realtime, data: Mode::Offline },
    Modes { set_up: Mode::Offline, data: Mode::Realtime },
];

/// Plays noise until `samples` of it came back, in blocks of the given sizes, over and over, and
/// gives all output.
fn play(
    rig: &Rig,
    channels: usize,
    sizes: &[usize],
    in_place: bool,
    mode: Mode,
    samples: usize,
) -> Vec<Vec<f32>> {
    let longest = sizes.iter().copied().max().unwrap_or(1);
    let mut blocks = Blocks::new(channels, longest, in_place);
    let mut output = vec![Vec::new(); channels];
    let end = rig.plugin.latency() + samples;
    for &length in sizes.iter().cycle() {
        if output[0].len() >= end {
            break;
        }
        fill(&mut blocks, output[0].len(), length);
        assert_eq!(rig.plugin.process(&mut blocks, length, mode), 0);
        for (channel, output) in output.iter_mut().enumerate() {
            output.extend_from_slice(&blocks.output(channel)[..length]);
        }
        if mode == Mode::Realtime {
            // A core that is in time, however busy this machine is.
            rig.core.catch_up();
        }
    }
    output
}

/// The first sample that is not what it must be.
fn first_difference(output: &[Vec<f32>], latency: usize, gain: f32) -> Option<(usize, usize)> {
    output.iter().enumerate().find_map(|(channel, samples)| {
        let wrong = |(n, sample): (usize, &f32)| {
            // Before the beginning there is silence; the core gives it its factor's sign.
            let right = n < latency && sample.abs() <= 0.0
                || n >= latency
                    && sample.to_bits() == (gain * delayed(channel, n, latency)).to_bits();
            (!right).then_some((channel, n))
        };
        samples.iter().enumerate().find_map(wrong)
    })
}

/// What hosts call with: blocks of each size, and blocks of any size, empty ones among them.
fn hosts() -> Vec<Vec<usize>> {
    let mut random = Random::new(11);
    let any = (0..200).map(|_| random.below(700)).collect();
    BLOCKS.iter().map(|&block| vec![block]).chain([any]).collect()
}

fn every_sample_comes_from_the_core_and_as_late_as_reported(format: Format) {
    // A factor of -1 tells wet from dry, and loses no bit.
    let rig = Rig::new(format, "matrix", Behaviour::gain(-1.0));
    let mut case = 0;
    for rate in RATES {
        for sizes in hosts() {
            let channels = 1 + case % 2;
            let in_place = case / 2 % 2 == 0;
            let modes = MODES[case / 4 % 4];
            case += 1;
            check(&rig, rate, &sizes, channels, in_place, modes);
        }
    }
}

fn every_sample_comes_from_the_core_in_the_whole_matrix(format: Format) {
    let rig = Rig::new(format, "whole", Behaviour::gain(-1.0));
    for rate in RATES {
        for sizes in hosts() {
            for case in 0..16 {
                check(&rig, rate, &sizes, 1 + case % 2, case / 2 % 2 == 0, MODES[case / 4]);
            }
        }
    }
}

fn check(rig: &Rig, rate: f64, sizes: &[usize], channels: usize, in_place: bool, modes: Modes) {
    let block = sizes.iter().copied().max().unwrap_or(1);
    let what = format!(
        "{rate} Hz, {} of {block}, {channels} channels, in place {in_place}, {modes:?}",
        sizes.len()
    );
    rig.start(rate, channels, block, modes.set_up);
    let latency = rig.plugin.latency();
    let before = rig.plugin.counters();
    let output = play(rig, channels, sizes, in_place, modes.data, 3000);
    assert_eq!(first_difference(&output, latency, -1.0), None, "{what}");
    assert_eq!(rig.plugin.latency(), latency, "{what}");
    let [wet, dry, late] = rig.plugin.counters();
    assert_eq!((dry - before[1], late - before[2]), (0, 0), "{what}");
    assert!(wet - before[0] > 3000, "{what}");
}

fn the_check_finds_a_latency_that_is_one_off_and_a_dry_sample(format: Format) {
    let rig = Rig::new(format, "control", Behaviour::gain(-1.0));
    rig.start(48_000.0, 2, 256, Mode::Offline);
    let output = play(&rig, 2, &[256], false, Mode::Offline, 3000);
    let latency = rig.plugin.latency();
    assert_eq!(first_difference(&output, latency, -1.0), None);
    assert!(first_difference(&output, latency + 1, -1.0).is_some());
    assert!(first_difference(&output, latency - 1, -1.0).is_some());
    assert!(first_difference(&output, latency, 1.0).is_some());
}

fn an_impulse_comes_where_the_latency_says(format: Format) {
    let rig = Rig::new(format, "impulse", Behaviour::gain(1.0));
    for (case, rate) in RATES.into_iter().enumerate() {
        for block in [17, 256, 1000] {
            rig.start(rate, 2, block, MODES[case % 4].set_up);
            let mut blocks = Blocks::new(2, block, true);
            let (mut position, mut found) = (0, Vec::new());
            while position < rig.plugin.latency() + 3 * block {
                for channel in 0..2 {
                    blocks.input(channel).fill(0.0);
                }
                if position == 0 {
                    blocks.input(0)[0] = 1.0;
                    blocks.input(1)[5] = -0.5;
                }
                rig.plugin.process(&mut blocks, block, Mode::Offline);
                for channel in 0..2 {
                    for (n, &sample) in blocks.output(channel).iter().enumerate() {
                        if sample.abs() > 0.0 {
                            found.push((channel, position + n, sample));
                        }
                    }
                }
                position += block;
            }
            let latency = rig.plugin.latency();
            found.sort_by_key(|found| found.0);
            assert_eq!(found, [(0, latency, 1.0), (1, latency + 5, -0.5)], "{rate} {block}");
        }
    }
}

fn any_partition_of_the_blocks_gives_the_same_bits(format: Format) {
    let rig = Rig::new(format, "partition", Behaviour::gain(0.7));
    let mut random = Random::new(3);
    for rate in [44_100.0, 96_000.0] {
        let mut reference: Option<Vec<Vec<f32>>> = None;
        for round in 0..6 {
            // The announced size, and with it the latency, is the same; the blocks are not.
            rig.start(rate, 2, 512, Mode::Offline);
            let sizes: Vec<usize> = match round {
                0 => vec![512],
                1 => vec![1],
                2 => vec![300, 212],
                _ => (0..200).map(|_| random.below(513)).collect(),
            };
            let samples = if round == 1 { 500 } else { 20_000 };
            let output = play(&rig, 2, &sizes, round % 2 == 0, Mode::Offline, samples);
            let reference = reference.get_or_insert_with(|| output.clone());
            for (one, two) in reference.iter().zip(&output) {
                let same = one.iter().zip(two).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{rate} {round}");
            }
        }
    }
}

fn two_instances_do_not_disturb_each_other(format: Format) {
    let one = Rig::new(format, "one", Behaviour::gain(-1.0));
    let two = Rig::new(format, "two", Behaviour::gain(0.5));
    // A third and a fourth one share a core.
    let module = uncodec_host::Module::load(&uncodec_host::module_path(format)).unwrap();
    let third = module.instantiate_at(&one.place.socket()).unwrap();
    third.set_up(48_000.0, 64, Mode::Realtime);
    third.set_active(true);
    assert!(third.is_connected());
    one.start(44_100.0, 2, 128, Mode::Offline);
    two.start(96_000.0, 1, 100, Mode::Offline);
    let (mut first, mut second) = (Blocks::new(2, 128, true), Blocks::new(1, 100, false));
    let mut outputs = (vec![Vec::new(); 2], vec![Vec::new(); 1]);
    for round in 0..200 {
        fill(&mut first, round * 128, 128);
        fill(&mut second, round * 100, 100);
        assert_eq!(one.plugin.process(&mut first, 128, Mode::Offline), 0);
        assert_eq!(two.plugin.process(&mut second, 100, Mode::Offline), 0);
        for channel in 0..2 {
            outputs.0[channel].extend_from_slice(first.output(channel));
        }
        outputs.1[0].extend_from_slice(second.output(0));
    }
    assert_eq!(first_difference(&outputs.0, one.plugin.latency(), -1.0), None);
    assert_eq!(first_difference(&outputs.1, two.plugin.latency(), 0.5), None);
}

in_both_formats! {
    every_sample_comes_from_the_core_and_as_late_as_reported,
    #[ignore = "takes minutes"] every_sample_comes_from_the_core_in_the_whole_matrix,
    the_check_finds_a_latency_that_is_one_off_and_a_dry_sample,
    an_impulse_comes_where_the_latency_says,
    any_partition_of_the_blocks_gives_the_same_bits,
    two_instances_do_not_disturb_each_other,
}
