//! Wait-free ring of multi-channel samples between two threads.
//!
//! Memory and synchronisation are those of the `rtrb` crate; this module adds that a *frame*, one
//! sample of each channel, is the smallest thing that ever becomes visible, and that a position is
//! always a whole number of frames. Samples lie interleaved inside, so that each half of a chunk
//! holds whole frames.
//!
//! What a model checker can say about it is said by `cargo test` with `--cfg loom` (see README.md):
//! it replaces `rtrb` by a transcription of its protocol with loom's atomics and runs the code of
//! this file, unchanged, through all interleavings.

#[cfg(all(loom, test))]
mod model;
#[cfg(all(loom, test))]
use model as transport;
#[cfg(not(all(loom, test)))]
use rtrb as transport;

use thiserror::Error;

use crate::planar::{MAX_CHANNELS, NotPlanar, frames_of};

/// The largest ring that is accepted, in samples of all channels: 1 GiB.
pub const MAX_RING_SAMPLES: usize = 1 << 28;

/// Why a ring refused a request. Nothing was written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RingError {
    /// The number of channels is 0 or unreasonable.
    #[error("channels={0}: must be in 1..={MAX_CHANNELS}")]
    Channels(usize),
    /// The capacity is 0 or unreasonable.
    #[error("capacity={capacity}: must be in 1..={max} frames of {channels} channels")]
    Capacity {
        /// Frames that were asked for.
        capacity: usize,
        /// Largest capacity for this number of channels.
        max: usize,
        /// Number of channels.
        channels: usize,
    },
    /// The channels of a buffer have different lengths.
    #[error(transparent)]
    NotPlanar(#[from] NotPlanar),
    /// There is no room for a chunk of this size now.
    #[error("frames={requested}: the ring has room for {free}")]
    Full {
        /// Frames that were asked for.
        requested: usize,
        /// Frames that can be written now.
        free: usize,
    },
    /// There is no chunk of this size to read now.
    #[error("frames={requested}: the ring holds {available}")]
    Empty {
        /// Frames that were asked for.
        requested: usize,
        /// Frames that can be read now.
        available: usize,
    },
}

/// Makes a ring for `capacity` frames of `channels` channels: the end to write and the end to read.
///
/// All memory is allocated here. Every other operation finishes in a number of steps that does not
/// depend on the other thread: no lock, no loop, no allocation, no system call.
///
/// # Errors
/// [`RingError::Channels`] or [`RingError::Capacity`].
///
/// ```
/// let (mut producer, mut consumer) = uncodec_dsp::ring(2, 4)?;
/// // Three frames, planar: left, then right.
/// assert_eq!(producer.write(&[1.0, 2.0, 3.0, -1.0, -2.0, -3.0])?, 3);
/// // A full ring takes what it can.
/// assert_eq!(producer.write(&[4.0, 5.0, -4.0, -5.0])?, 1);
/// let mut out = [0.0; 2 * 4];
/// assert_eq!(consumer.read_into(&mut out)?, 4);
/// assert_eq!(out, [1.0, 2.0, 3.0, 4.0, -1.0, -2.0, -3.0, -4.0]);
/// # Ok::<(), uncodec_dsp::RingError>(())
/// ```
pub fn ring(channels: usize, capacity: usize) -> Result<(RingProducer, RingConsumer), RingError> {
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return Err(RingError::Channels(channels));
    }
    let max = MAX_RING_SAMPLES / channels;
    if !(1..=max).contains(&capacity) {
        return Err(RingError::Capacity { capacity, max, channels });
    }
    Ok(assemble(channels, capacity, transport::RingBuffer::new(capacity * channels)))
}

fn assemble(
    channels: usize,
    capacity: usize,
    (samples_in, samples_out): (transport::Producer<f32>, transport::Consumer<f32>),
) -> (RingProducer, RingConsumer) {
    (
        RingProducer { samples: samples_in, channels, capacity },
        RingConsumer { samples: samples_out, channels, capacity },
    )
}

/// The writing end of a ring; it may move to another thread, but only one thread can use it.
#[derive(Debug)]
pub struct RingProducer {
    samples: transport::Producer<f32>,
    channels: usize,
    capacity: usize,
}

impl RingProducer {
    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Frames that the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Frames that can be written now; the other end can only make it more.
    #[must_use]
    pub fn free(&self) -> usize {
        self.samples.slots() / self.channels
    }

    /// Whether the reading end is gone, so that nothing written will ever be read.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }

    /// Writes as many frames of `input`, planar `[channels, n]`, as there is room for; returns how
    /// many.
    ///
    /// The frames become visible to the reading end together.
    ///
    /// # Errors
    /// [`RingError::NotPlanar`]; a full ring is no error but a result below `n`.
    pub fn write(&mut self, input: &[f32]) -> Result<usize, RingError> {
        let frames = frames_of("x", input.len(), self.channels)?;
        let accepted = frames.min(self.free());
        let mut chunk = self.write_chunk(accepted)?;
        chunk.copy_from_planar(input, frames);
        chunk.commit(accepted);
        Ok(accepted)
    }

    /// Room for exactly `frames` frames, to be filled in place.
    ///
    /// # Errors
    /// [`RingError::Full`] if there is less room than that now.
    pub fn write_chunk(&mut self, frames: usize) -> Result<WriteChunk<'_>, RingError> {
        let free = self.free();
        let channels = self.channels;
        let full = RingError::Full { requested: frames, free };
        let samples = frames.checked_mul(channels).ok_or(full)?;
        let samples = self.samples.write_chunk(samples).map_err(|_| full)?;
        Ok(WriteChunk { samples, channels })
    }
}

/// Room in a ring that is not visible to the reading end until it is committed.
///
/// Dropping it without committing leaves the ring as it was.
#[derive(Debug)]
pub struct WriteChunk<'a> {
    samples: transport::chunks::WriteChunk<'a, f32>,
    channels: usize,
}

impl WriteChunk<'_> {
    /// Frames that fit.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// The room: interleaved whole frames, zeros at first; the second part is empty unless the room
    /// goes around the end of the ring.
    pub fn as_mut_slices(&mut self) -> (&mut [f32], &mut [f32]) {
        self.samples.as_mut_slices()
    }

    /// Makes the first `frames` frames (all of them, if that is more) visible to the reading end.
    pub fn commit(self, frames: usize) {
        let frames = frames.min(self.frames());
        self.samples.commit(frames * self.channels);
    }

    /// Fills the room from the beginning of planar channels of `stride` samples each.
    fn copy_from_planar(&mut self, input: &[f32], stride: usize) {
        let channels = self.channels;
        let (first, second) = self.samples.as_mut_slices();
        let split = first.len() / channels;
        for (channel, source) in input.chunks_exact(stride.max(1)).enumerate() {
            let (head, tail) = source.split_at(split.min(source.len()));
            interleave(first, head, channel, channels);
            interleave(second, tail, channel, channels);
        }
    }
}

/// The reading end of a ring; it may move to another thread, but only one thread can use it.
#[derive(Debug)]
pub struct RingConsumer {
    samples: transport::Consumer<f32>,
    channels: usize,
    capacity: usize,
}

impl RingConsumer {
    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Frames that the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Frames that can be read now; the other end can only make it more.
    #[must_use]
    pub fn available(&self) -> usize {
        self.samples.slots() / self.channels
    }

    /// Whether the writing end is gone, so that nothing more will come than is available.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }

    /// Reads as many frames as there are and as fit into `out`, planar `[channels, n]`; returns how
    /// many.
    ///
    /// The frames lie at the beginning of each channel of `out`; the rest is left alone.
    ///
    /// # Errors
    /// [`RingError::NotPlanar`]; an empty ring is no error but a result below `n`.
    pub fn read_into(&mut self, out: &mut [f32]) -> Result<usize, RingError> {
        let frames = frames_of("out", out.len(), self.channels)?;
        let taken = frames.min(self.available());
        let chunk = self.read_chunk(taken)?;
        chunk.copy_to_planar(out, frames);
        chunk.commit(taken);
        Ok(taken)
    }

    /// Exactly `frames` frames, to be looked at in place.
    ///
    /// # Errors
    /// [`RingError::Empty`] if there are fewer now.
    pub fn read_chunk(&mut self, frames: usize) -> Result<ReadChunk<'_>, RingError> {
        let available = self.available();
        let channels = self.channels;
        let empty = RingError::Empty { requested: frames, available };
        let samples = frames.checked_mul(channels).ok_or(empty)?;
        let samples = self.samples.read_chunk(samples).map_err(|_| empty)?;
        Ok(ReadChunk { samples, channels })
    }
}

/// Frames in a ring that stay there until they are committed as read.
///
/// Dropping it without committing leaves the ring as it was.
#[derive(Debug)]
pub struct ReadChunk<'a> {
    samples: transport::chunks::ReadChunk<'a, f32>,
    channels: usize,
}

impl ReadChunk<'_> {
    /// Frames in the chunk.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// The frames, interleaved; the second part is empty unless the chunk goes around the end of
    /// the ring.
    #[must_use]
    pub fn as_slices(&self) -> (&[f32], &[f32]) {
        self.samples.as_slices()
    }

    /// Gives the room of the first `frames` frames (all of them, if that is more) back to the
    /// writing end.
    pub fn commit(self, frames: usize) {
        let frames = frames.min(self.frames());
        self.samples.commit(frames * self.channels);
    }

    /// Copies the frames to the beginning of planar channels of `stride` samples each.
    fn copy_to_planar(&self, out: &mut [f32], stride: usize) {
        let channels = self.channels;
        let (first, second) = self.samples.as_slices();
        let split = first.len() / channels;
        for (channel, target) in out.chunks_exact_mut(stride.max(1)).enumerate() {
            let (head, tail) = target.split_at_mut(split.min(target.len()));
            deinterleave(first, head, channel, channels);
            deinterleave(second, tail, channel, channels);
        }
    }
}

fn interleave(frames: &mut [f32], source: &[f32], channel: usize, channels: usize) {
    for (frame, sample) in frames.chunks_exact_mut(channels).zip(source) {
        frame[channel] = *sample;
    }
}

fn deinterleave(frames: &[f32], target: &mut [f32], channel: usize, channels: usize) {
    for (frame, sample) in frames.chunks_exact(channels).zip(target) {
        *sample = frame[channel];
    }
}

#[cfg(all(loom, test))]
#[allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
mod loom_tests {
    use loom::sync::atomic::Ordering;
    use loom::thread;

    use super::{RingConsumer, RingProducer, assemble, model, ring};

    const CHANNELS: usize = 2;

    /// Frame `k` is (k, -k), so that a torn frame shows.
    fn planar(numbers: std::ops::Range<u8>) -> Vec<f32> {
        let left = numbers.clone().map(f32::from);
        left.chain(numbers.map(|k| -f32::from(k))).collect()
    }

    /// Offers frames 1..=3 as one and two, to a ring that holds two; returns how many were
    /// accepted.
    fn produce(producer: &mut RingProducer) -> u8 {
        let mut next = 1_u8;
        for wanted in [1, 2, 2] {
            let end = (next + wanted).min(4);
            next += producer.write(&planar(next..end)).unwrap() as u8;
        }
        next - 1
    }

    /// Reads what is there, checks that the frames are whole and in order; returns the next number.
    fn consume(consumer: &mut RingConsumer, mut next: u8) -> u8 {
        let mut out = [0.0; CHANNELS * 2];
        let frames = consumer.read_into(&mut out).unwrap();
        for frame in 0..frames {
            let (left, right) = (out[frame], out[2 + frame]);
            assert_eq!((left, right), (f32::from(next), -f32::from(next)));
            next += 1;
        }
        next
    }

    fn run((mut producer, mut consumer): (RingProducer, RingConsumer)) {
        let writer = thread::spawn(move || produce(&mut producer));
        let mut next = 1;
        for _ in 0..2 {
            next = consume(&mut consumer, next);
        }
        let accepted = writer.join().unwrap();
        for _ in 0..2 {
            next = consume(&mut consumer, next);
        }
        assert_eq!(next, accepted + 1, "what was accepted must arrive, once");
        assert!(accepted >= 2, "an empty ring has room for its capacity");
    }

    #[test]
    fn loom_frames_arrive_whole_and_in_order() {
        loom::model(|| run(ring(CHANNELS, 2).unwrap()));
    }

    #[test]
    fn loom_chunks_are_private_until_committed() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(CHANNELS, 2).unwrap();
            let writer = thread::spawn(move || {
                producer.write_chunk(2).unwrap().as_mut_slices().0.fill(9.0); // dropped: never seen
                let mut chunk = producer.write_chunk(2).unwrap();
                chunk.as_mut_slices().0.copy_from_slice(&[1.0, -1.0, 2.0, -2.0]);
                chunk.commit(1);
                producer
            });
            let mut next = consume(&mut consumer, 1);
            writer.join().unwrap();
            next = consume(&mut consumer, next);
            assert_eq!(next, 2);
        });
    }

    /// The check can fail: without the release of the write position, loom finds the data race.
    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_finds_a_missing_release() {
        loom::model(|| {
            let transport = model::RingBuffer::with_publish_order(CHANNELS * 2, Ordering::Relaxed);
            run(assemble(CHANNELS, 2, transport));
        });
    }
}
