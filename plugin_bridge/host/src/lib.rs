#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]
#![allow(clippy::cast_possible_wrap, reason = "the bindings' constants are small and unsigned")]

mod clap;
pub mod core;
mod module;
mod plugin;
pub mod realtime;
pub mod signal;
pub mod statistics;
mod vst3;

pub use module::{Format, LoadError, Module, chosen_module, module_path};
pub use plugin::{Arrangement, Blocks, Change, Changes, Mode, ParameterFacts, Plugin, Restarts};
