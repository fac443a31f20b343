//! The host's end of a session in the place of a plugin, for tests of the core.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;

use numpy::ndarray::Ix2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use uncodec_proto as proto;
use uncodec_proto::{Network, SharedMemory};

use super::reference::read_reference;
use super::{host_counters, seconds};
use crate::arguments::{Input, Output, check_axis, count, planes, planes_mut};
use crate::errors::{core_error, invalid_value};
use crate::shared::Shared;

const BLOCK: &str = "(channels, samples)";

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

    /// Open a session for this path with the core that listens at a path. With may_wait the core
    /// takes this host for one that renders. A reference is what pack_reference gave.
    ///
    /// Raises
    /// ------
    /// CoreError
    ///     There is no core, or it does not want the session.
    #[pyo3(signature = (path, *, model, seed=0, may_wait=false, reference=None, timeout_s=5.0))]
    #[allow(clippy::needless_pass_by_value, reason = "made from a str or a path of Python's")]
    #[allow(clippy::too_many_arguments, reason = "named ones, in Python")]
    fn open(
        &self,
        py: Python<'_>,
        path: PathBuf,
        model: &str,
        seed: u64,
        may_wait: bool,
        reference: Option<&[u8]>,
        timeout_s: f64,
    ) -> PyResult<HostSession> {
        let reference = reference.map(read_reference).transpose()?.flatten();
        let request =
            proto::OpenRequest { may_wait, reference, ..proto::OpenRequest::new(model, seed) };
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
    #[pyo3(signature = (*, amount=1.0, seed=0, brightness_db=0.0, likeness=1.0))]
    fn set_parameters(
        &self,
        py: Python<'_>,
        amount: f32,
        seed: u64,
        brightness_db: f32,
        likeness: f32,
    ) -> PyResult<()> {
        let parameters = proto::Parameters { amount, seed, brightness_db, likeness };
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
