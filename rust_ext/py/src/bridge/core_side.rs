//! The core's end of a session: hops come out of it, results go in.

use std::os::fd::{AsFd, AsRawFd};

use numpy::ndarray::Ix2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use uncodec_proto as proto;

use super::{dictionary, host_counters};
use crate::arguments::{Input, Output};
use crate::errors::{core_error, invalid_value};
use crate::hops::{HOP, HopTicket, TAIL, check_shape};
use crate::shared::Shared;

/// The core's end of a plugin session, as PendingSession.accept gives it. Closing or
/// dropping it ends the session.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct CoreSide {
    inner: Shared<Option<proto::CoreSession>>,
    geometry: proto::Geometry,
}

impl CoreSide {
    pub(super) fn new(session: proto::CoreSession, geometry: proto::Geometry) -> Self {
        Self { inner: Shared::new("CoreSide", Some(session)), geometry }
    }
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

/// What a call needs that comes after the end of the session.
fn open<T>(session: Option<T>) -> PyResult<T> {
    session.ok_or_else(|| core_error("CoreSide: the session is closed"))
}
