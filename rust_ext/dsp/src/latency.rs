//! The latency law: how many samples a host hears the effect late.

use thiserror::Error;

/// Why no latency can be given.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum LatencyError {
    /// The model must advance.
    #[error("hop=0: must be a positive integer")]
    ZeroHop,
    /// The host must deliver samples.
    #[error("block=0: must be a positive integer")]
    ZeroBlock,
    /// The turnaround must be a time.
    #[error("turnaround_s={0}: must be finite and not negative")]
    Turnaround(f64),
    /// The sample rate must be a rate.
    #[error("sample_rate={0}: must be finite and positive")]
    SampleRate(f64),
    /// The sum does not fit into a 64-bit number of samples.
    #[error("latency: does not fit into 64 bits, turnaround_s={turnaround_s} is too long")]
    TooLong {
        /// The turnaround that was asked for.
        turnaround_s: f64,
    },
}

/// What the latency depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyBudget {
    /// Delay of the model itself, A: output sample `n` depends on input samples up to `n + A`.
    pub model_delay: u64,
    /// Hop of the model, H, in samples.
    pub hop: u64,
    /// Length of the host's blocks, D, in samples; the longest one if they vary.
    pub block: u64,
    /// Time T that a hop may take from its last sample until its result is there, in seconds. Zero
    /// where the work is done inside the host's call.
    pub turnaround_s: f64,
    /// Samples per second; only looked at if `turnaround_s` is not 0.
    pub sample_rate: f64,
    /// Whether the host may cut its blocks into shorter ones.
    pub varying_blocks: bool,
}

impl LatencyBudget {
    /// Latency in samples: `A + (H - gcd(D, H)) + D * ceil(T * fs / D)`.
    ///
    /// After whole blocks the number of samples that wait for their hop to fill up is a multiple of
    /// `gcd(D, H)` below H, so at most `H - gcd(D, H)`. Where blocks may be cut anywhere
    /// (`varying_blocks`) it is at most `H - 1`. A result that takes T seconds is fetched by the
    /// first of the host's calls after that, `ceil(T * fs / D)` blocks later. The law is
    /// sufficient, and no smaller number is: the tests prove both by brute force over simulated
    /// hosts.
    ///
    /// With `varying_blocks`, blocks of D samples are cut into parts, or one is cut short (at a
    /// loop point, at the start). A host whose *calls* come irregularly, each as soon as its last
    /// sample is there, can skip a deadline by up to one block more: give such a host's turnaround
    /// as `T + (D - 1) / fs`.
    ///
    /// # Errors
    /// [`LatencyError`] if a part of the budget is out of range.
    ///
    /// ```
    /// use uncodec_dsp::LatencyBudget;
    ///
    /// let budget = LatencyBudget {
    ///     model_delay: 768,
    ///     hop: 256,
    ///     block: 480,
    ///     turnaround_s: 0.0,
    ///     sample_rate: 48_000.0,
    ///     varying_blocks: false,
    /// };
    /// assert_eq!(budget.samples()?, 768 + (256 - 32));
    /// let live = LatencyBudget { turnaround_s: 0.015, ..budget };
    /// assert_eq!(live.samples()?, 768 + (256 - 32) + 2 * 480);
    /// # Ok::<(), uncodec_dsp::LatencyError>(())
    /// ```
    pub fn samples(&self) -> Result<u64, LatencyError> {
        let Self { model_delay, hop, block, turnaround_s, sample_rate, varying_blocks } = *self;
        if hop == 0 {
            return Err(LatencyError::ZeroHop);
        }
        if block == 0 {
            return Err(LatencyError::ZeroBlock);
        }
        if !turnaround_s.is_finite() || turnaround_s < 0.0 {
            return Err(LatencyError::Turnaround(turnaround_s));
        }
        let waiting = if varying_blocks { hop - 1 } else { hop - gcd(block, hop) };
        let blocks = if turnaround_s > 0.0 {
            if !sample_rate.is_finite() || sample_rate <= 0.0 {
                return Err(LatencyError::SampleRate(sample_rate));
            }
            // A turnaround given as n * D / fs must come back as n blocks, whatever the rounding of
            // that quotient; a billionth of a block is far below any clock.
            let blocks = (turnaround_s * sample_rate / block as f64 - 1e-9).ceil().max(1.0);
            // Beyond 2^53 the float no longer counts blocks one by one.
            if blocks >= 9e15 {
                return Err(LatencyError::TooLong { turnaround_s });
            }
            blocks as u64
        } else {
            0
        };
        block
            .checked_mul(blocks)
            .and_then(|budget| budget.checked_add(waiting))
            .and_then(|sum| sum.checked_add(model_delay))
            .ok_or(LatencyError::TooLong { turnaround_s })
    }
}

/// Greatest common divisor of two positive numbers.
pub(crate) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
