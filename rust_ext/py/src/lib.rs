//! `uncodec._native`: the thin Python face of `uncodec-dsp` and `uncodec-proto`, and with the feature
//! `host` of `uncodec-host`.
//!
//! Everything here checks arguments, releases the interpreter and calls the pure crates; there is
//! no signal processing in this crate.

#![allow(
    clippy::doc_markdown,
    reason = "the documentation of exported items is shown by Python, as numpydoc"
)]

mod arguments;
#[cfg(target_os = "linux")]
mod bridge;
mod errors;
mod hops;
mod latency;
mod live;
mod resample;
mod shared;
mod stft;

/// Native parts of the live path; private, use them through the packages above.
#[pyo3::pymodule]
mod _native {
    #[cfg(all(target_os = "linux", feature = "host"))]
    #[pymodule_export]
    use super::bridge::PluginHost;
    #[cfg(target_os = "linux")]
    #[pymodule_export]
    use super::bridge::{
        CoreSide, HostPath, HostSession, PendingSession, pack_reference, read_request,
        receive_session, session_timing, socket_path, unpack_reference,
    };
    #[pymodule_export]
    use super::hops::HopTicket;
    #[pymodule_export]
    use super::latency::latency_samples;
    #[pymodule_export]
    use super::live::{LiveCore, LiveHost};
    #[pymodule_export]
    use super::resample::{StreamingResampler, resampler_pair, round_trip_delay};
    #[pymodule_export]
    use super::stft::{InverseFrames, StreamingStft, synthesis_window};
}
