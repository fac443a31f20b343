//! The tonal balance of a reference, as plugins save it and send it.

use std::borrow::Cow;

use pyo3::prelude::*;
use uncodec_proto::{REFERENCE_BYTES, Reference};

use crate::errors::invalid_value;

/// The bytes of a reference, for a plugin's state and for HostPath.open.
///
/// Parameters
/// ----------
/// name : str
///     For display. It is cut if need be.
/// width_hz : float
///     Of a bin. Band n is centred at (8 n + 4.5) widths.
/// cutoff_hz : float
///     Nothing is known above it.
/// levels_db : sequence of float
///     Of bands, over the lower ones; 1 to 128 of them. They are brought into -120 to 120 dB.
///
/// Returns
/// -------
/// bytes
#[pyfunction]
#[pyo3(signature = (name, *, width_hz, cutoff_hz, levels_db))]
#[allow(clippy::needless_pass_by_value, reason = "made from a sequence of Python's")]
pub fn pack_reference(
    name: &str,
    width_hz: f64,
    cutoff_hz: f64,
    levels_db: Vec<f32>,
) -> PyResult<Cow<'static, [u8]>> {
    let made = Reference::new(name, width_hz, cutoff_hz, &levels_db).map_err(invalid_value)?;
    Ok(Cow::Owned(made.encode().to_vec()))
}

/// Name, width of a bin, cut-off, levels.
type Unpacked = (String, f64, f64, Vec<f32>);

/// What pack_reference was given; None if the bytes hold no reference.
///
/// Returns
/// -------
/// name : str
/// width_hz, cutoff_hz : float
/// levels_db : list of float
#[pyfunction]
#[pyo3(signature = (reference, /))]
pub fn unpack_reference(reference: &[u8]) -> PyResult<Option<Unpacked>> {
    Ok(read_reference(reference)?.map(|found| {
        (found.name().to_owned(), found.width_hz(), found.cutoff_hz(), found.levels_db().to_vec())
    }))
}

pub fn read_reference(bytes: &[u8]) -> PyResult<Option<Reference>> {
    let bytes: &[u8; REFERENCE_BYTES] = bytes.try_into().map_err(|_| {
        invalid_value(format!("reference: has {} bytes, must have {REFERENCE_BYTES}", bytes.len()))
    })?;
    Reference::decode(bytes).map_err(invalid_value)
}
