//! The memory two sides share, as an array of atomic words.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::sync::{AtomicU64, Ordering};

/// A buffer does not hold the samples that the session's geometry asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{name}: holds {len} samples, must hold {expected}")]
pub struct BufferError {
    /// Name of the argument.
    pub name: &'static str,
    /// Samples that were given.
    pub len: usize,
    /// Samples that are needed: channels times hop, or channels times tail.
    pub expected: usize,
}

impl BufferError {
    pub(crate) fn check(
        name: &'static str,
        buffer: &[f32],
        expected: usize,
    ) -> Result<(), BufferError> {
        let len = buffer.len();
        if len == expected { Ok(()) } else { Err(BufferError { name, len, expected }) }
    }
}

/// Memory that the two sides of a session share.
///
/// Words are atomic because the peer, which may be broken or hostile, can write any of them at any
/// time. `words` must always give the same memory, without a lock or a system call.
pub trait Memory {
    /// All of the memory.
    fn words(&self) -> &[AtomicU64];
}

impl<M: Memory + ?Sized> Memory for &M {
    fn words(&self) -> &[AtomicU64] {
        (**self).words()
    }
}

impl<M: Memory + ?Sized> Memory for Arc<M> {
    fn words(&self) -> &[AtomicU64] {
        (**self).words()
    }
}

/// Shared memory inside one process, for tests and for a host that runs the core in a thread.
#[derive(Clone)]
pub struct HeapMemory(Arc<[AtomicU64]>);

impl HeapMemory {
    /// Zeroed memory of at least this many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self((0..bytes.div_ceil(8)).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Memory for HeapMemory {
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

impl fmt::Debug for HeapMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapMemory").field("words", &self.0.len()).finish()
    }
}

/// A word of the header; 0 if the memory is too small, which is refused before it could matter.
pub(crate) fn load(words: &[AtomicU64], index: usize, order: Ordering) -> u64 {
    words.get(index).map_or(0, |word| word.load(order))
}

/// Writes a word of the header.
pub(crate) fn store(words: &[AtomicU64], index: usize, value: u64, order: Ordering) {
    if let Some(word) = words.get(index) {
        word.store(value, order);
    }
}

/// Writes one channel, two samples to a word.
pub(crate) fn store_samples(words: &[AtomicU64], samples: &[f32]) {
    for (word, pair) in words.iter().zip(samples.chunks(2)) {
        let half = |index: usize| pair.get(index).map_or(0, |v| u64::from(v.to_bits()));
        word.store(half(0) | half(1) << 32, Ordering::Relaxed);
    }
}

/// Reads one channel; whether all samples are finite.
pub(crate) fn load_samples(words: &[AtomicU64], samples: &mut [f32]) -> bool {
    let mut finite = true;
    for (word, pair) in words.iter().zip(samples.chunks_mut(2)) {
        let bits = word.load(Ordering::Relaxed);
        for (sample, half) in pair.iter_mut().zip([bits as u32, (bits >> 32) as u32]) {
            *sample = f32::from_bits(half);
            finite &= sample.is_finite();
        }
    }
    finite
}
