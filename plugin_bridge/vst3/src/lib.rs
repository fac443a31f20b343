#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]
#![allow(clippy::cast_possible_wrap, reason = "the bindings' constants are small and unsigned")]

mod component;
mod factory;
mod stream;
mod text;

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vst3::ComWrapper;
use vst3::Steinberg::{IPluginFactory, kInternalError, tresult};

/// Runs what an entry does; a panic, which would be a mistake of ours, becomes an error.
fn guard(work: impl FnOnce() -> tresult) -> tresult {
    guard_or(kInternalError, work)
}

/// As [`guard`], for entries that return something else.
fn guard_or<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

/// Called by the host after it has loaded the module.
#[unsafe(no_mangle)]
extern "system" fn ModuleEntry(_library: *mut c_void) -> bool {
    true
}

/// Called by the host before it unloads the module.
#[unsafe(no_mangle)]
extern "system" fn ModuleExit() -> bool {
    true
}

/// What the host starts from.
#[unsafe(no_mangle)]
extern "system" fn GetPluginFactory() -> *mut IPluginFactory {
    guard_or(std::ptr::null_mut(), || {
        ComWrapper::new(factory::Factory)
            .to_com_ptr::<IPluginFactory>()
            .map_or(std::ptr::null_mut(), vst3::ComPtr::into_raw)
    })
}
