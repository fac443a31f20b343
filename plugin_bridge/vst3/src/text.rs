//! Texts as hosts want them: fixed arrays of bytes or of UTF-16.

use std::ffi::c_char;

use vst3::Steinberg::Vst::TChar;

/// Copies an ASCII text, cut if need be, and ends it with a zero.
pub fn put(text: &str, into: &mut [c_char]) {
    into.fill(0);
    let room = into.len().saturating_sub(1);
    for (to, from) in into.iter_mut().take(room).zip(text.bytes()) {
        *to = from.cast_signed();
    }
}

/// Copies a text as UTF-16, cut if need be, and ends it with a zero.
pub fn put_wide(text: &str, into: &mut [TChar]) {
    into.fill(0);
    let room = into.len().saturating_sub(1);
    for (to, from) in into.iter_mut().take(room).zip(text.encode_utf16()) {
        *to = from;
    }
}

/// Reads UTF-16 up to its zero, 128 units at most.
///
/// # Safety
/// The pointer must be valid up to the zero, or for 128 units.
pub unsafe fn read_wide(text: *const TChar) -> String {
    let mut units = Vec::new();
    for place in 0..128 {
        // SAFETY: no zero was found before this place.
        let unit = unsafe { *text.add(place) };
        if unit == 0 {
            break;
        }
        units.push(unit);
    }
    String::from_utf16_lossy(&units)
}
