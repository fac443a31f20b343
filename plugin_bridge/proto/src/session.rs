//! Opening a session: what plugin and core say to each other before the first hop.
//!
//! All of it happens on the socket, outside the audio thread, in messages of constant size and
//! within a time limit.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, recv, send,
    socket_with,
};
use rustix::process::geteuid;
use thiserror::Error;

use crate::core_side::CoreSide;
use crate::header::HeaderError;
use crate::layout::ABI_VERSION;
use crate::messages::{
    ANSWER_BYTES, ANSWER_MAGIC, Acceptance, Answer, MAX_MODEL_NAME, OpenRequest, REQUEST_BYTES,
    REQUEST_MAGIC, decode_answer, encode_answer, u32_at,
};
use crate::passing::{self, PassError, receive};
use crate::shared::SharedMemory;

/// Why no session was opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nothing listens at the socket.
    #[error("{}: no core is running", path.display())]
    NotRunning {
        /// Path of the socket.
        path: PathBuf,
    },
    /// Something at the socket's place belongs to somebody else.
    #[error("{what}: belongs to user {owner}, must belong to user {user}")]
    Owner {
        /// The socket, its folder, or the process at the other end.
        what: String,
        /// Who owns it.
        owner: u32,
        /// Who this process belongs to.
        user: u32,
    },
    /// The peer did not say what it had to say in time.
    #[error("opening a session: no answer within {0:?}")]
    Timeout(Duration),
    /// The peer closed the socket.
    #[error("opening a session: the peer closed the socket")]
    Closed,
    /// What the peer said is no message of this protocol.
    #[error("opening a session: the message is not of this protocol: {0}")]
    Message(&'static str),
    /// The peer speaks another version.
    #[error("abi_version={0}: must be {ABI_VERSION}; plugin and core are of different releases")]
    AbiVersion(u32),
    /// The core does not want this session.
    #[error("the core refused: {0}")]
    Refused(String),
    /// The core will want it in a while: it is loading the model. Asking again is right.
    #[error("the core is not ready: {0}")]
    NotYet(String),
    /// The name of the model cannot be sent.
    #[error("model: must have 1 to {MAX_MODEL_NAME} bytes and no control characters, got {0:?}")]
    Model(String),
    /// The memory was not passed.
    #[error(transparent)]
    Pass(PassError),
    /// The memory that was passed is no session's.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The system refused.
    #[error("opening a session: {step} failed: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    fn at(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::System { step, source },
        }
    }
}

/// Where the core listens: `$UNCODEC_CORE_SOCKET`, else `$XDG_RUNTIME_DIR/uncodec/core.sock`, else
/// `/tmp/uncodec-UID/core.sock`.
///
/// Reads the environment: call it where nobody writes to that, once, and keep the result.
#[must_use]
pub fn socket_path() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = variable("UNCODEC_CORE_SOCKET") {
        return path.into();
    }
    let folder = match variable("XDG_RUNTIME_DIR") {
        Some(folder) => PathBuf::from(folder).join("uncodec"),
        None => format!("/tmp/uncodec-{}", geteuid().as_raw()).into(),
    };
    folder.join("core.sock")
}

/// A session as the plugin holds it: it lives as long as this value, and as long as the core.
///
/// Nothing is sent after the opening. To wait for the core's end, poll the file for readability.
#[derive(Debug)]
pub struct OpenSession {
    stream: UnixStream,
    acceptance: Acceptance,
}

impl OpenSession {
    /// What the core said.
    #[must_use]
    pub fn acceptance(&self) -> &Acceptance {
        &self.acceptance
    }

    /// Whether the core has ended the session, or died.
    #[must_use]
    pub fn is_over(&self) -> bool {
        is_over(self.as_fd())
    }
}

impl AsFd for OpenSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Opens a session with the core that listens at `path`. Takes `timeout` at most; not for an audio
/// thread.
///
/// # Errors
/// [`OpenError`]. The memory is the caller's as before, and a core that has seen it has closed it
/// or is about to.
pub fn open_session(
    path: &Path,
    request: &OpenRequest,
    memory: &SharedMemory,
    timeout: Duration,
) -> Result<OpenSession, OpenError> {
    let message = request.encode()?;
    let time = TimeLimit::new(timeout);
    let stream = connect(path)?;
    time.apply(&stream)?;
    // A core that refuses early closes the socket while these are under way: what counts is its
    // answer.
    let sent = write_all(&stream, &message)
        .map_err(|error| time.judge("sending", error))
        .and_then(|()| passing::send(&stream, memory).map_err(|error| time.judge_pass(error)));
    let answered = read_message::<ANSWER_BYTES>(&stream, &time, ANSWER_MAGIC);
    match (sent, answered) {
        (_, Ok(message)) => Ok(OpenSession { acceptance: decode_answer(&message)?, stream }),
        (Err(error), Err(OpenError::Closed)) | (_, Err(error)) => Err(error),
    }
}

/// A session that a plugin has asked for and that the core has not answered yet. Dropping it closes
/// the socket.
#[derive(Debug)]
pub struct PendingSession {
    request: OpenRequest,
    side: CoreSide<SharedMemory>,
    stream: UnixStream,
}

impl PendingSession {
    /// What the plugin asks for.
    #[must_use]
    pub fn request(&self) -> &OpenRequest {
        &self.request
    }

    /// The core's end of its memory, with the geometry that the plugin has in mind.
    #[must_use]
    pub fn side(&self) -> &CoreSide<SharedMemory> {
        &self.side
    }

    /// Accepts it. The heartbeat is set to `now_ns`, nanoseconds of the monotonic clock, before the
    /// plugin can look at it.
    ///
    /// # Errors
    /// [`OpenError::Closed`] if the plugin is gone.
    pub fn accept(
        mut self,
        acceptance: &Acceptance,
        now_ns: u64,
    ) -> Result<CoreSession, OpenError> {
        self.side.beat(now_ns);
        write_all(&self.stream, &encode_answer(Answer::Accepted(acceptance)))
            .map_err(OpenError::at("answering"))?;
        Ok(CoreSession { side: self.side, stream: self.stream })
    }

    /// Refuses it with a short reason, which a user of the plugin will read.
    pub fn refuse(self, reason: &str) {
        refuse(&self.stream, reason);
    }

    /// Tells the plugin to ask again, and what is being done until then.
    pub fn postpone(self, reason: &str) {
        turn_away(&self.stream, Answer::NotYet(reason));
    }
}

/// A session as the core holds it: the socket is open as long as the plugin wants it.
#[derive(Debug)]
pub struct CoreSession {
    /// The core's end of the memory.
    pub side: CoreSide<SharedMemory>,
    stream: UnixStream,
}

impl CoreSession {
    /// Whether the plugin has ended the session, or its host died.
    #[must_use]
    pub fn is_over(&self) -> bool {
        is_over(self.as_fd())
    }
}

impl AsFd for CoreSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Reads a request from a connection, but not the memory that follows: enough to choose the process
/// that is to serve it, which calls [`receive_session`] on the same socket.
///
/// # Errors
/// [`OpenError`]; a peer that speaks another version was told so.
pub fn read_request(stream: &UnixStream, timeout: Duration) -> Result<OpenRequest, OpenError> {
    check_peer(stream)?;
    let time = TimeLimit::new(timeout);
    let message = read_message::<REQUEST_BYTES>(stream, &time, REQUEST_MAGIC);
    message.and_then(|message| OpenRequest::decode(&message)).inspect_err(|error| {
        if let OpenError::AbiVersion(_) | OpenError::Message(_) = error {
            refuse(stream, &error.to_string());
        }
    })
}

/// Takes the memory of a session whose request was read.
///
/// # Errors
/// [`OpenError`]; the plugin was told the reason, and the socket is closed.
pub fn receive_session(
    stream: UnixStream,
    request: OpenRequest,
    timeout: Duration,
) -> Result<PendingSession, OpenError> {
    let time = TimeLimit::new(timeout);
    time.apply(&stream)?;
    let memory = receive(&stream).map_err(|error| time.judge_pass(error));
    let side = memory.and_then(|memory| Ok(CoreSide::attach(memory)?)).inspect_err(|error| {
        refuse(&stream, &error.to_string());
    })?;
    Ok(PendingSession { request, side, stream })
}

/// The core's end of [`open_session`]: [`read_request`] and [`receive_session`] in one.
///
/// # Errors
/// [`OpenError`]; the plugin was told the reason if it still listened, and the socket is closed.
pub fn accept_session(stream: UnixStream, timeout: Duration) -> Result<PendingSession, OpenError> {
    let request = read_request(&stream, timeout)?;
    receive_session(stream, request, timeout)
}

/// Best effort: a peer that does not listen loses nothing but the reason.
fn refuse(stream: &UnixStream, reason: &str) {
    turn_away(stream, Answer::Refused(reason));
}

fn turn_away(mut stream: &UnixStream, answer: Answer<'_>) {
    let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
    let _ = write_all(stream, &encode_answer(answer));
    // Unread input would make the system reset the connection and drop the answer with it.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let _ = stream.read(&mut [0; 2 * REQUEST_BYTES]);
}

/// A connected, blocking socket, after checks of whom its path and its other end belong to.
fn connect(path: &Path) -> Result<UnixStream, OpenError> {
    let not_running = || OpenError::NotRunning { path: path.to_owned() };
    let missing = |step| {
        move |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => not_running(),
            _ => OpenError::System { step, source: error },
        }
    };
    let found = std::fs::symlink_metadata(path).map_err(missing("looking for the socket"))?;
    check_owner(|| path.display().to_string(), found.uid())?;
    // In a folder of somebody else's the socket could be exchanged; in a public one it could not,
    // for that is what the sticky bit is for.
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let found = std::fs::metadata(folder).map_err(missing("looking at the socket's folder"))?;
        let sticky = found.mode() & 0o1000 != 0;
        if !sticky {
            check_owner(|| folder.display().to_string(), found.uid())?;
        }
    }
    let address = SocketAddrUnix::new(path)
        .map_err(|error| OpenError::System { step: "naming the socket", source: error.into() })?;
    // A core whose queue is full must not hold us up; it counts as not running.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|error| OpenError::System { step: "socket", source: error.into() })?;
    rustix::net::connect(&socket, &address).map_err(io::Error::from).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            not_running()
        } else {
            missing("connect")(error)
        }
    })?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false).map_err(OpenError::at("connect"))?;
    check_peer(&stream)?;
    Ok(stream)
}

fn check_owner(what: impl FnOnce() -> String, owner: u32) -> Result<(), OpenError> {
    let user = geteuid().as_raw();
    if owner == user { Ok(()) } else { Err(OpenError::Owner { what: what(), owner, user }) }
}

/// The process at the other end must belong to the same user.
fn check_peer(stream: &UnixStream) -> Result<(), OpenError> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open for the duration of the call, and the system writes at most
    // `length` bytes into `peer`, which has that size and for which any bytes are a value.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if failed != 0 {
        return Err(OpenError::System {
            step: "asking for the peer",
            source: io::Error::last_os_error(),
        });
    }
    check_owner(|| format!("process {} at the socket", peer.pid), peer.uid)
}

/// Whether the peer has closed the socket. Something to read counts too: nothing may come.
fn is_over(socket: BorrowedFd<'_>) -> bool {
    match recv(socket, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok(_) => true,
        Err(error) => error != rustix::io::Errno::AGAIN && error != rustix::io::Errno::INTR,
    }
}

/// Reads a whole message: magic and version first, so that a peer of another version, whose message
/// may be of another length, is recognised.
fn read_message<const BYTES: usize>(
    stream: &UnixStream,
    time: &TimeLimit,
    magic: [u8; 8],
) -> Result<[u8; BYTES], OpenError> {
    let mut message = [0; BYTES];
    let (start, rest) = message.split_at_mut(12);
    read_exact(stream, time, start)?;
    if start[..8] != magic {
        return Err(OpenError::Message("it begins with something else"));
    }
    let abi = u32_at(start, 8);
    if abi != ABI_VERSION {
        return Err(OpenError::AbiVersion(abi));
    }
    read_exact(stream, time, rest)?;
    Ok(message)
}

/// Without the signal that a closed peer would raise, which would end the plugin's host.
fn write_all(stream: &UnixStream, mut message: &[u8]) -> io::Result<()> {
    while !message.is_empty() {
        match send(stream, message, SendFlags::NOSIGNAL) {
            Ok(sent) => message = &message[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// As `Read::read_exact`, within a limit for the whole rather than for each part.
fn read_exact(
    mut stream: &UnixStream,
    time: &TimeLimit,
    mut buffer: &mut [u8],
) -> Result<(), OpenError> {
    while !buffer.is_empty() {
        time.apply(stream)?;
        match stream.read(buffer) {
            Ok(0) => return Err(OpenError::Closed),
            Ok(got) => buffer = &mut buffer[got..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(time.judge("reading", error)),
        }
    }
    Ok(())
}

/// A time limit for several steps together.
#[derive(Clone, Copy)]
struct TimeLimit {
    limit: Duration,
    start: Instant,
}

impl TimeLimit {
    fn new(limit: Duration) -> Self {
        Self { limit, start: Instant::now() }
    }

    /// Sets what is left as the limit of the socket's next steps.
    fn apply(&self, stream: &UnixStream) -> Result<(), OpenError> {
        let left = self.limit.saturating_sub(self.start.elapsed());
        // The system takes a limit of zero for none at all.
        if left < Duration::from_micros(1) {
            return Err(OpenError::Timeout(self.limit));
        }
        stream.set_read_timeout(Some(left)).map_err(OpenError::at("setting a time limit"))?;
        stream.set_write_timeout(Some(left)).map_err(OpenError::at("setting a time limit"))
    }

    fn judge(&self, step: &'static str, error: io::Error) -> OpenError {
        if error.kind() == io::ErrorKind::WouldBlock {
            OpenError::Timeout(self.limit)
        } else {
            OpenError::at(step)(error)
        }
    }

    fn judge_pass(&self, error: PassError) -> OpenError {
        match error {
            PassError::Socket(error) => self.judge("passing the memory", error),
            PassError::Closed => OpenError::Closed,
            PassError::AbiVersion(version) => OpenError::AbiVersion(version),
            error => OpenError::Pass(error),
        }
    }
}

impl fmt::Debug for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeLimit").field("limit", &self.limit).finish_non_exhaustive()
    }
}
