//! What each side counts, for whoever asks for the status.

use crate::layout::word;
use crate::memory::{Memory, load, store};
use crate::sync::Ordering;

/// What the host counted since the session was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostCounters {
    /// Samples (of one channel) that came from the core, entirely.
    pub wet: u64,
    /// Samples that did not, or only in part because of a fade.
    pub dry: u64,
    /// Hops whose result was not there when its first sample was due.
    pub late: u64,
    /// Hops whose result was there and held something that is not a finite number.
    pub refused: u64,
    /// Longest callback, in nanoseconds.
    pub worst_callback_ns: u64,
}

impl HostCounters {
    pub(crate) fn store(&self, memory: &impl Memory) {
        let Self { wet, dry, late, refused, worst_callback_ns } = *self;
        for (index, value) in [
            (word::WET, wet),
            (word::DRY, dry),
            (word::LATE, late),
            (word::REFUSED, refused),
            (word::WORST_CALLBACK, worst_callback_ns),
        ] {
            store(memory.words(), index, value, Ordering::Relaxed);
        }
    }

    /// What the host of a session last said, for display; each number for itself.
    #[must_use]
    pub fn load(memory: &impl Memory) -> Self {
        let word = |index| load(memory.words(), index, Ordering::Relaxed);
        Self {
            wet: word(word::WET),
            dry: word(word::DRY),
            late: word(word::LATE),
            refused: word(word::REFUSED),
            worst_callback_ns: word(word::WORST_CALLBACK),
        }
    }
}

/// What the core counted since it attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CoreCounters {
    /// How often it fell behind and jumped to the newest hop.
    pub resyncs: u64,
    /// Hops that it published.
    pub published: u64,
}

impl CoreCounters {
    pub(crate) fn store(&self, memory: &impl Memory) {
        store(memory.words(), word::RESYNCS, self.resyncs, Ordering::Relaxed);
        store(memory.words(), word::PUBLISHED, self.published, Ordering::Relaxed);
    }

    pub(crate) fn load(memory: &impl Memory) -> Self {
        Self {
            resyncs: load(memory.words(), word::RESYNCS, Ordering::Relaxed),
            published: load(memory.words(), word::PUBLISHED, Ordering::Relaxed),
        }
    }
}
