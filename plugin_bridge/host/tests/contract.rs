//! What the format and its hosts expect of a plugin, without a core.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "functions of tests fail like tests")]

mod common;

use common::{Place, delayed, fill, in_both_formats, plugin_without_core, with_reference};
use uncodec_host::{
    Arrangement, Blocks, Change, Format, Mode, Module, Plugin, module_path, signal,
};

const OK: i32 = 0;
/// Flags of parameters in VST 3.
const CAN_AUTOMATE: i32 = 1;
const LIST: i32 = 8;
const BYPASS: i32 = 1 << 16;
const READ_ONLY: i32 = 2;
/// And in CLAP.
const STEPPED: i32 = 1;
const CLAP_READ_ONLY: i32 = 1 << 3;
const CLAP_BYPASS: i32 = 1 << 4;
const AUTOMATABLE: i32 = 1 << 5;
const ENUM: i32 = 1 << 16;

fn the_module_holds_a_restoring_effect_with_a_version(format: Format) {
    let module = Module::load(&module_path(format)).unwrap();
    let [name, what, kinds, version] = module.class().unwrap();
    let expected = match format {
        Format::Vst3 => ("Audio Module Class", "Fx|Restoration"),
        Format::Clap => ("uncodec.uncodec", "audio-effect|restoration|stereo|mono"),
    };
    assert_eq!((what.as_str(), kinds.as_str()), expected);
    assert_eq!(name, "Uncodec");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

fn parameters_are_named_and_their_texts_come_back(format: Format) {
    let plugin = plugin_without_core(format);
    let found = plugin.parameters();
    let summary: Vec<_> =
        found.iter().map(|p| (p.id, p.title.as_str(), p.unit.as_str(), p.flags)).collect();
    // In CLAP the texts have the units.
    let expected = match format {
        Format::Vst3 => [
            (0, "Amount", "%", CAN_AUTOMATE),
            (1, "Bypass", "", CAN_AUTOMATE | LIST | BYPASS),
            (2, "Latency safety", "ms", 0),
            (3, "Model", "", LIST),
            (5, "Brightness", "dB", CAN_AUTOMATE),
            (6, "Likeness", "%", CAN_AUTOMATE),
            (7, "Reference", "", LIST | READ_ONLY),
        ],
        Format::Clap => [
            (0, "Amount", "", AUTOMATABLE),
            (1, "Bypass", "", AUTOMATABLE | STEPPED | ENUM | CLAP_BYPASS),
            (2, "Latency safety", "", STEPPED),
            (3, "Model", "", STEPPED | ENUM),
            (5, "Brightness", "", AUTOMATABLE),
            (6, "Likeness", "", AUTOMATABLE),
            (7, "Reference", "", STEPPED | ENUM | CLAP_READ_ONLY),
        ],
    };
    assert_eq!(summary, expected);
    for parameter in &found {
        assert_eq!(plugin.parameter(parameter.id).to_bits(), parameter.default.to_bits());
        for step in 0..=100 {
            let text = plugin.parameter_text(parameter.id, f64::from(step) / 100.0).unwrap();
            let back = plugin.parse_parameter(parameter.id, &text).unwrap();
            assert_eq!(plugin.parameter_text(parameter.id, back).unwrap(), text);
        }
        assert_eq!(plugin.parse_parameter(parameter.id, "no such value"), None);
    }
    let half = if format == Format::Vst3 { "50.0" } else { "50.0 %" };
    assert_eq!(plugin.parameter_text(0, 0.5).unwrap(), half);
    assert_eq!(plugin.parameter_text(1, 1.0).unwrap(), "On");
    assert_eq!(plugin.parameter_text(99, 0.5), None);
    let none = plugin.parameter_text(7, plugin.parameter(7)).unwrap();
    assert_eq!(none, "none (Likeness is off)");
    plugin.set_parameter(7, 1.0);
    assert!(plugin.parameter(7) <= 0.0, "it can only be looked at");
    assert_ne!(plugin.set_parameter(99, 0.5), OK);
}

fn only_equal_arrangements_of_mono_and_stereo_are_taken(format: Format) {
    let plugin = plugin_without_core(format);
    let (mono, stereo, surround) = (Arrangement::Mono, Arrangement::Stereo, Arrangement::Surround);
    for (input, output) in [(mono, stereo), (stereo, mono), (surround, surround)] {
        assert_ne!(plugin.set_arrangement(input, output), OK);
    }
    for (both, channels) in [(mono, 1), (stereo, 2)] {
        assert_eq!(plugin.set_arrangement(both, both), OK);
        assert_eq!(plugin.channels(), [channels; 2]);
    }
}

fn a_host_that_has_mono_in_and_stereo_out_all_the_same_gets_the_delayed_input(format: Format) {
    for set_up_as in [Arrangement::Mono, Arrangement::Stereo] {
        let plugin = plugin_without_core(format);
        assert_eq!(plugin.set_arrangement(set_up_as, set_up_as), OK);
        assert_ne!(plugin.set_arrangement(Arrangement::Mono, Arrangement::Stereo), OK);
        plugin.set_up(48_000.0, 64, Mode::Realtime);
        plugin.set_active(true);
        let latency = plugin.latency();
        let mut blocks = Blocks::uneven(1, 2, 64);
        for position in (0..latency + 1000).step_by(64) {
            for (n, sample) in (position as u64..).zip(blocks.input(0)) {
                *sample = signal::noise(0, n);
            }
            assert_eq!(plugin.process(&mut blocks, 64, Mode::Realtime), OK);
            for n in 0..64 {
                let left = delayed(0, position + n, latency);
                // A stereo plugin without a right input has silence there.
                let right = if set_up_as == Arrangement::Mono { left } else { 0.0 };
                let got = [blocks.output(0)[n], blocks.output(1)[n]];
                assert_eq!(got.map(f32::to_bits), [left, right].map(f32::to_bits));
            }
        }
    }
}

/// Why there is no core, or why the plugin does not run.
fn reason(plugin: &Plugin) -> String {
    let state = plugin.state();
    String::from_utf8_lossy(&state[256..256 + usize::from(state[248])]).into_owned()
}

fn out_of_range_rates_are_refused_and_a_host_that_goes_on_gets_its_input_counted_as_dry(
    format: Format,
) {
    let plugin = plugin_without_core(format);
    let mut played = 0;
    for rate in [0.0, 7_999.0, 44_100.5, 384_001.0, 1e7, f64::NAN, -48_000.0] {
        assert_ne!(plugin.set_up(rate, 64, Mode::Realtime), OK, "{rate}");
        assert_eq!(plugin.latency(), 0);
        if format == Format::Clap {
            // It cannot be activated, and what is not active is not called.
            assert_ne!(plugin.set_active(true), OK);
            assert!(reason(&plugin).starts_with("sample_rate="), "{}", reason(&plugin));
            continue;
        }
        assert_eq!(plugin.set_active(true), OK);
        for in_place in [false, true] {
            let mut blocks = Blocks::new(2, 1000, in_place);
            fill(&mut blocks, 0, 1000);
            blocks.input(0)[7] = f32::NAN;
            assert_eq!(plugin.process(&mut blocks, 1000, Mode::Realtime), OK);
            for n in 0..1000 {
                assert_eq!(blocks.output(1)[n].to_bits(), signal::noise(1, n as u64).to_bits());
            }
            assert_eq!(blocks.output(0)[7].to_bits(), 0);
            played += 1000;
            assert_eq!(plugin.counters(), [0, played, 0]);
        }
        assert!(reason(&plugin).starts_with("sample_rate="), "{}", reason(&plugin));
        assert_eq!(plugin.set_active(false), OK);
        let stereo = Arrangement::Stereo;
        assert_eq!(plugin.set_arrangement(stereo, stereo), OK, "arrangements are another matter");
    }
    assert_eq!(plugin.set_up(48_000.0, 64, Mode::Realtime), OK);
    assert_ne!(plugin.latency(), 0);
    assert!(!reason(&plugin).contains("sample_rate"), "{}", reason(&plugin));
    assert_ne!(plugin.set_up(48_000.0, -1, Mode::Realtime), OK);
}

fn rates_from_8_to_384_khz_are_taken(format: Format) {
    let plugin = plugin_without_core(format);
    for rate in [8_000.0, 11_025.0, 16_000.0, 22_050.0, 32_000.0, 44_100.0, 352_800.0, 384_000.0] {
        assert_eq!(plugin.set_up(rate, 64, Mode::Realtime), OK, "{rate}");
        assert_eq!(plugin.set_active(true), OK);
        let latency = plugin.latency();
        let mut blocks = Blocks::new(2, 64, true);
        let mut position = 0;
        while position < latency + 200 {
            fill(&mut blocks, position, 64);
            assert_eq!(plugin.process(&mut blocks, 64, Mode::Realtime), OK);
            for n in 0..64 {
                let expected = delayed(1, position + n, latency);
                assert_eq!(blocks.output(1)[n].to_bits(), expected.to_bits(), "{rate}");
            }
            position += 64;
        }
        assert_eq!(plugin.set_active(false), OK);
    }
}

fn silence_is_marked_for_each_channel_and_nothing_else_is(format: Format) {
    let plugin = plugin_without_core(format);
    plugin.set_up(48_000.0, 64, Mode::Realtime);
    let mut blocks = Blocks::new(2, 64, false);
    fill(&mut blocks, 0, 64);
    if format == Format::Vst3 {
        assert_eq!(plugin.process(&mut blocks, 64, Mode::Realtime), OK);
        assert_eq!(blocks.silent(), 0b11, "inactive");
    }
    plugin.set_active(true);
    let latency = plugin.latency();
    // One sample in each channel, at another time.
    let mut position = 0;
    while position < latency + 2000 {
        for (channel, at) in [(0, 100), (1, 500)] {
            blocks.input(channel).fill(-0.0);
            if (position..position + 64).contains(&at) {
                blocks.input(channel)[at - position] = 1e-9;
            }
        }
        assert_eq!(plugin.process(&mut blocks, 64, Mode::Realtime), OK);
        let heard = |at: usize| (position..position + 64).contains(&(at + latency));
        let expected = u64::from(!heard(100)) | u64::from(!heard(500)) << 1;
        assert_eq!(blocks.silent(), expected, "{position}");
        position += 64;
    }
    assert_eq!(plugin.process_nothing(64, false), OK);
}

fn null_buffers_and_blocks_of_nothing_are_legal(format: Format) {
    let plugin = plugin_without_core(format);
    // Before anything was set up, too, in a format that allows it.
    for length in [0, 64, -5] {
        for no_busses in [false, true] {
            let _ = plugin.process_nothing(length, no_busses);
        }
    }
    plugin.set_up(44_100.0, 64, Mode::Realtime);
    plugin.set_active(true);
    let mut blocks = Blocks::new(2, 64, false);
    let latency = plugin.latency();
    let mut position = 0;
    while position < latency + 1000 {
        fill(&mut blocks, position, 64);
        assert_eq!(plugin.process(&mut blocks, 64, Mode::Realtime), OK);
        for n in 0..64 {
            let expected = delayed(0, position + n, latency);
            assert_eq!(blocks.output(0)[n].to_bits(), expected.to_bits());
        }
        position += 64;
        for no_busses in [false, true] {
            assert_eq!(plugin.process_nothing(0, no_busses), OK);
        }
        assert_eq!(plugin.process(&mut blocks, 0, Mode::Realtime), OK);
    }
    // A block without buffers passes time, and is silence.
    assert_eq!(plugin.process_nothing(64, false), OK);
    position += 64;
    fill(&mut blocks, position, 64);
    assert_eq!(plugin.process(&mut blocks, 64, Mode::Realtime), OK);
    assert_eq!(blocks.output(0)[0].to_bits(), delayed(0, position, latency).to_bits());
}

fn deactivated_means_silent_and_activated_means_from_the_beginning(format: Format) {
    let plugin = plugin_without_core(format);
    let mut blocks = Blocks::new(2, 256, false);
    let mut peak = |plugin: &Plugin, times: usize| {
        let mut peak = 0.0_f32;
        for _ in 0..times {
            fill(&mut blocks, 0, 256);
            assert_eq!(plugin.process(&mut blocks, 256, Mode::Realtime), OK);
            peak = blocks.output(0).iter().fold(peak, |peak, v| peak.max(v.abs()));
        }
        peak
    };
    // In CLAP what is not active is not called.
    let called = format == Format::Vst3;
    assert!(!called || peak(&plugin, 1) <= 0.0, "before it was set up");
    plugin.set_up(48_000.0, 256, Mode::Realtime);
    assert!(!called || peak(&plugin, 20) <= 0.0, "before it was active");
    for _ in 0..3 {
        plugin.set_active(true);
        assert!(peak(&plugin, plugin.latency() / 256) <= 0.0, "nothing of before");
        assert!(peak(&plugin, 20) > 0.1);
        plugin.set_active(false);
        plugin.set_active(false);
        assert!(!called || peak(&plugin, 20) <= 0.0);
    }
}

#[test]
fn a_clap_that_is_reset_or_sent_to_sleep_begins_with_silence() {
    let plugin = plugin_without_core(Format::Clap);
    assert_ne!(plugin.reset(false), OK, "not active");
    plugin.set_up(48_000.0, 64, Mode::Realtime);
    plugin.set_active(true);
    let latency = plugin.latency();
    let mut blocks = Blocks::new(2, 64, true);
    for sleeping in [false, true, false] {
        let mut position = 0;
        while position < 2 * latency {
            fill(&mut blocks, position, 64);
            assert_eq!(plugin.process(&mut blocks, 64, Mode::Realtime), OK);
            for n in 0..64 {
                let expected = delayed(0, position + n, latency);
                assert_eq!(blocks.output(0)[n].to_bits(), expected.to_bits());
            }
            position += 64;
        }
        assert_eq!(plugin.reset(sleeping), OK);
    }
}

fn a_change_of_latency_waits_until_the_plugin_is_inactive_and_is_told(format: Format) {
    let plugin = plugin_without_core(format);
    plugin.set_up(48_000.0, 64, Mode::Realtime);
    let short = plugin.latency();
    plugin.set_active(true);
    assert_eq!(plugin.restarts().latency_changes(), 0);
    assert_eq!(plugin.set_parameter(2, plugin.parse_parameter(2, "30").unwrap()), OK);
    assert_eq!(plugin.restarts().latency_changes(), 1);
    assert_eq!(plugin.latency(), short, "constant while active");
    plugin.set_parameter(0, 0.5);
    assert_eq!(plugin.restarts().latency_changes(), 1);
    plugin.set_active(false);
    let long = plugin.latency();
    // 10 ms are 480 samples, 7.5 blocks; 30 ms are 22.5.
    assert_eq!(long - short, (23 - 8) * 64);
    plugin.set_active(true);
    assert_eq!(plugin.latency(), long);
    let told_in_time = usize::from(format == Format::Clap);
    assert_eq!(plugin.restarts().latencies_told(), told_in_time);
    // In VST 3 it cannot be told through the audio thread, but holds from the next set-up on.
    let mut blocks = Blocks::new(2, 64, false);
    let value = plugin.parse_parameter(2, "10 ms").unwrap();
    let change = plugin.changes(&[Change { id: 2, offset: 0, value }]);
    plugin.process_changing(&mut blocks, 64, Mode::Realtime, &change);
    assert_eq!(plugin.latency(), long);
    assert_eq!(plugin.restarts().latency_changes(), 1 + told_in_time);
    plugin.set_up(48_000.0, 64, Mode::Realtime);
    assert_eq!(plugin.latency(), short);
}

fn the_latency_is_the_same_in_both_modes_and_in_bypass(format: Format) {
    let plugin = plugin_without_core(format);
    for rate in [44_100.0, 48_000.0, 96_000.0] {
        plugin.set_up(rate, 128, Mode::Realtime);
        let latency = plugin.latency();
        plugin.set_up(rate, 128, Mode::Offline);
        assert_eq!(plugin.latency(), latency);
        plugin.set_parameter(1, 1.0);
        plugin.set_active(true);
        assert_eq!(plugin.latency(), latency);
        let mut blocks = Blocks::new(2, 128, true);
        let mut position = 0;
        while position < 2 * latency {
            fill(&mut blocks, position, 128);
            plugin.process(&mut blocks, 128, Mode::Realtime);
            assert_eq!(blocks.output(0)[5].to_bits(), delayed(0, position + 5, latency).to_bits());
            position += 128;
        }
        plugin.set_active(false);
        plugin.set_parameter(1, 0.0);
    }
}

fn blocks_longer_than_announced_lose_nothing(format: Format) {
    let plugin = plugin_without_core(format);
    plugin.set_up(48_000.0, 64, Mode::Realtime);
    plugin.set_active(true);
    let latency = plugin.latency();
    let mut blocks = Blocks::new(2, 200_000, true);
    let mut position = 0;
    for length in [64, 65, 1000, 200_000, 3] {
        fill(&mut blocks, position, length);
        assert_eq!(plugin.process(&mut blocks, length, Mode::Realtime), OK);
        for n in (0..length).step_by(61) {
            let expected = delayed(1, position + n, latency);
            assert_eq!(blocks.output(1)[n].to_bits(), expected.to_bits(), "{position} {n}");
        }
        position += length;
    }
}

fn giant_announced_blocks_are_taken(format: Format) {
    let plugin = plugin_without_core(format);
    assert_eq!(plugin.set_up(48_000.0, i32::MAX, Mode::Offline), OK);
    assert_eq!(plugin.set_active(true), OK);
    assert_eq!(plugin.set_up(48_000.0, 0, Mode::Offline), OK);
}

fn a_saved_state_comes_back_and_a_newer_one_is_refused(format: Format) {
    let plugin = plugin_without_core(format);
    plugin.set_parameter(0, 0.25);
    plugin.set_parameter(1, 1.0);
    plugin.set_parameter(2, 1.0);
    plugin.set_parameter(5, 0.25);
    plugin.set_parameter(6, 0.75);
    assert_eq!(plugin.set_state(&with_reference(plugin.state(), "song.flac")), OK);
    let state = plugin.state();
    let other = plugin_without_core(format);
    if format == Format::Clap {
        // Only a plugin that is active has to be started anew.
        other.set_up(48_000.0, 64, Mode::Realtime);
        other.set_active(true);
    }
    assert_eq!(other.set_state(&state), OK);
    assert_eq!(other.restarts().latency_changes(), 1);
    assert_eq!(other.restarts().value_changes(), 1, "hosts keep values of their own");
    for id in [0, 1, 2, 3, 5, 6, 7] {
        let (one, two) = (plugin.parameter(id), other.parameter(id));
        assert!((one - two).abs() < 1e-12, "{id}: {one} {two}");
    }
    // The seed has no knob; it is kept all the same.
    let mut seeded = state.clone();
    seeded[32..40].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_le_bytes());
    assert_eq!(other.set_state(&seeded), OK);
    assert_eq!(other.state()[32..40], seeded[32..40]);
    let mut newer = state.clone();
    newer[8] = 4;
    newer[16..24].copy_from_slice(&0.75_f64.to_le_bytes());
    let mut unknown = state.clone();
    unknown[48] ^= 1;
    let (mut longer, mut louder) = (state.clone(), state.clone());
    longer[516] = 65;
    louder[600..604].copy_from_slice(&f32::NAN.to_le_bytes());
    let damaged = [&longer[..], &louder, &state[..1111]];
    for refused in
        [&newer[..], &unknown, &state[..100], &[], b"something else"].iter().chain(&damaged)
    {
        assert_ne!(other.parameter(7).to_bits(), 0);
        assert_ne!(other.set_state(refused), OK);
        assert_eq!(other.restarts().value_changes(), 2, "of the two states that were taken");
        assert!((other.parameter(0) - 0.25).abs() < 1e-12, "nothing was taken over");
    }
}

fn a_state_brings_a_reference_or_takes_it_away(format: Format) {
    let plugin = plugin_without_core(format);
    let text = || plugin.parameter_text(7, plugin.parameter(7)).unwrap();
    let without = plugin.state();
    for (state, expected) in [
        (with_reference(without.clone(), "song.flac"), "song.flac"),
        (with_reference(without.clone(), "ein anderes Stück"), "ein anderes Stück"),
        (without.clone(), "none (Likeness is off)"),
    ] {
        assert_eq!(plugin.set_state(&state), OK);
        assert_eq!(text(), expected);
        assert_eq!(plugin.parse_parameter(7, expected), Some(plugin.parameter(7)));
        assert_eq!(plugin.state()[512..], state[512..]);
    }
    // Versions before had none.
    for version in [1, 2] {
        assert_eq!(plugin.set_state(&with_reference(without.clone(), "song.flac")), OK);
        plugin.set_parameter(6, 0.5);
        let mut earlier = without[..512].to_vec();
        earlier[8] = version;
        earlier[184..192].fill(0);
        assert_eq!(plugin.set_state(&earlier), OK);
        assert_eq!(text(), "none (Likeness is off)");
        assert_eq!(plugin.parameter(6).to_bits(), 1_f64.to_bits(), "all of it, as by default");
    }
}

fn a_state_of_one_format_opens_in_the_other(format: Format) {
    let plugin = plugin_without_core(format);
    for (id, value) in [(0, 0.25), (1, 1.0), (2, 0.5), (5, 0.75), (6, 0.5)] {
        plugin.set_parameter(id, value);
    }
    assert_eq!(plugin.set_state(&with_reference(plugin.state(), "song.flac")), OK);
    let mut state = plugin.state();
    state[32..40].copy_from_slice(&77_u64.to_le_bytes());
    let other = match format {
        Format::Vst3 => plugin_without_core(Format::Clap),
        Format::Clap => plugin_without_core(Format::Vst3),
    };
    assert_eq!(other.set_state(&state), OK);
    assert_eq!(other.state()[..192], state[..192], "the same bytes");
    assert_eq!(other.state()[512..], state[512..], "reference and all");
    assert_eq!(other.parameter_text(7, 1.0).unwrap(), "song.flac");
    for facts in plugin.parameters() {
        let text = |plugin: &Plugin| {
            let text = plugin.parameter_text(facts.id, plugin.parameter(facts.id)).unwrap();
            // CLAP has no other place for the unit.
            text.trim_end_matches([' ', '%', 'm', 's', 'd', 'B']).to_owned()
        };
        assert_eq!(text(&plugin), text(&other), "{}", facts.title);
    }
    for plugin in [&plugin, &other] {
        plugin.set_up(96_000.0, 100, Mode::Realtime);
        plugin.set_active(true);
    }
    assert_eq!(plugin.latency(), other.latency());
    assert_eq!(plugin.tail(), other.tail());
    assert!(plugin.tail() > 0);
}

fn the_status_says_that_there_is_no_core_and_counts_what_was_dry(format: Format) {
    let plugin = plugin_without_core(format);
    plugin.set_up(48_000.0, 64, Mode::Realtime);
    plugin.set_active(true);
    assert!(!plugin.is_connected());
    let mut blocks = Blocks::new(2, 64, true);
    for _ in 0..100 {
        plugin.process(&mut blocks, 64, Mode::Offline);
    }
    let [wet, dry, late] = plugin.counters();
    assert_eq!(wet, 0);
    assert!(dry > 3000 && late > 5, "{dry} {late}");
    assert_eq!(plugin.status(196) as u32 as usize, plugin.latency());
    let reason = reason(&plugin);
    assert!(reason.contains("no core is running"), "{reason}");
    // What was counted stays counted when the session is made anew.
    plugin.set_up(96_000.0, 64, Mode::Realtime);
    assert_eq!(plugin.counters()[1], dry);
}

fn without_a_core_an_offline_render_does_not_wait(format: Format) {
    let plugin = plugin_without_core(format);
    plugin.set_up(48_000.0, 64, Mode::Offline);
    plugin.set_active(true);
    let mut blocks = Blocks::new(2, 64, true);
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        plugin.process(&mut blocks, 64, Mode::Offline);
    }
    // A single wait would last ten seconds.
    assert!(start.elapsed().as_secs_f64() < 5.0);
}

fn instances_go_in_any_order_and_the_module_with_the_last_one(format: Format) {
    let place = Place::new("order");
    let module = Module::load(&module_path(format)).unwrap();
    let mut plugins: Vec<_> =
        (0..8).map(|_| module.instantiate_at(&place.socket()).unwrap()).collect();
    drop(module);
    for keep in [3, 0, 2, 1, 3, 0, 1, 0] {
        let plugin = plugins.remove(keep % plugins.len());
        plugin.set_up(48_000.0, 64, Mode::Realtime);
        plugin.set_active(true);
        plugin.initialize(false);
        plugin.initialize(false);
        plugin.initialize(true);
    }
}

in_both_formats! {
    the_module_holds_a_restoring_effect_with_a_version,
    parameters_are_named_and_their_texts_come_back,
    only_equal_arrangements_of_mono_and_stereo_are_taken,
    a_host_that_has_mono_in_and_stereo_out_all_the_same_gets_the_delayed_input,
    out_of_range_rates_are_refused_and_a_host_that_goes_on_gets_its_input_counted_as_dry,
    rates_from_8_to_384_khz_are_taken,
    silence_is_marked_for_each_channel_and_nothing_else_is,
    null_buffers_and_blocks_of_nothing_are_legal,
    deactivated_means_silent_and_activated_means_from_the_beginning,
    a_change_of_latency_waits_until_the_plugin_is_inactive_and_is_told,
    the_latency_is_the_same_in_both_modes_and_in_bypass,
    blocks_longer_than_announced_lose_nothing,
    giant_announced_blocks_are_taken,
    a_saved_state_comes_back_and_a_newer_one_is_refused,
    a_state_brings_a_reference_or_takes_it_away,
    a_state_of_one_format_opens_in_the_other,
    the_status_says_that_there_is_no_core_and_counts_what_was_dry,
    without_a_core_an_offline_render_does_not_wait,
    instances_go_in_any_order_and_the_module_with_the_last_one,
}
