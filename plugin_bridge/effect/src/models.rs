//! The released models, compiled in: the latency must be known before any core runs.

use uncodec_proto::Network;

/// A released model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// Version of the weights that the facts were read from.
    pub version: &'static str,
    /// The facts that the latency depends on.
    pub network: Network,
}

/// All models that can run live, by name.
pub const MODELS: &[Model] = include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// The model of this name.
#[must_use]
pub fn index_of(name: &str) -> Option<usize> {
    MODELS.iter().position(|model| model.name == name)
}

/// The model that a new instance has: the one for everyday use, or else the first.
#[must_use]
pub fn default_index() -> usize {
    index_of("live-gan").unwrap_or(0)
}
