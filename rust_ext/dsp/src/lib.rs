#![doc = include_str!("../README.md")]

mod latency;
mod planar;
mod resample;
mod stft;
mod vector;
mod window;

pub use latency::{LatencyBudget, LatencyError};
pub use planar::{MAX_CHANNELS, NotPlanar};
pub use realfft::num_complex::Complex32;
pub use resample::{ResampleError, StreamingResampler, resampler_pair, round_trip_delay};
pub use stft::{InverseFrames, MAX_WINDOW_LENGTH, StftError, StreamingStft};
pub use window::{WindowError, synthesis_window};
