//! From the errors of `uncodec-dsp` to the exceptions of `uncodec.errors`.
//!
//! The exception classes are Python's; they are looked up when the first one is raised, so that
//! importing the native module imports nothing else.

use std::fmt::Display;

use pyo3::PyErr;

mod classes {
    #![allow(missing_docs, reason = "the macro writes the items")]
    pyo3::import_exception!(uncodec.errors, UncodecError);
    pyo3::import_exception!(uncodec.errors, InvalidValue);
    pyo3::import_exception!(uncodec.errors, InvalidType);
    pyo3::import_exception!(uncodec.errors, CoreError);
}

/// An argument of the right type breaks its rule.
pub fn invalid_value(message: impl Display) -> PyErr {
    classes::InvalidValue::new_err(message.to_string())
}

/// An argument has the wrong type.
pub fn invalid_type(message: impl Display) -> PyErr {
    classes::InvalidType::new_err(message.to_string())
}

/// Plugin and core do not come together.
#[cfg(target_os = "linux")]
pub fn core_error(message: impl Display) -> PyErr {
    classes::CoreError::new_err(message.to_string())
}

/// Two threads use one object at the same time.
pub fn in_use(what: &str) -> PyErr {
    classes::UncodecError::new_err(format!(
        "{what}: is in use by another thread, give each thread its own object"
    ))
}
