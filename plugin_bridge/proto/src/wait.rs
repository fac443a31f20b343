//! When a host may wait for the core at all.

use std::time::Duration;

/// Decides whether a callback may wait a little longer for the core.
///
/// A real-time callback never waits. An offline render waits for a core that gives signs of life,
/// and once it waited too long it does not wait again: otherwise a stopped core would make the
/// render as slow as the limit times the number of blocks.
///
/// ```
/// use std::time::Duration;
/// use uncodec_proto::OfflineWait;
///
/// let mut wait = OfflineWait::new();
/// let alive = Some(Duration::from_millis(3));
/// assert!(!wait.allows(false, alive, Duration::ZERO)); // real time
/// assert!(!wait.allows(true, None, Duration::ZERO)); // no core
/// assert!(wait.allows(true, alive, Duration::from_secs(1)));
/// assert!(!wait.allows(true, alive, OfflineWait::LIMIT));
/// assert!(!wait.allows(true, alive, Duration::ZERO)); // latched
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OfflineWait {
    given_up: bool,
}

impl OfflineWait {
    /// The longest wait.
    pub const LIMIT: Duration = Duration::from_secs(10);
    /// A core that was silent for so long is not waited for. On a machine with more to do than it
    /// can, a process that is ready to run was seen to wait 1.8 s for a processor.
    pub const SILENCE: Duration = Duration::from_secs(5);

    /// A policy that has not given up.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to wait on, after having waited this long in this callback.
    ///
    /// `offline` is what the host says with this very block; `heartbeat_age` comes from
    /// [`HostSide::heartbeat_age`](crate::HostSide::heartbeat_age).
    pub fn allows(
        &mut self,
        offline: bool,
        heartbeat_age: Option<Duration>,
        waited: Duration,
    ) -> bool {
        if !offline || self.given_up {
            return false;
        }
        self.given_up = waited >= Self::LIMIT;
        !self.given_up && heartbeat_age.is_some_and(|age| age < Self::SILENCE)
    }

    /// Whether the limit was reached once, so that no callback waits any more.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.given_up
    }

    /// Forgets that; for `setActive`.
    pub fn reset(&mut self) {
        self.given_up = false;
    }
}
