//! The one memory layout of this crate: planar, channel after channel.

use thiserror::Error;

/// The largest number of channels that is accepted; beyond it a mistake is likelier than a wish.
pub const MAX_CHANNELS: usize = 1024;

/// A buffer does not hold the same number of samples for each channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{name}: holds {len} samples, which is no multiple of channels={channels}")]
pub struct NotPlanar {
    /// Name of the argument.
    pub name: &'static str,
    /// Number of samples that were given.
    pub len: usize,
    /// Number of channels that were expected.
    pub channels: usize,
}

/// Frames per channel of a planar buffer, which must have the same number for each channel.
pub(crate) fn frames_of(
    name: &'static str,
    len: usize,
    channels: usize,
) -> Result<usize, NotPlanar> {
    if len.is_multiple_of(channels) {
        Ok(len / channels)
    } else {
        Err(NotPlanar { name, len, channels })
    }
}
