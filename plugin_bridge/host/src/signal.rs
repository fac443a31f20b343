//! Test signals whose samples are known from their number.

/// Sample `n` of a channel: noise, with negative zeros, whose sign is lost easily.
#[must_use]
pub fn noise(channel: usize, n: u64) -> f32 {
    if n % 7 == 3 {
        return -0.0;
    }
    let mut z = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (channel as u64 + 1) << 56;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((z >> 41) | 1) as f32) / (1 << 23) as f32 - 0.5
}

/// Sample `n` of a sine of half the full scale.
#[must_use]
pub fn sine(frequency: f64, sample_rate: f64, n: u64) -> f32 {
    (0.5 * (std::f64::consts::TAU * frequency * n as f64 / sample_rate).sin()) as f32
}

/// Whole numbers at random, the same ones every time.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}
