//! Handing a session's memory to another process, over a Unix socket.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use thiserror::Error;

use crate::layout::{ABI_VERSION, MAGIC};
use crate::shared::{MapError, SharedMemory};

/// Bytes of the message that a file travels with: magic and ABI version.
const GREETING: usize = 12;

/// Why no memory was passed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PassError {
    /// The socket failed.
    #[error("passing the session: {0}")]
    Socket(#[from] std::io::Error),
    /// The peer closed the socket.
    #[error("passing the session: the peer closed the socket")]
    Closed,
    /// The message is not one of ours.
    #[error("passing the session: the message is not a session's")]
    Greeting,
    /// The peer speaks another version.
    #[error("abi_version={0}: must be {ABI_VERSION}; plugin and core are of different releases")]
    AbiVersion(u32),
    /// The message carries no file, or more than one.
    #[error("passing the session: {0} files came with the message, must be 1")]
    Files(usize),
    /// The file is not fit to be a session's memory.
    #[error(transparent)]
    Map(#[from] MapError),
}

/// Sends the memory to the process at the other end. Not for an audio thread.
///
/// # Errors
/// [`PassError::Socket`].
pub fn send(socket: &UnixStream, memory: &SharedMemory) -> Result<(), PassError> {
    let mut greeting = [0; GREETING];
    greeting[..8].copy_from_slice(&MAGIC.to_le_bytes());
    greeting[8..].copy_from_slice(&ABI_VERSION.to_le_bytes());
    let files = [memory.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&files));
    let sent = sendmsg(socket, &[IoSlice::new(&greeting)], &mut control, SendFlags::NOSIGNAL)
        .map_err(std::io::Error::from)?;
    if sent == GREETING {
        Ok(())
    } else {
        Err(PassError::Socket(std::io::ErrorKind::WriteZero.into()))
    }
}

/// Receives a memory; waits for it as long as the socket's own time limit says.
///
/// # Errors
/// [`PassError`]; files that came along are closed.
pub fn receive(socket: &UnixStream) -> Result<SharedMemory, PassError> {
    let mut greeting = [0; GREETING];
    // Room for more than one file, so that a second one is seen and closed.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut greeting)];
    let message = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
        .map_err(std::io::Error::from)?;
    let mut files: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    if message.bytes == 0 {
        return Err(PassError::Closed);
    }
    let [magic @ .., a, b, c, d] = greeting;
    if message.bytes != GREETING || magic != MAGIC.to_le_bytes() {
        return Err(PassError::Greeting);
    }
    let abi = u32::from_le_bytes([a, b, c, d]);
    if abi != ABI_VERSION {
        return Err(PassError::AbiVersion(abi));
    }
    match (files.pop(), files.len()) {
        (Some(file), 0) => Ok(SharedMemory::from_file(file)?),
        (None, _) => Err(PassError::Files(0)),
        (Some(_), more) => Err(PassError::Files(more + 1)),
    }
}
