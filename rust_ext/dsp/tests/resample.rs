//! The resampler: its delay to the sample, its bands, its counts, and any partition.
#![allow(clippy::float_cmp, reason = "equality to the bit is what is promised")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use ndarray::{Array2, ArrayView2, s};
use proptest::prelude::*;
use uncodec_dsp::{ResampleError, StreamingResampler, resampler_pair, round_trip_delay};

const PAIRS: [(u32, u32); 12] = [
    (44_100, 48_000),
    (48_000, 44_100),
    (88_200, 44_100),
    (96_000, 48_000),
    (192_000, 48_000),
    (22_050, 44_100),
    (8_000, 48_000),
    (16_000, 48_000),
    (32_000, 48_000),
    (32_000, 44_100),
    (11_025, 48_000),
    (700, 900),
];

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn push_all(resampler: &mut StreamingResampler, input: &ArrayView2<'_, f32>) -> Array2<f32> {
    let frames = resampler.output_frames(input.ncols());
    let mut out = Array2::from_elem((resampler.channels(), frames), f32::NAN);
    assert_eq!(resampler.push_into(input, &mut out.view_mut()).unwrap(), frames);
    out
}

/// One channel.
fn push(resampler: &mut StreamingResampler, input: &[f32]) -> Vec<f32> {
    push_all(resampler, &ArrayView2::from_shape((1, input.len()), input).unwrap())
        .into_raw_vec_and_offset()
        .0
}

/// Samples of a sum of sines with up to `limit_hz`, faded in, in double precision.
fn tones(len: usize, rate: u32, limit_hz: f64, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let parts: Vec<(f64, f64)> =
        (0..24).map(|_| (random() * limit_hz, random() * std::f64::consts::TAU)).collect();
    (0..len)
        .map(|n| {
            let t = n as f64 / f64::from(rate);
            let sum: f64 =
                parts.iter().map(|(f, p)| (std::f64::consts::TAU * f * t + p).sin()).sum();
            (sum / 24.0) as f32
        })
        .collect()
}

fn power(samples: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = samples.fold((0.0, 0), |(s, n), v| (s + v * v, n + 1));
    sum / f64::from(count)
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.max(1e-30).log10()
}

/// The continuous impulse response, sampled in steps of one input sample divided by `up`, put
/// together from the responses to impulses at all positions that differ.
fn fine_response(resampler: &StreamingResampler, up: usize, down: usize, len: usize) -> Vec<f32> {
    let mut response = vec![f32::NAN; len * up];
    for position in 0..down {
        let mut fresh = resampler.clone();
        let mut input = vec![0.0; len + position];
        input[position] = 1.0;
        for (j, &y) in push(&mut fresh, &input).iter().enumerate() {
            // Output j is at input time j * down / up.
            if let Some(place) =
                (j * down).checked_sub(position * up).filter(|&p| p < response.len())
            {
                response[place] = y;
            }
        }
    }
    response
}

#[test]
fn impulse_response_is_symmetric_about_exactly_the_delay() {
    for (rate_in, rate_out) in PAIRS {
        // The finest grids take long and show nothing that 160 phases do not.
        let common = gcd(rate_in, rate_out);
        let (up, down) = ((rate_out / common) as usize, (rate_in / common) as usize);
        if up * down > 160 * 147 {
            continue;
        }
        for delay_rate in [rate_in, rate_out] {
            let resampler =
                StreamingResampler::with_delay_rate(1, rate_in, rate_out, delay_rate).unwrap();
            let delay = resampler.delay() as usize;
            let centre = if delay_rate == rate_in { delay * up } else { delay * down };
            let response = fine_response(&resampler, up, down, 2 * centre.div_ceil(up) + 4);
            let case = format!("{rate_in} -> {rate_out}, whole at {delay_rate}");
            let peak = response[centre];
            assert!(response.iter().all(|&y| y <= peak), "{case}: peak is not at the centre");
            for distance in 1..=centre {
                let (before, after) = (response[centre - distance], response[centre + distance]);
                assert!((before - after).abs() <= 1e-6 * peak, "{case}: {distance} off the centre");
            }
            assert!(response[2 * centre + 1..].iter().all(|&y| y == 0.0), "{case}: tail");
        }
    }
}

#[test]
fn there_and_back_is_a_delay_of_whole_samples() {
    for (rate, network_rate) in PAIRS {
        let delay = round_trip_delay(rate, network_rate).unwrap() as usize;
        let (mut there, mut back) = resampler_pair(1, rate, network_rate).unwrap();
        let lower = rate.min(network_rate);
        let len = 12 * delay + 2000;
        let input = tones(len, rate, 0.45 * f64::from(lower), 7);
        let output = push(&mut back, &push(&mut there, &input));
        assert!(output.len() >= len, "sample for sample: {} of {len}", output.len());
        // The stream begins with a jump from silence: look after it has gone through.
        let start = 3 * delay;
        let error = power((start..len).map(|n| f64::from(output[n]) - f64::from(input[n - delay])));
        let signal = power(input[start..].iter().map(|&v| f64::from(v)));
        let null = decibels(error / signal);
        assert!(null < -105.0, "{rate} -> {network_rate}: null of only {null:.1} dB");
        // One sample off is no null at all: the measurement can fail.
        let off =
            power((start..len).map(|n| f64::from(output[n]) - f64::from(input[n - delay + 1])));
        assert!(decibels(off / signal) > -60.0);
    }
}

#[test]
fn what_the_lower_rate_cannot_carry_is_stopped() {
    for (rate_in, rate_out) in PAIRS {
        if rate_in < rate_out {
            continue;
        }
        for relative in [0.501, 0.55, 0.7, 0.99] {
            let frequency = relative * f64::from(rate_out);
            if frequency >= f64::from(rate_in) / 2.0 {
                continue;
            }
            let step = std::f64::consts::TAU * frequency / f64::from(rate_in);
            let input: Vec<f32> = (0..20_000).map(|n| (step * f64::from(n)).sin() as f32).collect();
            let mut resampler = StreamingResampler::new(1, rate_in, rate_out).unwrap();
            let output = push(&mut resampler, &input);
            let rest = power(output[1000..].iter().map(|&v| f64::from(v)));
            let level = decibels(rest / 0.5);
            assert!(level < -105.0, "{rate_in} -> {rate_out}: {relative} passes at {level:.1} dB");
        }
    }
}

#[test]
fn what_the_pass_band_carries_arrives_without_images() {
    for (rate_in, rate_out) in PAIRS {
        let lower = f64::from(rate_in.min(rate_out));
        for relative in [0.0, 0.01, 0.2, 0.4, 0.45] {
            let frequency = relative * lower;
            let mut resampler = StreamingResampler::new(1, rate_in, rate_out).unwrap();
            let seconds = resampler.delay() as f64 / f64::from(resampler.delay_rate());
            let at = |t: f64| (std::f64::consts::TAU * frequency * t).cos();
            let input: Vec<f32> =
                (0..6_000).map(|n| at(f64::from(n) / f64::from(rate_in)) as f32).collect();
            let output = push(&mut resampler, &input);
            let settled = (3.0 * seconds * f64::from(rate_out)) as usize;
            let error = power(
                (settled..output.len())
                    .map(|j| f64::from(output[j]) - at(j as f64 / f64::from(rate_out) - seconds)),
            );
            let level = decibels(error / 0.5);
            assert!(level < -105.0, "{rate_in} -> {rate_out}: {relative}: error {level:.1} dB");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_partition_gives_the_same_bits(
        pair in prop::sample::select(PAIRS.to_vec()),
        channels in 1_usize..4,
        mut blocks in prop::collection::vec(0_usize..700, 1..8),
    ) {
        blocks.push(1);
        let samples = 3000;
        let input = tones(channels * samples, 48_000, 20_000.0, 3);
        let input = Array2::from_shape_vec((channels, samples), input).unwrap();
        let mut resampler = StreamingResampler::new(channels, pair.0, pair.1).unwrap();
        let mut copy = resampler.clone();
        let whole = push_all(&mut resampler, &input.view());
        let frames = whole.ncols();
        let total = (samples as u64 * u64::from(pair.1)).div_ceil(u64::from(pair.0));
        prop_assert_eq!(frames as u64, total);
        for round in 0..2 {
            let (mut start, mut written) = (0, 0);
            // Parts of longer buffers, in and out: their channels lie apart in memory.
            let mut parts = Array2::from_elem((channels, frames + 5), f32::NAN);
            for &block in blocks.iter().cycle() {
                let end = samples.min(start + block);
                let mut room = parts.slice_mut(s![.., written..]);
                written += copy.push_into(&input.slice(s![.., start..end]), &mut room).unwrap();
                start = end;
                if start == samples {
                    break;
                }
            }
            prop_assert_eq!(parts.slice(s![.., ..frames]), &whole);
            prop_assert!(parts.slice(s![.., frames..]).iter().all(|sample| sample.is_nan()));
            prop_assert_eq!(written, frames, "round {}", round);
            copy.reset();
        }
    }
}

#[test]
fn equal_rates_pass_everything_through() {
    let (mut there, _) = resampler_pair(1, 44_100, 44_100).unwrap();
    let input = tones(100, 44_100, 22_000.0, 1);
    assert_eq!(push(&mut there, &input), input);
    assert_eq!((there.delay(), round_trip_delay(44_100, 44_100)), (0, Ok(0)));
}

#[test]
fn refusals_say_what_and_consume_nothing() {
    let error = |channels, rate_in, rate_out| {
        StreamingResampler::new(channels, rate_in, rate_out).unwrap_err()
    };
    assert_eq!(error(0, 1, 2), ResampleError::Channels(0));
    assert_eq!(
        error(1, 0, 2).to_string(),
        "rate_in=0: must be a positive number of samples per second"
    );
    assert_eq!(error(1, 2, 0), ResampleError::Rate { name: "rate_out" });
    assert!(matches!(error(1, 191_999, 192_001), ResampleError::FilterTooLarge { .. }));
    assert!(matches!(error(1, u32::MAX, 1), ResampleError::FilterTooLarge { .. }));
    assert_eq!(round_trip_delay(1, 0), Err(ResampleError::Rate { name: "network_rate" }));
    let error = StreamingResampler::with_delay_rate(1, 2, 3, 4).unwrap_err();
    assert_eq!(error.to_string(), "delay_rate=4: must be rate_in=2 or rate_out=3");

    let mut resampler = StreamingResampler::new(2, 1, 3).unwrap();
    let mut error = |channels_in, channels_out, room| {
        let (input, mut out) =
            (Array2::zeros((channels_in, 2)), Array2::zeros((channels_out, room)));
        resampler.push_into(&input.view(), &mut out.view_mut()).unwrap_err()
    };
    assert_eq!(error(2, 2, 5), ResampleError::OutputTooShort { needed: 6, got: 5 });
    assert_eq!(error(1, 2, 6).to_string(), "x: must have 2 channels, got 1");
    assert_eq!(error(2, 3, 6).to_string(), "out: must have 2 channels, got 3");
    assert_eq!(resampler.output_frames(2), 6);
}
