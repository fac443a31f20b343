#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]

mod changes;
mod entry;
mod parameters;
mod plugin;
mod ports;
mod processor;

pub use entry::clap_entry;
