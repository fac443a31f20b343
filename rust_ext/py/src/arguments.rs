//! Arguments from Python, checked: every refusal says what was wanted and what came.
//!
//! Arrays stay borrowed while the interpreter is released. Native calls that would write to the
//! same memory at the same time are refused; as everywhere with NumPy, Python code must not write
//! to an array that another thread is computing with.

use numpy::ndarray::Dimension;
use numpy::{
    Element, PyArray, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray, PyReadwriteArray,
    PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::prelude::*;

use crate::errors::{invalid_type, invalid_value};

/// A number of things that must be at least `minimum` (0 or 1).
pub fn count(name: &str, object: &Bound<'_, PyAny>, minimum: usize) -> PyResult<usize> {
    let rule = if minimum == 0 { "a non-negative integer" } else { "a positive integer" };
    match object.extract::<usize>() {
        Ok(value) if value >= minimum => Ok(value),
        Err(error) if error.is_instance_of::<PyTypeError>(object.py()) => {
            Err(invalid_type(format!("{name}={}: must be {rule}", shown(object))))
        }
        _ => Err(invalid_value(format!("{name}={}: must be {rule}", shown(object)))),
    }
}

/// A sample rate: a positive whole number of samples per second, given as an integer or a float.
pub fn rate(name: &str, object: &Bound<'_, PyAny>) -> PyResult<u32> {
    let value = object.extract::<f64>().map_err(|_| {
        invalid_type(format!("{name}={}: must be a number of samples per second", shown(object)))
    })?;
    if value.fract() != 0.0 || !(1.0..=f64::from(u32::MAX)).contains(&value) {
        return Err(invalid_value(format!(
            "{name}={}: must be a positive whole number of samples per second",
            shown(object)
        )));
    }
    Ok(value as u32)
}

/// A real number.
pub fn real(name: &str, object: &Bound<'_, PyAny>) -> PyResult<f64> {
    object
        .extract::<f64>()
        .map_err(|_| invalid_type(format!("{name}={}: must be a number", shown(object))))
}

fn shown(object: &Bound<'_, PyAny>) -> String {
    object.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string())
}

/// The array of the wanted type and number of axes, or the reason why it is not one.
fn array<'a, 'py, T: Element, D: Dimension>(
    name: &str,
    object: &'a Bound<'py, PyAny>,
    layout: &str,
) -> PyResult<&'a Bound<'py, PyArray<T, D>>> {
    if let Ok(array) = object.cast::<PyArray<T, D>>() {
        return Ok(array);
    }
    let Ok(untyped) = object.cast::<PyUntypedArray>() else {
        let got = object.get_type().name().map_or_else(|_| "?".to_owned(), |n| n.to_string());
        return Err(invalid_type(format!("{name}: must be a NumPy array, got {got}")));
    };
    let wanted = T::get_dtype(object.py());
    if !untyped.dtype().is_equiv_to(&wanted) {
        let got = untyped.dtype();
        return Err(invalid_type(format!("{name}: must be an array of {wanted}, got {got}")));
    }
    Err(invalid_value(format!("{name}: must have the shape {layout}, got {} axes", untyped.ndim())))
}

/// Samples or spectra to read: borrowed where their memory is in order, copied where it is not.
pub enum Input<'py, T: Element, D: Dimension> {
    Borrowed(PyReadonlyArray<'py, T, D>),
    Copied(Vec<T>, Vec<usize>),
}

impl<'py, T: Element + Copy, D: Dimension> Input<'py, T, D> {
    /// Takes an array in any memory order; for calls that allocate anyway.
    pub fn any(name: &str, object: &Bound<'py, PyAny>, layout: &str) -> PyResult<Self> {
        let array = array::<T, D>(name, object, layout)?;
        let borrowed = borrow(name, array)?;
        if array.is_c_contiguous() && borrowed.as_slice().is_ok() {
            return Ok(Self::Borrowed(borrowed));
        }
        let values = borrowed.as_array().iter().copied().collect();
        Ok(Self::Copied(values, array.shape().to_vec()))
    }

    /// Takes a C-contiguous array only; for calls that promise not to allocate.
    pub fn contiguous(name: &str, object: &Bound<'py, PyAny>, layout: &str) -> PyResult<Self> {
        let array = array::<T, D>(name, object, layout)?;
        let borrowed = borrow(name, array)?;
        if array.is_c_contiguous() && borrowed.as_slice().is_ok() {
            return Ok(Self::Borrowed(borrowed));
        }
        Err(not_contiguous(name))
    }

    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Borrowed(array) => array.shape(),
            Self::Copied(_, shape) => shape,
        }
    }

    pub fn values(&self) -> &[T] {
        match self {
            // Contiguity was checked when the borrow was made and cannot change under it.
            Self::Borrowed(array) => array.as_slice().unwrap_or(&[]),
            Self::Copied(values, _) => values,
        }
    }
}

/// A caller's C-contiguous buffer to write into.
pub struct Output<'py, T: Element, D: Dimension>(PyReadwriteArray<'py, T, D>);

impl<'py, T: Element, D: Dimension> Output<'py, T, D> {
    pub fn new(name: &str, object: &Bound<'py, PyAny>, layout: &str) -> PyResult<Self> {
        let array = array::<T, D>(name, object, layout)?;
        let contiguous = array.is_c_contiguous();
        let mut borrowed = array
            .try_readwrite()
            .map_err(|error| invalid_value(format!("{name}: must be writable ({error})")))?;
        if contiguous && borrowed.as_slice_mut().is_ok() {
            return Ok(Self(borrowed));
        }
        Err(not_contiguous(name))
    }

    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    pub fn values(&mut self) -> &mut [T] {
        self.0.as_slice_mut().unwrap_or(&mut [])
    }
}

fn borrow<'py, T: Element, D: Dimension>(
    name: &str,
    array: &Bound<'py, PyArray<T, D>>,
) -> PyResult<PyReadonlyArray<'py, T, D>> {
    array.try_readonly().map_err(|error| {
        invalid_value(format!("{name}: must not be written to at the same time ({error})"))
    })
}

fn not_contiguous(name: &str) -> PyErr {
    invalid_value(format!("{name}: must be C-contiguous (see numpy.ascontiguousarray)"))
}

/// The axis of `shape` that has one entry per channel must have `channels`.
pub fn check_axis(
    name: &str,
    shape: &[usize],
    axis: usize,
    what: &str,
    wanted: usize,
) -> PyResult<()> {
    match shape.get(axis) {
        Some(&got) if got == wanted => Ok(()),
        _ => Err(invalid_value(format!(
            "{name}: must have {what}={wanted} on axis {axis}, got shape {shape:?}"
        ))),
    }
}

/// Zeros for a result, or Python's own error where the memory does not suffice.
pub fn zeros<T: Copy + Default>(shape: &[usize]) -> PyResult<Vec<T>> {
    let too_much =
        || PyMemoryError::new_err(format!("cannot allocate a result of shape {shape:?}"));
    let len = shape
        .iter()
        .try_fold(1_usize, |product, &n| product.checked_mul(n))
        .ok_or_else(too_much)?;
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| too_much())?;
    values.resize(len, T::default());
    Ok(values)
}
