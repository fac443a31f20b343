//! At the pace of a sound card, with a core: what is heard comes from it.
//!
//! It takes a processor that is free in time, so these are run by `make test-validators`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "functions of tests fail like tests")]

mod common;

use common::{Rig, in_both_formats, plugin_without_core};
use uncodec_host::Format;
use uncodec_host::core::Behaviour;
use uncodec_host::realtime::{Pace, PaceError, play};

const PACE: Pace = Pace { sample_rate: 48_000, block: 256, seconds: 4.0 };
/// The parameter "Latency safety" at its most: what is shown here is no speed.
const SAFETY: (u32, f64) = (2, 1.0);

fn what_is_heard_comes_from_the_core(format: Format) {
    let rig = Rig::new(format, "pace", Behaviour::gain(0.5));
    for sample_rate in [44_100, 48_000, 96_000] {
        rig.plugin.set_active(false);
        rig.plugin.set_parameter(SAFETY.0, SAFETY.1);
        let played = play(&rig.plugin, &Pace { sample_rate, ..PACE }).unwrap();
        println!("{sample_rate}: {played}");
        assert!(played.samples >= u64::from(sample_rate) * 4);
        assert!(played.wet_share() > 0.99, "{played}");
        assert!(played.changed_share() > 0.99, "{played}");
    }
}

/// The check can fail.
fn a_bypassed_plugin_is_found_out(format: Format) {
    let rig = Rig::new(format, "found-out", Behaviour::gain(0.5));
    rig.plugin.set_parameter(1, 1.0);
    let played = play(&rig.plugin, &Pace { seconds: 1.0, ..PACE }).unwrap();
    assert_eq!((played.wet, played.changed), (0, 0), "{played}");
    assert!(played.dry >= 48_000);
}

fn a_plugin_that_refuses_is_told(format: Format) {
    let plugin = plugin_without_core(format);
    let error = play(&plugin, &Pace { sample_rate: 1000, ..PACE }).unwrap_err();
    assert!(matches!(error, PaceError::Refused { step: "setupProcessing", .. }), "{error}");
}

in_both_formats! {
    #[ignore = "plays in real time"] what_is_heard_comes_from_the_core,
    #[ignore = "plays in real time"] a_bypassed_plugin_is_found_out,
    a_plugin_that_refuses_is_told,
}
