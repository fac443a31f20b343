//! What the streaming transforms cost per hop, against a bare `realfft` pair measured in the same
//! run.
//!
//! Run with `cargo run --release -p uncodec-dsp --example transform_cost`. The bare pair is given
//! its input for nothing (a buffer that is refilled every sixteenth time only, because the forward
//! transform destroys it); the streaming side takes samples from a block, keeps the history,
//! applies the window, scales.

use std::hint::black_box;
use std::time::Instant;

use realfft::RealFftPlanner;
use uncodec_dsp::{Complex32, InverseFrames, StftError, StreamingStft};

const ROUNDS: usize = 600;
/// Few, so that many rounds pass between two interruptions by other work.
const HOPS: usize = 40;

fn main() -> Result<(), StftError> {
    println!("window  hop  channels  bare us/hop  streaming us/hop  ratio");
    for (length, hop) in [(1024, 512), (1024, 256), (882, 441), (768, 256), (2048, 512)] {
        for channels in [2, 4] {
            let (bare, streaming) = measure(length, hop, channels)?;
            println!(
                "{length:6} {hop:4} {channels:9} {bare:12.2} {streaming:17.2} {:6.3}",
                streaming / bare
            );
        }
    }
    Ok(())
}

/// Microseconds per hop of all channels, the best of many rounds that take turns.
fn measure(length: usize, hop: usize, channels: usize) -> Result<(f64, f64), StftError> {
    let wave: Vec<f32> = (0..length).map(|n| (n as f32 * 0.37).sin()).collect();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, backward) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
    let mut real = forward.make_input_vec();
    let mut back = backward.make_output_vec();
    let mut spectrum = forward.make_output_vec();
    let mut scratch =
        vec![Complex32::default(); forward.get_scratch_len().max(backward.get_scratch_len())];

    let mut stft = StreamingStft::new(channels, &wave, hop)?;
    let mut inverse = InverseFrames::new(channels, length)?;
    let block: Vec<f32> = (0..channels * hop).map(|n| (n as f32 * 0.11).sin()).collect();
    let mut spectra = vec![Complex32::default(); channels * stft.bins()];
    let mut frames = vec![0.0; channels * length];

    let (mut bare, mut streaming) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for transform in 0..HOPS * channels {
            if transform % 16 == 0 {
                real.copy_from_slice(&wave);
            }
            let _ = forward.process_with_scratch(black_box(&mut real), &mut spectrum, &mut scratch);
            let _ =
                backward.process_with_scratch(black_box(&mut spectrum), &mut back, &mut scratch);
            black_box(&back);
        }
        bare = bare.min(start.elapsed().as_secs_f64());

        let start = Instant::now();
        for _ in 0..HOPS {
            stft.push_into(black_box(&block), &mut spectra)?;
            inverse.inverse_into(black_box(&spectra), &mut frames)?;
            black_box(&frames);
        }
        streaming = streaming.min(start.elapsed().as_secs_f64());
    }
    Ok((bare * 1e6 / HOPS as f64, streaming * 1e6 / HOPS as f64))
}
