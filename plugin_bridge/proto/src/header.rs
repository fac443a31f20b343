//! The constant part of the header: written once by the host, checked once by the core.

use thiserror::Error;

use crate::geometry::{Geometry, GeometryError};
use crate::layout::{ABI_VERSION, HEADER_BYTES, Layout, MAGIC, word};
use crate::memory::{Memory, load, store};
use crate::sync::Ordering;

/// Why a memory is not accepted as that of a session.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// There is less memory than the session needs.
    #[error("memory: holds {actual} bytes, the session needs {needed}")]
    TooSmall {
        /// Bytes of the memory.
        actual: usize,
        /// Bytes that are needed.
        needed: usize,
    },
    /// The memory does not begin as one of ours does.
    #[error("magic={0:#018x}: must be {MAGIC:#018x}")]
    Magic(u64),
    /// The peer speaks another version.
    #[error("abi_version={0}: must be {ABI_VERSION}; plugin and core are of different releases")]
    AbiVersion(u32),
    /// The header is not as long as this version's.
    #[error("header_bytes={0}: must be {HEADER_BYTES}")]
    HeaderBytes(u32),
    /// The size in the header is not that of a session with these sizes.
    #[error("bytes={claimed}: must be {expected} for the sizes in the header")]
    Bytes {
        /// Bytes according to the header.
        claimed: u64,
        /// Bytes according to the sizes.
        expected: usize,
    },
    /// A size in the header is out of range.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
}

/// Clears the memory and writes the header.
pub(crate) fn write(memory: &impl Memory, geometry: &Geometry) -> Result<(), HeaderError> {
    let words = memory.words();
    let (actual, needed) = (words.len() * 8, geometry.bytes());
    if actual < needed {
        return Err(HeaderError::TooSmall { actual, needed });
    }
    // Tags of an earlier session in the same memory could match.
    for word in words {
        word.store(0, Ordering::Relaxed);
    }
    let pair = |low: usize, high: usize| low as u64 | (high as u64) << 32;
    for (index, value) in [
        (word::ABI, pair(ABI_VERSION as usize, HEADER_BYTES as usize)),
        (word::BYTES, needed as u64),
        (word::SAMPLE_RATE, geometry.sample_rate.to_bits()),
        (word::CHANNELS, pair(geometry.channels, geometry.slots)),
        (word::HOP, pair(geometry.hop, geometry.tail)),
        (word::LATENCY, geometry.latency),
        (word::MODEL_DELAY, geometry.model_delay),
        (word::MAX_BLOCK, geometry.max_block as u64),
    ] {
        store(words, index, value, Ordering::Relaxed);
    }
    store(words, word::MAGIC, MAGIC, Ordering::Release);
    Ok(())
}

/// Copies the header and checks the copy; the memory is not asked again.
pub(crate) fn read(memory: &impl Memory) -> Result<Geometry, HeaderError> {
    let words = memory.words();
    let actual = words.len() * 8;
    if actual < HEADER_BYTES as usize {
        return Err(HeaderError::TooSmall { actual, needed: HEADER_BYTES as usize });
    }
    let magic = load(words, word::MAGIC, Ordering::Acquire);
    if magic != MAGIC {
        return Err(HeaderError::Magic(magic));
    }
    let value = |index| load(words, index, Ordering::Relaxed);
    let halves = |index| {
        let both = value(index);
        (both as u32, (both >> 32) as u32)
    };
    let (abi, header_bytes) = halves(word::ABI);
    if abi != ABI_VERSION {
        return Err(HeaderError::AbiVersion(abi));
    }
    if header_bytes != HEADER_BYTES {
        return Err(HeaderError::HeaderBytes(header_bytes));
    }
    let ((channels, slots), (hop, tail)) = (halves(word::CHANNELS), halves(word::HOP));
    let geometry = Geometry {
        sample_rate: f64::from_bits(value(word::SAMPLE_RATE)),
        channels: channels as usize,
        hop: hop as usize,
        tail: tail as usize,
        slots: slots as usize,
        model_delay: value(word::MODEL_DELAY),
        latency: value(word::LATENCY),
        max_block: usize::try_from(value(word::MAX_BLOCK)).unwrap_or(usize::MAX),
    };
    geometry.check()?;
    let (claimed, expected) = (value(word::BYTES), Layout::new(&geometry).bytes());
    if claimed != expected as u64 {
        return Err(HeaderError::Bytes { claimed, expected });
    }
    if actual < expected {
        return Err(HeaderError::TooSmall { actual, needed: expected });
    }
    Ok(geometry)
}
