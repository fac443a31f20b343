//! Shared memory between processes: a sealed anonymous file.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::memfd_create;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use thiserror::Error;

use crate::geometry::Geometry;
use crate::layout::{HEADER_BYTES, MAX_BYTES};
use crate::memory::Memory;
use crate::sync::AtomicU64;

/// The seals without which a peer could take away the memory under a running callback.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Why there is no shared memory.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MapError {
    /// The system refused.
    #[error("shared memory: {step} failed: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file that was received can still change its size.
    #[error("shared memory: the file is not sealed against a change of its size")]
    NotSealed,
    /// The file that was received is no session's.
    #[error("shared memory: bytes={0}: must be a multiple of 8 in {HEADER_BYTES}..={MAX_BYTES}")]
    Size(u64),
}

impl MapError {
    fn at(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::System { step, source: errno.into() }
    }
}

/// Mapped memory of an anonymous file. It goes away with the last process that has it, however that
/// process ends; nothing is left behind in a file system.
pub struct SharedMemory {
    start: NonNull<AtomicU64>,
    words: usize,
    file: OwnedFd,
}

// SAFETY: the memory is reached through atomic words only, from any number of threads, and is
// unmapped by its only owner.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// New zeroed memory for a session, of a size that nobody can change any more.
    ///
    /// # Errors
    /// [`MapError::System`].
    pub fn create(geometry: &Geometry) -> Result<Self, MapError> {
        let file = memfd_create("uncodec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(MapError::at("memfd_create"))?;
        ftruncate(&file, geometry.bytes() as u64).map_err(MapError::at("ftruncate"))?;
        fcntl_add_seals(&file, SEALS).map_err(MapError::at("sealing"))?;
        Self::from_file(file)
    }

    /// Maps a file that came from a peer, after checking its seals and its size. What it holds is
    /// checked by [`CoreSide::attach`](crate::CoreSide::attach).
    ///
    /// # Errors
    /// [`MapError`]; the file is closed then.
    pub fn from_file(file: OwnedFd) -> Result<Self, MapError> {
        let seals = fcntl_get_seals(&file).map_err(|_| MapError::NotSealed)?;
        if !seals.contains(SEALS) {
            return Err(MapError::NotSealed);
        }
        let size = fstat(&file).map_err(MapError::at("fstat"))?.st_size as u64;
        let allowed = u64::from(HEADER_BYTES)..=MAX_BYTES as u64;
        if !allowed.contains(&size) || !size.is_multiple_of(8) {
            return Err(MapError::Size(size));
        }
        // Populated, so that the first callback meets no page fault.
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the system's choice disturbs nothing; the file
        // cannot shrink under it.
        let start = unsafe { mmap(ptr::null_mut(), size as usize, access, flags, &file, 0) }
            .map_err(MapError::at("mmap"))?;
        let Some(start) = NonNull::new(start.cast()) else {
            return Err(MapError::System {
                step: "mmap",
                source: io::ErrorKind::OutOfMemory.into(),
            });
        };
        Ok(Self { start, words: size as usize / 8, file })
    }
}

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Memory for SharedMemory {
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, holds `words` words, lives as long as `self`, and
        // is only ever seen as atomic words; what another process stores there is a valid word.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: `start` and `words` are those of the mapping that this value owns, and every
        // borrow of it has ended. A failure would leak it, which is all that can be done.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.words * 8) };
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory").field("bytes", &(self.words * 8)).finish_non_exhaustive()
    }
}
