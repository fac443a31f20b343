//! Hops that wait for their answers, as both cores hand them to Python.

use std::sync::Mutex;

use pyo3::prelude::*;
use uncodec_proto as proto;

use crate::arguments::check_axis;
use crate::errors::invalid_value;

/// Shape of a hop's samples.
pub const HOP: &str = "(channels, hop)";
/// Shape of a result's tail.
pub const TAIL: &str = "(channels, tail)";

/// A hop of a host's input that waits for its answer. It can be answered once, by publish or decline.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct HopTicket {
    ticket: Mutex<Option<proto::HopTicket>>,
    /// Number of the hop since activation.
    #[pyo3(get)]
    hop: u32,
    /// The activation it belongs to.
    #[pyo3(get)]
    generation: u32,
    /// Hops in between that were given up, because the core had fallen too far behind.
    #[pyo3(get)]
    skipped: u32,
    /// Strength of the restoration, 0 to 1.
    #[pyo3(get)]
    amount: f32,
    /// Seed of the noise.
    #[pyo3(get)]
    seed: u64,
    /// Tilt of what is added, in dB from -12 to 12.
    #[pyo3(get)]
    brightness_db: f32,
    /// How far towards the session's reference, 0 to 1.
    #[pyo3(get)]
    likeness: f32,
}

impl HopTicket {
    pub fn new(ticket: proto::HopTicket) -> Self {
        let proto::Parameters { amount, seed, brightness_db, likeness } = ticket.parameters();
        let skipped = match ticket.start() {
            proto::Start::Resynced { skipped } => skipped,
            proto::Start::Continues | proto::Start::Activated => 0,
        };
        Self {
            hop: ticket.hop(),
            skipped,
            generation: ticket.generation(),
            amount,
            seed,
            brightness_db,
            likeness,
            ticket: Mutex::new(Some(ticket)),
        }
    }

    pub fn take(&self) -> PyResult<proto::HopTicket> {
        let taken = self.ticket.try_lock().ok().and_then(|mut ticket| ticket.take());
        taken.ok_or_else(|| invalid_value("ticket: was answered already"))
    }
}

#[pymethods]
impl HopTicket {
    fn __repr__(&self) -> String {
        format!("HopTicket(generation={}, hop={})", self.generation, self.hop)
    }
}

/// The shape of a hop's or a tail's samples.
pub fn check_shape(
    name: &str,
    shape: &[usize],
    channels: usize,
    what: &str,
    samples: usize,
) -> PyResult<()> {
    check_axis(name, shape, 0, "channels", channels)?;
    check_axis(name, shape, 1, what, samples)
}
