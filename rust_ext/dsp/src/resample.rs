//! Streaming sample-rate conversion with a linear phase and an exactly known delay.
//!
//! The filter is `rubato`'s: its [`sinc_interpolator`](rubato::sinc_interpolator) evaluates a
//! windowed sinc in steps of one input sample divided by a whole number, which for a fixed ratio
//! of rates are exactly the positions of the output samples. Only the positions are counted here,
//! as integers. `rubato`'s own converters do not offer what a live delta path needs: a copyable
//! state, output as soon as the input that it needs has arrived, a count of output samples known
//! beforehand, a delay that is an integer, the same bits for any cut into calls.
//!
//! The pass band is flat to 0.0001 dB at 0.45 of the lower rate, the stop band begins at 0.5 of it and
//! lies below -105 dB, the delay is 80 samples of the lower rate. Measured beside it from 44.1 to 48
//! kHz: `rubato::Fft` with blocks of 147 samples loses 3.7 dB at 0.45 of the rate; with blocks of 294
//! it is as flat, but 440 samples late. `rubato::Async` has this filter and a position that is a
//! floating-point number.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut1, ArrayViewMut2, s};
use rubato::sinc_interpolator::{AnyInterpolator, SincInterpolator, make_interpolator};
use rubato::{WindowFunction, calculate_cutoff};
use thiserror::Error;

use crate::latency::gcd;
use crate::planar::MAX_CHANNELS;

/// Length of the filter in samples of the lower rate.
///
/// The main lobe of the Blackman-Harris window, 8 / 160, is the transition from 0.45 to 0.5 of the
/// lower rate, with the cut-off in its middle.
const LENGTH: u64 = 160;
/// `rubato` rounds the length of a filter up to a multiple of this.
const LENGTH_STEP: u64 = 8;
/// Upper limit of coefficients per filter bank: 64 MiB. Rates of common audio gear need below 0.3
/// MiB.
const MAX_COEFFICIENTS: u64 = 1 << 24;

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
    /// A buffer has another number of channels than the stream.
    #[error("{name}: must have {channels} channels, got {got}")]
    OtherChannels {
        /// Name of the argument.
        name: &'static str,
        /// Channels of the stream.
        channels: usize,
        /// Channels of the buffer.
        got: usize,
    },
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
/// use ndarray::Array2;
/// use uncodec_dsp::StreamingResampler;
///
/// let mut half = StreamingResampler::new(1, 96_000, 48_000)?;
/// let mut out = Array2::zeros((1, half.output_frames(1001)));
/// let input = Array2::from_elem((1, 1001), 0.25);
/// assert_eq!(half.push_into(&input.view(), &mut out.view_mut())?, 501);
/// // The delay is 160 samples of 96 kHz, 80 of 48 kHz; the filter has settled after twice that.
/// assert_eq!((half.delay(), half.delay_rate()), (160, 96_000));
/// assert!((out[[0, 170]] - 0.25).abs() < 1e-5);
/// # Ok::<(), uncodec_dsp::ResampleError>(())
/// ```
#[derive(Clone)]
pub struct StreamingResampler {
    /// Nothing for equal rates.
    filter: Option<Arc<AnyInterpolator<f32>>>,
    /// Makes the filter's gain 1: single precision left `rubato` some 1e-5 off.
    gain: f32,
    up: u64,
    down: u64,
    rate_in: u32,
    rate_out: u32,
    delay: u64,
    delay_rate: u32,
    channels: usize,
    /// Input samples that an output can need, the newest included.
    reach: usize,
    /// From the place where the filter would end just at the newest sample back to where it is
    /// evaluated for the sake of a whole delay, in steps of 1 / up.
    back: u64,
    /// The newest samples of each channel, `stride` places per channel of which `fill` are in use.
    history: Vec<f32>,
    stride: usize,
    fill: usize,
    /// Input samples that come before the newest one that the next output needs.
    ahead: u64,
    /// Position of the next output after that newest sample, in steps of 1 / up.
    phase: u64,
}

impl fmt::Debug for StreamingResampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingResampler")
            .field("channels", &self.channels)
            .field("rate_in", &self.rate_in)
            .field("rate_out", &self.rate_out)
            .field("delay", &self.delay)
            .field("delay_rate", &self.delay_rate)
            .finish_non_exhaustive()
    }
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
        let common = gcd(rate_in.into(), rate_out.into());
        let (up, down) = (u64::from(rate_out) / common, u64::from(rate_in) / common);
        let length = length_of(rate_in, rate_out);
        let delay = delay_of(rate_in, rate_out, delay_rate);
        let (filter, gain, reach, back) = if rate_in == rate_out {
            (None, 1.0, 1, 0)
        } else {
            let coefficients = up.saturating_mul(length);
            if coefficients > MAX_COEFFICIENTS {
                return Err(ResampleError::FilterTooLarge { rate_in, rate_out, coefficients });
            }
            let ratio = up as f64 / down as f64;
            let window = WindowFunction::BlackmanHarris;
            // Left to itself, `rubato` puts the cut-off closer to the edge where the filter is long
            // only because the input has the higher rate.
            let cutoff = Some(calculate_cutoff(LENGTH as usize, window));
            let filter = make_interpolator(length as usize, ratio, cutoff, up as usize, window);
            // Row s of the filter, laid over the samples from i on, gives the value at
            // i + length / 2 - 1 + (s + 1) / up.
            let delay_steps = delay * if delay_rate == rate_in { up } else { down };
            let back = delay_steps + 1 - length / 2 * up;
            let sum: f64 =
                filter.get_sincs().iter().flat_map(|row| &**row).map(|&v| f64::from(v)).sum();
            let gain = (up as f64 / sum) as f32;
            (Some(Arc::new(filter)), gain, (length + back.div_ceil(up)) as usize, back)
        };
        // The history slides through this much more than the reach before it is moved back.
        let stride = 2 * reach + 1024;
        Ok(Self {
            // One more, because the filter asks for a place behind the last sample it reads.
            history: vec![0.0; channels * (stride + 1)],
            stride,
            fill: reach,
            reach,
            back,
            up,
            down,
            delay,
            filter,
            gain,
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
    /// `input` is `[channels, n]` with any `n`; `out` has room for at least
    /// [`output_frames`](Self::output_frames)`(n)` samples in each channel, of which the rest is
    /// left alone. Both may lie anyhow in memory: a part of a longer buffer is read and written
    /// where it is. Nothing is allocated.
    ///
    /// # Errors
    /// [`ResampleError::OtherChannels`] or [`ResampleError::OutputTooShort`]; nothing was consumed.
    pub fn push_into(
        &mut self,
        input: &ArrayView2<'_, f32>,
        out: &mut ArrayViewMut2<'_, f32>,
    ) -> Result<usize, ResampleError> {
        for (name, got) in [("x", input.nrows()), ("out", out.nrows())] {
            if got != self.channels {
                return Err(ResampleError::OtherChannels { name, channels: self.channels, got });
            }
        }
        let (samples, room) = (input.ncols(), out.ncols());
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
            let histories = self.history.chunks_exact_mut(self.stride + 1);
            for (history, samples) in histories.zip(input.rows()) {
                ArrayViewMut1::from(&mut history[self.fill..self.fill + take])
                    .assign(&samples.slice(s![done..done + take]));
            }
            while self.ahead < take as u64 {
                let newest = self.fill + self.ahead as usize;
                for (channel, history) in self.history.chunks_exact(self.stride + 1).enumerate() {
                    out[[channel, written]] = match &self.filter {
                        None => history[newest],
                        Some(filter) => {
                            let place = self.phase + newest as u64 * self.up - self.back;
                            let first = (place / self.up) as usize + 1 - filter.nbr_points();
                            let row = (place % self.up) as usize;
                            self.gain * filter.get_sinc_interpolated(history, first, row)
                        }
                    };
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
        self.fill = self.reach;
        self.ahead = 0;
        self.phase = 0;
    }

    fn move_back(&mut self) {
        for history in self.history.chunks_exact_mut(self.stride + 1) {
            history.copy_within(self.fill - self.reach..self.fill, 0);
        }
        self.fill = self.reach;
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

/// Delay of a [`resampler_pair`] in samples at `rate`: half the length of each filter, rounded up;
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
    Ok(delay_of(rate, network_rate, rate) + delay_of(network_rate, rate, rate))
}

/// Delay of one conversion in samples at `delay_rate`: half the filter, rounded up.
fn delay_of(rate_in: u32, rate_out: u32, delay_rate: u32) -> u64 {
    if rate_in == rate_out {
        return 0;
    }
    let half = u128::from(length_of(rate_in, rate_out) / 2);
    (half * u128::from(delay_rate)).div_ceil(rate_in.into()) as u64
}

/// Length of the filter in samples of the input.
fn length_of(rate_in: u32, rate_out: u32) -> u64 {
    let lower = u64::from(rate_in.min(rate_out));
    (LENGTH * u64::from(rate_in)).div_ceil(lower).next_multiple_of(LENGTH_STEP)
}
