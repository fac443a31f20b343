//! `ring`, `RingProducer` and `RingConsumer` for Python.

use numpy::ndarray::{Array2, Ix2};
use numpy::{IntoPyArray, PyArray2};
use pyo3::prelude::*;
use uncodec_dsp as dsp;

use crate::arguments::{Input, Output, check_axis, count, zeros};
use crate::errors::invalid_value;
use crate::shared::Shared;

const SAMPLES: &str = "(channels, samples)";

/// The writing end of a ring.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct RingProducer {
    inner: Shared<dsp::RingProducer>,
    /// Number of channels.
    #[pyo3(get)]
    channels: usize,
    /// Frames that the ring can hold.
    #[pyo3(get)]
    capacity: usize,
}

#[pymethods]
impl RingProducer {
    /// Frames that can be written now; the other end can only make it more.
    #[getter]
    fn free(&self) -> PyResult<usize> {
        self.inner.look(dsp::RingProducer::free)
    }

    /// Whether the reading end is gone.
    #[getter]
    fn abandoned(&self) -> PyResult<bool> {
        self.inner.look(dsp::RingProducer::is_abandoned)
    }

    /// Write as many frames of x (channels, n), float32, as there is room for; returns how many.
    #[pyo3(signature = (x, /))]
    fn write(&self, py: Python<'_>, x: &Bound<'_, PyAny>) -> PyResult<usize> {
        let x = Input::<f32, Ix2>::any("x", x, SAMPLES)?;
        check_axis("x", x.shape(), 0, "channels", self.channels)?;
        let values = x.values();
        self.inner.work(py, |producer| producer.write(values))?.map_err(invalid_value)
    }

    fn __repr__(&self) -> String {
        format!("RingProducer(channels={}, capacity={})", self.channels, self.capacity)
    }
}

/// The reading end of a ring.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct RingConsumer {
    inner: Shared<dsp::RingConsumer>,
    /// Number of channels.
    #[pyo3(get)]
    channels: usize,
    /// Frames that the ring can hold.
    #[pyo3(get)]
    capacity: usize,
}

#[pymethods]
impl RingConsumer {
    /// Frames that can be read now; the other end can only make it more.
    #[getter]
    fn available(&self) -> PyResult<usize> {
        self.inner.look(dsp::RingConsumer::available)
    }

    /// Whether the writing end is gone: nothing more will come than is available.
    #[getter]
    fn abandoned(&self) -> PyResult<bool> {
        self.inner.look(dsp::RingConsumer::is_abandoned)
    }

    /// Read as many frames as there are and as fit into out (channels, n), float32, C-contiguous;
    /// returns how many. The rest of out is left alone. Nothing is allocated.
    #[pyo3(signature = (out, /))]
    fn read_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut out = Output::<f32, Ix2>::new("out", out, SAMPLES, &(0..0))?;
        check_axis("out", out.shape(), 0, "channels", self.channels)?;
        let values = out.values();
        self.inner.work(py, |consumer| consumer.read_into(values))?.map_err(invalid_value)
    }

    /// Read at most n frames; returns them as (channels, m), float32, with m <= n.
    #[pyo3(signature = (n, /))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        n: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let n = count("n", n, 0)?;
        let channels = self.channels;
        let frames = n.min(self.inner.look(dsp::RingConsumer::available)?);
        let mut values = zeros(&[channels, frames])?;
        // Only this end can make the number of frames smaller, and it is this call that has it.
        self.inner.work(py, |consumer| consumer.read_into(&mut values))?.map_err(invalid_value)?;
        let out = Array2::from_shape_vec((channels, frames), values).map_err(invalid_value)?;
        Ok(out.into_pyarray(py))
    }

    fn __repr__(&self) -> String {
        format!("RingConsumer(channels={}, capacity={})", self.channels, self.capacity)
    }
}

/// Make a wait-free ring between two threads, for capacity frames of several channels.
///
/// Parameters
/// ----------
/// channels : int
///     Number of channels, at least 1.
/// capacity : int
///     Frames (samples per channel) that the ring can hold, at least 1.
///
/// Returns
/// -------
/// producer : RingProducer
///     The end to write, for one thread.
/// consumer : RingConsumer
///     The end to read, for one thread.
#[pyfunction]
#[pyo3(signature = (channels, capacity))]
pub fn ring(
    channels: &Bound<'_, PyAny>,
    capacity: &Bound<'_, PyAny>,
) -> PyResult<(RingProducer, RingConsumer)> {
    let channels = count("channels", channels, 1)?;
    let capacity = count("capacity", capacity, 1)?;
    let (producer, consumer) = dsp::ring(channels, capacity).map_err(invalid_value)?;
    let producer =
        RingProducer { inner: Shared::new("RingProducer", producer), channels, capacity };
    let consumer =
        RingConsumer { inner: Shared::new("RingConsumer", consumer), channels, capacity };
    Ok((producer, consumer))
}
