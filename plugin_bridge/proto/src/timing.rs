//! What a session looks like for a network at a host's sample rate: one calculation for plugin and
//! core, so that both arrive at the same numbers without asking each other.

use thiserror::Error;
use uncodec_dsp::round_trip_delay;

use crate::geometry::{Geometry, GeometryError, HostSettings, MAX_HOP};

/// The lowest sample rate of a host for which there is a timing, in Hz.
pub const LOWEST_RATE: u32 = 8_000;
/// The highest sample rate of a host for which there is a timing, in Hz.
pub const HIGHEST_RATE: u32 = 384_000;

/// Why there is no timing.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum TimingError {
    /// The rate is out of range, or no whole number.
    #[error("sample_rate={0}: must be a whole number in {LOWEST_RATE}..={HIGHEST_RATE} Hz")]
    SampleRate(f64),
    /// Window and hop are not those of a network.
    #[error("window={window}, hop={hop}: must be 1 <= hop <= window <= {MAX_HOP} samples")]
    Network {
        /// Window in samples.
        window: u32,
        /// Hop in samples.
        hop: u32,
    },
    /// The rate has so little in common with the network's that a hop would be too long.
    #[error("sample_rate={sample_rate}: a whole number of hops is {hop} samples, over {MAX_HOP}")]
    Hop {
        /// Rate of the host in Hz.
        sample_rate: u32,
        /// Samples that a session's hop would have.
        hop: u64,
    },
}

/// The facts of a network that a session's timing depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Length of its window, in samples at its own rate.
    pub window: u32,
    /// Hop from frame to frame, in samples at its own rate.
    pub hop: u32,
}

impl Network {
    /// The timing of a session at a host's sample rate.
    ///
    /// The network runs at 44.1 kHz for that rate's multiples and divisors, else at 48 kHz. Its
    /// output lags its input by `window - hop`. At another rate resamplers add
    /// [`round_trip_delay`], and the network's delay is lengthened until it is a whole number of
    /// the host's samples. A session's hop is the least whole number of samples that lasts a whole
    /// number of the network's hops, so that every hop in gives a hop out.
    ///
    /// # Errors
    /// [`TimingError`].
    ///
    /// ```
    /// use uncodec_proto::Network;
    ///
    /// let network = Network { window: 640, hop: 160 };
    /// let native = network.timing(48_000.0)?;
    /// assert_eq!((native.hop, native.model_delay, native.tail), (160, 480, 480));
    /// let double = network.timing(96_000.0)?;
    /// assert_eq!((double.network_rate, double.hop), (48_000, 320));
    /// # Ok::<(), uncodec_proto::TimingError>(())
    /// ```
    pub fn timing(&self, sample_rate: f64) -> Result<Timing, TimingError> {
        let Self { window, hop } = *self;
        if hop == 0 || window < hop || window as usize > MAX_HOP {
            return Err(TimingError::Network { window, hop });
        }
        let rate = sample_rate as u32;
        if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate)
            || f64::from(rate).to_bits() != sample_rate.to_bits()
        {
            return Err(TimingError::SampleRate(sample_rate));
        }
        let of_44100 = rate.is_multiple_of(44_100) || 44_100_u32.is_multiple_of(rate);
        let network_rate = if of_44100 { 44_100 } else { 48_000 };
        let delay = u64::from(window - hop);
        if rate == network_rate {
            return Ok(Timing {
                sample_rate: rate,
                network_rate,
                network_hops: 1,
                hop: hop as usize,
                model_delay: delay,
                tail: delay as usize,
            });
        }
        let (outer, inner) = (u64::from(rate), u64::from(network_rate));
        // How many samples of the network last a whole number of the host's.
        let step = inner / gcd(outer, inner);
        let network_hops = step / gcd(u64::from(hop), step);
        let session_hop = network_hops * u64::from(hop) * outer / inner;
        if session_hop > MAX_HOP as u64 {
            return Err(TimingError::Hop { sample_rate: rate, hop: session_hop });
        }
        let resampling = round_trip_delay(rate, network_rate)
            .map_err(|_| TimingError::SampleRate(sample_rate))?;
        Ok(Timing {
            sample_rate: rate,
            network_rate,
            network_hops: network_hops as u32,
            hop: session_hop as usize,
            model_delay: resampling + delay.next_multiple_of(step) * outer / inner,
            tail: 0,
        })
    }
}

/// Sizes of a session that follow from network and sample rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Rate of the host in Hz.
    pub sample_rate: u32,
    /// Rate of the network in Hz.
    pub network_rate: u32,
    /// Hops of the network in a hop of the session.
    pub network_hops: u32,
    /// Hop of the session in samples at the host's rate.
    pub hop: usize,
    /// Delay of network and resamplers in samples at the host's rate.
    pub model_delay: u64,
    /// Samples of the unfinished overlap-add that come with every hop: the network's delay at its
    /// own rate, none behind a resampler.
    pub tail: usize,
}

impl Timing {
    /// The geometry of a session: what is the network's from here, what is the host's from the
    /// arguments, as in [`HostSettings`].
    ///
    /// # Errors
    /// [`GeometryError`].
    pub fn geometry(
        &self,
        channels: usize,
        max_block: usize,
        turnaround_s: f64,
    ) -> Result<Geometry, GeometryError> {
        Geometry::new(&HostSettings {
            sample_rate: f64::from(self.sample_rate),
            channels,
            hop: self.hop,
            tail: self.tail,
            model_delay: self.model_delay,
            max_block,
            turnaround_s,
            varying_blocks: true,
        })
    }

    /// Whether a session has this timing; the core refuses one that has not.
    #[must_use]
    pub fn fits(&self, geometry: &Geometry) -> bool {
        geometry.sample_rate().to_bits() == f64::from(self.sample_rate).to_bits()
            && geometry.hop() == self.hop
            && geometry.model_delay() == self.model_delay
            && geometry.tail() == self.tail
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const NETWORK: Network = Network { window: 1024, hop: 256 };

    #[test]
    fn hops_of_session_and_network_last_equally_long_at_every_rate() {
        for rate in
            [8_000_u32, 11_025, 22_050, 32_000, 37_800, 44_100, 48_000, 50_000, 64_000, 88_200]
                .into_iter()
                .chain([96_000, 176_400, 192_000, 352_800, 384_000])
        {
            for hop in [1_u32, 250, 256, 441, 512] {
                let timing = Network { window: 4 * hop, hop }.timing(f64::from(rate)).unwrap();
                let (outer, inner) = (u64::from(rate), u64::from(timing.network_rate));
                let network = u64::from(timing.network_hops) * u64::from(hop);
                assert_eq!(network * outer, timing.hop as u64 * inner, "{rate} {hop}");
                for fewer in 1..timing.network_hops {
                    assert_ne!(u64::from(fewer * hop) * outer % inner, 0, "{rate} {hop}");
                }
            }
        }
    }

    #[test]
    fn the_delay_is_the_networks_made_whole_and_the_resamplers() {
        for rate in [8_000_u32, 32_000, 37_800, 50_000, 64_000, 88_200, 96_000, 192_000] {
            let timing = NETWORK.timing(f64::from(rate)).unwrap();
            let (outer, inner) = (u64::from(rate), u64::from(timing.network_rate));
            let mut padded = 768_u64;
            while !(padded * outer).is_multiple_of(inner) {
                padded += 1;
            }
            let resamplers = round_trip_delay(rate, timing.network_rate).unwrap();
            assert_eq!(timing.model_delay, resamplers + padded * outer / inner, "{rate}");
            assert_eq!(timing.tail, 0);
        }
    }

    #[test]
    fn a_geometry_fits_its_own_timing_only() {
        let timing = NETWORK.timing(48_000.0).unwrap();
        let geometry = timing.geometry(2, 128, 0.01).unwrap();
        assert!(timing.fits(&geometry));
        assert_eq!(geometry.latency(), 768 + 255 + 4 * 128);
        assert!(!NETWORK.timing(44_100.0).unwrap().fits(&geometry));
        let other = Network { window: 1024, hop: 512 }.timing(48_000.0).unwrap();
        assert!(!other.fits(&geometry));
    }

    #[test]
    fn what_has_no_timing_is_refused() {
        for rate in [0.0, 7_999.0, 44_100.5, 384_001.0, 1e12, -48_000.0, f64::NAN, f64::INFINITY] {
            let error = NETWORK.timing(rate).unwrap_err();
            assert!(matches!(error, TimingError::SampleRate(_)), "{error}");
        }
        assert!(matches!(NETWORK.timing(47_999.0), Err(TimingError::Hop { .. })));
        for (window, hop) in [(0, 0), (256, 0), (255, 256), (1 << 17, 256)] {
            assert!(matches!(
                Network { window, hop }.timing(48_000.0),
                Err(TimingError::Network { .. })
            ));
        }
    }
}
