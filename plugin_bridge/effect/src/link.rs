//! The connection to the core: a thread of its own that opens sessions, notices when they end, and
//! tries again. Nothing here is ever called from an audio thread.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use uncodec_proto::{
    Network, OfflineWait, OpenError, OpenRequest, OpenSession, SharedMemory, open_session,
};

use crate::say;

/// Time for a core to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Time between attempts, from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Longest wait for the core when a host starts the plugin to play.
const PLAYING: Duration = Duration::from_millis(600);
/// Longest wait of a render for a core that says that it is loading its model.
const LOADING: Duration = Duration::from_secs(150);

/// What the link serves: the memory of a session, and what to ask the core for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The memory, which has its header.
    pub memory: Arc<SharedMemory>,
    /// The request that goes with it.
    pub request: OpenRequest,
}

impl Wanted {
    /// Whether a session for the one is a session for the other.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory) && self.request == other.request
    }
}

/// Whether a core serves this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CoreState {
    /// None runs, or it does not want us.
    Absent = 0,
    /// One is being asked, or loads its model.
    Connecting = 1,
    /// One has accepted.
    Connected = 2,
}

/// The state, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// Whether a core serves this instance.
    pub core: CoreState,
    /// The core's number of the session, while there is one.
    pub session: u64,
    /// The network that serves it, while one does.
    pub network: Option<Network>,
    /// Whether the session has a reference, be it the core's own.
    pub reference: bool,
    /// What kept it from it the last time; empty if nothing did.
    pub reason: String,
}

/// What came of an attempt, as far as it matters to those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Outcome {
    /// A session, or a reason why there is none; or nothing was tried yet.
    #[default]
    Clear,
    /// The core went away in the middle.
    Closed,
    /// The core took all the time that it had.
    Silent,
    /// The core loads its model.
    Loading,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: Option<Wanted>,
    /// Raised with every wish: for another memory, or for another attempt.
    wish: u64,
    /// The last wish that an attempt was made for.
    tried: u64,
    /// Of the last attempt.
    outcome: Outcome,
    /// A render has waited for as long as one may; the next one does not.
    given_up: bool,
    quit: bool,
    session: u64,
    network: Option<Network>,
    reference: bool,
    reason: String,
    /// What was said last on standard error.
    said: String,
}

struct Common {
    shared: Mutex<Shared>,
    changed: Condvar,
    state: Arc<AtomicU8>,
    /// Audio was processed since the plugin was started: before, nobody misses a core, and hosts
    /// start a plugin to play for a moment before they render.
    heard: AtomicBool,
    /// The host renders, whatever it said when it set up.
    rendering: AtomicBool,
    wake: OwnedFd,
    path: PathBuf,
}

/// The plugin's handle; dropping it ends the session and the thread.
pub struct Link {
    common: Arc<Common>,
    thread: Option<JoinHandle<()>>,
}

/// Waits for a link's core, from any thread that may sleep.
#[derive(Clone)]
pub struct Waiter(Arc<Common>);

impl Link {
    /// Starts the thread; it is idle until it [serves](Self::serve) something. It keeps `state`,
    /// which an audio thread may read, up to date.
    ///
    /// # Errors
    /// Of the system, which has no thread or no file left.
    pub fn start(path: PathBuf, state: Arc<AtomicU8>) -> std::io::Result<Self> {
        let common = Arc::new(Common {
            shared: Mutex::default(),
            changed: Condvar::new(),
            state,
            heard: AtomicBool::new(false),
            rendering: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            path,
        });
        let theirs = Arc::clone(&common);
        let thread =
            thread::Builder::new().name("uncodec-link".to_owned()).spawn(move || theirs.run())?;
        Ok(Self { common, thread: Some(thread) })
    }

    /// From now on, finds a core for this, ending the session there was.
    pub fn serve(&self, wanted: Option<Wanted>) {
        let mut shared = self.common.lock();
        shared.wanted = wanted;
        shared.wish += 1;
        // The session there may be is not one for this.
        self.common.state.store(CoreState::Absent as u8, Ordering::Relaxed);
        drop(shared);
        self.common.wake();
    }

    /// To wait for this link's core with.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter(Arc::clone(&self.common))
    }

    /// All that can be said about the connection.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        let shared = self.common.lock();
        LinkStatus {
            core: self.common.state(),
            session: shared.session,
            network: shared.network,
            reference: shared.reference,
            reason: shared.reason.clone(),
        }
    }
}

impl Waiter {
    /// Tries at once if there is no session, and waits for the outcome.
    ///
    /// Without a core that takes no time. A host that plays waits a moment; not for a core that was
    /// found not to answer, lest every start of the transport be slow. A render waits as long as
    /// any block of it would ([`OfflineWait::LIMIT`]), and longer while the core says that it loads
    /// its model; once in vain, and it does not wait again until a core has answered.
    pub fn settle(&self, rendering: bool) {
        let Self(common) = self;
        let start = Instant::now();
        common.rendering.store(rendering, Ordering::Relaxed);
        let mut shared = common.lock();
        if shared.wanted.is_none() {
            return;
        }
        if shared.tried == shared.wish {
            if common.state() == CoreState::Connected {
                return;
            }
            shared.wish += 1;
            common.wake();
        }
        if if rendering { shared.given_up } else { shared.outcome == Outcome::Silent } {
            return;
        }
        while shared.tried != shared.wish || (rendering && shared.outcome != Outcome::Clear) {
            let limit = match shared.outcome {
                _ if !rendering => PLAYING,
                Outcome::Loading => LOADING,
                _ => OfflineWait::LIMIT,
            };
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                shared.given_up |= rendering;
                return;
            }
            let waited = common.changed.wait_timeout(shared, left);
            shared = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Waiter {
    /// Audio is being processed; for an audio thread.
    pub fn hear(&self) {
        self.0.heard.store(true, Ordering::Relaxed);
    }

    /// No audio is processed from now on, and nobody misses a core.
    pub fn rest(&self) {
        self.0.heard.store(false, Ordering::Relaxed);
        self.0.rendering.store(false, Ordering::Relaxed);
    }

    /// Tells on standard error that samples of a render were not restored, and why.
    pub fn tell_dry_render(&self) {
        let Self(common) = self;
        let reason = common.lock().reason.clone();
        let reason =
            if reason.is_empty() { "the core was late, or gone for a while" } else { &reason };
        common.log(reason, "the render is not restored, or not all of it");
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.common.lock().quit = true;
        self.common.wake();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, there would be nothing to be done about it here.
            let _ = thread.join();
        }
        self.common.state.store(CoreState::Absent as u8, Ordering::Relaxed);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("path", &self.common.path).finish_non_exhaustive()
    }
}

/// A session and what it was opened for.
struct Served {
    session: OpenSession,
    wanted: Wanted,
}

impl CoreState {
    /// What is stored as its number; absent if it is none.
    #[must_use]
    pub fn load(state: &AtomicU8) -> Self {
        match state.load(Ordering::Relaxed) {
            1 => Self::Connecting,
            2 => Self::Connected,
            _ => Self::Absent,
        }
    }
}

impl Shared {
    fn judge(&mut self, error: Option<&OpenError>) {
        self.outcome = match error {
            Some(OpenError::Closed) => Outcome::Closed,
            Some(OpenError::Timeout(_)) => Outcome::Silent,
            Some(OpenError::NotYet(_)) => Outcome::Loading,
            _ => Outcome::Clear,
        };
        self.given_up &= self.outcome != Outcome::Clear;
    }
}

impl Common {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> CoreState {
        CoreState::load(&self.state)
    }

    fn wake(&self) {
        // A full counter wakes as well.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn run(&self) {
        let mut served: Option<Served> = None;
        let mut pause = RETRY.0;
        let mut last_wish = 0;
        loop {
            let (wanted, wish, quit) = {
                let shared = self.lock();
                (shared.wanted.clone(), shared.wish, shared.quit)
            };
            if quit {
                return;
            }
            if wish != last_wish {
                pause = RETRY.0;
                last_wish = wish;
            }
            if let Some(session) = &served {
                if !wanted.as_ref().is_some_and(|wanted| wanted.is(&session.wanted)) {
                    served = None;
                } else if session.session.is_over() {
                    served = None;
                    self.tell(
                        wanted.as_ref(),
                        CoreState::Absent,
                        None,
                        "the core ended the session",
                        wish,
                    );
                }
            }
            if served.is_none()
                && let Some(wish_for) = &wanted
            {
                self.state.store(CoreState::Connecting as u8, Ordering::Relaxed);
                let rendering = self.rendering.load(Ordering::Relaxed);
                let mut request = wish_for.request.clone();
                request.may_wait |= rendering;
                match open_session(&self.path, &request, &wish_for.memory, ANSWER) {
                    Ok(session) => {
                        self.lock().judge(None);
                        self.tell(wanted.as_ref(), CoreState::Connected, Some(&session), "", wish);
                        served = Some(Served { session, wanted: wish_for.clone() });
                        pause = RETRY.0;
                    }
                    Err(error) => {
                        self.lock().judge(Some(&error));
                        let reason = error.to_string();
                        let mut state = CoreState::Absent;
                        match error {
                            // That nobody is there is ordinary, and every instance would say so; a
                            // core that closes is one that ends.
                            OpenError::NotRunning { .. } | OpenError::Closed => {}
                            OpenError::NotYet(_) => {
                                state = CoreState::Connecting;
                                if rendering {
                                    self.log(&reason, "the render waits");
                                }
                            }
                            // A render began while the answer was on its way: it asks anew, as one
                            // that may wait, and its answer counts.
                            _ if !request.may_wait && self.rendering.load(Ordering::Relaxed) => {}
                            _ => self.log(&reason, "the audio goes on dry"),
                        }
                        self.tell(wanted.as_ref(), state, None, &reason, wish);
                    }
                }
            } else {
                self.settled(wish);
            }
            let limit = match (&served, &wanted) {
                (None, Some(_)) => Some(pause),
                _ => None,
            };
            if limit.is_some() {
                pause = (2 * pause).min(RETRY.1);
            }
            self.sleep(served.as_ref(), limit);
        }
    }

    /// Until woken, until the session ends, or for so long.
    fn sleep(&self, served: Option<&Served>, limit: Option<Duration>) {
        let wake = self.wake.as_fd();
        let session = served.map_or(wake, |served| served.session.as_fd());
        let mut files = [
            PollFd::from_borrowed_fd(wake, PollFlags::IN),
            PollFd::from_borrowed_fd(session, PollFlags::IN),
        ];
        let limit = limit.map(|limit| Timespec {
            tv_sec: limit.as_secs().cast_signed(),
            tv_nsec: limit.subsec_nanos().into(),
        });
        if poll(&mut files, limit.as_ref()).is_err() {
            // Interrupted, or out of memory: looking again is right, at once is too often.
            thread::sleep(Duration::from_millis(1));
        }
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    fn settled(&self, wish: u64) {
        let mut shared = self.lock();
        if shared.tried != wish {
            shared.tried = wish;
            self.changed.notify_all();
        }
    }

    /// Once for the same reason in a row, however often the host sets up in between.
    fn log(&self, reason: &str, consequence: &str) {
        if !self.heard.load(Ordering::Relaxed) && !self.rendering.load(Ordering::Relaxed) {
            return;
        }
        let mut shared = self.lock();
        if shared.said != reason {
            reason.clone_into(&mut shared.said);
            drop(shared);
            say(format_args!("{reason}; {consequence}"));
        }
    }

    /// Makes the outcome of an attempt known, unless something else is wanted by now, which will be
    /// tried next.
    fn tell(
        &self,
        wanted: Option<&Wanted>,
        state: CoreState,
        session: Option<&OpenSession>,
        reason: &str,
        wish: u64,
    ) {
        let mut shared = self.lock();
        let same = match (shared.wanted.as_ref(), wanted) {
            (Some(now), Some(wanted)) => now.is(wanted),
            (now, wanted) => now.is_none() && wanted.is_none(),
        };
        if !same {
            return;
        }
        shared.session = session.map_or(0, |session| session.acceptance().session);
        shared.network = session.map(|session| session.acceptance().network);
        shared.reference = session.is_some_and(|session| session.acceptance().reference);
        if session.is_some() {
            shared.said.clear();
        }
        reason.clone_into(&mut shared.reason);
        self.state.store(state as u8, Ordering::Relaxed);
        // A success is one for every attempt that was asked for meanwhile.
        shared.tried = if session.is_some() { shared.wish } else { wish };
        self.changed.notify_all();
    }
}
