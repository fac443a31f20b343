//! The streaming transforms: against the definition, for any partition, and back to the samples.
#![allow(clippy::float_cmp, reason = "equality to the bit is what is promised")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use proptest::prelude::*;
use uncodec_dsp::{
    Complex32, InverseFrames, MAX_CHANNELS, StftError, StreamingStft, WindowError, synthesis_window,
};

fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

fn root_hann(length: usize) -> Vec<f32> {
    (0..length).map(|n| (std::f32::consts::PI * n as f32 / length as f32).sin()).collect()
}

/// A window that rises slowly over most of its length and falls over the last `fall` samples.
fn asymmetric(length: usize, fall: usize) -> Vec<f32> {
    let (rise, half) = ((length - fall) as f32, std::f32::consts::FRAC_PI_2);
    let up = (0..length - fall).map(|n| (half * (n as f32 + 0.5) / rise).sin());
    up.chain((0..fall).map(|n| (half * (n as f32 + 0.5) / fall as f32).cos())).collect()
}

/// Spectra of the whole of `input`, pushed in blocks of the given sizes over and over.
fn push_in_blocks(stft: &mut StreamingStft, input: &[f32], blocks: &[usize]) -> Vec<Complex32> {
    let channels = stft.channels();
    let samples = input.len() / channels;
    let mut spectra = Vec::new();
    let mut start = 0;
    for &block in blocks.iter().cycle() {
        let end = samples.min(start + block);
        let part: Vec<f32> = (0..channels)
            .flat_map(|c| &input[c * samples + start..c * samples + end])
            .copied()
            .collect();
        let frames = stft.frames_for(end - start);
        let mut out = vec![Complex32::default(); frames * channels * stft.bins()];
        assert_eq!(stft.push_into(&part, &mut out).unwrap(), frames);
        spectra.extend(out);
        start = end;
        if start == samples {
            return spectra;
        }
    }
    unreachable!("blocks is not empty")
}

#[test]
fn frames_follow_the_definition() {
    for (length, hop) in [(8, 4), (9, 3), (12, 5), (7, 10), (1, 1), (2, 3)] {
        let (channels, samples) = (2, 40);
        let input = noise(channels * samples, 1);
        let window = noise(length, 2);
        let mut stft = StreamingStft::new(channels, &window, hop).unwrap();
        let spectra = push_in_blocks(&mut stft, &input, &[samples]);
        let bins = stft.bins();
        assert_eq!(spectra.len(), samples / hop * channels * bins);
        assert_eq!(stft.pending(), samples % hop);
        for (index, got) in spectra.iter().enumerate() {
            let (frame, channel, bin) =
                (index / bins / channels, index / bins % channels, index % bins);
            let (mut re, mut im) = (0.0, 0.0);
            for (n, &w) in window.iter().enumerate() {
                let Some(place) = ((frame + 1) * hop + n).checked_sub(length) else { continue };
                let x = f64::from(input[channel * samples + place] * w);
                let angle = -std::f64::consts::TAU * (bin * n) as f64 / length as f64;
                re += x * angle.cos();
                im += x * angle.sin();
            }
            let error = (f64::from(got.re) - re).hypot(f64::from(got.im) - im);
            assert!(error < 1e-5, "{length}/{hop} frame {frame} bin {bin}: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_partition_gives_the_same_bits(
        length in 1_usize..40,
        hop in 1_usize..50,
        channels in 1_usize..4,
        mut blocks in prop::collection::vec(0_usize..130, 1..12),
        seed in 1_u32..1000,
    ) {
        blocks.push(1); // at least one block makes progress
        let input = noise(channels * 300, seed);
        let window = noise(length, seed + 1);
        let mut stft = StreamingStft::new(channels, &window, hop).unwrap();
        let mut copy = stft.clone();
        let whole = push_in_blocks(&mut stft, &input, &[300]);
        prop_assert_eq!(&push_in_blocks(&mut copy, &input, &blocks), &whole);
        // After a reset the stream begins anew.
        copy.reset();
        prop_assert_eq!(copy.pending(), 0);
        prop_assert_eq!(&push_in_blocks(&mut copy, &input, &blocks), &whole);
    }

    #[test]
    fn analysis_and_synthesis_are_the_identity(
        hop in 1_usize..20,
        overlap in 1_usize..6,
        extra in 0_usize..30,
        short in any::<bool>(),
        seed in 1_u32..1000,
    ) {
        let synthesis_length = hop * overlap;
        let length = synthesis_length + if short { extra } else { 0 };
        // A window without zeros: any hop up to its length can be inverted.
        let window: Vec<f32> = if short {
            asymmetric(length + synthesis_length, synthesis_length)[synthesis_length..].to_vec()
        } else {
            noise(length, seed).iter().map(|v| v.abs() + 0.1).collect()
        };
        let synthesis = synthesis_window(&window, hop, Some(synthesis_length)).unwrap();
        prop_assert!(synthesis[..length - synthesis_length].iter().all(|&s| s == 0.0));
        let input = noise(20 * (length + hop), seed);
        let mut stft = StreamingStft::new(1, &window, hop).unwrap();
        let spectra = push_in_blocks(&mut stft, &input, &[input.len()]);
        let mut inverse = InverseFrames::new(1, length).unwrap();
        let mut frames = vec![0.0; spectra.len() / stft.bins() * length];
        inverse.inverse_into(&spectra, &mut frames).unwrap();
        let mut output = vec![0.0_f64; input.len() + length];
        for (k, frame) in frames.chunks_exact(length).enumerate() {
            for (n, (&y, &s)) in frame.iter().zip(&synthesis).enumerate() {
                output[(k + 1) * hop + n] += f64::from(y) * f64::from(s);
            }
        }
        // Sample n is at length + n, complete as soon as synthesis_length later samples are there.
        for (n, &x) in input[..input.len() - synthesis_length - hop].iter().enumerate() {
            let error = (output[length + n] - f64::from(x)).abs();
            prop_assert!(error < 1e-5, "sample {}: {}", n, error);
        }
    }
}

#[test]
fn a_root_hann_window_is_its_own_dual() {
    let window = root_hann(64);
    let synthesis = synthesis_window(&window, 32, None).unwrap();
    for (a, s) in window.iter().zip(&synthesis) {
        assert!((a - s).abs() < 1e-6);
    }
}

#[test]
fn a_short_synthesis_window_begins_without_a_step() {
    let window = asymmetric(512, 64);
    let synthesis = synthesis_window(&window, 64, Some(128)).unwrap();
    let peak = synthesis.iter().fold(0.0_f32, |m, &s| m.max(s));
    let step = synthesis.windows(2).fold(0.0_f32, |m, w| m.max((w[1] - w[0]).abs()));
    assert!(step < 0.05 * peak, "step {step}, peak {peak}");
}

#[test]
fn refusals_say_what_and_consume_nothing() {
    let window = root_hann(8);
    assert_eq!(StreamingStft::new(0, &window, 4).unwrap_err(), StftError::Channels(0));
    assert_eq!(
        StreamingStft::new(usize::MAX, &window, 4).unwrap_err().to_string(),
        format!("channels={}: must be in 1..={MAX_CHANNELS}", usize::MAX)
    );
    assert_eq!(StreamingStft::new(1, &[], 4).unwrap_err(), StftError::WindowLength(0));
    assert_eq!(StreamingStft::new(1, &window, 0).unwrap_err(), StftError::ZeroHop);
    assert_eq!(
        StreamingStft::new(1, &[1.0, f32::INFINITY], 1).unwrap_err().to_string(),
        "window[1]=inf: must be finite"
    );
    assert_eq!(InverseFrames::new(1, usize::MAX).unwrap_err(), StftError::WindowLength(usize::MAX));

    let mut stft = StreamingStft::new(2, &window, 4).unwrap();
    let mut out = vec![Complex32::default(); 2 * stft.bins()];
    stft.push_into(&[1.0; 6], &mut out).unwrap();
    let error = stft.push_into(&[1.0; 12], &mut out).unwrap_err();
    assert_eq!(error, StftError::OutputTooShort { needed: 2, got: 1 });
    assert_eq!(error.to_string(), "out: holds 1 frames, must hold at least 2");
    assert_eq!(
        stft.push_into(&[1.0; 3], &mut out).unwrap_err().to_string(),
        "x: holds 3 samples, which is no multiple of channels=2"
    );
    assert_eq!(stft.pending(), 3);

    let mut inverse = InverseFrames::new(2, 8).unwrap();
    assert_eq!(
        inverse.inverse_into(&out[..9], &mut [0.0; 16]).unwrap_err(),
        StftError::PartialSpectra { len: 9, frame: 10 }
    );
    assert_eq!(
        inverse.inverse_into(&out, &mut [0.0; 15]).unwrap_err(),
        StftError::OutputLength { needed: 16, got: 15 }
    );
}

#[test]
fn the_number_of_frames_is_known_for_any_number_of_samples() {
    let mut stft = StreamingStft::new(1, &[1.0; 4], 3).unwrap();
    stft.push_into(&[0.0; 2], &mut []).unwrap();
    assert_eq!(stft.frames_for(0), 0);
    assert_eq!(stft.frames_for(1), 1);
    // Two samples are waiting, and usize::MAX is a multiple of 3.
    assert_eq!(stft.frames_for(usize::MAX), usize::MAX / 3);
    assert_eq!(stft.frames_for(usize::MAX - 2), usize::MAX / 3);
    assert_eq!(stft.frames_for(usize::MAX - 3), usize::MAX / 3 - 1);
}

#[test]
fn imaginary_parts_that_no_real_signal_has_are_ignored() {
    for length in [6, 7] {
        let mut inverse = InverseFrames::new(1, length).unwrap();
        let mut spectrum: Vec<Complex32> =
            noise(2 * inverse.bins(), 3).chunks(2).map(|p| Complex32::new(p[0], p[1])).collect();
        let (mut one, mut other) = (vec![0.0; length], vec![0.0; length]);
        inverse.inverse_into(&spectrum, &mut one).unwrap();
        spectrum[0].im = 7.0;
        if length == 6 {
            spectrum[3].im = -7.0;
        }
        inverse.inverse_into(&spectrum, &mut other).unwrap();
        assert_eq!(one, other);
    }
}

#[test]
fn window_pairs_that_cannot_work_are_refused() {
    let message = |result: Result<Vec<f32>, WindowError>| result.unwrap_err().to_string();
    assert!(message(synthesis_window(&[], 1, None)).starts_with("analysis: holds 0 samples"));
    assert_eq!(message(synthesis_window(&[f32::NAN], 1, None)), "analysis[0]=NaN: must be finite");
    for (hop, length) in [(0, None), (9, None), (5, Some(4))] {
        assert!(message(synthesis_window(&[1.0; 8], hop, length)).starts_with("hop="), "{hop}");
    }
    for length in [0, 9] {
        assert!(
            message(synthesis_window(&[1.0; 8], 1, Some(length))).starts_with("synthesis_length=")
        );
    }
    // A Hann window whose frames do not overlap: its first sample, 0, is lost.
    let hann: Vec<f32> = root_hann(8).iter().map(|v| v * v).collect();
    assert_eq!(
        synthesis_window(&hann, 8, None).unwrap_err(),
        WindowError::NotInvertible { phase: 0, hop: 8 }
    );
}
