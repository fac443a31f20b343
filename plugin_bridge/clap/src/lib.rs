#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]

mod changes;
mod parameters;
mod plugin;
mod ports;
mod processor;

use clack_plugin::clack_export_entry;
use clack_plugin::entry::SinglePluginEntry;

clack_export_entry!(SinglePluginEntry<plugin::Uncodec>);
