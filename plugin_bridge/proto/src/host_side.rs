//! The plugin's end of the shared memory.

use std::time::Duration;

use thiserror::Error;

use crate::counters::{CoreCounters, HostCounters};
use crate::geometry::Geometry;
use crate::header::{self, HeaderError};
use crate::layout::{Layout, word};
use crate::memory::{BufferError, Memory, load, load_samples, store, store_samples};
use crate::parameters::Parameters;
use crate::slot::tag;
use crate::sync::Ordering;

/// Why a hop was not submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The buffer has the wrong length.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// There was no `activate` yet.
    #[error("submit: the session was never activated")]
    Inactive,
    /// All numbers of hops are used up, after more than a month of the shortest useful hops;
    /// `activate` starts over.
    #[error("submit: no hop numbers left in this generation")]
    Exhausted,
}

/// What was found in an output slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Fetch {
    /// The result of this hop; the buffers hold it.
    Ready,
    /// Not published, or not any more; the contents of the buffers are unspecified.
    Missing,
    /// Published, but not all samples are finite; the contents of the buffers are unspecified.
    Refused,
}

/// The plugin's end: submits hops of input and fetches results.
///
/// Everything but [`create`](Self::create) is fit for an audio callback: no allocation, no lock, no
/// system call, no panic, and a number of steps that nothing in the shared memory can change.
#[derive(Debug)]
pub struct HostSide<M> {
    memory: M,
    geometry: Geometry,
    layout: Layout,
    generation: u32,
    hops: u32,
    active: bool,
}

impl<M: Memory> HostSide<M> {
    /// Clears the memory and writes the header of a new session into it.
    ///
    /// # Errors
    /// [`HeaderError::TooSmall`] if the memory is smaller than [`Geometry::bytes`].
    pub fn create(memory: M, geometry: Geometry) -> Result<Self, HeaderError> {
        header::write(&memory, &geometry)?;
        let layout = Layout::new(&geometry);
        Ok(Self { memory, geometry, layout, generation: 0, hops: 0, active: false })
    }

    /// The sizes of the session.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The memory, for example to pass it to the core.
    #[must_use]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Starts over at hop 0, in a new generation: no result of an earlier one can match any more.
    /// For `setActive(1)`.
    pub fn activate(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.hops = 0;
        self.active = true;
        self.store_head();
    }

    /// The current generation; 0 before the first [`activate`](Self::activate).
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Hops submitted in this generation.
    #[must_use]
    pub fn hops(&self) -> u32 {
        self.hops
    }

    /// Submits the next hop of input, planar `[channels, hop]`, with the parameters it is to be
    /// processed with; returns its number.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was submitted.
    pub fn submit(&mut self, hop: &[f32], parameters: Parameters) -> Result<u32, SubmitError> {
        BufferError::check("hop", hop, self.geometry.hop_samples())?;
        if !self.active {
            return Err(SubmitError::Inactive);
        }
        let number = self.hops;
        if number == u32::MAX {
            return Err(SubmitError::Exhausted);
        }
        if let Some(slot) = self.layout.input(&self.memory, number) {
            slot.publish(tag(self.generation, number), |words| {
                parameters.store(words);
                let samples = words.get(word::SLOT_SAMPLES..).unwrap_or_default();
                let channels = samples.chunks(self.layout.channel_words());
                for (words, channel) in channels.zip(hop.chunks(self.geometry.hop)) {
                    store_samples(words, channel);
                }
            });
        }
        self.hops += 1;
        self.store_head();
        Ok(number)
    }

    /// Whether the result of this hop is published.
    #[must_use]
    pub fn is_published(&self, hop: u32) -> bool {
        hop < self.hops
            && self
                .layout
                .output(&self.memory, hop)
                .is_some_and(|slot| slot.holds(tag(self.generation, hop)))
    }

    /// Copies the result of a hop: `output` is planar `[channels, hop]`, `tail` is planar
    /// `[channels, tail]`.
    ///
    /// # Errors
    /// [`BufferError`] if a buffer has the wrong length.
    pub fn fetch(
        &self,
        hop: u32,
        output: &mut [f32],
        tail: &mut [f32],
    ) -> Result<Fetch, BufferError> {
        BufferError::check("output", output, self.geometry.hop_samples())?;
        BufferError::check("tail", tail, self.geometry.tail_samples())?;
        if hop >= self.hops {
            return Ok(Fetch::Missing);
        }
        let Some(slot) = self.layout.output(&self.memory, hop) else {
            return Ok(Fetch::Missing);
        };
        let finite = slot.read(tag(self.generation, hop), |words| {
            let words = words.get(word::SLOT_SAMPLES..).unwrap_or_default();
            let split = self.geometry.channels * self.layout.channel_words();
            let (outputs, tails) = words.split_at_checked(split).unwrap_or_default();
            load_planar(outputs, self.layout.channel_words(), output, self.geometry.hop)
                & load_planar(tails, self.layout.tail_words(), tail, self.geometry.tail)
        });
        Ok(match finite {
            Some(true) => Fetch::Ready,
            Some(false) => Fetch::Refused,
            None => Fetch::Missing,
        })
    }

    /// Time since the core's last sign of life, given the monotonic clock in nanoseconds; nothing
    /// if there was none, or if it claims to lie in the future.
    #[must_use]
    pub fn heartbeat_age(&self, now_ns: u64) -> Option<Duration> {
        // The core may beat between the host's look at the clock and its look at the heartbeat.
        const SLACK_NS: u64 = 100_000_000;
        let beat = load(self.memory.words(), word::HEARTBEAT, Ordering::Relaxed);
        let plausible = beat != 0 && beat <= now_ns.saturating_add(SLACK_NS);
        plausible.then(|| Duration::from_nanos(now_ns.saturating_sub(beat)))
    }

    /// What the core says it counted; for display only.
    #[must_use]
    pub fn core_counters(&self) -> CoreCounters {
        CoreCounters::load(&self.memory)
    }

    /// Shows the host's counters to the core.
    pub fn publish_counters(&mut self, counters: &HostCounters) {
        counters.store(&self.memory);
    }

    fn store_head(&self) {
        let head = u64::from(self.generation) << 32 | u64::from(self.hops);
        store(self.memory.words(), word::HEAD, head, Ordering::Release);
    }
}

/// Copies channels of `channel_words` words each; whether all samples are finite.
fn load_planar(
    words: &[crate::sync::AtomicU64],
    channel_words: usize,
    samples: &mut [f32],
    length: usize,
) -> bool {
    let mut finite = true;
    // Chunks of length 0 do not exist; without a tail there is nothing to copy either.
    let channels = words.chunks(channel_words.max(1));
    for (words, channel) in channels.zip(samples.chunks_mut(length.max(1))) {
        finite &= load_samples(words, channel);
    }
    finite
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::geometry::HostSettings;
    use crate::memory::HeapMemory;

    #[test]
    fn hop_numbers_end_without_a_wrap() {
        let geometry = Geometry::new(&HostSettings {
            sample_rate: 48_000.0,
            channels: 1,
            hop: 2,
            tail: 0,
            model_delay: 0,
            max_block: 8,
            turnaround_s: 0.0,
            varying_blocks: true,
        })
        .unwrap();
        let mut host = HostSide::create(HeapMemory::new(geometry.bytes()), geometry).unwrap();
        host.activate();
        host.hops = u32::MAX - 1;
        assert_eq!(host.submit(&[0.0; 2], Parameters::default()), Ok(u32::MAX - 1));
        assert_eq!(host.submit(&[0.0; 2], Parameters::default()), Err(SubmitError::Exhausted));
        assert_eq!(host.hops(), u32::MAX);
        host.generation = u32::MAX;
        host.activate();
        assert_eq!((host.generation(), host.hops()), (0, 0));
        assert_eq!(host.submit(&[0.0; 2], Parameters::default()), Ok(0));
    }
}
