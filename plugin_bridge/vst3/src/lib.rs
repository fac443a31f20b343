#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]

pub mod automation;
pub mod block;
pub mod denormals;
pub mod effect;
pub mod link;
pub mod models;
pub mod parameters;
pub mod state;
#[allow(clippy::cast_possible_wrap, reason = "the bindings' constants are small and unsigned")]
mod vst3;
