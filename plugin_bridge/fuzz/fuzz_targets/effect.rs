//! Everything that a host can hand over to the effect.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use uncodec_effect::block::Block;
use uncodec_effect::effect::Effect;
use uncodec_effect::parameters::Parameter;
use uncodec_effect::state::{self, decode};
use uncodec_proto::Reference;

#[derive(Debug, Arbitrary)]
enum Step {
    SetUp {
        rate: u32,
        fraction: bool,
        longest: u16,
        offline: bool,
    },
    Channels(u8),
    Active(bool),
    Set {
        id: u8,
        value: f64,
    },
    /// A state of its own, with bytes overwritten, and perhaps with a reference.
    Restore {
        levels: Vec<f32>,
        changes: Vec<(u16, u8)>,
        length: u16,
    },
    Process {
        length: u16,
        value: f32,
        places: u8,
        amount: Vec<(u16, f64)>,
        bypass: Vec<(u16, f64)>,
    },
}

const LONGEST: usize = 4096;

fn process(effect: &Effect, samples: &mut [Vec<f32>; 4], step: &Step) {
    let Step::Process { length, value, places, amount, bypass } = step else { return };
    let length = usize::from(*length) % (LONGEST + 1);
    let sample = |n: usize| if n.is_multiple_of(3) { -*value } else { *value };
    for buffer in samples.iter_mut() {
        buffer.iter_mut().enumerate().for_each(|(n, v)| *v = sample(n));
        // Room for exactly so much: the sanitizer sees what is beyond.
        buffer.truncate(length);
        buffer.shrink_to_fit();
    }
    let there = |bit: u8| places & (1 << bit) != 0;
    let [left, right, out_left, out_right] = samples;
    let inputs = [
        if there(0) { left.as_ptr() } else { std::ptr::null() },
        if there(1) { right.as_ptr() } else { std::ptr::null() },
    ];
    let outputs = [
        match (there(2), there(4)) {
            (true, true) => left.as_mut_ptr(),
            (true, false) => out_left.as_mut_ptr(),
            _ => std::ptr::null_mut(),
        },
        match (there(3), there(5)) {
            (true, true) => right.as_mut_ptr(),
            (true, false) => out_right.as_mut_ptr(),
            _ => std::ptr::null_mut(),
        },
    ];
    let points = |points: &[(u16, f64)]| -> Vec<(usize, f64)> {
        points.iter().map(|&(offset, value)| (offset.into(), value)).collect()
    };
    let (amount, bypass) = (points(amount), points(bypass));
    // SAFETY: null, or a buffer of so many samples that lives until the end of this function.
    let mut block = unsafe { Block::new(inputs, outputs, length) };
    effect.process(&mut block, (&amount[..], &bypass[..]), false);
    let silent = block.silent_outputs();
    for (channel, output) in outputs.into_iter().enumerate() {
        if output.is_null() {
            continue;
        }
        // SAFETY: as above.
        let output = unsafe { std::slice::from_raw_parts(output, length) };
        assert!(output.iter().all(|sample| sample.is_finite()));
        let zeros = output.iter().all(|&sample| sample == 0.0);
        assert_eq!(silent & (1 << channel) != 0, zeros);
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let effect = Effect::new();
    for step in steps.iter().take(30) {
        match step {
            Step::SetUp { rate, fraction, longest, offline } => {
                let rate = f64::from(*rate) / if *fraction { 7.0 } else { 1.0 };
                let ran = effect.set_up(rate, usize::from(*longest), *offline).is_ok();
                assert_eq!(effect.latency() > 0, ran);
            }
            Step::Channels(channels) => {
                let taken = effect.set_channels(usize::from(*channels));
                assert_eq!(taken, matches!(channels, 1 | 2));
            }
            Step::Active(active) => effect.set_active(*active),
            Step::Set { id, value } => {
                if let Some(parameter) = Parameter::from_id((*id).into()) {
                    effect.set(parameter, *value);
                    assert!((0.0..=1.0).contains(&effect.values().get(parameter)));
                }
            }
            Step::Restore { levels, changes, length } => {
                let mut bytes = effect.save().to_vec();
                if let Ok(reference) = Reference::new("fuzz", 46.875, 20_000.0, levels) {
                    bytes[512..].copy_from_slice(&reference.encode());
                }
                for &(place, value) in changes {
                    let place = usize::from(place) % bytes.len();
                    bytes[place] = value;
                }
                if !changes.is_empty() {
                    bytes.truncate(usize::from(*length) % (2 * state::BYTES));
                }
                if effect.restore(&bytes).is_ok() {
                    let taken = decode(&bytes).expect("it was taken");
                    let saved = decode(&effect.save()).expect("it is its own");
                    assert_eq!((taken.seed, taken.bypass), (saved.seed, saved.bypass));
                    assert!((taken.amount - saved.amount).abs() < 1e-12);
                    assert!((taken.brightness_db - saved.brightness_db).abs() < 1e-12);
                    assert!((taken.likeness - saved.likeness).abs() < 1e-12);
                    assert_eq!(taken.reference, saved.reference);
                    assert_eq!(taken.model, saved.model);
                }
            }
            Step::Process { .. } => {
                let mut samples = std::array::from_fn(|_| vec![0.0; LONGEST]);
                process(&effect, &mut samples, step);
            }
        }
    }
});
