//! The ABI: every offset, and every reason to refuse a memory. A change here is a new ABI version.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::atomic::Ordering::Relaxed;

use common::settings;
use uncodec_proto::{
    ABI_VERSION, CoreSide, Geometry, GeometryError, HEADER_BYTES, HeaderError, HeapMemory,
    HostSettings, HostSide, Layout, MAGIC, MAX_BYTES, Memory, Parameters, tag, word,
};

/// Odd sizes, so that the padding shows.
fn odd() -> Geometry {
    Geometry::new(&HostSettings { hop: 15, tail: 7, ..settings() }).unwrap()
}

#[test]
fn every_offset_is_where_it_was() {
    assert_eq!((ABI_VERSION, HEADER_BYTES), (4, 512));
    assert_eq!(MAGIC.to_le_bytes(), *b"UNCODECP");
    let constants = [
        word::MAGIC,
        word::ABI,
        word::BYTES,
        word::SAMPLE_RATE,
        word::CHANNELS,
        word::HOP,
        word::LATENCY,
        word::MODEL_DELAY,
        word::MAX_BLOCK,
    ];
    assert_eq!(constants, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(word::HEAD, 16);
    assert_eq!([word::HEARTBEAT, word::RESYNCS, word::PUBLISHED], [24, 25, 26]);
    let counters = [word::WET, word::DRY, word::LATE, word::REFUSED, word::WORST_CALLBACK];
    assert_eq!(counters, [32, 33, 34, 35, 36]);
    assert_eq!(
        [
            word::SLOT_TAG,
            word::SLOT_AMOUNT,
            word::SLOT_SEED,
            word::SLOT_BRIGHTNESS,
            word::SLOT_LIKENESS,
            word::SLOT_SAMPLES
        ],
        [0, 1, 2, 3, 4, 8]
    );

    let layout = Layout::new(&odd());
    assert_eq!((layout.channel_words(), layout.tail_words()), (8, 4));
    assert_eq!([0, 1, 2].map(|slot| layout.input_word(slot)), [64, 88, 112]);
    let outputs = 64 + 64 * 24;
    assert_eq!(
        [0, 1, 2].map(|slot| layout.output_word(slot)),
        [outputs, outputs + 32, outputs + 64]
    );
    assert_eq!(layout.bytes(), 8 * (outputs + 64 * 32));
    assert_eq!(odd().bytes(), layout.bytes());
}

#[test]
fn what_different_parties_write_lies_on_different_cache_lines() {
    let lines = [word::MAX_BLOCK, word::HEAD, word::HEARTBEAT, word::WET].map(|word| word / 8);
    assert!(lines.is_sorted_by(|a, b| a < b));
    assert_eq!(word::HEARTBEAT / 8, word::PUBLISHED / 8, "both the core's");
    assert_eq!(word::WET / 8, word::WORST_CALLBACK / 8, "both the host's");
    let layout = Layout::new(&odd());
    for slot in 0..3 {
        assert!(layout.input_word(slot).is_multiple_of(8));
        assert!(layout.output_word(slot).is_multiple_of(8));
    }
}

#[test]
fn the_words_hold_what_the_protocol_says() {
    let geometry = odd();
    let memory = HeapMemory::new(geometry.bytes());
    let mut host = HostSide::create(memory.clone(), geometry).unwrap();
    let words = || memory.words().iter().map(|word| word.load(Relaxed)).collect::<Vec<_>>();
    let mut expected = vec![0; geometry.bytes() / 8];
    // The latency law: A + (H - 1), no turnaround.
    expected[..9].copy_from_slice(&[
        MAGIC,
        4 | 512 << 32,
        geometry.bytes() as u64,
        48_000_f64.to_bits(),
        2 | 64 << 32,
        15 | 7 << 32,
        24 + 14,
        24,
        64,
    ]);
    assert_eq!(words(), expected);

    host.activate();
    expected[16] = 1 << 32;
    assert_eq!(words(), expected);

    let samples: Vec<f32> = (1..=30_u8).map(f32::from).collect();
    let parameters = Parameters { amount: 0.5, seed: 9, brightness_db: -3.0, likeness: 0.75 };
    assert_eq!(host.submit(&samples, parameters), Ok(0));
    expected[16] = 1 << 32 | 1;
    expected[64] = tag(1, 0);
    assert_eq!(tag(1, 0), 1 << 32 | 1);
    expected[65] = u64::from(0.5_f32.to_bits());
    expected[66] = 9;
    expected[67] = u64::from((-3.0_f32).to_bits());
    expected[68] = u64::from(0.75_f32.to_bits());
    let pair = |a: f32, b: f32| u64::from(a.to_bits()) | u64::from(b.to_bits()) << 32;
    for (channel, samples) in samples.chunks(15).enumerate() {
        for (n, samples) in samples.chunks(2).enumerate() {
            let second = samples.get(1).copied().unwrap_or(0.0);
            expected[72 + 8 * channel + n] = pair(samples[0], second);
        }
    }
    assert_eq!(words(), expected);

    let mut core = CoreSide::attach(memory.clone()).unwrap();
    assert_eq!(core.geometry(), &geometry);
    let mut input = [0.0; 30];
    let ticket = core.poll(&mut input).unwrap().unwrap();
    assert_eq!(input[..], samples);
    core.publish(ticket, &input, &[3.0; 14]).unwrap();
    let first = Layout::new(&geometry).output_word(0);
    expected[26] = 1;
    expected[first] = tag(1, 0);
    for n in 0..16 {
        expected[first + 8 + n] = expected[72 + n];
    }
    for channel in 0..2 {
        let tail = first + 8 + 16 + 4 * channel;
        expected[tail..tail + 3].fill(pair(3.0, 3.0));
        expected[tail + 3] = pair(3.0, 0.0);
    }
    core.beat(77);
    expected[24] = 77;
    assert_eq!(words(), expected);
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |change: fn(&mut HostSettings)| {
        let mut settings = settings();
        change(&mut settings);
        Geometry::new(&settings).unwrap_err()
    };
    assert_eq!(refused(|s| s.channels = 0), GeometryError::Channels(0));
    assert_eq!(refused(|s| s.channels = 65), GeometryError::Channels(65));
    assert_eq!(refused(|s| s.hop = 0), GeometryError::Hop(0));
    assert_eq!(refused(|s| s.hop = usize::MAX), GeometryError::Hop(usize::MAX));
    assert_eq!(refused(|s| s.tail = usize::MAX), GeometryError::Tail(usize::MAX));
    assert_eq!(refused(|s| s.max_block = 0), GeometryError::MaxBlock(0));
    assert_eq!(refused(|s| s.sample_rate = 4000.0), GeometryError::SampleRate(4000.0));
    assert!(matches!(refused(|s| s.sample_rate = f64::NAN), GeometryError::SampleRate(_)));
    assert!(matches!(refused(|s| s.model_delay = u64::MAX), GeometryError::Law(_)));
    assert!(matches!(refused(|s| s.model_delay = 1 << 27), GeometryError::Latency { .. }));
    assert!(matches!(refused(|s| s.turnaround_s = -1.0), GeometryError::Law(_)));
    let long = refused(|s| (s.hop, s.max_block) = (1, 1 << 16));
    assert!(matches!(long, GeometryError::Slots { .. }), "{long}");
    let large = refused(|s| (s.hop, s.channels) = (1 << 16, 64));
    assert!(matches!(large, GeometryError::Size { .. }), "{large}");
    assert_eq!(refused(|s| s.hop = 0).to_string(), "hop=0: must be in 1..=65536 samples");
}

#[test]
fn memory_that_is_no_session_is_refused() {
    let geometry = Geometry::new(&settings()).unwrap();
    let small = HeapMemory::new(geometry.bytes() - 8);
    assert!(matches!(HostSide::create(small, geometry), Err(HeaderError::TooSmall { .. })));
    assert!(matches!(CoreSide::attach(HeapMemory::new(8)), Err(HeaderError::TooSmall { .. })));
    let refused = |index: usize, value: u64| {
        let memory = HeapMemory::new(geometry.bytes());
        HostSide::create(memory.clone(), geometry).unwrap();
        memory.words()[index].store(value, Relaxed);
        CoreSide::attach(memory).unwrap_err()
    };
    assert_eq!(refused(word::MAGIC, 0), HeaderError::Magic(0));
    let error = refused(word::ABI, 3 | 512 << 32);
    assert_eq!(error, HeaderError::AbiVersion(3));
    assert_eq!(
        error.to_string(),
        "abi_version=3: must be 4; plugin and core are of different releases"
    );
    assert_eq!(refused(word::ABI, 4 | 513 << 32), HeaderError::HeaderBytes(513));
    assert!(matches!(refused(word::BYTES, 0), HeaderError::Bytes { claimed: 0, .. }));
    assert!(matches!(refused(word::BYTES, u64::MAX), HeaderError::Bytes { .. }));
    for (index, value) in [
        (word::SAMPLE_RATE, u64::MAX),
        (word::CHANNELS, u64::MAX),
        (word::CHANNELS, 2 | 63 << 32),
        (word::HOP, 0),
        (word::HOP, u64::MAX),
        (word::LATENCY, 0),
        (word::LATENCY, u64::MAX),
        (word::MODEL_DELAY, u64::MAX),
        (word::MAX_BLOCK, u64::MAX),
    ] {
        let error = refused(index, value);
        assert!(matches!(error, HeaderError::Geometry(_)), "{index}: {error}");
    }
    // Consistent, but more than there is.
    let memory = HeapMemory::new(geometry.bytes());
    HostSide::create(memory.clone(), geometry).unwrap();
    let half = HeapMemory::new(geometry.bytes() / 2);
    for (from, to) in memory.words().iter().zip(half.words()) {
        to.store(from.load(Relaxed), Relaxed);
    }
    assert!(matches!(CoreSide::attach(half), Err(HeaderError::TooSmall { .. })));
    assert!(geometry.bytes() < MAX_BYTES);
}
