//! The latency law, proved by brute force: simulated hosts must get every sample in time with it,
//! and some host must miss one with a sample less.

use uncodec_dsp::{LatencyBudget, LatencyError};

const RATE: f64 = 48_000.0;

/// A host's call: it brings `samples` new samples at the time `at` (in samples) and takes as many.
#[derive(Clone, Copy, Debug)]
struct Call {
    samples: u64,
    at: u64,
}

/// Whether each sample that the host takes is there, with a latency of `latency` samples.
///
/// The model has a delay of `delay` samples; hop `k` is complete with input sample `k * hop - 1`,
/// and gives the model's output samples up to `k * hop - 1`. The host's output sample `i` is the
/// model's output sample `i - latency + delay`. Work that takes no time is done inside the call,
/// other work is ready `turnaround` samples after the call that completed its hop.
fn arrives_in_time(calls: &[Call], hop: u64, delay: u64, turnaround: u64, latency: u64) -> bool {
    let mut given = 0;
    let mut completed = Vec::new(); // (time, model output samples)
    for call in calls {
        given += call.samples;
        completed.push((call.at, given / hop * hop));
        let ready = completed.iter().rev().find(|(at, _)| at + turnaround <= call.at);
        let ready = ready.map_or(0, |&(_, samples)| samples);
        // The last sample of the call is the newest that is asked for.
        let Some(asked) = (given + delay).checked_sub(latency) else { continue };
        if asked > ready {
            return false;
        }
    }
    true
}

/// Calls of `block` samples each, paced by the audio clock.
fn fixed(block: u64, calls: u64) -> Vec<Call> {
    (1..=calls).map(|k| Call { samples: block, at: k * block }).collect()
}

/// The same, but the first block is only `first` samples long, and each block is cut into parts of
/// `part` samples, which come at the same time.
fn cut(block: u64, first: u64, part: u64, blocks: u64) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut at = 0;
    for k in 0..blocks {
        let mut left = if k == 0 { first } else { block };
        at += left;
        while left > 0 {
            let samples = left.min(part);
            calls.push(Call { samples, at });
            left -= samples;
        }
    }
    calls
}

fn budget(hop: u64, block: u64, delay: u64, turnaround: u64, varying: bool) -> LatencyBudget {
    LatencyBudget {
        model_delay: delay,
        hop,
        block,
        turnaround_s: turnaround as f64 / RATE,
        sample_rate: RATE,
        varying_blocks: varying,
    }
}

#[test]
fn fixed_blocks_need_exactly_the_law() {
    for hop in 1..=12 {
        for block in 1..=12 {
            for turnaround in 0..=2 * block + 2 {
                for delay in [0, 5] {
                    let law = budget(hop, block, delay, turnaround, false).samples().unwrap();
                    let calls = fixed(block, 2 * hop + turnaround + 4);
                    let ok = |latency| arrives_in_time(&calls, hop, delay, turnaround, latency);
                    let case = format!("H={hop} D={block} T={turnaround} A={delay} L={law}");
                    assert!(ok(law), "not sufficient: {case}");
                    assert!(law == 0 || !ok(law - 1), "not minimal: {case}");
                }
            }
        }
    }
}

#[test]
fn cut_blocks_need_exactly_the_law() {
    for hop in 1..=9 {
        for block in 1..=9 {
            for turnaround in 0..=2 * block + 2 {
                let law = budget(hop, block, 0, turnaround, true).samples().unwrap();
                let case = format!("H={hop} D={block} T={turnaround} L={law}");
                let mut shortest = 0;
                for first in 1..=block {
                    for part in 1..=block {
                        let calls = cut(block, first, part, 2 * hop + turnaround + 4);
                        let ok = |latency| arrives_in_time(&calls, hop, 0, turnaround, latency);
                        assert!(ok(law), "not sufficient: {case} first={first} part={part}");
                        while !ok(shortest) {
                            shortest += 1;
                        }
                    }
                }
                assert_eq!(shortest, law, "not minimal: {case}");
            }
        }
    }
}

/// What the documentation says about hosts whose calls themselves come irregularly.
#[test]
fn irregular_calls_need_one_block_more_of_turnaround() {
    let (hop, block, turnaround) = (4, 5, 5);
    let mut too_late = false;
    // All sequences of eight blocks of 1, 3 or 5 samples, over and over.
    for code in 0..3_usize.pow(8) {
        let sizes = (0..8).map(|digit| [1, 3, 5][code / 3_usize.pow(digit) % 3]);
        let mut at = 0;
        let calls: Vec<Call> = sizes
            .cycle()
            .take(24)
            .map(|samples| {
                at += samples;
                Call { samples, at }
            })
            .collect();
        let plain = budget(hop, block, 0, turnaround, true).samples().unwrap();
        let more = budget(hop, block, 0, turnaround + block - 1, true).samples().unwrap();
        too_late |= !arrives_in_time(&calls, hop, 0, turnaround, plain);
        assert!(arrives_in_time(&calls, hop, 0, turnaround, more), "{calls:?}");
    }
    assert!(too_late, "the advice would be needless");
}

#[test]
fn a_turnaround_of_whole_blocks_costs_that_many_blocks() {
    for block in [1_u64, 32, 441, 480, 511, 4096] {
        for rate in [8_000.0, 44_100.0, 48_000.0, 192_000.0] {
            for blocks in 0..50_u64 {
                let budget = LatencyBudget {
                    model_delay: 0,
                    hop: 1,
                    block,
                    turnaround_s: (blocks * block) as f64 / rate,
                    sample_rate: rate,
                    varying_blocks: false,
                };
                assert_eq!(budget.samples(), Ok(blocks * block), "{budget:?}");
            }
        }
    }
}

#[test]
fn budgets_without_sense_are_refused() {
    let good = budget(4, 4, 0, 0, false);
    let message = |budget: LatencyBudget| budget.samples().unwrap_err().to_string();
    assert_eq!(message(LatencyBudget { hop: 0, ..good }), "hop=0: must be a positive integer");
    assert_eq!(message(LatencyBudget { block: 0, ..good }), "block=0: must be a positive integer");
    for turnaround_s in [-1.0, f64::NAN, f64::INFINITY] {
        let error = LatencyBudget { turnaround_s, ..good }.samples().unwrap_err();
        assert!(matches!(error, LatencyError::Turnaround(_)), "{error}");
    }
    for sample_rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let bad = LatencyBudget { sample_rate, turnaround_s: 1.0, ..good };
        assert!(matches!(bad.samples(), Err(LatencyError::SampleRate(_))));
        // Without a turnaround the rate plays no part.
        assert_eq!(LatencyBudget { sample_rate, ..good }.samples(), Ok(0));
    }
    for bad in [
        LatencyBudget { turnaround_s: 1e300, ..good },
        LatencyBudget { turnaround_s: 1e15, block: u64::MAX / 2, ..good },
        LatencyBudget { model_delay: u64::MAX, hop: 3, ..good },
    ] {
        assert!(matches!(bad.samples(), Err(LatencyError::TooLong { .. })), "{bad:?}");
    }
}
