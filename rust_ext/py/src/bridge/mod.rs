//! Plugin sessions for Python: how the core comes to one, and its two ends.

mod core_side;
mod host_path;
#[cfg(feature = "host")]
mod plugin_host;
mod reference;

use std::borrow::Cow;
use std::fmt::Display;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use uncodec_proto as proto;
use uncodec_proto::Network;

pub use self::core_side::CoreSide;
pub use self::host_path::{HostPath, HostSession};
#[cfg(feature = "host")]
pub use self::plugin_host::PluginHost;
pub use self::reference::{pack_reference, unpack_reference};
use crate::arguments::count;
use crate::errors::{core_error, invalid_value};

/// Where the core listens, unless told otherwise: UNCODEC_CORE_SOCKET, or core.sock in the folder
/// uncodec of XDG_RUNTIME_DIR, or in /tmp/uncodec-UID.
#[pyfunction]
pub fn socket_path() -> PathBuf {
    proto::socket_path()
}

/// What a session looks like for a network at a host's rate.
///
/// Parameters
/// ----------
/// window, hop : int
///     Of the network, in samples at its own rate.
/// sample_rate : float
///     Of the host, in Hz.
///
/// Returns
/// -------
/// hop, model_delay, tail : int
///     Of the session, in samples at the host's rate.
#[pyfunction]
#[pyo3(signature = (window, hop, sample_rate))]
pub fn session_timing(window: u32, hop: u32, sample_rate: f64) -> PyResult<(usize, u64, usize)> {
    let timing = Network { window, hop }.timing(sample_rate).map_err(invalid_value)?;
    Ok((timing.hop, timing.model_delay, timing.tail))
}

/// Model, seed, process of the host, whether it may wait, reference.
type Request = (String, u64, u32, bool, Option<Cow<'static, [u8]>>);

/// Read what a plugin asks for on a connection; the memory that follows is left for
/// receive_session.
///
/// Parameters
/// ----------
/// socket : int
///     Descriptor of the connection, in blocking mode; it stays the caller's own.
/// timeout_s : float
///     Seconds to wait at most.
///
/// Returns
/// -------
/// model : str
/// seed : int
/// host_pid : int
/// may_wait : bool
///     Whether its host renders, and waits for results.
/// reference : bytes or None
///     For unpack_reference.
///
/// Raises
/// ------
/// CoreError
///     No request of this protocol and release came. The plugin was told.
#[pyfunction]
#[pyo3(signature = (socket, timeout_s))]
pub fn read_request(
    py: Python<'_>,
    socket: &Bound<'_, PyAny>,
    timeout_s: f64,
) -> PyResult<Request> {
    let stream = UnixStream::from(duplicate("socket", socket)?);
    let timeout = seconds("timeout_s", timeout_s)?;
    let request = py.detach(|| proto::read_request(&stream, timeout)).map_err(core_error)?;
    let reference = request.reference.map(|reference| Cow::Owned(reference.encode().to_vec()));
    Ok((request.model, request.seed, request.host_pid, request.may_wait, reference))
}

/// Take the memory of a session whose request was read.
///
/// Parameters
/// ----------
/// socket : int
///     Descriptor of the connection; the session holds one of its own.
/// model, seed, host_pid
///     What read_request gave.
/// timeout_s : float
///     Seconds to wait at most.
///
/// Raises
/// ------
/// CoreError
///     No memory came, or none of a session. The plugin was told.
#[pyfunction]
#[pyo3(signature = (socket, *, model, seed, host_pid, timeout_s))]
pub fn receive_session(
    py: Python<'_>,
    socket: &Bound<'_, PyAny>,
    model: String,
    seed: u64,
    host_pid: u32,
    timeout_s: f64,
) -> PyResult<PendingSession> {
    let stream = UnixStream::from(duplicate("socket", socket)?);
    let timeout = seconds("timeout_s", timeout_s)?;
    let request = proto::OpenRequest { model, seed, host_pid, may_wait: false, reference: None };
    let pending =
        py.detach(|| proto::receive_session(stream, request, timeout)).map_err(core_error)?;
    let geometry = *pending.side().geometry();
    Ok(PendingSession { pending: Mutex::new(Some(pending)), geometry })
}

/// A session that a plugin has asked for and that was not answered yet. Dropping it closes the
/// connection.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct PendingSession {
    pending: Mutex<Option<proto::PendingSession>>,
    geometry: proto::Geometry,
}

#[pymethods]
impl PendingSession {
    /// Samples per second.
    #[getter]
    fn sample_rate(&self) -> f64 {
        self.geometry.sample_rate()
    }

    /// Number of channels.
    #[getter]
    fn channels(&self) -> usize {
        self.geometry.channels()
    }

    /// Samples per hop.
    #[getter]
    fn hop(&self) -> usize {
        self.geometry.hop()
    }

    /// Whether the plugin has laid out the session for a network of this window and hop.
    #[pyo3(signature = (window, hop, /))]
    fn fits(&self, window: u32, hop: u32) -> bool {
        Network { window, hop }
            .timing(self.geometry.sample_rate())
            .is_ok_and(|timing| timing.fits(&self.geometry))
    }

    /// Accept the session: its number, the network's facts and whether it has a reference are told
    /// to the plugin. now_ns is time.monotonic_ns().
    #[pyo3(signature = (*, session, window, hop, version, now_ns, reference=false))]
    #[allow(clippy::too_many_arguments, reason = "named ones, in Python")]
    fn accept(
        &self,
        py: Python<'_>,
        session: u64,
        window: u32,
        hop: u32,
        version: String,
        now_ns: u64,
        reference: bool,
    ) -> PyResult<CoreSide> {
        let pending = self.take()?;
        let network = Network { window, hop };
        let acceptance = proto::Acceptance { session, network, version, reference };
        let session = py.detach(|| pending.accept(&acceptance, now_ns)).map_err(core_error)?;
        Ok(CoreSide::new(session, self.geometry))
    }

    /// Refuse it, with a short reason that the plugin's user will read.
    #[pyo3(signature = (reason, /))]
    fn refuse(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        let pending = self.take()?;
        py.detach(|| pending.refuse(reason));
        Ok(())
    }

    /// Tell the plugin to ask again, and what is being done until then.
    #[pyo3(signature = (reason, /))]
    fn postpone(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        let pending = self.take()?;
        py.detach(|| pending.postpone(reason));
        Ok(())
    }

    fn __repr__(&self) -> String {
        let (channels, hop) = (self.geometry.channels(), self.geometry.hop());
        format!(
            "PendingSession(sample_rate={}, channels={channels}, hop={hop})",
            self.sample_rate()
        )
    }
}

impl PendingSession {
    fn take(&self) -> PyResult<proto::PendingSession> {
        let taken = self.pending.try_lock().ok().and_then(|mut pending| pending.take());
        taken.ok_or_else(|| invalid_value("session: was answered already"))
    }
}

/// A descriptor of our own for the file behind the one that Python owns.
fn duplicate(name: &str, file: &Bound<'_, PyAny>) -> PyResult<OwnedFd> {
    let number = count(name, file, 0)?;
    let refused = |reason: &dyn Display| {
        invalid_value(format!("{name}={number}: must be an open descriptor ({reason})"))
    };
    let raw = i32::try_from(number).map_err(|error| refused(&error))?;
    // SAFETY: the number is not -1, and is only used by this call, which the caller waits for; if
    // it is of no open file, the system says so.
    let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
    borrowed.try_clone_to_owned().map_err(|error| refused(&error))
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        invalid_value(format!("{name}={value}: must be a number of seconds, 0 or more"))
    })
}

fn host_counters(py: Python<'_>, counters: proto::HostCounters) -> PyResult<Bound<'_, PyDict>> {
    let proto::HostCounters { wet, dry, late, refused, worst_callback_ns } = counters;
    dictionary(
        py,
        &[
            ("wet", wet),
            ("dry", dry),
            ("late", late),
            ("refused", refused),
            ("worst_callback_ns", worst_callback_ns),
        ],
    )
}

fn dictionary<'py>(py: Python<'py>, entries: &[(&str, u64)]) -> PyResult<Bound<'py, PyDict>> {
    let dictionary = PyDict::new(py);
    for (name, value) in entries {
        dictionary.set_item(name, value)?;
    }
    Ok(dictionary)
}
