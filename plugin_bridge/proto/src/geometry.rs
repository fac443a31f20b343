//! What a session consists of: rates, sizes and the latency, checked once and then never again.

use thiserror::Error;
use uncodec_dsp::{LatencyBudget, LatencyError};

use crate::layout::{Layout, MAX_BYTES};

/// The lowest sample rate that is accepted, in Hz.
pub const MIN_SAMPLE_RATE: f64 = 8_000.0;
/// The highest sample rate that is accepted, in Hz.
pub const MAX_SAMPLE_RATE: f64 = 768_000.0;
/// The largest number of channels of a session.
pub const MAX_CHANNELS: usize = 64;
/// The longest hop of a model, in samples.
pub const MAX_HOP: usize = 1 << 16;
/// The longest unfinished overlap-add tail, in samples.
pub const MAX_TAIL: usize = 1 << 18;
/// The longest block that is handled in one go, in samples; longer ones are cut.
pub const MAX_BLOCK: usize = 1 << 16;
/// The longest latency, in samples.
pub const MAX_LATENCY: u64 = 1 << 26;
/// The smallest number of slots.
pub const MIN_SLOTS: usize = 64;
/// The largest number of slots.
pub const MAX_SLOTS: usize = 1 << 16;

/// Why a session cannot be laid out like this.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// The sample rate is no rate of audio.
    #[error("sample_rate={0}: must be in {MIN_SAMPLE_RATE}..={MAX_SAMPLE_RATE} Hz")]
    SampleRate(f64),
    /// The number of channels is out of range.
    #[error("channels={0}: must be in 1..={MAX_CHANNELS}")]
    Channels(usize),
    /// The hop is out of range.
    #[error("hop={0}: must be in 1..={MAX_HOP} samples")]
    Hop(usize),
    /// The tail is out of range.
    #[error("tail={0}: must be in 0..={MAX_TAIL} samples")]
    Tail(usize),
    /// The block length is out of range.
    #[error("max_block={0}: must be in 1..={MAX_BLOCK} samples")]
    MaxBlock(usize),
    /// The latency is shorter than the model's own delay, or out of range.
    #[error("latency={latency}: must be in model_delay={model_delay}..={MAX_LATENCY} samples")]
    Latency {
        /// Latency in samples.
        latency: u64,
        /// Delay of the model in samples.
        model_delay: u64,
    },
    /// The latency law has no answer.
    #[error(transparent)]
    Law(#[from] LatencyError),
    /// Too few slots for the audio that is under way, or too many.
    #[error("slots={slots}: must be in {needed}..={MAX_SLOTS}")]
    Slots {
        /// Slots that were asked for.
        slots: usize,
        /// Slots that latency, block and hop need.
        needed: usize,
    },
    /// The session would need too much memory.
    #[error("size={bytes}: must be at most {MAX_BYTES} bytes")]
    Size {
        /// Bytes that the session would need.
        bytes: u64,
    },
}

/// What a host knows when it sets up a session; the rest follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostSettings {
    /// Samples per second.
    pub sample_rate: f64,
    /// Number of channels.
    pub channels: usize,
    /// Hop of the model, in samples.
    pub hop: usize,
    /// Length of the unfinished overlap-add tail that the core sends with each hop, in samples; 0
    /// where there is none.
    pub tail: usize,
    /// Delay of the model itself, A, in samples: sample `n` of the core's output belongs to sample
    /// `n - A` of its input.
    pub model_delay: u64,
    /// The longest block of the host, in samples.
    pub max_block: usize,
    /// Time that the core may take for a hop, in seconds; 0 where the host waits for it.
    pub turnaround_s: f64,
    /// Whether the host may deliver shorter blocks than `max_block`; most do.
    pub varying_blocks: bool,
}

/// The sizes of a session. A value of this type is always consistent.
///
/// ```
/// use uncodec_proto::{Geometry, HostSettings};
///
/// let geometry = Geometry::new(&HostSettings {
///     sample_rate: 48_000.0,
///     channels: 2,
///     hop: 256,
///     tail: 512,
///     model_delay: 512,
///     max_block: 128,
///     turnaround_s: 0.004,
///     varying_blocks: true,
/// })?;
/// // The latency law: A + (H - 1) + D * ceil(T * fs / D).
/// assert_eq!(geometry.latency(), 512 + 255 + 2 * 128);
/// # Ok::<(), uncodec_proto::GeometryError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    pub(crate) sample_rate: f64,
    pub(crate) channels: usize,
    pub(crate) hop: usize,
    pub(crate) tail: usize,
    pub(crate) slots: usize,
    pub(crate) model_delay: u64,
    pub(crate) latency: u64,
    pub(crate) max_block: usize,
}

impl Geometry {
    /// The session for these settings: the latency follows from the latency law, the number of
    /// slots from the audio that can be under way.
    ///
    /// # Errors
    /// [`GeometryError`] if a setting is out of range, or all together need too much memory.
    pub fn new(settings: &HostSettings) -> Result<Self, GeometryError> {
        let HostSettings { sample_rate, channels, hop, tail, model_delay, max_block, .. } =
            *settings;
        // Checked before the law is asked, which would speak of "block" instead of "max_block".
        if !(1..=MAX_BLOCK).contains(&max_block) {
            return Err(GeometryError::MaxBlock(max_block));
        }
        if !(1..=MAX_HOP).contains(&hop) {
            return Err(GeometryError::Hop(hop));
        }
        let latency = LatencyBudget {
            model_delay,
            hop: hop as u64,
            block: max_block as u64,
            turnaround_s: settings.turnaround_s,
            sample_rate,
            varying_blocks: settings.varying_blocks,
        }
        .samples()?;
        let mut geometry = Self {
            sample_rate,
            channels,
            hop,
            tail,
            slots: MAX_SLOTS,
            model_delay,
            latency,
            max_block,
        };
        geometry.check_ranges()?;
        geometry.slots = geometry.slots_needed().next_power_of_two();
        geometry.check()?;
        Ok(geometry)
    }

    /// Samples per second.
    #[must_use]
    pub fn sample_rate(&self) -> f64 {
        self.sample_rate
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Samples per hop.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Samples of the unfinished overlap-add tail.
    #[must_use]
    pub fn tail(&self) -> usize {
        self.tail
    }

    /// Hops that are kept before their memory is used again.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Delay of the model itself, in samples.
    #[must_use]
    pub fn model_delay(&self) -> u64 {
        self.model_delay
    }

    /// What the host is told: samples from input to output, for wet and dry alike.
    #[must_use]
    pub fn latency(&self) -> u64 {
        self.latency
    }

    /// The part of the latency that is not the model's own delay: waiting for hops to fill, and for
    /// the core.
    #[must_use]
    pub fn buffering(&self) -> u64 {
        self.latency - self.model_delay
    }

    /// The longest block that is handled in one go, in samples.
    #[must_use]
    pub fn max_block(&self) -> usize {
        self.max_block
    }

    /// Samples of all channels in one hop.
    #[must_use]
    pub fn hop_samples(&self) -> usize {
        self.channels * self.hop
    }

    /// Samples of all channels in one tail.
    #[must_use]
    pub fn tail_samples(&self) -> usize {
        self.channels * self.tail
    }

    /// Bytes of the shared memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        Layout::new(self).bytes()
    }

    /// Slots so that no result is overwritten before its last sample is played, while the core may
    /// be half of them behind.
    fn slots_needed(&self) -> usize {
        let under_way = self.buffering() as usize + self.max_block;
        (2 * (under_way.div_ceil(self.hop) + 2)).max(MIN_SLOTS)
    }

    fn check_ranges(&self) -> Result<(), GeometryError> {
        let Self { sample_rate, channels, hop, tail, model_delay, latency, max_block, .. } = *self;
        if !(MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&sample_rate) {
            return Err(GeometryError::SampleRate(sample_rate));
        }
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(GeometryError::Channels(channels));
        }
        if !(1..=MAX_HOP).contains(&hop) {
            return Err(GeometryError::Hop(hop));
        }
        if tail > MAX_TAIL {
            return Err(GeometryError::Tail(tail));
        }
        if !(1..=MAX_BLOCK).contains(&max_block) {
            return Err(GeometryError::MaxBlock(max_block));
        }
        if !(model_delay..=MAX_LATENCY).contains(&latency) {
            return Err(GeometryError::Latency { latency, model_delay });
        }
        Ok(())
    }

    /// Everything that the rest of the crate relies on.
    pub(crate) fn check(&self) -> Result<(), GeometryError> {
        self.check_ranges()?;
        let (slots, needed) = (self.slots, self.slots_needed());
        if !(needed..=MAX_SLOTS).contains(&slots) {
            return Err(GeometryError::Slots { slots, needed });
        }
        // The ranges bound the product far below 64 bits, but not below the machine's.
        let bytes = Layout::bytes_of(self);
        if bytes > MAX_BYTES as u64 {
            return Err(GeometryError::Size { bytes });
        }
        Ok(())
    }
}
