//! `latency_samples` for Python.

use pyo3::prelude::*;
use uncodec_dsp::LatencyBudget;

use crate::arguments::{count, real};
use crate::errors::invalid_value;

/// Latency of a hop-by-hop model behind a host with blocks: L = A + (H - gcd(D, H)) + D * ceil(T *
/// fs / D), with H - 1 in place of H - gcd(D, H) where the host may cut its blocks.
///
/// Parameters
/// ----------
/// model_delay : int
///     Delay A of the model itself, in samples.
/// hop : int
///     Hop H of the model, in samples.
/// block : int
///     Length D of the host's blocks, in samples; the longest one if they vary.
/// turnaround_s : float
///     Seconds T that a hop may take until its result is there; 0 where the work is done inside the
///     host's call.
/// sample_rate : float, optional
///     Samples per second fs; must be given if turnaround_s is not 0.
/// varying_blocks : bool
///     Whether the host may cut its blocks into shorter ones.
///
/// Returns
/// -------
/// latency : int
///     Samples; sufficient, and no smaller number is.
///
/// Raises
/// ------
/// InvalidValue, InvalidType
///     If an argument is out of its range or no number.
///
/// Notes
/// -----
/// varying_blocks means that blocks of D samples are cut into parts, or that one comes short, at a
/// loop point or at the start. A host whose calls themselves come irregularly, each as soon as its
/// last sample is there, can skip a deadline by up to one block more: give its turnaround as T + (D
/// - 1) / fs.
#[pyfunction]
#[pyo3(
    signature = (
        model_delay, hop, block, *, turnaround_s = None, sample_rate = None, varying_blocks = false
    ),
    text_signature = "(model_delay, hop, block, *, turnaround_s=0.0, sample_rate=None, \
                      varying_blocks=False)"
)]
pub fn latency_samples(
    model_delay: &Bound<'_, PyAny>,
    hop: &Bound<'_, PyAny>,
    block: &Bound<'_, PyAny>,
    turnaround_s: Option<&Bound<'_, PyAny>>,
    sample_rate: Option<&Bound<'_, PyAny>>,
    varying_blocks: bool,
) -> PyResult<u64> {
    let turnaround_s = turnaround_s.map_or(Ok(0.0), |value| real("turnaround_s", value))?;
    if turnaround_s > 0.0 && sample_rate.is_none() {
        return Err(invalid_value("sample_rate=None: must be given if turnaround_s is not 0"));
    }
    LatencyBudget {
        model_delay: count("model_delay", model_delay, 0)? as u64,
        hop: count("hop", hop, 1)? as u64,
        block: count("block", block, 1)? as u64,
        turnaround_s,
        sample_rate: sample_rate.map_or(Ok(0.0), |value| real("sample_rate", value))?,
        varying_blocks,
    }
    .samples()
    .map_err(invalid_value)
}
