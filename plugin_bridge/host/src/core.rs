//! A core for tests: its output is its input, late by the model's delay, times a factor.

use std::fs;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use uncodec_proto::{Acceptance, CoreSession, HopTicket, Network, Start, accept_session};

/// What a core does.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// Output over input.
    pub gain: f32,
    /// How long a hop takes.
    pub hop_time: Duration,
    /// Refuses every session.
    pub refuses: bool,
    /// Has a reference for sessions that bring none.
    pub reference: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { gain: 1.0, hop_time: Duration::ZERO, refuses: false, reference: false }
    }
}

impl Behaviour {
    /// A core with this factor, as fast as it can be.
    #[must_use]
    pub fn gain(gain: f32) -> Self {
        Self { gain, ..Self::default() }
    }
}

struct Session {
    opened: CoreSession,
    gain: f32,
    /// Channel after channel: delay, then one hop.
    history: Vec<Vec<f32>>,
    input: Vec<f32>,
    output: Vec<f32>,
    tail: Vec<f32>,
    /// Samples at the end of the history that a result depends on and that were lost.
    unknown: usize,
}

impl Session {
    fn new(session: CoreSession, gain: f32) -> Self {
        let geometry = *session.side.geometry();
        let delay = geometry.model_delay() as usize;
        Self {
            opened: session,
            gain,
            history: vec![vec![0.0; delay + geometry.hop()]; geometry.channels()],
            input: vec![0.0; geometry.hop_samples()],
            output: vec![0.0; geometry.hop_samples()],
            tail: vec![0.0; geometry.tail_samples()],
            unknown: 0,
        }
    }

    fn take(&mut self) -> Option<HopTicket> {
        let ticket = self.opened.side.poll(&mut self.input).ok()??;
        let geometry = *self.opened.side.geometry();
        let (hop, delay) = (geometry.hop(), geometry.model_delay() as usize);
        let fresh = ticket.hop() == 0 && ticket.start() == Start::Activated;
        match ticket.start() {
            Start::Continues => self.unknown = self.unknown.saturating_sub(hop),
            _ if fresh => self.unknown = 0,
            _ => self.unknown = delay,
        }
        for (history, input) in self.history.iter_mut().zip(self.input.chunks(hop)) {
            if fresh {
                history.fill(0.0);
            }
            history.copy_within(hop.., 0);
            history[delay..].copy_from_slice(input);
        }
        Some(ticket)
    }

    fn give(&mut self, ticket: HopTicket) {
        if self.unknown > 0 {
            let _ = self.opened.side.decline(ticket);
            return;
        }
        let geometry = *self.opened.side.geometry();
        let (hop, tail) = (geometry.hop(), geometry.tail());
        for (channel, history) in self.history.iter().enumerate() {
            let scaled = |from: &[f32], to: &mut [f32]| {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from * self.gain;
                }
            };
            scaled(&history[..hop], &mut self.output[channel * hop..(channel + 1) * hop]);
            scaled(&history[hop..hop + tail], &mut self.tail[channel * tail..(channel + 1) * tail]);
        }
        let _ = self.opened.side.publish(ticket, &self.output, &self.tail);
    }
}

/// Listens at a path and serves every session, until `stop` says so.
///
/// # Errors
/// Of the system, when listening.
pub fn serve(
    path: &Path,
    behaviour: Behaviour,
    stop: &AtomicBool,
    rounds: &AtomicU64,
) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    let mut sessions: Vec<Session> = Vec::new();
    let mut number = 0;
    while !stop.load(Ordering::Acquire) {
        while let Ok((stream, _)) = listener.accept() {
            number += 1;
            let _ = stream.set_nonblocking(false);
            let Ok(pending) = accept_session(stream, Duration::from_millis(500)) else { continue };
            let acceptance = Acceptance {
                session: number,
                network: Network { window: 1, hop: 1 },
                version: "test".to_owned(),
                reference: behaviour.reference || pending.request().reference.is_some(),
            };
            if behaviour.refuses {
                pending.refuse("this core refuses");
            } else if let Ok(session) = pending.accept(&acceptance, now_ns()) {
                sessions.push(Session::new(session, behaviour.gain));
            }
        }
        let mut worked = false;
        for session in &mut sessions {
            session.opened.side.beat(now_ns());
            while let Some(ticket) = session.take() {
                worked = true;
                if !behaviour.hop_time.is_zero() {
                    thread::sleep(behaviour.hop_time);
                }
                session.give(ticket);
            }
        }
        sessions.retain(|session| !session.opened.is_over());
        rounds.fetch_add(1, Ordering::AcqRel);
        if !worked {
            thread::sleep(Duration::from_micros(100));
        }
    }
    Ok(())
}

/// A core in a thread of this process. It ends when it is dropped.
#[derive(Debug)]
pub struct TestCore {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl TestCore {
    /// Starts to listen at the path.
    ///
    /// # Panics
    /// In its own thread, if it cannot; plugins find no core then.
    #[must_use]
    pub fn start(path: &Path, behaviour: Behaviour) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicU64::new(0));
        let (theirs, path) = ((Arc::clone(&stop), Arc::clone(&rounds)), path.to_owned());
        let place = path.clone();
        let thread = thread::spawn(move || {
            if let Err(error) = serve(&place, behaviour, &theirs.0, &theirs.1) {
                panic!("{}: {error}", place.display());
            }
        });
        let core = Self { path, stop, rounds, thread: Some(thread) };
        core.catch_up();
        core
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until everything that was submitted before is answered.
    pub fn catch_up(&self) {
        // The round under way may have begun earlier; the one after it has not.
        let end = self.rounds.load(Ordering::Acquire) + 2;
        while self.rounds.load(Ordering::Acquire) < end {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return;
            }
            thread::sleep(Duration::from_micros(20));
        }
    }
}

impl Drop for TestCore {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
