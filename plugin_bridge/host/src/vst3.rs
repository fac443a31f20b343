//! The plugin as a VST 3.

mod com;
mod instance;
mod module;

pub use com::Changes;
pub use module::Module;
