//! Window pairs that give perfect reconstruction.

use thiserror::Error;

/// Why no synthesis window can be given.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum WindowError {
    /// A window needs at least one sample.
    #[error("analysis: holds 0 samples, must hold at least one")]
    Empty,
    /// The analysis window holds a value that is not finite.
    #[error("analysis[{index}]={value}: must be finite")]
    NotFinite {
        /// Index of the first such value.
        index: usize,
        /// The value itself.
        value: f32,
    },
    /// Frames further apart than the synthesis window is long leave gaps.
    #[error("hop={hop}: must be in 1..={synthesis_length}, the length of the synthesis window")]
    Hop {
        /// The hop that was asked for.
        hop: usize,
        /// The length of the synthesis window.
        synthesis_length: usize,
    },
    /// The synthesis window must lie inside the frame.
    #[error(
        "synthesis_length={synthesis_length}: must be in 1..={window_length}, the window length"
    )]
    SynthesisLength {
        /// The length that was asked for.
        synthesis_length: usize,
        /// The length of the analysis window.
        window_length: usize,
    },
    /// Some samples are seen by no frame (or with a weight of almost nothing), so nothing can bring
    /// them back.
    #[error(
        "analysis: samples at {phase} (modulo hop={hop}) have almost no weight in any frame, \
         no synthesis window can restore them"
    )]
    NotInvertible {
        /// Position within the hop.
        phase: usize,
        /// The hop.
        hop: usize,
    },
}

/// The synthesis window that makes analysis, hop and overlap-add the identity.
///
/// For every sample position `n`, the sum over all frames `k` of
/// `analysis[n - k * hop] * synthesis[n - k * hop]` is 1.
///
/// With the full length (`None`, or the length of the analysis window) this is the canonical dual,
/// the window of least energy that reconstructs: `a[n] / sum(a[n + k * hop]^2)`. A root-Hann window
/// is its own dual. With a shorter `synthesis_length` M only the last M samples of a frame are
/// used, which is what makes an asymmetric low-delay pair: the delay of the chain falls from N to
/// M. The window then fades in over the first half of those M samples, so that spectral changes
/// leave no step at its beginning.
///
/// The result has the length of the analysis window; it is computed in double precision.
///
/// References: T. Strohmer, "Numerical algorithms for discrete Gabor expansions", 1998 (dual
/// windows); D. Mauler, R. Martin, "A low delay, variable resolution, perfect reconstruction
/// spectral analysis-synthesis system for speech enhancement", EUSIPCO 2007 (asymmetric pairs).
///
/// # Errors
/// [`WindowError`] if the lengths do not fit, or if some sample is not seen by any frame.
///
/// ```
/// use uncodec_dsp::synthesis_window;
///
/// let synthesis = synthesis_window(&[0.5, 1.0, 1.0, 0.5], 2, None)?;
/// for phase in 0..2 {
///     let sum: f32 = [0.5, 1.0, 1.0, 0.5][phase..].iter().step_by(2)
///         .zip(synthesis[phase..].iter().step_by(2)).map(|(a, s)| a * s).sum();
///     assert!((sum - 1.0).abs() < 1e-6);
/// }
/// # Ok::<(), uncodec_dsp::WindowError>(())
/// ```
pub fn synthesis_window(
    analysis: &[f32],
    hop: usize,
    synthesis_length: Option<usize>,
) -> Result<Vec<f32>, WindowError> {
    let window_length = analysis.len();
    if window_length == 0 {
        return Err(WindowError::Empty);
    }
    if let Some((index, &value)) = analysis.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(WindowError::NotFinite { index, value });
    }
    let synthesis_length = synthesis_length.unwrap_or(window_length);
    if synthesis_length == 0 || synthesis_length > window_length {
        return Err(WindowError::SynthesisLength { synthesis_length, window_length });
    }
    if hop == 0 || hop > synthesis_length {
        return Err(WindowError::Hop { hop, synthesis_length });
    }
    let start = window_length - synthesis_length;
    // A weighted dual: any weight >= 0 reconstructs, the weight only shapes the window.
    let weighted: Vec<f64> = analysis
        .iter()
        .enumerate()
        .map(|(n, &a)| f64::from(a) * fade_in(n, start, synthesis_length))
        .collect();
    let mut energy = vec![0.0_f64; hop];
    for (n, (&a, &aw)) in analysis.iter().zip(&weighted).enumerate() {
        energy[n % hop] += f64::from(a) * aw;
    }
    let peak = energy.iter().copied().fold(0.0, f64::max);
    // 120 dB below the best position, single-precision rounding is all that would be restored.
    if let Some(phase) = energy.iter().position(|&e| e <= peak * 1e-12) {
        return Err(WindowError::NotInvertible { phase, hop });
    }
    Ok(weighted.iter().enumerate().map(|(n, &aw)| (aw / energy[n % hop]) as f32).collect())
}

/// Weight of sample `n` of a frame: all ones for a full-length synthesis window, otherwise zeros,
/// half a Hann window upwards over the first half of the part in use, then ones.
fn fade_in(n: usize, start: usize, synthesis_length: usize) -> f64 {
    if start == 0 {
        return 1.0;
    }
    let Some(inside) = n.checked_sub(start) else { return 0.0 };
    let position = (inside as f64 + 0.5) / synthesis_length as f64;
    if position >= 0.5 { 1.0 } else { (std::f64::consts::PI * position).sin().powi(2) }
}
