//! What the user can turn while audio runs.

use crate::layout::word;
use crate::memory::{load, store};
use crate::sync::{AtomicU64, Ordering};

/// How far [`Parameters::brightness_db`] goes in either direction.
pub const MOST_BRIGHTNESS_DB: f32 = 12.0;

/// A snapshot of the parameters. It travels in the input slot, so that it is whole, belongs to one
/// hop, and a core that lags behind still sees each hop with its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Strength of the restoration, 0 to 1.
    pub amount: f32,
    /// Seed of the noise.
    pub seed: u64,
    /// Tilt of what is added, in dB from -12 to 12.
    pub brightness_db: f32,
    /// How far towards the reference, 0 to 1; without one it does nothing.
    pub likeness: f32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { amount: 1.0, seed: 0, brightness_db: 0.0, likeness: 1.0 }
    }
}

impl Parameters {
    pub(crate) fn store(self, slot: &[AtomicU64]) {
        let amount = u64::from(self.amount.to_bits());
        store(slot, word::SLOT_AMOUNT, amount, Ordering::Relaxed);
        store(slot, word::SLOT_SEED, self.seed, Ordering::Relaxed);
        let brightness = u64::from(self.brightness_db.to_bits());
        store(slot, word::SLOT_BRIGHTNESS, brightness, Ordering::Relaxed);
        let likeness = u64::from(self.likeness.to_bits());
        store(slot, word::SLOT_LIKENESS, likeness, Ordering::Relaxed);
    }

    /// What lies in the slot, brought into range.
    pub(crate) fn load(slot: &[AtomicU64]) -> Self {
        let share = |index| {
            let share = f32::from_bits(load(slot, index, Ordering::Relaxed) as u32);
            if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
        };
        let (amount, likeness) = (share(word::SLOT_AMOUNT), share(word::SLOT_LIKENESS));
        let seed = load(slot, word::SLOT_SEED, Ordering::Relaxed);
        let brightness = load(slot, word::SLOT_BRIGHTNESS, Ordering::Relaxed);
        let brightness = f32::from_bits(brightness as u32);
        let brightness_db = if brightness.is_nan() {
            0.0
        } else {
            brightness.clamp(-MOST_BRIGHTNESS_DB, MOST_BRIGHTNESS_DB)
        };
        Self { amount, seed, brightness_db, likeness }
    }
}
