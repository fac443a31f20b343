//! Where everything lies in the shared memory: the ABI.
//!
//! All memory is an array of 64-bit words, little endian as the machine, and every access to it is
//! an atomic load or store of a word: what the peer does at the same time can make a value wrong
//! but never undefined. Two samples share a word, the earlier one in the lower half, so that a
//! channel reads as an array of `f32`.

use crate::geometry::Geometry;
use crate::memory::Memory;
use crate::slot::Slot;

/// First word of the memory: `UNCODECP` as bytes.
pub const MAGIC: u64 = u64::from_le_bytes(*b"UNCODECP");
/// Version of everything in this module; any change of layout or rules raises it.
pub const ABI_VERSION: u32 = 4;
/// Size of the header; the first slot follows.
pub const HEADER_BYTES: u32 = 512;
/// The largest shared memory that is created or accepted: 256 MiB.
pub const MAX_BYTES: usize = 1 << 28;

/// Words per cache line.
const LINE: usize = 8;

/// Indices of 64-bit words. What different parties write lies on different cache lines.
pub mod word {
    /// [`MAGIC`](super::MAGIC); stored last by the host.
    pub const MAGIC: usize = 0;
    /// ABI version, and the size of the header in bytes in the upper half.
    pub const ABI: usize = 1;
    /// Size of the whole memory in bytes.
    pub const BYTES: usize = 2;
    /// Sample rate in Hz, the bits of an `f64`.
    pub const SAMPLE_RATE: usize = 3;
    /// Number of channels, and the number of slots in the upper half.
    pub const CHANNELS: usize = 4;
    /// Hop, and the length of the tail in the upper half, in samples.
    pub const HOP: usize = 5;
    /// Latency in samples.
    pub const LATENCY: usize = 6;
    /// Delay of the model in samples.
    pub const MODEL_DELAY: usize = 7;
    /// Longest block in samples.
    pub const MAX_BLOCK: usize = 8;

    /// Written by the host: `generation << 32 | hops submitted`.
    pub const HEAD: usize = 16;

    /// Written by the core: its last sign of life, nanoseconds of the monotonic clock.
    pub const HEARTBEAT: usize = 24;
    /// Written by the core: how often it jumped to the newest hop.
    pub const RESYNCS: usize = 25;
    /// Written by the core: hops that it published.
    pub const PUBLISHED: usize = 26;

    /// Written by the host: samples that came from the core.
    pub const WET: usize = 32;
    /// Written by the host: samples that did not, or not entirely.
    pub const DRY: usize = 33;
    /// Written by the host: hops whose result was not there in time.
    pub const LATE: usize = 34;
    /// Written by the host: hops whose result was there but unusable.
    pub const REFUSED: usize = 35;
    /// Written by the host: longest callback in nanoseconds.
    pub const WORST_CALLBACK: usize = 36;

    /// In a slot: the tag, `generation << 32 | hop + 1`; 0 while the slot is being written.
    pub const SLOT_TAG: usize = 0;
    /// In an input slot: amount, the bits of an `f32`.
    pub const SLOT_AMOUNT: usize = 1;
    /// In an input slot: seed.
    pub const SLOT_SEED: usize = 2;
    /// In an input slot: brightness in dB, the bits of an `f32`.
    pub const SLOT_BRIGHTNESS: usize = 3;
    /// In an input slot: likeness, the bits of an `f32`.
    pub const SLOT_LIKENESS: usize = 4;
    /// In a slot: first word of the samples; channel after channel, each starting a new word; in an
    /// output slot followed by the tail, channel after channel.
    pub const SLOT_SAMPLES: usize = 8;
}

/// Word offsets of the slots of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    slots: usize,
    channel_words: usize,
    tail_words: usize,
    input_stride: usize,
    output_stride: usize,
}

impl Layout {
    /// The layout of a session.
    #[must_use]
    pub fn new(geometry: &Geometry) -> Self {
        let Geometry { channels, hop, tail, slots, .. } = *geometry;
        let (channel_words, tail_words) = (hop.div_ceil(2), tail.div_ceil(2));
        let stride = |words: usize| (word::SLOT_SAMPLES + channels * words).next_multiple_of(LINE);
        Self {
            slots,
            channel_words,
            tail_words,
            input_stride: stride(channel_words),
            output_stride: stride(channel_words + tail_words),
        }
    }

    /// Bytes of a session whose product may be beyond what the machine can address.
    pub(crate) fn bytes_of(geometry: &Geometry) -> u64 {
        let Self { slots, input_stride, output_stride, .. } = Self::new(geometry);
        u64::from(HEADER_BYTES) + 8 * slots as u64 * (input_stride + output_stride) as u64
    }

    /// Bytes of the whole memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        8 * self.output_word(self.slots)
    }

    /// First word of the input slot with this index.
    #[must_use]
    pub fn input_word(&self, slot: usize) -> usize {
        HEADER_BYTES as usize / 8 + slot * self.input_stride
    }

    /// First word of the output slot with this index.
    #[must_use]
    pub fn output_word(&self, slot: usize) -> usize {
        self.input_word(self.slots) + slot * self.output_stride
    }

    /// Words of one channel of a hop.
    #[must_use]
    pub fn channel_words(&self) -> usize {
        self.channel_words
    }

    /// Words of one channel of a tail.
    #[must_use]
    pub fn tail_words(&self) -> usize {
        self.tail_words
    }

    /// The input slot of a hop; none only if the memory is too small, which was refused earlier.
    pub(crate) fn input<'a, M: Memory>(&self, memory: &'a M, hop: u32) -> Option<Slot<'a>> {
        let first = self.input_word(hop as usize % self.slots);
        Slot::new(memory.words().get(first..first + self.input_stride)?)
    }

    /// The output slot of a hop, as above.
    pub(crate) fn output<'a, M: Memory>(&self, memory: &'a M, hop: u32) -> Option<Slot<'a>> {
        let first = self.output_word(hop as usize % self.slots);
        Slot::new(memory.words().get(first..first + self.output_stride)?)
    }
}
