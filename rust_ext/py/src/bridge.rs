//! The two ends of a plugin session for Python: `CoreSide` for the core, `HostPath` for tests and
//! measurements that take the place of a plugin.

use std::fmt::Display;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use numpy::ndarray::Ix2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use uncodec_proto as proto;
use uncodec_proto::{MAX_CHANNELS, SharedMemory};

use crate::arguments::{Input, Output, check_axis, count, real};
use crate::errors::invalid_value;
use crate::shared::Shared;

const HOP: &str = "(channels, hop)";
const TAIL: &str = "(channels, tail)";
const BLOCK: &str = "(channels, samples)";

/// A hop of a plugin's input that waits for its answer. It can be answered once; one that is
/// dropped leaves the hop dry.
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

    fn take(&self) -> Option<proto::HopTicket> {
        self.ticket.try_lock().ok()?.take()
    }
}

#[pymethods]
impl HopTicket {
    fn __repr__(&self) -> String {
        format!("HopTicket(generation={}, hop={})", self.generation, self.hop)
    }
}

/// The core's end of a plugin session.
///
/// Parameters
/// ----------
/// file : int
///     Descriptor of the memory that came from the plugin; it stays the caller's own.
///
/// Raises
/// ------
/// InvalidValue
///     The memory is not that of a session, or one of another release.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct CoreSide {
    inner: Shared<proto::CoreSide<SharedMemory>>,
    geometry: proto::Geometry,
}

#[pymethods]
impl CoreSide {
    #[new]
    #[pyo3(signature = (file, /))]
    fn new(file: &Bound<'_, PyAny>) -> PyResult<Self> {
        let memory = SharedMemory::from_file(duplicate(file)?).map_err(invalid_value)?;
        let side = proto::CoreSide::attach(memory).map_err(invalid_value)?;
        let geometry = *side.geometry();
        Ok(Self { inner: Shared::new("CoreSide", side), geometry })
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
        self.inner.work(py, |side| side.beat(now_ns))
    }

    /// The next hop, if there is one: out (channels, hop), float32, C-contiguous, then holds it.
    /// Nothing but the ticket is allocated.
    #[pyo3(signature = (out, /))]
    fn poll_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<HopTicket>> {
        let mut out = Output::<f32, Ix2>::new("out", out, HOP)?;
        check_shape("out", out.shape(), self.geometry.channels(), "hop", self.geometry.hop())?;
        let values = out.values();
        let ticket = self.inner.work(py, |side| side.poll(values))?.map_err(invalid_value)?;
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
        let taken = ticket.take();
        let taken = taken.ok_or_else(|| invalid_value("ticket: was answered already"))?;
        let (output, tail) = (output.values(), tail.values());
        self.inner.work(py, |side| side.publish(taken, output, tail))?.map_err(invalid_value)
    }

    /// What this side counted: published and resyncs.
    fn core_counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let proto::CoreCounters { resyncs, published } =
            self.inner.look(proto::CoreSide::counters)?;
        dictionary(py, &[("published", published), ("resyncs", resyncs)])
    }

    /// What the plugin says it counted: wet, dry, late, refused and worst_callback_ns.
    fn host_counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        host_counters(py, self.inner.look(proto::CoreSide::host_counters)?)
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
/// channels, hop, tail, model_delay : int
///     Of the session; hop, tail and delay are the core's.
/// max_block : int
///     Longest block that is handled in one go, in samples.
/// turnaround_s : float
///     Seconds that the core may take for a hop.
/// varying_blocks : bool
///     Whether shorter blocks than max_block may come.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct HostPath {
    inner: Shared<proto::HostPath<SharedMemory>>,
    geometry: proto::Geometry,
}

#[pymethods]
impl HostPath {
    #[new]
    #[pyo3(signature = (
        *, sample_rate, channels, hop, tail, model_delay, max_block, turnaround_s=0.0,
        varying_blocks=true
    ))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords")]
    fn new(
        sample_rate: &Bound<'_, PyAny>,
        channels: &Bound<'_, PyAny>,
        hop: &Bound<'_, PyAny>,
        tail: &Bound<'_, PyAny>,
        model_delay: &Bound<'_, PyAny>,
        max_block: &Bound<'_, PyAny>,
        turnaround_s: f64,
        varying_blocks: bool,
    ) -> PyResult<Self> {
        let geometry = proto::Geometry::new(&proto::HostSettings {
            sample_rate: real("sample_rate", sample_rate)?,
            channels: count("channels", channels, 1)?,
            hop: count("hop", hop, 1)?,
            tail: count("tail", tail, 0)?,
            model_delay: count("model_delay", model_delay, 0)? as u64,
            max_block: count("max_block", max_block, 1)?,
            turnaround_s,
            varying_blocks,
        })
        .map_err(invalid_value)?;
        let memory = SharedMemory::create(&geometry).map_err(invalid_value)?;
        let side = proto::HostSide::create(memory, geometry).map_err(invalid_value)?;
        Ok(Self { inner: Shared::new("HostPath", proto::HostPath::new(side)), geometry })
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

    /// Descriptor of the shared memory, to be passed to the core; it stays the path's own.
    fn fileno(&self) -> PyResult<i32> {
        self.inner.look(|path| path.side().memory().as_fd().as_raw_fd())
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
        let mut out = self.output(out)?;
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
        let mut out = self.output(out)?;
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
    fn block<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Input<'py, f32, Ix2>> {
        let x = Input::<f32, Ix2>::contiguous("x", x, BLOCK)?;
        check_axis("x", x.shape(), 0, "channels", self.geometry.channels())?;
        Ok(x)
    }

    fn output<'py>(&self, out: &Bound<'py, PyAny>) -> PyResult<Output<'py, f32, Ix2>> {
        let out = Output::<f32, Ix2>::new("out", out, BLOCK)?;
        check_axis("out", out.shape(), 0, "channels", self.geometry.channels())?;
        Ok(out)
    }
}

/// A descriptor of our own for the file behind the one that Python owns.
fn duplicate(file: &Bound<'_, PyAny>) -> PyResult<OwnedFd> {
    let number = count("file", file, 0)?;
    let refused = |reason: &dyn Display| {
        invalid_value(format!("file={number}: must be an open descriptor ({reason})"))
    };
    let raw = i32::try_from(number).map_err(|error| refused(&error))?;
    // SAFETY: the number is not -1, and is only used by this call, which the caller waits for; if
    // it is of no open file, the system says so.
    let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
    borrowed.try_clone_to_owned().map_err(|error| refused(&error))
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
