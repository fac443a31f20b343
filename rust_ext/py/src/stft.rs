//! `StreamingStft`, `InverseFrames` and `synthesis_window` for Python.

use numpy::ndarray::{Array1, Array3, Ix1, Ix2, Ix3};
use numpy::{IntoPyArray, PyArray1, PyArray3};
use pyo3::prelude::*;
use uncodec_dsp::{self as dsp, Complex32};

use crate::arguments::{Input, Output, check_axis, count, zeros};
use crate::errors::invalid_value;
use crate::shared::Shared;

const SAMPLES: &str = "(channels, samples)";
const SPECTRA: &str = "(frames, channels, bins)";
const FRAMES: &str = "(frames, channels, window_length)";

/// Streaming short-time Fourier transform of several channels.
///
/// Frame k covers the samples (k + 1) * hop - N .. (k + 1) * hop of the stream, where the part
/// before sample 0 counts as zeros. Scaling is that of numpy.fft.rfft. The result does not depend
/// on how the stream is cut into calls.
///
/// Parameters
/// ----------
/// channels : int
///     Number of channels, at least 1.
/// window : ndarray [shape=(N,), dtype=float32]
///     Analysis window; its length is the length of the transform.
/// hop : int
///     Samples from one frame to the next, at least 1.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct StreamingStft {
    inner: Shared<dsp::StreamingStft>,
    /// Number of channels.
    #[pyo3(get)]
    channels: usize,
    /// Length of the window and of the transform, in samples.
    #[pyo3(get)]
    window_length: usize,
    /// Samples from one frame to the next.
    #[pyo3(get)]
    hop: usize,
    /// Values per spectrum, window_length // 2 + 1.
    #[pyo3(get)]
    bins: usize,
}

impl StreamingStft {
    fn wrap(inner: dsp::StreamingStft) -> Self {
        Self {
            channels: inner.channels(),
            window_length: inner.window_length(),
            hop: inner.hop(),
            bins: inner.bins(),
            inner: Shared::new("StreamingStft", inner),
        }
    }
}

#[pymethods]
impl StreamingStft {
    #[new]
    #[pyo3(signature = (channels, window, hop))]
    fn new(
        channels: &Bound<'_, PyAny>,
        window: &Bound<'_, PyAny>,
        hop: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let channels = count("channels", channels, 1)?;
        let window = Input::<f32, Ix1>::any("window", window, "(window_length,)")?;
        let hop = count("hop", hop, 1)?;
        dsp::StreamingStft::new(channels, window.values(), hop)
            .map(Self::wrap)
            .map_err(invalid_value)
    }

    /// Samples that arrived since the last complete frame, 0 .. hop - 1.
    #[getter]
    fn pending(&self) -> PyResult<usize> {
        self.inner.look(dsp::StreamingStft::pending)
    }

    /// Number of frames that the next n samples will complete.
    #[pyo3(signature = (n, /))]
    fn frames_for(&self, n: &Bound<'_, PyAny>) -> PyResult<usize> {
        let n = count("n", n, 0)?;
        self.inner.look(|stft| stft.frames_for(n))
    }

    /// Take in all of x (channels, n) and write every frame that became complete into
    /// out (max_frames, channels, bins), complex64; returns their number.
    ///
    /// Both arrays must be C-contiguous. Nothing is allocated. Where out has fewer than
    /// frames_for(n) frames, InvalidValue is raised and nothing is consumed.
    #[pyo3(signature = (x, out))]
    fn push_into(
        &self,
        py: Python<'_>,
        x: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let x = Input::<f32, Ix2>::contiguous("x", x, SAMPLES)?;
        check_axis("x", x.shape(), 0, "channels", self.channels)?;
        let mut out = Output::<Complex32, Ix3>::new("out", out, SPECTRA, &x.memory())?;
        check_axis("out", out.shape(), 1, "channels", self.channels)?;
        check_axis("out", out.shape(), 2, "bins", self.bins)?;
        let (x, out) = (x.values(), out.values());
        self.inner.work(py, |stft| stft.push_into(x, out))?.map_err(invalid_value)
    }

    /// Take in all of x (channels, n), float32; returns the frames that became complete,
    /// (frames, channels, bins), complex64.
    #[pyo3(signature = (x, /))]
    fn push<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray3<Complex32>>> {
        let x = Input::<f32, Ix2>::any("x", x, SAMPLES)?;
        check_axis("x", x.shape(), 0, "channels", self.channels)?;
        let samples = x.shape()[1];
        let frames = self.inner.look(|stft| stft.frames_for(samples))?;
        let shape = (frames, self.channels, self.bins);
        let mut spectra = zeros(&[shape.0, shape.1, shape.2])?;
        let values = x.values();
        self.inner.work(py, |stft| stft.push_into(values, &mut spectra))?.map_err(invalid_value)?;
        let spectra = Array3::from_shape_vec(shape, spectra).map_err(invalid_value)?;
        Ok(spectra.into_pyarray(py))
    }

    /// Forget the stream: the next sample is sample 0 again.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.work(py, dsp::StreamingStft::reset)
    }

    /// An independent copy of the whole state.
    fn clone(&self, py: Python<'_>) -> PyResult<Self> {
        self.inner.work(py, |stft| stft.clone()).map(Self::wrap)
    }

    fn __repr__(&self) -> String {
        format!(
            "StreamingStft(channels={}, window_length={}, hop={})",
            self.channels, self.window_length, self.hop
        )
    }
}

/// Inverse transform of spectra to frames of samples, with the scaling of numpy.fft.irfft; no
/// window is applied and nothing is overlapped.
///
/// Parameters
/// ----------
/// channels : int
///     Number of channels, at least 1.
/// window_length : int
///     Length of a frame in samples, at least 1.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct InverseFrames {
    inner: Shared<dsp::InverseFrames>,
    /// Number of channels.
    #[pyo3(get)]
    channels: usize,
    /// Length of a frame, in samples.
    #[pyo3(get)]
    window_length: usize,
    /// Values per spectrum, window_length // 2 + 1.
    #[pyo3(get)]
    bins: usize,
}

impl InverseFrames {
    fn wrap(inner: dsp::InverseFrames) -> Self {
        Self {
            channels: inner.channels(),
            window_length: inner.window_length(),
            bins: inner.bins(),
            inner: Shared::new("InverseFrames", inner),
        }
    }

    fn check(&self, shape: &[usize]) -> PyResult<()> {
        check_axis("spectra", shape, 1, "channels", self.channels)?;
        check_axis("spectra", shape, 2, "bins", self.bins)
    }
}

#[pymethods]
impl InverseFrames {
    #[new]
    #[pyo3(signature = (channels, window_length))]
    fn new(channels: &Bound<'_, PyAny>, window_length: &Bound<'_, PyAny>) -> PyResult<Self> {
        let channels = count("channels", channels, 1)?;
        let window_length = count("window_length", window_length, 1)?;
        dsp::InverseFrames::new(channels, window_length).map(Self::wrap).map_err(invalid_value)
    }

    /// Transform spectra (frames, channels, bins), complex64, into
    /// out (frames, channels, window_length), float32.
    ///
    /// Both arrays must be C-contiguous. Nothing is allocated.
    #[pyo3(signature = (spectra, out))]
    fn inverse_into(
        &self,
        py: Python<'_>,
        spectra: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let spectra = Input::<Complex32, Ix3>::contiguous("spectra", spectra, SPECTRA)?;
        self.check(spectra.shape())?;
        let mut out = Output::<f32, Ix3>::new("out", out, FRAMES, &spectra.memory())?;
        check_axis("out", out.shape(), 0, "frames", spectra.shape()[0])?;
        check_axis("out", out.shape(), 1, "channels", self.channels)?;
        check_axis("out", out.shape(), 2, "window_length", self.window_length)?;
        let (spectra, out) = (spectra.values(), out.values());
        self.inner.work(py, |inverse| inverse.inverse_into(spectra, out))?.map_err(invalid_value)
    }

    /// Transform spectra (frames, channels, bins), complex64; returns frames
    /// (frames, channels, window_length), float32.
    #[pyo3(signature = (spectra, /))]
    fn inverse<'py>(
        &self,
        py: Python<'py>,
        spectra: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let spectra = Input::<Complex32, Ix3>::any("spectra", spectra, SPECTRA)?;
        self.check(spectra.shape())?;
        let shape = (spectra.shape()[0], self.channels, self.window_length);
        let mut frames = zeros(&[shape.0, shape.1, shape.2])?;
        let values = spectra.values();
        self.inner
            .work(py, |inverse| inverse.inverse_into(values, &mut frames))?
            .map_err(invalid_value)?;
        let frames = Array3::from_shape_vec(shape, frames).map_err(invalid_value)?;
        Ok(frames.into_pyarray(py))
    }

    /// An independent copy.
    fn clone(&self, py: Python<'_>) -> PyResult<Self> {
        self.inner.work(py, |inverse| inverse.clone()).map(Self::wrap)
    }

    fn __repr__(&self) -> String {
        format!("InverseFrames(channels={}, window_length={})", self.channels, self.window_length)
    }
}

/// The synthesis window (N,) that makes analysis, hop and overlap-add the identity:
/// the sum over k of analysis[n - k * hop] * synthesis[n - k * hop] is 1 for every n.
///
/// Parameters
/// ----------
/// analysis : ndarray [shape=(N,), dtype=float32]
///     Analysis window.
/// hop : int
///     Samples from one frame to the next, at most the length of the synthesis window.
/// synthesis_length : int, optional
///     Use only the last synthesis_length samples of a frame (zeros before): an asymmetric pair
///     whose delay is synthesis_length instead of N. By default N, which gives the canonical dual
///     window.
#[pyfunction]
#[pyo3(signature = (analysis, hop, synthesis_length = None))]
pub fn synthesis_window<'py>(
    py: Python<'py>,
    analysis: &Bound<'py, PyAny>,
    hop: &Bound<'py, PyAny>,
    synthesis_length: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let analysis = Input::<f32, Ix1>::any("analysis", analysis, "(window_length,)")?;
    let hop = count("hop", hop, 1)?;
    let synthesis_length =
        synthesis_length.map(|length| count("synthesis_length", length, 1)).transpose()?;
    let values = analysis.values();
    let window = py
        .detach(|| dsp::synthesis_window(values, hop, synthesis_length))
        .map_err(invalid_value)?;
    Ok(Array1::from_vec(window).into_pyarray(py))
}
