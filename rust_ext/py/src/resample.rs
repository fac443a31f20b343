//! `StreamingResampler`, `resampler_pair` and `round_trip_delay` for Python.

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2};
use pyo3::prelude::*;
use uncodec_dsp as dsp;

use crate::arguments::{Block, count, rate, zeros};
use crate::errors::invalid_value;
use crate::shared::Shared;

/// Streaming sample-rate converter with a linear phase and an exactly known delay.
///
/// After n input samples exactly ceil(n * rate_out / rate_in) output samples have been given, and
/// their values do not depend on how the stream was cut into calls. Pass band to 0.45 of the lower
/// rate, stop band from 0.5 of it below -105 dB. Equal rates pass the input through without delay.
///
/// Parameters
/// ----------
/// channels : int
///     Number of channels, at least 1.
/// rate_in, rate_out : int or float
///     Samples per second, positive whole numbers.
/// delay_rate : int or float, optional
///     Which of the two rates the delay is a whole number of samples of; by default the higher one.
///     For a way to another rate and back use resampler_pair.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct StreamingResampler {
    inner: Shared<dsp::StreamingResampler>,
    /// Number of channels.
    #[pyo3(get)]
    channels: usize,
    /// Samples per second of the input.
    #[pyo3(get)]
    rate_in: u32,
    /// Samples per second of the output.
    #[pyo3(get)]
    rate_out: u32,
    /// Group delay, the same at all frequencies, an exact number of samples at delay_rate.
    #[pyo3(get)]
    delay: u64,
    /// The rate that delay counts in.
    #[pyo3(get)]
    delay_rate: u32,
}

impl StreamingResampler {
    fn wrap(inner: dsp::StreamingResampler) -> Self {
        Self {
            channels: inner.channels(),
            rate_in: inner.rate_in(),
            rate_out: inner.rate_out(),
            delay: inner.delay(),
            delay_rate: inner.delay_rate(),
            inner: Shared::new("StreamingResampler", inner),
        }
    }
}

#[pymethods]
impl StreamingResampler {
    #[new]
    #[pyo3(signature = (channels, rate_in, rate_out, *, delay_rate = None))]
    fn new(
        py: Python<'_>,
        channels: &Bound<'_, PyAny>,
        rate_in: &Bound<'_, PyAny>,
        rate_out: &Bound<'_, PyAny>,
        delay_rate: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let channels = count("channels", channels, 1)?;
        let (rate_in, rate_out) = (rate("rate_in", rate_in)?, rate("rate_out", rate_out)?);
        let delay_rate =
            delay_rate.map_or(Ok(rate_in.max(rate_out)), |value| rate("delay_rate", value))?;
        // The design of a filter for rates with little in common takes a noticeable time.
        py.detach(|| {
            dsp::StreamingResampler::with_delay_rate(channels, rate_in, rate_out, delay_rate)
        })
        .map(Self::wrap)
        .map_err(invalid_value)
    }

    /// Group delay in samples of the input; not a whole number if delay_rate is rate_out.
    #[getter]
    fn delay_in(&self) -> f64 {
        self.delay as f64 * f64::from(self.rate_in) / f64::from(self.delay_rate)
    }

    /// Output samples per channel that the next n input samples will give.
    #[pyo3(signature = (n, /))]
    fn output_frames(&self, n: &Bound<'_, PyAny>) -> PyResult<usize> {
        let n = count("n", n, 0)?;
        self.inner.look(|resampler| resampler.output_frames(n))
    }

    /// Take in all of x (channels, n), float32, and write the result to the beginning of each
    /// channel of out (channels, m), float32, m >= output_frames(n); returns the output samples per
    /// channel.
    ///
    /// Both arrays are used where they lie, in any memory order; nothing of out may be between the
    /// first and the last sample of x. Nothing is allocated. Where out is too short, InvalidValue
    /// is raised and nothing is consumed.
    #[pyo3(signature = (x, out))]
    fn push_into(
        &self,
        py: Python<'_>,
        x: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let x = Block::new("x", x, self.channels)?;
        let mut out = Block::new("out", out, self.channels)?.view_mut(&x.memory())?;
        let x = x.view();
        self.inner.work(py, |resampler| resampler.push_into(&x, &mut out))?.map_err(invalid_value)
    }

    /// Take in all of x (channels, n), float32; returns what it gives, (channels, m), float32.
    #[pyo3(signature = (x, /))]
    fn push<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let x = Block::new("x", x, self.channels)?.view();
        let frames = self.inner.look(|resampler| resampler.output_frames(x.ncols()))?;
        let shape = (self.channels, frames);
        let mut out =
            Array2::from_shape_vec(shape, zeros(&[shape.0, shape.1])?).map_err(invalid_value)?;
        let mut room = out.view_mut();
        self.inner
            .work(py, |resampler| resampler.push_into(&x, &mut room))?
            .map_err(invalid_value)?;
        Ok(out.into_pyarray(py))
    }

    /// Forget the stream: the next sample is sample 0 again.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.work(py, dsp::StreamingResampler::reset)
    }

    /// An independent copy of the whole state.
    fn clone(&self, py: Python<'_>) -> PyResult<Self> {
        self.inner.work(py, |resampler| resampler.clone()).map(Self::wrap)
    }

    fn __repr__(&self) -> String {
        format!(
            "StreamingResampler(channels={}, rate_in={}, rate_out={}, delay_rate={})",
            self.channels, self.rate_in, self.rate_out, self.delay_rate
        )
    }
}

/// The converters of a way from rate to network_rate and back, whose delays add up to exactly
/// round_trip_delay(rate, network_rate) samples at rate.
///
/// Because after n samples at least n have come back, the way can be used sample for sample: y is x
/// delayed by that number.
///
/// Parameters
/// ----------
/// channels : int
///     Number of channels, at least 1.
/// rate, network_rate : int or float
///     Samples per second, positive whole numbers.
///
/// Returns
/// -------
/// there, back : StreamingResampler
///     From rate to network_rate, and from network_rate to rate.
#[pyfunction]
#[pyo3(signature = (channels, rate, network_rate))]
pub fn resampler_pair(
    py: Python<'_>,
    channels: &Bound<'_, PyAny>,
    rate: &Bound<'_, PyAny>,
    network_rate: &Bound<'_, PyAny>,
) -> PyResult<(StreamingResampler, StreamingResampler)> {
    let channels = count("channels", channels, 1)?;
    let (rate, network_rate) = rates(rate, network_rate)?;
    let (there, back) =
        py.detach(|| dsp::resampler_pair(channels, rate, network_rate)).map_err(invalid_value)?;
    Ok((StreamingResampler::wrap(there), StreamingResampler::wrap(back)))
}

/// Delay of a resampler_pair, an exact number of samples at rate; 0 for equal rates.
#[pyfunction]
#[pyo3(signature = (rate, network_rate))]
pub fn round_trip_delay(rate: &Bound<'_, PyAny>, network_rate: &Bound<'_, PyAny>) -> PyResult<u64> {
    let (rate, network_rate) = rates(rate, network_rate)?;
    dsp::round_trip_delay(rate, network_rate).map_err(invalid_value)
}

fn rates(one: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>) -> PyResult<(u32, u32)> {
    Ok((rate("rate", one)?, rate("network_rate", other)?))
}
