//! The inner loops, compiled for several instruction sets, of which the best is chosen at run time.
//!
//! A release for all processors of an architecture may use its oldest instructions only (SSE2 on
//! x86-64). `multiversion` compiles each loop for AVX as well. All versions give the same
//! bits: each value is one rounded product.

use multiversion::multiversion;
use realfft::num_complex::Complex32;

/// Writes the products of `a` and `b`; all three have the same length.
#[multiversion(targets("x86_64+avx+avx2"))]
pub fn multiply_into(out: &mut [f32], a: &[f32], b: &[f32]) {
    for ((y, a), b) in out.iter_mut().zip(a).zip(b) {
        *y = a * b;
    }
}

/// Writes `scale` times `x`; both have the same length.
#[multiversion(targets("x86_64+avx+avx2"))]
pub fn scale_into(out: &mut [Complex32], x: &[Complex32], scale: f32) {
    for (y, x) in out.iter_mut().zip(x) {
        *y = x * scale;
    }
}
