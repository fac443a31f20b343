//! A host for the plugin itself: the built module, called as an audio program calls it.

use std::path::PathBuf;
use std::time::Instant;

use numpy::ndarray::Ix2;
use pyo3::prelude::*;
use uncodec_host::{Arrangement, Blocks, Format, Mode, Module, Plugin};

use crate::arguments::{Input, Output, check_axis, count};
use crate::errors::{core_error, invalid_value};
use crate::shared::Shared;

const BLOCK: &str = "(channels, samples)";
const OK: i32 = 0;

/// An instance of the plugin, a VST3 or a CLAP, in a host that plays in real time or renders.
///
/// The plugin looks for its core where UNCODEC_CORE_SOCKET of the environment says while this is
/// made.
///
/// Parameters
/// ----------
/// library : path
///     The shared library inside the bundle; a CLAP is one.
/// sample_rate : float
///     In Hz.
/// channels : int
///     1 or 2.
/// max_block : int
///     Longest block, in samples.
/// settings : callable
///     Takes the plugin's state, as it saves it, and returns the one to begin with.
/// offline : bool
///     Whether it renders: the plugin waits for its core then.
///
/// Raises
/// ------
/// CoreError
///     The library is no such plugin, or the plugin does not take rate, channels, block or state.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct PluginHost {
    inner: Shared<(Plugin, Blocks)>,
    channels: usize,
    max_block: usize,
    mode: Mode,
}

#[pymethods]
impl PluginHost {
    #[new]
    #[pyo3(signature = (library, *, sample_rate, channels, max_block, settings=None, offline=false))]
    #[allow(clippy::needless_pass_by_value, reason = "made from a str or a path of Python's")]
    fn new(
        library: PathBuf,
        sample_rate: f64,
        channels: &Bound<'_, PyAny>,
        max_block: &Bound<'_, PyAny>,
        settings: Option<&Bound<'_, PyAny>>,
        offline: bool,
    ) -> PyResult<Self> {
        let mode = if offline { Mode::Offline } else { Mode::Realtime };
        let py = channels.py();
        let channels = count("channels", channels, 1)?;
        let max_block = count("max_block", max_block, 1)?;
        let longest = i32::try_from(max_block).map_err(invalid_value)?;
        let shown = library.display();
        let plugin = py
            .detach(|| Module::load(&library)?.instantiate())
            .map_err(|error| core_error(format!("{shown}: {error}")))?;
        let done = |what: &str, answer: i32| {
            let refused = || core_error(format!("{shown}: {what}: the plugin answered {answer}"));
            if answer == OK { Ok(()) } else { Err(refused()) }
        };
        if let Some(settings) = settings {
            let state: Vec<u8> = settings.call1((plugin.state(),))?.extract()?;
            done("state", plugin.set_state(&state))?;
        }
        let bus = Arrangement::of(channels);
        done(&format!("channels={channels}"), plugin.set_arrangement(bus, bus))?;
        py.detach(|| {
            let answer = plugin.set_up(sample_rate, longest, mode);
            done(&format!("sample_rate={sample_rate}, max_block={max_block}"), answer)?;
            done("activation", plugin.set_active(true))
        })?;
        let blocks = Blocks::new(channels, max_block, false);
        Ok(Self { inner: Shared::new("PluginHost", (plugin, blocks)), channels, max_block, mode })
    }

    /// The latency that the plugin reports, in samples.
    #[getter]
    fn latency_samples(&self) -> PyResult<usize> {
        self.inner.look(|(plugin, _)| plugin.latency())
    }

    /// The plugin's state: its settings and its status.
    fn state(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.inner.work(py, |(plugin, _)| plugin.state())
    }

    /// The format, vst3 or clap.
    #[getter]
    fn format(&self) -> PyResult<&'static str> {
        self.inner.look(|(plugin, _)| match plugin.format() {
            Format::Vst3 => "vst3",
            Format::Clap => "clap",
        })
    }

    /// Have a block x (channels, n) processed, into out of the same shape; float32,
    /// C-contiguous, of max_block samples at most. Nanoseconds that the plugin took.
    #[pyo3(signature = (x, out, /))]
    fn process_into(
        &self,
        py: Python<'_>,
        x: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let x = Input::<f32, Ix2>::contiguous("x", x, BLOCK)?;
        let mut out = Output::<f32, Ix2>::new("out", out, BLOCK, &x.memory())?;
        let samples = x.shape()[1];
        check_axis("x", x.shape(), 0, "channels", self.channels)?;
        check_axis("out", out.shape(), 0, "channels", self.channels)?;
        check_axis("out", out.shape(), 1, "samples", samples)?;
        if samples > self.max_block {
            let rule = format!("must have at most {} samples, got {samples}", self.max_block);
            return Err(invalid_value(format!("x: {rule}")));
        }
        let (input, output) = (x.values(), out.values());
        let (answer, taken) = self.inner.work(py, |(plugin, blocks)| {
            for (channel, source) in input.chunks_exact(samples.max(1)).enumerate() {
                blocks.input(channel)[..samples].copy_from_slice(source);
            }
            let began = Instant::now();
            let answer = plugin.process(blocks, samples, self.mode);
            let taken = began.elapsed();
            for (channel, target) in output.chunks_exact_mut(samples.max(1)).enumerate() {
                target.copy_from_slice(&blocks.output(channel)[..samples]);
            }
            (answer, taken)
        })?;
        if answer != OK {
            return Err(core_error(format!("process: the plugin answered {answer}")));
        }
        Ok(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX))
    }

    fn __repr__(&self) -> String {
        format!("PluginHost(channels={}, max_block={})", self.channels, self.max_block)
    }
}
