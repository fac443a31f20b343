//! State that Python may hand to several threads, although only one may use it at a time.

use std::sync::{Mutex, MutexGuard, TryLockError};

use pyo3::prelude::*;

use crate::errors::in_use;

/// A value that works with the interpreter released.
///
/// The lock is only ever tried: a second thread gets an error instead of waiting, so an audio
/// thread is never blocked, and without contention the lock costs one atomic exchange.
#[derive(Debug)]
pub struct Shared<T> {
    what: &'static str,
    value: Mutex<T>,
}

impl<T: Send> Shared<T> {
    pub fn new(what: &'static str, value: T) -> Self {
        Self { what, value: Mutex::new(value) }
    }

    /// Runs `work` on the value with the interpreter released.
    pub fn work<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> R + Send,
    ) -> PyResult<R> {
        py.detach(|| self.try_lock().map(|mut value| work(&mut value)))
            .ok_or_else(|| in_use(self.what))
    }

    /// As [`work`](Self::work), but keeps the interpreter: for an audio callback, which would have to
    /// wait to get it back, and whose work is done in microseconds.
    pub fn brief<R>(&self, work: impl FnOnce(&mut T) -> R) -> PyResult<R> {
        self.try_lock().map(|mut value| work(&mut value)).ok_or_else(|| in_use(self.what))
    }

    /// Looks at the value; for questions too short to be worth releasing the interpreter.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> PyResult<R> {
        self.try_lock().map(|value| look(&value)).ok_or_else(|| in_use(self.what))
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.value.try_lock() {
            Ok(guard) => Some(guard),
            // The state is plain numbers: a panic cannot have left it unsound.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
