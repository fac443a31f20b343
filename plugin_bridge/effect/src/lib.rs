#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]

pub mod automation;
pub mod block;
pub mod denormals;
pub mod effect;
pub mod link;
pub mod models;
pub mod parameters;
mod passage;
pub mod state;

use std::fmt::Arguments;
use std::io::Write as _;

pub use uncodec_proto::socket_path;

/// Tells the user on standard error; not with `eprintln`, which panics where there is none.
pub fn say(what: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "uncodec: {what}");
}
