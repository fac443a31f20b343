//! What a host saves with a project: the settings, and, for whoever looks into it, the status.
//!
//! All numbers are little endian. The first 192 bytes are the settings, then comes the status, which
//! is written and never read back, and then the reference.

use thiserror::Error;
use uncodec_proto::{HostCounters, MOST_BRIGHTNESS_DB, REFERENCE_BYTES, Reference, ReferenceError};

use crate::link::CoreState;

/// First bytes of a state.
pub const MAGIC: [u8; 8] = *b"UNCODECS";
/// Version of the format; any change raises it. Version 1, without brightness, and version 2, without
/// a reference, are still read.
pub const VERSION: u32 = 3;
/// Bytes of a state.
pub const BYTES: usize = 1112;
/// Of a state without a reference.
const BYTES_BEFORE: usize = 512;
/// Longest name of a model.
const MAX_NAME: usize = 128;
/// How far brightness goes in either direction.
const MOST_BRIGHTNESS: f64 = MOST_BRIGHTNESS_DB as f64;
/// Longest reason.
const MAX_REASON: usize = 208;

/// Why a state was not taken over; nothing was.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is shorter than a state.
    #[error("state: has {0} bytes, must have {1}")]
    Short(usize, usize),
    /// It is something else.
    #[error("state: is not one of this plugin")]
    Magic,
    /// It was saved by a newer release.
    #[error("state: version={0}: must be {VERSION}; it was saved by another release")]
    Version(u32),
    /// A setting is out of range.
    #[error("state: {0} is out of range")]
    Value(&'static str),
    /// The reference is none.
    #[error("state: {0}")]
    Reference(#[from] ReferenceError),
    /// The model is not one of this release.
    #[error("state: model={0:?}: is not one of this release's")]
    Model(String),
}

/// The settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Strength of the restoration, 0 to 1.
    pub amount: f64,
    /// The turnaround budget in milliseconds.
    pub latency_safety_ms: f64,
    /// Seed of the noise.
    pub seed: u64,
    /// Tilt of what is added, in dB from -12 to 12.
    pub brightness_db: f64,
    /// How far towards the reference, 0 to 1.
    pub likeness: f64,
    /// Whether only the delay is wanted.
    pub bypass: bool,
    /// Name of the model.
    pub model: String,
    /// Whose tonal balance what is added is drawn towards.
    pub reference: Option<Reference>,
}

/// The status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether a core serves this instance.
    pub core: CoreState,
    /// What the host was told, in samples.
    pub latency: u32,
    /// The core's number of the session.
    pub session: u64,
    /// What was counted.
    pub counters: HostCounters,
    /// Why there is no core; empty if nothing is known.
    pub reason: String,
}

/// Writes a state.
#[must_use]
pub fn encode(settings: &Settings, status: &Status) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let name = cut(&settings.model, MAX_NAME);
    let reason = cut(&status.reason, MAX_REASON);
    let HostCounters { wet, dry, late, refused, worst_callback_ns } = status.counters;
    put(&mut bytes, 0, &MAGIC);
    put(&mut bytes, 8, &VERSION.to_le_bytes());
    put(&mut bytes, 12, &u32::from(settings.bypass).to_le_bytes());
    put(&mut bytes, 16, &settings.amount.to_le_bytes());
    put(&mut bytes, 24, &settings.latency_safety_ms.to_le_bytes());
    put(&mut bytes, 32, &settings.seed.to_le_bytes());
    put(&mut bytes, 40, &(name.len() as u32).to_le_bytes());
    put(&mut bytes, 48, name.as_bytes());
    put(&mut bytes, 176, &settings.brightness_db.to_le_bytes());
    put(&mut bytes, 184, &settings.likeness.to_le_bytes());
    put(&mut bytes, 192, &(status.core as u32).to_le_bytes());
    put(&mut bytes, 196, &status.latency.to_le_bytes());
    for (place, value) in
        [status.session, wet, dry, late, refused, worst_callback_ns].into_iter().enumerate()
    {
        put(&mut bytes, 200 + 8 * place, &value.to_le_bytes());
    }
    put(&mut bytes, 248, &(reason.len() as u32).to_le_bytes());
    put(&mut bytes, 256, reason.as_bytes());
    if let Some(reference) = &settings.reference {
        put(&mut bytes, 512, &reference.encode());
    }
    bytes
}

/// Reads the settings of a state.
///
/// # Errors
/// [`StateError`].
pub fn decode(bytes: &[u8]) -> Result<Settings, StateError> {
    // A newer state may have any length: what it is comes first.
    if bytes.get(..8) != Some(&MAGIC[..]) {
        return Err(StateError::Magic);
    }
    let short = |needed| move || StateError::Short(bytes.len(), needed);
    let version = bytes.get(8..12).and_then(|b| b.try_into().ok()).ok_or_else(short(BYTES))?;
    let version = u32::from_le_bytes(version);
    if !(1..=VERSION).contains(&version) {
        return Err(StateError::Version(version));
    }
    // What an earlier version does not have is 0.
    let length = if version < 3 { BYTES_BEFORE } else { BYTES };
    let held = bytes.get(..length).ok_or_else(short(length))?;
    let mut bytes = [0; BYTES];
    bytes[..length].copy_from_slice(held);
    let eight = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        word
    };
    let four = |at: usize| (u64::from_le_bytes(eight(at)) & u64::from(u32::MAX)) as u32;
    let (amount, latency_safety_ms) =
        (f64::from_le_bytes(eight(16)), f64::from_le_bytes(eight(24)));
    if !(0.0..=1.0).contains(&amount) {
        return Err(StateError::Value("amount"));
    }
    if !latency_safety_ms.is_finite() || latency_safety_ms < 0.0 {
        return Err(StateError::Value("latency safety"));
    }
    let brightness_db = if version == 1 { 0.0 } else { f64::from_le_bytes(eight(176)) };
    // Not a number is in no range.
    if !(-MOST_BRIGHTNESS..=MOST_BRIGHTNESS).contains(&brightness_db) {
        return Err(StateError::Value("brightness"));
    }
    let likeness = if version < 3 { 1.0 } else { f64::from_le_bytes(eight(184)) };
    if !(0.0..=1.0).contains(&likeness) {
        return Err(StateError::Value("likeness"));
    }
    let bypass = match four(12) {
        0 => false,
        1 => true,
        _ => return Err(StateError::Value("bypass")),
    };
    let length = four(40) as usize;
    let name = bytes[48..48 + MAX_NAME].get(..length).ok_or(StateError::Value("model"))?;
    let model = std::str::from_utf8(name).map_err(|_| StateError::Value("model"))?.to_owned();
    let seed = u64::from_le_bytes(eight(32));
    let mut reference = [0; REFERENCE_BYTES];
    reference.copy_from_slice(&bytes[BYTES - REFERENCE_BYTES..]);
    let reference = Reference::decode(&reference)?;
    Ok(Settings {
        amount,
        latency_safety_ms,
        seed,
        brightness_db,
        likeness,
        bypass,
        model,
        reference,
    })
}

fn put(bytes: &mut [u8; BYTES], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// The longest start of a text that fits, cut between characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (Settings, Status) {
        let settings = Settings {
            amount: 0.25,
            latency_safety_ms: 7.0,
            seed: u64::MAX - 3,
            brightness_db: -4.5,
            likeness: 0.75,
            bypass: true,
            model: "some-model".to_owned(),
            reference: Reference::new("song.flac", 46.875, 20_000.0, &[0.5, -3.0]).ok(),
        };
        let counters = HostCounters { wet: 1, dry: 2, late: 3, refused: 4, worst_callback_ns: 5 };
        let status = Status {
            core: CoreState::Connected,
            latency: 1535,
            session: 9,
            counters,
            reason: "ü".repeat(300),
        };
        (settings, status)
    }

    #[test]
    fn settings_come_back() {
        let (settings, status) = state();
        let bytes = encode(&settings, &status);
        assert_eq!(decode(&bytes), Ok(settings.clone()));
        let mut longer = bytes.to_vec();
        longer.push(1);
        assert_eq!(decode(&longer), Ok(settings));
    }

    #[test]
    fn states_of_earlier_versions_are_read_without_what_they_lack() {
        let (settings, status) = state();
        let mut bytes = encode(&settings, &status);
        let second = Settings { likeness: 1.0, reference: None, ..settings };
        let first = Settings { brightness_db: 0.0, ..second.clone() };
        for (version, expected) in [(2_u32, second), (1, first)] {
            bytes[8..12].copy_from_slice(&version.to_le_bytes());
            let zeros_from = if version == 1 { 176 } else { 184 };
            // As such a release left it, and with whatever lies there.
            assert_eq!(decode(&bytes), Ok(expected.clone()));
            assert_eq!(decode(&bytes[..512]), Ok(expected.clone()));
            assert_eq!(decode(&bytes[..511]), Err(StateError::Short(511, 512)));
            bytes[zeros_from..192].fill(0);
            assert_eq!(decode(&bytes[..512]), Ok(expected));
        }
        bytes[8..12].copy_from_slice(&0_u32.to_le_bytes());
        assert_eq!(decode(&bytes), Err(StateError::Version(0)));
    }

    #[test]
    fn the_reference_lies_where_it_is_documented_and_need_not_be_there() {
        let (settings, status) = state();
        let reference = settings.reference.clone().unwrap();
        assert_eq!(encode(&settings, &status)[512..], reference.encode());
        let without = Settings { reference: None, ..settings };
        let bytes = encode(&without, &status);
        assert!(bytes[512..].iter().all(|&byte| byte == 0));
        assert_eq!(decode(&bytes), Ok(without));
    }

    #[test]
    fn the_status_lies_where_it_is_documented() {
        let (settings, status) = state();
        let bytes = encode(&settings, &status);
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!((bytes[192], word(200)), (2, 9));
        assert_eq!(u32::from_le_bytes(bytes[196..200].try_into().unwrap()), 1535);
        assert_eq!([208, 216, 224, 232, 240].map(word), [1, 2, 3, 4, 5]);
        assert_eq!(bytes[248], 208);
        assert_eq!(std::str::from_utf8(&bytes[256..464]).unwrap(), "ü".repeat(104));
    }

    #[test]
    fn states_that_are_none_are_refused() {
        let (settings, status) = state();
        let changed = |at: usize, value: &[u8]| {
            let mut bytes = encode(&settings, &status);
            bytes[at..at + value.len()].copy_from_slice(value);
            decode(&bytes).unwrap_err()
        };
        let bytes = encode(&settings, &status);
        assert_eq!(decode(&[]), Err(StateError::Magic));
        assert_eq!(decode(&bytes[..10]), Err(StateError::Short(10, 1112)));
        assert_eq!(decode(&bytes[..1111]), Err(StateError::Short(1111, 1112)));
        assert_eq!(changed(0, b"X"), StateError::Magic);
        assert_eq!(changed(8, &4_u32.to_le_bytes()), StateError::Version(4));
        assert_eq!(changed(12, &2_u32.to_le_bytes()), StateError::Value("bypass"));
        for amount in [-0.1, 1.5, f64::NAN] {
            assert_eq!(changed(16, &amount.to_le_bytes()), StateError::Value("amount"));
        }
        for brightness in [-12.1, 13.0, f64::NAN] {
            let found = changed(176, &brightness.to_le_bytes());
            assert_eq!(found, StateError::Value("brightness"));
        }
        for likeness in [-0.1, 1.5, f64::NAN] {
            assert_eq!(changed(184, &likeness.to_le_bytes()), StateError::Value("likeness"));
        }
        for (at, value) in [(512, 129_u64), (516, 65), (520, 0), (600, u64::MAX)] {
            let found = changed(at, &value.to_le_bytes());
            assert!(matches!(found, StateError::Reference(_)), "{at}: {found}");
        }
        for time in [-1.0, f64::INFINITY, f64::NAN] {
            assert_eq!(changed(24, &time.to_le_bytes()), StateError::Value("latency safety"));
        }
        assert_eq!(changed(40, &129_u32.to_le_bytes()), StateError::Value("model"));
        assert_eq!(changed(48, &[0xff]), StateError::Value("model"));
    }
}
