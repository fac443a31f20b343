#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]
#![allow(clippy::cast_possible_wrap, reason = "the bindings' constants are small and unsigned")]

mod com;
pub mod core;
mod module;
mod plugin;
pub mod realtime;
pub mod signal;
pub mod statistics;

pub use com::{Change, Changes, Restarts};
pub use module::{LoadError, Module, module_path};
pub use plugin::{Arrangement, Blocks, Mode, ParameterFacts, Plugin};
