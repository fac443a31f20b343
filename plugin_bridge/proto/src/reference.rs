//! The tonal balance of a reference, as it travels: in a plugin's state and to the core. Numbers,
//! not audio, so that a session opens where the recording is not.

use thiserror::Error;

/// Bytes of a reference, wherever it stands.
pub const REFERENCE_BYTES: usize = 600;
/// Most bands of a reference.
pub const MAX_BANDS: usize = 128;
/// Longest name of a reference, in bytes of UTF-8; longer ones are cut.
pub const MAX_REFERENCE_NAME: usize = 64;
/// No band is further from the lower ones than this, in dB.
pub const MOST_LEVEL_DB: f32 = 120.0;
/// Widest bins, and highest cut-off, in Hz.
const MOST_HZ: f64 = 1e6;

/// Why something is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There are no bands, or too many.
    #[error("reference: bands={0}: must be 1 to {MAX_BANDS}")]
    Bands(usize),
    /// The name is too long, no UTF-8, or has control characters.
    #[error("reference: the name is none")]
    Name,
    /// The width of a bin is out of range.
    #[error("reference: width={0}: must be above 0 and at most {MOST_HZ} Hz")]
    Width(f64),
    /// The cut-off is out of range.
    #[error("reference: cut-off={0}: must be above 0 and at most {MOST_HZ} Hz")]
    Cutoff(f64),
    /// The level of a band is out of range.
    #[error("reference: level={0}: must be -{MOST_LEVEL_DB} to {MOST_LEVEL_DB} dB")]
    Level(f32),
}

/// How loud each band of a recording is beside its lower ones. Band `n` is eight bins wide and
/// centred at `(8 n + 4.5)` times the width of a bin.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    name: String,
    width_hz: f64,
    cutoff_hz: f64,
    levels_db: Vec<f32>,
}

impl Reference {
    /// A reference. The name is for display: control characters in it are replaced, and it is cut
    /// if need be. Levels are brought into range.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn new(
        name: &str,
        width_hz: f64,
        cutoff_hz: f64,
        levels_db: &[f32],
    ) -> Result<Self, ReferenceError> {
        let mut name = name.replace(char::is_control, "\u{fffd}");
        let mut end = name.len().min(MAX_REFERENCE_NAME);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
        let levels_db =
            levels_db.iter().map(|level| level.clamp(-MOST_LEVEL_DB, MOST_LEVEL_DB)).collect();
        let made = Self { name, width_hz, cutoff_hz, levels_db };
        made.check()?;
        Ok(made)
    }

    fn check(&self) -> Result<(), ReferenceError> {
        let is_frequency = |value: f64| value > 0.0 && value <= MOST_HZ;
        if !(1..=MAX_BANDS).contains(&self.levels_db.len()) {
            return Err(ReferenceError::Bands(self.levels_db.len()));
        }
        if !is_frequency(self.width_hz) {
            return Err(ReferenceError::Width(self.width_hz));
        }
        if !is_frequency(self.cutoff_hz) {
            return Err(ReferenceError::Cutoff(self.cutoff_hz));
        }
        // Not a number is in no range.
        let in_range = |level: &f32| (-MOST_LEVEL_DB..=MOST_LEVEL_DB).contains(level);
        match self.levels_db.iter().find(|level| !in_range(level)) {
            Some(&level) => Err(ReferenceError::Level(level)),
            None => Ok(()),
        }
    }

    /// What it was measured on, for display.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Width of a bin in Hz.
    #[must_use]
    pub fn width_hz(&self) -> f64 {
        self.width_hz
    }

    /// Up to where it says anything, in Hz.
    #[must_use]
    pub fn cutoff_hz(&self) -> f64 {
        self.cutoff_hz
    }

    /// Level of each band over that of the lower ones, in dB.
    #[must_use]
    pub fn levels_db(&self) -> &[f32] {
        &self.levels_db
    }

    /// Its bytes. [`decode`](Self::decode) takes as many zeros for no reference.
    #[must_use]
    pub fn encode(&self) -> [u8; REFERENCE_BYTES] {
        let mut bytes = [0; REFERENCE_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &(self.levels_db.len() as u32).to_le_bytes());
        put(4, &(self.name.len() as u32).to_le_bytes());
        put(8, &self.width_hz.to_le_bytes());
        put(16, &self.cutoff_hz.to_le_bytes());
        put(24, self.name.as_bytes());
        for (band, level) in self.levels_db.iter().enumerate() {
            put(88 + 4 * band, &level.to_le_bytes());
        }
        bytes
    }

    /// Reads bytes; none if they hold no reference.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn decode(bytes: &[u8; REFERENCE_BYTES]) -> Result<Option<Self>, ReferenceError> {
        let four = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            word
        };
        let eight = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            word
        };
        let bands = u32::from_le_bytes(four(0)) as usize;
        if bands == 0 {
            return Ok(None);
        }
        if bands > MAX_BANDS {
            return Err(ReferenceError::Bands(bands));
        }
        let length = u32::from_le_bytes(four(4)) as usize;
        let name = bytes[24..24 + MAX_REFERENCE_NAME].get(..length).ok_or(ReferenceError::Name)?;
        let name = std::str::from_utf8(name).map_err(|_| ReferenceError::Name)?;
        if name.contains(char::is_control) {
            return Err(ReferenceError::Name);
        }
        let read = Self {
            name: name.to_owned(),
            width_hz: f64::from_le_bytes(eight(8)),
            cutoff_hz: f64::from_le_bytes(eight(16)),
            levels_db: (0..bands).map(|band| f32::from_le_bytes(four(88 + 4 * band))).collect(),
        };
        read.check()?;
        Ok(Some(read))
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
mod tests {
    use super::*;

    fn reference() -> Reference {
        Reference::new("song.flac", 46.875, 20_000.0, &[0.5, -3.0, -60.25]).unwrap()
    }

    #[test]
    fn a_reference_comes_back_and_zeros_are_none() {
        assert_eq!(Reference::decode(&reference().encode()), Ok(Some(reference())));
        let most = Reference::new(&"x".repeat(64), 1e6, 1e6, &[-120.0; MAX_BANDS]).unwrap();
        assert_eq!(Reference::decode(&most.encode()), Ok(Some(most)));
        assert_eq!(Reference::decode(&[0; REFERENCE_BYTES]), Ok(None));
    }

    #[test]
    fn its_parts_lie_where_they_are_documented() {
        let bytes = reference().encode();
        assert_eq!(bytes[..8], [3, 0, 0, 0, 9, 0, 0, 0]);
        assert_eq!(bytes[8..16], 46.875_f64.to_le_bytes());
        assert_eq!(bytes[16..24], 20_000_f64.to_le_bytes());
        assert_eq!(bytes[24..34], *b"song.flac\0");
        assert_eq!(bytes[88..92], 0.5_f32.to_le_bytes());
        assert_eq!(bytes[96..100], (-60.25_f32).to_le_bytes());
        assert!(bytes[100..].iter().all(|&byte| byte == 0));
        assert_eq!(88 + 4 * MAX_BANDS, REFERENCE_BYTES);
        assert_eq!(24 + MAX_REFERENCE_NAME, 88);
    }

    #[test]
    fn names_are_cleaned_and_cut_and_levels_brought_into_range() {
        let levels = [f32::INFINITY, -500.0];
        let made = Reference::new(&format!("a\n{}", "ü".repeat(40)), 1.0, 1.0, &levels).unwrap();
        assert_eq!(made.name(), format!("a\u{fffd}{}", "ü".repeat(30)));
        assert_eq!(made.levels_db(), [120.0, -120.0]);
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let made = |width, cutoff, levels: &[f32]| Reference::new("", width, cutoff, levels);
        assert_eq!(made(1.0, 1.0, &[]), Err(ReferenceError::Bands(0)));
        assert_eq!(made(1.0, 1.0, &[0.0; 129]), Err(ReferenceError::Bands(129)));
        assert!(matches!(made(1.0, 1.0, &[f32::NAN]), Err(ReferenceError::Level(_))));
        for value in [0.0, -1.0, 1.1e6, f64::INFINITY, f64::NAN] {
            assert!(matches!(made(value, 1.0, &[0.0]), Err(ReferenceError::Width(_))));
            assert!(matches!(made(1.0, value, &[0.0]), Err(ReferenceError::Cutoff(_))));
        }
        let changed = |at: usize, value: &[u8]| {
            let mut bytes = reference().encode();
            bytes[at..at + value.len()].copy_from_slice(value);
            Reference::decode(&bytes).unwrap_err()
        };
        assert_eq!(changed(0, &129_u32.to_le_bytes()), ReferenceError::Bands(129));
        assert_eq!(changed(4, &65_u32.to_le_bytes()), ReferenceError::Name);
        assert_eq!(changed(24, &[0xff]), ReferenceError::Name);
        assert_eq!(changed(24, b"\n"), ReferenceError::Name);
        assert!(matches!(changed(8, &[0; 8]), ReferenceError::Width(_)));
        assert!(matches!(changed(16, &f64::NAN.to_le_bytes()), ReferenceError::Cutoff(_)));
        assert_eq!(changed(92, &120.5_f32.to_le_bytes()), ReferenceError::Level(120.5));
        assert!(matches!(changed(92, &f32::NAN.to_le_bytes()), ReferenceError::Level(_)));
    }
}
