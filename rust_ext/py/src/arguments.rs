//! Arguments from Python, checked: every refusal says what was wanted and what came.
//!
//! Arrays are used where they are, also while the interpreter is released. The arrays of one call may
//! not overlap; as everywhere with NumPy, no other thread may write to an array that is being computed
//! with, nor use one that is being written. The bookkeeping with which the `numpy` crate would notice
//! that at run time allocates in every call, which is what the calls into buffers promise not to do.

use std::borrow::Cow;
use std::ops::Range;

use numpy::ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Dimension, Ix2};
use numpy::npyffi::{NPY_ARRAY_ALIGNED, PY_ARRAY_API};
use numpy::{
    Element, PyArray, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::prelude::*;
use uncodec_proto::MAX_CHANNELS;

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
pub struct Input<'a, 'py, T: Element + Copy, D: Dimension> {
    array: &'a Bound<'py, PyArray<T, D>>,
    values: Cow<'a, [T]>,
}

impl<'a, 'py, T: Element + Copy, D: Dimension> Input<'a, 'py, T, D> {
    /// Takes an array in any memory order; for calls that allocate anyway.
    pub fn any(name: &str, object: &'a Bound<'py, PyAny>, layout: &str) -> PyResult<Self> {
        let array = array::<T, D>(name, object, layout)?;
        let values = if let Some(values) = borrow(array) {
            Cow::Borrowed(values)
        } else {
            let view = array.try_readonly().map_err(|error| {
                invalid_value(format!("{name}: must not be written to at the same time ({error})"))
            })?;
            Cow::Owned(view.as_array().iter().copied().collect())
        };
        Ok(Self { array, values })
    }

    /// Takes a C-contiguous array only; for calls that promise not to allocate.
    pub fn contiguous(name: &str, object: &'a Bound<'py, PyAny>, layout: &str) -> PyResult<Self> {
        let array = array::<T, D>(name, object, layout)?;
        let values = Cow::Borrowed(borrow(array).ok_or_else(|| not_contiguous(name))?);
        Ok(Self { array, values })
    }

    pub fn shape(&self) -> &[usize] {
        self.array.shape()
    }

    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The memory that is read.
    pub fn memory(&self) -> Range<usize> {
        addresses(self.values.as_ptr(), self.values.len())
    }
}

/// The values of a C-contiguous, aligned array.
fn borrow<'a, T: Element, D: Dimension>(array: &'a Bound<'_, PyArray<T, D>>) -> Option<&'a [T]> {
    if !array.is_c_contiguous() {
        return None;
    }
    // SAFETY: the array outlives the slice, because the caller of the native function holds it.
    // Within the call nothing writes to it: `Output` refuses memory that overlaps it. Other threads
    // may not, see the head of this module.
    unsafe { array.as_slice() }.ok()
}

/// A caller's C-contiguous buffer to write into.
pub struct Output<'a, 'py, T: Element, D: Dimension> {
    array: &'a Bound<'py, PyArray<T, D>>,
    values: &'a mut [T],
}

impl<'a, 'py, T: Element, D: Dimension> Output<'a, 'py, T, D> {
    /// `read` is the memory that the same call reads.
    pub fn new(
        name: &str,
        object: &'a Bound<'py, PyAny>,
        layout: &str,
        read: &Range<usize>,
    ) -> PyResult<Self> {
        let array = array::<T, D>(name, object, layout)?;
        check_writable(name, array)?;
        if !array.is_c_contiguous() {
            return Err(not_contiguous(name));
        }
        check_apart(name, &addresses(array.data(), array.len()), read)?;
        // SAFETY: as for `borrow`; that nothing else of this call refers to the memory was checked
        // just now.
        let values = unsafe { array.as_slice_mut() }.map_err(|_| not_contiguous(name))?;
        Ok(Self { array, values })
    }

    pub fn shape(&self) -> &[usize] {
        self.array.shape()
    }

    pub fn values(&mut self) -> &mut [T] {
        self.values
    }
}

fn check_writable<T: Element, D: Dimension>(
    name: &str,
    array: &Bound<'_, PyArray<T, D>>,
) -> PyResult<()> {
    // SAFETY: the interpreter is attached and the pointers are an array's and a C string's.
    let refused = unsafe {
        PY_ARRAY_API.PyArray_FailUnlessWriteable(
            array.py(),
            array.as_array_ptr(),
            c"array".as_ptr(),
        )
    };
    if refused == 0 {
        return Ok(());
    }
    let reason = PyErr::fetch(array.py());
    Err(invalid_value(format!("{name}: must be writable ({reason})")))
}

/// A block of a sound card or of a caller: samples (channels, n), float32, in any memory order.
pub struct Block<'a, 'py> {
    name: &'static str,
    array: &'a Bound<'py, PyArray<f32, Ix2>>,
}

impl<'a, 'py> Block<'a, 'py> {
    /// Checks type, axes, channels and alignment.
    pub fn new(
        name: &'static str,
        object: &'a Bound<'py, PyAny>,
        channels: usize,
    ) -> PyResult<Self> {
        let array = array::<f32, Ix2>(name, object, "(channels, samples)")?;
        check_axis(name, array.shape(), 0, "channels", channels)?;
        // SAFETY: the pointer is that of an array that is alive.
        let flags = unsafe { (*array.as_array_ptr()).fields.flags };
        if flags & NPY_ARRAY_ALIGNED == 0 {
            return Err(invalid_value(format!("{name}: must be aligned in memory")));
        }
        Ok(Self { name, array })
    }

    /// Samples of each channel.
    pub fn samples(&self) -> usize {
        self.array.shape().get(1).copied().unwrap_or(0)
    }

    /// The samples where they lie.
    pub fn view(&self) -> ArrayView2<'a, f32> {
        // SAFETY: as for `borrow`, with `view_mut` for `Output`; the memory is aligned.
        unsafe { self.array.as_array() }
    }

    /// The samples to overwrite where they lie; `read` is the memory that is read meanwhile.
    pub fn view_mut(&self, read: &Range<usize>) -> PyResult<ArrayViewMut2<'a, f32>> {
        check_writable(self.name, self.array)?;
        check_apart(self.name, &self.memory(), read)?;
        // SAFETY: as above; the memory may be written to, and nothing else of this call reads it.
        Ok(unsafe { self.array.as_array_mut() })
    }

    /// The memory from the first sample to the last, whatever lies in between.
    pub fn memory(&self) -> Range<usize> {
        let first = self.array.data().addr();
        let mut span = first..first + size_of::<f32>();
        for (&len, &stride) in self.array.shape().iter().zip(self.array.strides()) {
            let Some(steps) = len.checked_sub(1) else { return first..first };
            let reach = steps.cast_signed() * stride;
            span.start = span.start.wrapping_add_signed(reach.min(0));
            span.end = span.end.wrapping_add_signed(reach.max(0));
        }
        span
    }

    /// Copies the samples, channel after channel.
    pub fn read_into(&self, planes: &mut [f32]) {
        let planes = planes.chunks_exact_mut(self.samples().max(1));
        for (row, plane) in self.view().outer_iter().zip(planes) {
            ArrayViewMut1::from(plane).assign(&row);
        }
    }

    /// Overwrites the samples.
    pub fn write_from(&self, planes: &[f32]) -> PyResult<()> {
        let mut view = self.view_mut(&(0..0))?;
        let planes = planes.chunks_exact(self.samples().max(1));
        for (mut row, plane) in view.outer_iter_mut().zip(planes) {
            row.assign(&ArrayView1::from(plane));
        }
        Ok(())
    }
}

fn check_apart(name: &str, written: &Range<usize>, read: &Range<usize>) -> PyResult<()> {
    if written.start.max(read.start) < written.end.min(read.end) {
        return Err(invalid_value(format!("{name}: must not overlap the input in memory")));
    }
    Ok(())
}

fn addresses<T>(first: *const T, len: usize) -> Range<usize> {
    first.addr()..first.addr() + len * size_of::<T>()
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

/// Channels of a C-contiguous array, without an allocation.
pub fn planes(values: &[f32], samples: usize) -> [&[f32]; MAX_CHANNELS] {
    let mut channels = values.chunks_exact(samples.max(1));
    std::array::from_fn(|_| channels.next().unwrap_or_default())
}

/// The same to write to.
pub fn planes_mut(values: &mut [f32], samples: usize) -> [&mut [f32]; MAX_CHANNELS] {
    let mut channels = values.chunks_exact_mut(samples.max(1));
    std::array::from_fn(|_| channels.next().unwrap_or_default())
}
