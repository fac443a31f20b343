//! The two ends of a plugin session for Python: `CoreSide` for the core, `HostPath` for tests and
//! measurements that take the place of a plugin.

use std::fmt::Display;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use numpy::ndarray::Ix2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use uncodec_proto as proto;
use uncodec_proto::{MAX_CHANNELS, Network, SharedMemory};

use crate::arguments::{Input, Output, check_axis, count};
use crate::errors::{core_error, invalid_value};
use crate::shared::Shared;

const HOP: &str = "(channels, hop)";
const TAIL: &str = "(channels, tail)";
const BLOCK: &str = "(channels, samples)";

/// A hop of a plugin's input that waits for its answer. It can be answered once, by publish or decline.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct HopTicket {
    ticket: Mutex<Option<proto::HopTicket>>,
    /// Number of the hop since activation.
    #[pyo3(get)]
    hop: u32,
    /// The activation it belongs to.
    #[pyo3(get)]
    generation: u32,
    /// Strength of the restoration, 0 to 1.
    #[pyo3(get)]
    amount: f32,
    /// Seed of the noise.
    #[pyo3(get)]
    seed: u64,
}

impl HopTicket {
    fn new(ticket: proto::HopTicket) -> Self {
        let proto::Parameters { amount, seed } = ticket.parameters();
        Self {
            hop: ticket.hop(),
            generation: ticket.generation(),
            amount,
            seed,
            ticket: Mutex::new(Some(ticket)),
        }
    }

    fn take(&self) -> PyResult<proto::HopTicket> {
        let taken = self.ticket.try_lock().ok().and_then(|mut ticket| ticket.take());
        taken.ok_or_else(|| invalid_value("ticket: was answered already"))
    }
}

#[pymethods]
impl HopTicket {
    fn __repr__(&self) -> String {
        format!("HopTicket(generation={}, hop={})", self.generation, self.hop)
    }
}

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
) -> PyResult<(String, u64, u32)> {
    let stream = UnixStream::from(duplicate("socket", socket)?);
    let timeout = seconds("timeout_s", timeout_s)?;
    let request = py.detach(|| proto::read_request(&stream, timeout)).map_err(core_error)?;
    Ok((request.model, request.seed, request.host_pid))
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
    let request = proto::OpenRequest { model, seed, host_pid };
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

    /// Accept the session: its number and the network's facts are told to the plugin.
    /// now_ns is time.monotonic_ns().
    #[pyo3(signature = (*, session, window, hop, version, now_ns))]
    fn accept(
        &self,
        py: Python<'_>,
        session: u64,
        window: u32,
        hop: u32,
        version: String,
        now_ns: u64,
    ) -> PyResult<CoreSide> {
        let pending = self.take()?;
        let acceptance = proto::Acceptance { session, network: Network { window, hop }, version };
        let session = py.detach(|| pending.accept(&acceptance, now_ns)).map_err(core_error)?;
        Ok(CoreSide { inner: Shared::new("CoreSide", Some(session)), geometry: self.geometry })
    }

    /// Refuse it, with a short reason that the plugin's user will read.
    #[pyo3(signature = (reason, /))]
    fn refuse(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        let pending = self.take()?;
        py.detach(|| pending.refuse(reason));
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

/// The core's end of a plugin session, as PendingSession.accept gives it. Closing or
/// dropping it ends the session.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct CoreSide {
    inner: Shared<Option<proto::CoreSession>>,
    geometry: proto::Geometry,
}

#[pymethods]
impl CoreSide {
    /// Descriptor of the connection; it becomes readable when the session is over.
    fn fileno(&self) -> PyResult<i32> {
        self.inner.look(|session| Ok(open(session.as_ref())?.as_fd().as_raw_fd()))?
    }

    /// Whether it is closed, or the plugin has ended the session, or its host has died.
    #[getter]
    fn is_over(&self) -> PyResult<bool> {
        self.inner.look(|session| session.as_ref().is_none_or(proto::CoreSession::is_over))
    }

    /// End the session and give its memory up; may be called twice.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.work(py, |session| *session = None)
    }

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

    /// Samples of the unfinished tail that go with each result; 0 where there is none.
    #[getter]
    fn tail(&self) -> usize {
        self.geometry.tail()
    }

    /// Sample n of the output belongs to sample n - model_delay of the input.
    #[getter]
    fn model_delay(&self) -> u64 {
        self.geometry.model_delay()
    }

    /// What the plugin reports to its host, in samples.
    #[getter]
    fn latency(&self) -> u64 {
        self.geometry.latency()
    }

    /// The plugin's longest block, in samples.
    #[getter]
    fn max_block(&self) -> usize {
        self.geometry.max_block()
    }

    /// Show a sign of life: now_ns is time.monotonic_ns(). At least ten times a second.
    #[pyo3(signature = (now_ns, /))]
    fn beat(&self, py: Python<'_>, now_ns: u64) -> PyResult<()> {
        self.inner.work(py, |session| {
            open(session.as_mut())?.side.beat(now_ns);
            Ok(())
        })?
    }

    /// The next hop, if there is one: out (channels, hop), float32, C-contiguous, then holds it.
    /// Nothing but the ticket is allocated.
    #[pyo3(signature = (out, /))]
    fn poll_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<HopTicket>> {
        let mut out = Output::<f32, Ix2>::new("out", out, HOP, &(0..0))?;
        check_shape("out", out.shape(), self.geometry.channels(), "hop", self.geometry.hop())?;
        let values = out.values();
        let ticket = self.inner.work(py, |session| {
            open(session.as_mut())?.side.poll(values).map_err(invalid_value)
        })??;
        Ok(ticket.map(HopTicket::new))
    }

    /// Publish the result of a hop: output (channels, hop), and tail (channels, tail), with which
    /// it would go on if no further hop came; float32, C-contiguous.
    #[pyo3(signature = (ticket, output, tail, /))]
    fn publish(
        &self,
        py: Python<'_>,
        ticket: &HopTicket,
        output: &Bound<'_, PyAny>,
        tail: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (channels, hop) = (self.geometry.channels(), self.geometry.hop());
        let output = Input::<f32, Ix2>::contiguous("output", output, HOP)?;
        check_shape("output", output.shape(), channels, "hop", hop)?;
        let tail = Input::<f32, Ix2>::contiguous("tail", tail, TAIL)?;
        check_shape("tail", tail.shape(), channels, "tail", self.geometry.tail())?;
        let taken = ticket.take()?;
        let (output, tail) = (output.values(), tail.values());
        self.inner.work(py, |session| {
            open(session.as_mut())?.side.publish(taken, output, tail).map_err(invalid_value)
        })?
    }

    /// Answer a hop with nothing: it is dry, and a host that may wait for it need not.
    #[pyo3(signature = (ticket, /))]
    fn decline(&self, py: Python<'_>, ticket: &HopTicket) -> PyResult<()> {
        let taken = ticket.take()?;
        self.inner.work(py, |session| {
            open(session.as_mut())?.side.decline(taken).map_err(invalid_value)
        })?
    }

    /// What this side counted: published and resyncs.
    fn core_counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let proto::CoreCounters { resyncs, published } = self
            .inner
            .look(|session| Ok::<_, PyErr>(open(session.as_ref())?.side.counters()))??;
        dictionary(py, &[("published", published), ("resyncs", resyncs)])
    }

    /// What the plugin says it counted: wet, dry, late, refused and worst_callback_ns.
    fn host_counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        host_counters(
            py,
            self.inner
                .look(|session| Ok::<_, PyErr>(open(session.as_ref())?.side.host_counters()))??,
        )
    }

    fn __repr__(&self) -> String {
        let (channels, hop) = (self.geometry.channels(), self.geometry.hop());
        format!("CoreSide(sample_rate={}, channels={channels}, hop={hop})", self.sample_rate())
    }
}

/// The audio path of a plugin, with the shared memory of its session.
///
/// Parameters
/// ----------
/// sample_rate : float
///     In Hz.
/// channels : int
/// window, hop : int
///     Of the core's network, in samples at its own rate.
/// max_block : int
///     Longest block that is handled in one go, in samples; shorter ones may come.
/// turnaround_s : float
///     Seconds that the core may take for a hop.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct HostPath {
    inner: Shared<proto::HostPath<SharedMemory>>,
    geometry: proto::Geometry,
}

#[pymethods]
impl HostPath {
    #[new]
    #[pyo3(signature = (*, sample_rate, channels, window, hop, max_block, turnaround_s=0.0))]
    fn new(
        sample_rate: f64,
        channels: &Bound<'_, PyAny>,
        window: u32,
        hop: u32,
        max_block: &Bound<'_, PyAny>,
        turnaround_s: f64,
    ) -> PyResult<Self> {
        let channels = count("channels", channels, 1)?;
        let max_block = count("max_block", max_block, 1)?;
        let timing = Network { window, hop }.timing(sample_rate).map_err(invalid_value)?;
        let geometry = timing.geometry(channels, max_block, turnaround_s).map_err(invalid_value)?;
        let memory = SharedMemory::create(&geometry).map_err(core_error)?;
        let side = proto::HostSide::create(memory, geometry).map_err(core_error)?;
        Ok(Self { inner: Shared::new("HostPath", proto::HostPath::new(side)), geometry })
    }

    /// Open a session for this path with the core that listens at a path.
    ///
    /// Raises
    /// ------
    /// CoreError
    ///     There is no core, or it does not want the session.
    #[pyo3(signature = (path, *, model, seed=0, timeout_s=5.0))]
    #[allow(clippy::needless_pass_by_value, reason = "made from a str or a path of Python's")]
    fn open(
        &self,
        py: Python<'_>,
        path: PathBuf,
        model: &str,
        seed: u64,
        timeout_s: f64,
    ) -> PyResult<HostSession> {
        let request = proto::OpenRequest::new(model, seed);
        let timeout = seconds("timeout_s", timeout_s)?;
        let session = self
            .inner
            .work(py, |host| proto::open_session(&path, &request, host.side().memory(), timeout))?
            .map_err(core_error)?;
        Ok(HostSession { session: Mutex::new(Some(session)) })
    }

    /// Samples from input to output, for wet and dry alike.
    #[getter]
    fn latency_samples(&self) -> u64 {
        self.geometry.latency()
    }

    /// The longest block that is handled in one go, in samples.
    #[getter]
    fn max_block(&self) -> usize {
        self.geometry.max_block()
    }

    /// Samples per hop.
    #[getter]
    fn hop(&self) -> usize {
        self.geometry.hop()
    }

    /// The part of the latency that is the network's and the resamplers', in samples.
    #[getter]
    fn model_delay(&self) -> u64 {
        self.geometry.model_delay()
    }

    /// Start over with silence; the path is silent before.
    fn activate(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.work(py, proto::HostPath::activate)
    }

    /// Silence from now on.
    fn deactivate(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.work(py, proto::HostPath::deactivate)
    }

    /// Set the parameters of every hop that is submitted from now on.
    #[pyo3(signature = (*, amount=1.0, seed=0))]
    fn set_parameters(&self, py: Python<'_>, amount: f32, seed: u64) -> PyResult<()> {
        let parameters = proto::Parameters { amount, seed };
        self.inner.work(py, |path| path.set_parameters(parameters))
    }

    /// Fade to the dry signal, or back.
    #[pyo3(signature = (bypass, /))]
    fn set_bypass(&self, py: Python<'_>, bypass: bool) -> PyResult<()> {
        self.inner.work(py, |path| path.set_bypass(bypass))
    }

    /// Process a block x (channels, n) into out of the same shape; float32, C-contiguous.
    #[pyo3(signature = (x, out, /))]
    fn process_into(
        &self,
        py: Python<'_>,
        x: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let x = self.block(x)?;
        let mut out = self.output(out, &x.memory())?;
        let samples = x.shape()[1];
        check_axis("out", out.shape(), 1, "samples", samples)?;
        let channels = self.geometry.channels();
        let input = planes(x.values(), samples);
        let mut output = planes_mut(out.values(), samples);
        self.inner
            .work(py, |path| path.process(&input[..channels], &mut output[..channels]))?
            .map_err(invalid_value)
    }

    /// The first half of process_into: take x (channels, n), of max_block samples at most.
    #[pyo3(signature = (x, /))]
    fn push(&self, py: Python<'_>, x: &Bound<'_, PyAny>) -> PyResult<()> {
        let x = self.block(x)?;
        let input = planes(x.values(), x.shape()[1]);
        let input = &input[..self.geometry.channels()];
        self.inner.work(py, |path| path.push(input))?.map_err(invalid_value)
    }

    /// The second half: write out (channels, n); as many samples must have been pushed.
    #[pyo3(signature = (out, /))]
    fn pull_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut out = self.output(out, &(0..0))?;
        let samples = out.shape()[1];
        let mut output = planes_mut(out.values(), samples);
        let output = &mut output[..self.geometry.channels()];
        self.inner.work(py, |path| path.pull(output))?.map_err(invalid_value)
    }

    /// Whether all results are there that the samples pushed and not yet pulled will need.
    #[getter]
    fn is_complete(&self) -> PyResult<bool> {
        self.inner.look(proto::HostPath::is_complete)
    }

    /// Seconds since the core's last sign of life, or None; now_ns is time.monotonic_ns().
    #[pyo3(signature = (now_ns, /))]
    fn heartbeat_age(&self, now_ns: u64) -> PyResult<Option<f64>> {
        let age = self.inner.look(|path| path.side().heartbeat_age(now_ns))?;
        Ok(age.map(|age| age.as_secs_f64()))
    }

    /// Take the duration of a callback into the counters.
    #[pyo3(signature = (nanoseconds, /))]
    fn record_callback(&self, py: Python<'_>, nanoseconds: u64) -> PyResult<()> {
        self.inner.work(py, |path| path.record_callback(nanoseconds))
    }

    /// What was counted: wet, dry, late, refused and worst_callback_ns.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        host_counters(py, self.inner.look(proto::HostPath::counters)?)
    }

    fn __repr__(&self) -> String {
        format!("HostPath(latency_samples={})", self.geometry.latency())
    }
}

impl HostPath {
    fn block<'a, 'py>(&self, x: &'a Bound<'py, PyAny>) -> PyResult<Input<'a, 'py, f32, Ix2>> {
        let x = Input::<f32, Ix2>::contiguous("x", x, BLOCK)?;
        check_axis("x", x.shape(), 0, "channels", self.geometry.channels())?;
        Ok(x)
    }

    /// `read` is the memory that the same call reads.
    fn output<'a, 'py>(
        &self,
        out: &'a Bound<'py, PyAny>,
        read: &Range<usize>,
    ) -> PyResult<Output<'a, 'py, f32, Ix2>> {
        let out = Output::<f32, Ix2>::new("out", out, BLOCK, read)?;
        check_axis("out", out.shape(), 0, "channels", self.geometry.channels())?;
        Ok(out)
    }
}

/// A session as a plugin holds it; the core ends it when this is closed or dropped.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct HostSession {
    session: Mutex<Option<proto::OpenSession>>,
}

#[pymethods]
impl HostSession {
    /// Its number, for the core's status; None if it is closed.
    #[getter]
    fn number(&self) -> Option<u64> {
        let session = self.session.try_lock().ok()?;
        session.as_ref().map(|session| session.acceptance().session)
    }

    /// Whether it is closed, or the core has ended it or died.
    #[getter]
    fn is_over(&self) -> bool {
        let session = self.session.try_lock();
        session.is_ok_and(|session| session.as_ref().is_none_or(proto::OpenSession::is_over))
    }

    /// End the session; may be called twice.
    fn close(&self) {
        if let Ok(mut session) = self.session.try_lock() {
            *session = None;
        }
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

/// What a call needs that comes after the end of the session.
fn open<T>(session: Option<T>) -> PyResult<T> {
    session.ok_or_else(|| core_error("CoreSide: the session is closed"))
}

fn check_shape(
    name: &str,
    shape: &[usize],
    channels: usize,
    what: &str,
    samples: usize,
) -> PyResult<()> {
    check_axis(name, shape, 0, "channels", channels)?;
    check_axis(name, shape, 1, what, samples)
}

/// Channels of a C-contiguous array, without an allocation.
fn planes(values: &[f32], samples: usize) -> [&[f32]; MAX_CHANNELS] {
    let mut channels = values.chunks_exact(samples.max(1));
    std::array::from_fn(|_| channels.next().unwrap_or_default())
}

/// The same to write to.
fn planes_mut(values: &mut [f32], samples: usize) -> [&mut [f32]; MAX_CHANNELS] {
    let mut channels = values.chunks_exact_mut(samples.max(1));
    std::array::from_fn(|_| channels.next().unwrap_or_default())
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
