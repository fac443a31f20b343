//! Streaming sample-rate conversion with a linear phase and an exactly known delay.
//!
//! A polyphase filter evaluates a Kaiser-windowed sinc exactly at the positions of the output
//! samples, which are kept as integers (no accumulated floating-point position). That gives what a
//! converter in a live delta path needs and the chunk-wise converters of the `rubato` crate do not
//! offer: a copyable state, output as soon as the input that it needs has arrived, a count of
//! output samples known beforehand, and a delay that is an integer by construction.
//!
//! The pass band reaches to 0.45 of the lower rate, the stop band begins at 0.5 of it and lies
//! below -100 dB in theory, below -90 dB as tested. References: J. O. Smith, "Digital Audio
//! Resampling Home Page", 2020; J. F. Kaiser, R. W. Schafer, "On the use of the I0-sinh window for
//! spectrum analysis", 1980.

use std::f64::consts::PI;
use std::sync::Arc;

use thiserror::Error;

use crate::latency::gcd;
use crate::planar::{MAX_CHANNELS, NotPlanar, frames_of};

/// Reach of the filter to either side of its centre, in samples of the lower rate.
///
/// The transition from 0.45 to 0.5 of the lower rate at -102 dB takes, by Kaiser's estimate,
/// (102 - 7.95) / (2.285 * 2 pi * 0.05) = 131 samples in all. The number is even, so that simple
/// ratios as 2:3 give whole delays on both sides.
const REACH: u64 = 66;
/// Kaiser's shape parameter for -102 dB, 0.1102 * (102 - 8.7).
const BETA: f64 = 10.28;
/// Cut-off (-6 dB) in the middle of the transition, relative to the lower rate.
const CUTOFF: f64 = 0.475;
/// Upper limit of coefficients per filter bank: 64 MiB. Rates of common audio gear need below 0.3
/// MiB.
const MAX_COEFFICIENTS: u64 = 1 << 24;
/// Products are summed in this many lanes, which compilers turn into vector instructions.
const LANES: usize = 16;

/// Why a conversion was refused. Nothing was consumed or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// The number of channels is 0 or unreasonable.
    #[error("channels={0}: must be in 1..={MAX_CHANNELS}")]
    Channels(usize),
    /// A rate of 0 samples per second.
    #[error("{name}=0: must be a positive number of samples per second")]
    Rate {
        /// Name of the argument.
        name: &'static str,
    },
    /// The delay can be a whole number of samples of one of the two rates only.
    #[error("delay_rate={got}: must be rate_in={rate_in} or rate_out={rate_out}")]
    DelayRate {
        /// What was asked for.
        got: u32,
        /// Rate of the input.
        rate_in: u32,
        /// Rate of the output.
        rate_out: u32,
    },
    /// The rates have so little in common that the filter bank would be too large.
    #[error(
        "rate_in={rate_in}, rate_out={rate_out}: need {coefficients} filter coefficients, \
         at most {MAX_COEFFICIENTS} are allowed; use rates with a simpler ratio"
    )]
    FilterTooLarge {
        /// Rate of the input.
        rate_in: u32,
        /// Rate of the output.
        rate_out: u32,
        /// Number of coefficients this pair would need.
        coefficients: u64,
    },
    /// The channels of a buffer have different lengths.
    #[error(transparent)]
    NotPlanar(#[from] NotPlanar),
    /// The output cannot hold what the input gives; nothing was consumed.
    #[error("out: holds {got} samples per channel, must hold at least {needed}")]
    OutputTooShort {
        /// Samples per channel that the call would write.
        needed: usize,
        /// Samples per channel that the output holds.
        got: usize,
    },
}

/// Converts a multi-channel stream from one rate to another.
///
/// Output sample `j` belongs to the time `j / rate_out` and is delayed by exactly
/// [`delay`](Self::delay) samples at [`delay_rate`](Self::delay_rate). After `n` input samples,
/// exactly `ceil(n * rate_out / rate_in)` output samples have been given, however the stream was
/// cut into calls, and their values are the same to the bit. Equal rates pass the input through,
/// without delay.
///
/// For a way to another rate and back use [`resampler_pair`].
///
/// ```
/// use uncodec_dsp::StreamingResampler;
///
/// let mut half = StreamingResampler::new(1, 96_000, 48_000)?;
/// let mut out = vec![0.0; half.output_frames(1001)];
/// assert_eq!(half.push_into(&[0.25; 1001], &mut out)?, 501);
/// // The delay is 132 samples of 96 kHz, 66 of 48 kHz; the filter has settled after twice that.
/// assert_eq!((half.delay(), half.delay_rate()), (132, 96_000));
/// assert!((out[140] - 0.25).abs() < 1e-5);
/// # Ok::<(), uncodec_dsp::ResampleError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamingResampler {
    /// One row of `row` coefficients for each of the `up` phases, the one for the oldest sample
    /// first.
    bank: Arc<[f32]>,
    row: usize,
    up: u64,
    down: u64,
    rate_in: u32,
    rate_out: u32,
    delay: u64,
    delay_rate: u32,
    channels: usize,
    /// The newest samples of each channel, `stride` places per channel of which `fill` are in use.
    history: Vec<f32>,
    stride: usize,
    fill: usize,
    /// Input samples that come before the newest one that the next output needs.
    ahead: u64,
    /// Position of the next output after that newest sample, in steps of 1 / up.
    phase: u64,
}

impl StreamingResampler {
    /// Designs the filter; its delay is a whole number of samples at the higher of the two rates.
    ///
    /// # Errors
    /// [`ResampleError`] if an argument is out of range or the ratio needs too large a filter.
    pub fn new(channels: usize, rate_in: u32, rate_out: u32) -> Result<Self, ResampleError> {
        Self::with_delay_rate(channels, rate_in, rate_out, rate_in.max(rate_out))
    }

    /// Designs the filter with a delay that is a whole number of samples at `delay_rate`, which is
    /// one of the two rates.
    ///
    /// # Errors
    /// [`ResampleError`] if an argument is out of range or the ratio needs too large a filter.
    pub fn with_delay_rate(
        channels: usize,
        rate_in: u32,
        rate_out: u32,
        delay_rate: u32,
    ) -> Result<Self, ResampleError> {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(ResampleError::Channels(channels));
        }
        for (name, rate) in [("rate_in", rate_in), ("rate_out", rate_out)] {
            if rate == 0 {
                return Err(ResampleError::Rate { name });
            }
        }
        if delay_rate != rate_in && delay_rate != rate_out {
            return Err(ResampleError::DelayRate { got: delay_rate, rate_in, rate_out });
        }
        let bank = FilterBank::design(rate_in, rate_out, delay_rate)?;
        // The history slides through this much more than one row before it is moved back.
        let stride = 2 * bank.row + 1024;
        Ok(Self {
            history: vec![0.0; channels * stride],
            stride,
            fill: bank.row,
            row: bank.row,
            up: bank.up,
            down: bank.down,
            delay: bank.delay,
            bank: bank.coefficients.into(),
            rate_in,
            rate_out,
            delay_rate,
            channels,
            ahead: 0,
            phase: 0,
        })
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Samples per second of the input.
    #[must_use]
    pub fn rate_in(&self) -> u32 {
        self.rate_in
    }

    /// Samples per second of the output.
    #[must_use]
    pub fn rate_out(&self) -> u32 {
        self.rate_out
    }

    /// Group delay, the same at all frequencies, in samples at [`delay_rate`](Self::delay_rate).
    #[must_use]
    pub fn delay(&self) -> u64 {
        self.delay
    }

    /// The rate that [`delay`](Self::delay) counts in.
    #[must_use]
    pub fn delay_rate(&self) -> u32 {
        self.delay_rate
    }

    /// Output samples per channel that the next `samples` input samples will give.
    #[must_use]
    pub fn output_frames(&self, samples: usize) -> usize {
        let Some(usable) = (samples as u64).checked_sub(self.ahead).filter(|&n| n > 0) else {
            return 0;
        };
        let steps = u128::from(usable) * u128::from(self.up) - u128::from(self.phase);
        usize::try_from(steps.div_ceil(u128::from(self.down))).unwrap_or(usize::MAX)
    }

    /// Takes in all of `input` and writes what it gives; returns the output samples per channel.
    ///
    /// `input` is planar, `[channels, n]` with any `n`; `out` is planar with room for at least
    /// [`output_frames`](Self::output_frames)`(n)` samples in each channel, of which the rest is
    /// left alone. Nothing is allocated.
    ///
    /// # Errors
    /// [`ResampleError::NotPlanar`] or [`ResampleError::OutputTooShort`]; nothing was consumed.
    pub fn push_into(&mut self, input: &[f32], out: &mut [f32]) -> Result<usize, ResampleError> {
        let samples = frames_of("x", input.len(), self.channels)?;
        let room = frames_of("out", out.len(), self.channels)?;
        let needed = self.output_frames(samples);
        if room < needed {
            return Err(ResampleError::OutputTooShort { needed, got: room });
        }
        let (mut done, mut written) = (0, 0);
        while done < samples {
            if self.fill == self.stride {
                self.move_back();
            }
            let take = (samples - done).min(self.stride - self.fill);
            for (channel, history) in self.history.chunks_exact_mut(self.stride).enumerate() {
                let start = channel * samples + done;
                history[self.fill..self.fill + take].copy_from_slice(&input[start..start + take]);
            }
            while self.ahead < take as u64 {
                let end = self.fill + self.ahead as usize + 1;
                let row = self.phase as usize * self.row;
                let coefficients = &self.bank[row..row + self.row];
                for channel in 0..self.channels {
                    let base = channel * self.stride;
                    let newest = &self.history[base + end - self.row..base + end];
                    out[channel * room + written] = dot(coefficients, newest);
                }
                written += 1;
                self.phase += self.down;
                self.ahead += self.phase / self.up;
                self.phase %= self.up;
            }
            self.ahead -= take as u64;
            self.fill += take;
            done += take;
        }
        debug_assert_eq!(written, needed);
        Ok(written)
    }

    /// Forgets the stream: the next sample is sample 0 again.
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.fill = self.row;
        self.ahead = 0;
        self.phase = 0;
    }

    fn move_back(&mut self) {
        for history in self.history.chunks_exact_mut(self.stride) {
            history.copy_within(self.fill - self.row..self.fill, 0);
        }
        self.fill = self.row;
    }
}

/// The two converters of a way from `rate` to `network_rate` and back, whose delays add up to
/// exactly [`round_trip_delay`] samples at `rate`.
///
/// # Errors
/// [`ResampleError`] if an argument is out of range or the ratio needs too large a filter.
pub fn resampler_pair(
    channels: usize,
    rate: u32,
    network_rate: u32,
) -> Result<(StreamingResampler, StreamingResampler), ResampleError> {
    let there = StreamingResampler::with_delay_rate(channels, rate, network_rate, rate)?;
    let back = StreamingResampler::with_delay_rate(channels, network_rate, rate, rate)?;
    Ok((there, back))
}

/// Delay of a [`resampler_pair`] in samples at `rate`: twice the reach of its filters, rounded up;
/// 0 for equal rates.
///
/// # Errors
/// [`ResampleError::Rate`] if a rate is 0.
pub fn round_trip_delay(rate: u32, network_rate: u32) -> Result<u64, ResampleError> {
    for (name, value) in [("rate", rate), ("network_rate", network_rate)] {
        if value == 0 {
            return Err(ResampleError::Rate { name });
        }
    }
    Ok(2 * delay_of(rate, network_rate, rate))
}

/// Delay of one conversion in samples at `delay_rate`: the reach of the filter, rounded up.
fn delay_of(rate_in: u32, rate_out: u32, delay_rate: u32) -> u64 {
    if rate_in == rate_out {
        return 0;
    }
    (REACH * u64::from(delay_rate)).div_ceil(u64::from(rate_in.min(rate_out)))
}

struct FilterBank {
    coefficients: Vec<f32>,
    row: usize,
    up: u64,
    down: u64,
    delay: u64,
}

impl FilterBank {
    fn design(rate_in: u32, rate_out: u32, delay_rate: u32) -> Result<Self, ResampleError> {
        let common = gcd(rate_in.into(), rate_out.into());
        let (up, down) = (u64::from(rate_out) / common, u64::from(rate_in) / common);
        let delay = delay_of(rate_in, rate_out, delay_rate);
        if rate_in == rate_out {
            let mut coefficients = vec![0.0; LANES];
            coefficients[LANES - 1] = 1.0;
            return Ok(Self { coefficients, row: LANES, up, down, delay });
        }
        // In steps of 1 / up of an input sample: the delay is a whole number of them by
        // construction.
        let centre = if delay_rate == rate_in { delay * up } else { delay * down };
        // Lower rate relative to the input rate, and the reach in input samples.
        let relative = (up as f64 / down as f64).min(1.0);
        let reach = REACH as f64 / relative;
        let taps = (centre as f64 / up as f64 + reach).ceil() as u64 + 1;
        let row = taps.next_multiple_of(LANES as u64);
        let coefficients = up.saturating_mul(row);
        if coefficients > MAX_COEFFICIENTS {
            return Err(ResampleError::FilterTooLarge { rate_in, rate_out, coefficients });
        }
        let mut values = Vec::with_capacity(coefficients as usize);
        for phase in 0..up {
            for place in 0..row {
                // Age of the sample against the newest one; distance to the centre of the filter.
                let age = row - 1 - place;
                let steps = (phase + age * up) as f64 - centre as f64;
                values.push(kernel(steps / up as f64, relative, reach));
            }
        }
        let gain = values.iter().sum::<f64>() / up as f64;
        Ok(Self {
            coefficients: values.iter().map(|value| (value / gain) as f32).collect(),
            row: row as usize,
            up,
            down,
            delay,
        })
    }
}

/// The low-pass at `distance` input samples from its centre.
fn kernel(distance: f64, relative: f64, reach: f64) -> f64 {
    let place = distance / reach;
    if place.abs() >= 1.0 {
        return 0.0;
    }
    let x = 2.0 * CUTOFF * relative * distance;
    let sinc = if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    2.0 * CUTOFF * relative * sinc * bessel_i0(BETA * (1.0 - place * place).sqrt())
        / bessel_i0(BETA)
}

/// Modified Bessel function of the first kind and order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// Sum of products in a fixed order, so that results do not depend on where a call began.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
