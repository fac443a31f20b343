//! One slot: a value that one side publishes and the other reads, whole or not at all.

use crate::layout::word;
use crate::sync::{AtomicU64, Ordering, fence};

/// The tag of a hop: `generation << 32 | hop + 1`.
///
/// Never 0, which marks a slot that is being written. The last hop number that has a tag is
/// `u32::MAX - 1`.
#[must_use]
pub fn tag(generation: u32, hop: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(hop.wrapping_add(1))
}

/// A slot: the words of its tag line and of its samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot<'a> {
    tag: &'a AtomicU64,
    words: &'a [AtomicU64],
}

impl<'a> Slot<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> Option<Self> {
        Some(Self { tag: words.get(word::SLOT_TAG)?, words })
    }

    /// Fills the slot, then publishes it under this tag.
    pub(crate) fn publish(&self, tag: u64, fill: impl FnOnce(&[AtomicU64])) {
        self.publish_with(tag, Ordering::Release, fill);
    }

    /// As [`publish`](Self::publish); the order is an argument so that the model check can show
    /// that it matters.
    pub(crate) fn publish_with(&self, tag: u64, order: Ordering, fill: impl FnOnce(&[AtomicU64])) {
        // A reader that sees any word of the new value and then looks at the tag again must not
        // find the old tag there.
        self.tag.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        fill(self.words);
        self.tag.store(tag, order);
    }

    /// Whether this tag is published.
    pub(crate) fn holds(&self, tag: u64) -> bool {
        self.tag.load(Ordering::Acquire) == tag
    }

    /// Copies what is published under this tag; nothing if it is not, or if it was overwritten
    /// meanwhile.
    pub(crate) fn read<T>(&self, tag: u64, copy: impl FnOnce(&[AtomicU64]) -> T) -> Option<T> {
        if !self.holds(tag) {
            return None;
        }
        let value = copy(self.words);
        fence(Ordering::Acquire);
        (self.tag.load(Ordering::Relaxed) == tag).then_some(value)
    }
}
