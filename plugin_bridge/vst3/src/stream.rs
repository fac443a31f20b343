//! Reading and writing a host's stream, whose calls may do less than they were asked for.

use std::ffi::c_void;

use vst3::ComRef;
use vst3::Steinberg::{IBStream, IBStreamTrait, kResultOk};

/// Reads until the end, or until there is more than `most` bytes.
pub fn read(stream: ComRef<'_, IBStream>, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = [0_u8; 256];
    while bytes.len() <= most {
        let mut got = 0;
        // SAFETY: the buffer has the length that is given, and the stream is the host's.
        let result = unsafe {
            stream.read(part.as_mut_ptr().cast::<c_void>(), part.len() as i32, &raw mut got)
        };
        let got = usize::try_from(got).unwrap_or(0).min(part.len());
        if result != kResultOk || got == 0 {
            break;
        }
        bytes.extend_from_slice(&part[..got]);
    }
    bytes
}

/// Writes all; whether the stream took it.
pub fn write(stream: ComRef<'_, IBStream>, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let mut put = 0;
        // SAFETY: the buffer has the length that is given, and is only read from.
        let result = unsafe {
            stream.write(
                bytes.as_ptr().cast::<c_void>().cast_mut(),
                bytes.len() as i32,
                &raw mut put,
            )
        };
        let put = usize::try_from(put).unwrap_or(0).min(bytes.len());
        if result != kResultOk || put == 0 {
            return false;
        }
        bytes = &bytes[put..];
    }
    true
}
