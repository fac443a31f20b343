//! Streaming short-time Fourier transform: samples to spectra, and spectra back to frames.
//!
//! The forward side turns a stream into frames, hop by hop; the inverse side turns spectra into
//! frames of samples. Windowing after the inverse transform and overlap-add are the business of the
//! caller, who may want the unfinished tail (see
//! [`synthesis_window`](crate::window::synthesis_window) for the window that makes the chain the
//! identity).
//!
//! Scaling is that of `numpy.fft.rfft` and `irfft`: none forward, `1 / N` backward.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use thiserror::Error;

use crate::planar::{MAX_CHANNELS, NotPlanar, frames_of};
use crate::vector::{multiply_into, scale_into};

/// The longest window or frame that is accepted, in samples: six minutes at 48 kHz.
pub const MAX_WINDOW_LENGTH: usize = 1 << 24;

/// Why a transform was refused. Nothing was consumed or written.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum StftError {
    /// The number of channels is 0 or unreasonable.
    #[error("channels={0}: must be in 1..={MAX_CHANNELS}")]
    Channels(usize),
    /// The window or frame is empty or unreasonably long.
    #[error("window_length={0}: must be in 1..={MAX_WINDOW_LENGTH}")]
    WindowLength(usize),
    /// The hop must advance the stream.
    #[error("hop=0: must be a positive integer")]
    ZeroHop,
    /// The window holds a value that is not finite.
    #[error("window[{index}]={value}: must be finite")]
    WindowNotFinite {
        /// Index of the first such value.
        index: usize,
        /// The value itself.
        value: f32,
    },
    /// The channels of a buffer have different lengths.
    #[error(transparent)]
    NotPlanar(#[from] NotPlanar),
    /// The output cannot hold all frames that the input completes; nothing was consumed.
    #[error("out: holds {got} frames, must hold at least {needed}")]
    OutputTooShort {
        /// Frames that the call would complete.
        needed: usize,
        /// Frames that the output can hold.
        got: usize,
    },
    /// The spectra are not a whole number of frames.
    #[error("spectra: hold {len} values, which is no multiple of channels * bins = {frame}")]
    PartialSpectra {
        /// Number of values given.
        len: usize,
        /// Number of values in one frame of all channels.
        frame: usize,
    },
    /// Spectra and output frames differ in number; nothing was transformed.
    #[error("out: holds {got} samples, must hold exactly {needed}")]
    OutputLength {
        /// Samples that the spectra give.
        needed: usize,
        /// Samples that the output holds.
        got: usize,
    },
}

fn check_sizes(channels: usize, window_length: usize) -> Result<(), StftError> {
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return Err(StftError::Channels(channels));
    }
    if !(1..=MAX_WINDOW_LENGTH).contains(&window_length) {
        return Err(StftError::WindowLength(window_length));
    }
    Ok(())
}

/// Turns a stream of multi-channel samples into windowed spectra, one frame each hop.
///
/// Frame `k` covers the input samples `(k + 1) * hop - N .. (k + 1) * hop`, where the part before
/// sample 0 counts as zeros: a frame is complete as soon as its last sample has arrived. The result
/// does not depend on how the stream is cut into calls, to the bit.
///
/// ```
/// use uncodec_dsp::{Complex32, StreamingStft};
///
/// # fn main() -> Result<(), uncodec_dsp::StftError> {
/// let mut stft = StreamingStft::new(2, &[1.0; 8], 4)?;
/// let block = [0.5; 2 * 10]; // two channels of ten samples, one after the other
/// let mut spectra = vec![Complex32::default(); stft.frames_for(10) * 2 * stft.bins()];
/// assert_eq!(stft.push_into(&block, &mut spectra)?, 2);
/// assert_eq!(stft.pending(), 2);
/// // Half of the first frame is still the zeros before the start.
/// assert_eq!(spectra[0].re, 4.0 * 0.5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StreamingStft {
    plan: Arc<dyn RealToComplex<f32>>,
    window: Arc<[f32]>,
    channels: usize,
    hop: usize,
    /// Samples since the last complete frame, always below `hop`.
    pending: usize,
    /// The newest samples of each channel, `stride` places per channel of which `fill` are in use;
    /// the last `window.len()` of those are what the next frame sees.
    history: Vec<f32>,
    stride: usize,
    fill: usize,
    windowed: Vec<f32>,
    scratch: Vec<Complex32>,
}

impl fmt::Debug for StreamingStft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingStft")
            .field("channels", &self.channels)
            .field("window_length", &self.window.len())
            .field("hop", &self.hop)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

impl StreamingStft {
    /// Plans the transform and reserves everything that later calls need.
    ///
    /// # Errors
    /// [`StftError`] if `channels`, the window's length or `hop` is out of range, or if the window
    /// is not finite.
    pub fn new(channels: usize, window: &[f32], hop: usize) -> Result<Self, StftError> {
        check_sizes(channels, window.len())?;
        if hop == 0 {
            return Err(StftError::ZeroHop);
        }
        if let Some((index, &value)) = window.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(StftError::WindowNotFinite { index, value });
        }
        let length = window.len();
        let plan = RealFftPlanner::new().plan_fft_forward(length);
        // The history slides through three window lengths before it is moved back, so that moving
        // costs less than one copied sample per new sample.
        let stride = 3 * length;
        Ok(Self {
            windowed: vec![0.0; length],
            scratch: plan.make_scratch_vec(),
            plan,
            window: window.into(),
            channels,
            hop,
            pending: 0,
            history: vec![0.0; channels * stride],
            stride,
            fill: length,
        })
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Length of the window and of the transform, in samples.
    #[must_use]
    pub fn window_length(&self) -> usize {
        self.window.len()
    }

    /// Samples from one frame to the next.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Values per spectrum, `window_length / 2 + 1`.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.window.len() / 2 + 1
    }

    /// Samples that arrived since the last complete frame, `0 .. hop`.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Number of frames that the next `samples` samples will complete.
    #[must_use]
    pub fn frames_for(&self, samples: usize) -> usize {
        // Written so that no sum can overflow, whatever the caller asks about.
        samples / self.hop + usize::from(samples % self.hop >= self.hop - self.pending)
    }

    /// Takes in all of `input` and writes every frame that became complete; returns their number.
    ///
    /// `input` is planar, `[channels, n]` with any `n`; `out` is `[frames, channels, bins]`, of
    /// which the frames that were not needed are left alone. Nothing is allocated: this is the
    /// method for live use.
    ///
    /// # Errors
    /// [`StftError::NotPlanar`], or [`StftError::OutputTooShort`] if `out` has fewer than
    /// [`frames_for`](Self::frames_for)`(n)` frames. Both are found first: nothing was consumed.
    pub fn push_into(&mut self, input: &[f32], out: &mut [Complex32]) -> Result<usize, StftError> {
        let samples = frames_of("x", input.len(), self.channels)?;
        let needed = self.frames_for(samples);
        let frame_size = self.channels * self.bins();
        let got = out.len() / frame_size;
        if got < needed {
            return Err(StftError::OutputTooShort { needed, got });
        }
        let mut frames = out.chunks_exact_mut(frame_size);
        let mut done = 0;
        while done < samples {
            if self.fill == self.stride {
                self.move_back();
            }
            let take = (samples - done).min(self.hop - self.pending).min(self.stride - self.fill);
            for (channel, history) in self.history.chunks_exact_mut(self.stride).enumerate() {
                let start = channel * samples + done;
                history[self.fill..self.fill + take].copy_from_slice(&input[start..start + take]);
            }
            self.fill += take;
            self.pending += take;
            done += take;
            if self.pending == self.hop {
                self.pending = 0;
                if let Some(frame) = frames.next() {
                    self.transform_into(frame);
                }
            }
        }
        Ok(needed)
    }

    /// Forgets the stream: the next sample is sample 0 again.
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.fill = self.window.len();
        self.pending = 0;
    }

    fn move_back(&mut self) {
        let length = self.window.len();
        for history in self.history.chunks_exact_mut(self.stride) {
            history.copy_within(self.fill - length..self.fill, 0);
        }
        self.fill = length;
    }

    fn transform_into(&mut self, frame: &mut [Complex32]) {
        let bins = self.bins();
        let newest = self.fill - self.window.len()..self.fill;
        for (history, spectrum) in
            self.history.chunks_exact(self.stride).zip(frame.chunks_exact_mut(bins))
        {
            let samples = &history[newest.clone()];
            multiply_into(&mut self.windowed, samples, &self.window);
            let result =
                self.plan.process_with_scratch(&mut self.windowed, spectrum, &mut self.scratch);
            // The only errors are wrong lengths, and all three buffers were made for this plan.
            debug_assert!(result.is_ok(), "{result:?}");
        }
    }
}

/// Turns spectra into frames of samples: the plain inverse transform, no window, no overlap-add.
///
/// ```
/// use uncodec_dsp::{Complex32, InverseFrames};
///
/// # fn main() -> Result<(), uncodec_dsp::StftError> {
/// let mut inverse = InverseFrames::new(1, 8)?;
/// let mut spectrum = [Complex32::default(); 5];
/// spectrum[0].re = 8.0;
/// let mut frame = [0.0; 8];
/// inverse.inverse_into(&spectrum, &mut frame)?;
/// assert_eq!(frame, [1.0; 8]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InverseFrames {
    plan: Arc<dyn ComplexToReal<f32>>,
    channels: usize,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl fmt::Debug for InverseFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InverseFrames")
            .field("channels", &self.channels)
            .field("window_length", &self.plan.len())
            .finish_non_exhaustive()
    }
}

impl InverseFrames {
    /// Plans the transform and reserves everything that later calls need.
    ///
    /// # Errors
    /// [`StftError`] if `channels` or `window_length` is out of range.
    pub fn new(channels: usize, window_length: usize) -> Result<Self, StftError> {
        check_sizes(channels, window_length)?;
        let plan = RealFftPlanner::new().plan_fft_inverse(window_length);
        Ok(Self {
            spectrum: plan.make_input_vec(),
            scratch: plan.make_scratch_vec(),
            plan,
            channels,
        })
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Length of a frame, in samples.
    #[must_use]
    pub fn window_length(&self) -> usize {
        self.plan.len()
    }

    /// Values per spectrum, `window_length / 2 + 1`.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.spectrum.len()
    }

    /// Transforms `[frames, channels, bins]` into `[frames, channels, window_length]`.
    ///
    /// The imaginary parts of the first bin, and of the last one if the length is even, do not
    /// belong to a real signal and are ignored, as NumPy does. Nothing is allocated.
    ///
    /// # Errors
    /// [`StftError::PartialSpectra`] or [`StftError::OutputLength`]; nothing was transformed.
    pub fn inverse_into(
        &mut self,
        spectra: &[Complex32],
        out: &mut [f32],
    ) -> Result<(), StftError> {
        let (bins, length) = (self.bins(), self.window_length());
        let frame = self.channels * bins;
        if !spectra.len().is_multiple_of(frame) {
            return Err(StftError::PartialSpectra { len: spectra.len(), frame });
        }
        let needed = spectra.len() / bins * length;
        if out.len() != needed {
            return Err(StftError::OutputLength { needed, got: out.len() });
        }
        let scale = 1.0 / length as f32;
        for (source, frame) in spectra.chunks_exact(bins).zip(out.chunks_exact_mut(length)) {
            scale_into(&mut self.spectrum, source, scale);
            self.spectrum[0].im = 0.0;
            if length.is_multiple_of(2) {
                self.spectrum[bins - 1].im = 0.0;
            }
            let result =
                self.plan.process_with_scratch(&mut self.spectrum, frame, &mut self.scratch);
            // Lengths fit by construction and the two imaginary parts were cleared just now.
            debug_assert!(result.is_ok(), "{result:?}");
        }
        Ok(())
    }
}
