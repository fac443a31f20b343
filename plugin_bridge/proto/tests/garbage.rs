//! Random and damaged memory: refused, or harmless. The fuzz target does the same for longer.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::atomic::Ordering::Relaxed;

use common::{session, settings};
use proptest::prelude::*;
use uncodec_proto::{CoreSide, Geometry, HeapMemory, HostSettings, HostSide, Layout, Memory};

/// Small, so that random places hit something.
fn small() -> HostSettings {
    HostSettings { channels: 1, hop: 4, tail: 3, model_delay: 3, max_block: 8, ..settings() }
}

/// Whatever is in the memory, a core must attach and work, or refuse.
fn drive_core(memory: HeapMemory) -> bool {
    let Ok(mut core) = CoreSide::attach(memory) else { return false };
    let geometry = *core.geometry();
    let (output, tail) = (vec![0.5; geometry.hop_samples()], vec![0.5; geometry.tail_samples()]);
    let mut input = vec![0.0; geometry.hop_samples()];
    for _ in 0..3 {
        if let Some(ticket) = core.poll(&mut input).unwrap() {
            assert!(input.iter().all(|v| v.is_finite()));
            assert!((0.0..=1.0).contains(&ticket.parameters().amount));
            core.publish(ticket, &output, &tail).unwrap();
        }
    }
    let _ = core.host_counters();
    true
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_headers_are_refused(words in prop::collection::vec(any::<u64>(), 64..200)) {
        let memory = HeapMemory::new(words.len() * 8);
        for (word, value) in memory.words().iter().zip(words) {
            word.store(value, Relaxed);
        }
        prop_assert!(!drive_core(memory));
    }

    /// A good header but for some bits, or some values that a header could hold.
    #[test]
    fn damaged_headers_are_refused_or_harmless(
        flips in prop::collection::vec((0..17_usize, 0..64_u32), 0..3),
        values in prop::collection::vec((1..17_usize, 0..200_u64, 0..200_u64), 0..3),
    ) {
        let geometry = Geometry::new(&small()).unwrap();
        let memory = HeapMemory::new(geometry.bytes());
        let mut host = HostSide::create(memory.clone(), geometry).unwrap();
        host.activate();
        host.submit(&[0.5; 4], uncodec_proto::Parameters::default()).unwrap();
        let sound = flips.is_empty() && values.is_empty();
        for (index, bit) in flips {
            memory.words()[index].fetch_xor(1 << bit, Relaxed);
        }
        for (index, low, high) in values {
            memory.words()[index].store(low | high << 32, Relaxed);
        }
        let accepted = drive_core(memory);
        prop_assert!(accepted || !sound);
    }

    /// The host reads slots that are full of garbage under the right tags: every sample that comes
    /// out is a finite number, the counters add up, and no block is lost.
    #[test]
    fn damaged_slots_are_harmless(
        damage in prop::collection::vec((any::<u16>(), any::<u64>()), 1..40),
        lengths in prop::collection::vec(0..30_usize, 1..20),
    ) {
        let (mut path, mut core) = session(&small());
        path.activate();
        let words = Layout::new(core.geometry()).bytes() / 8;
        let (mut input, output, tail) = ([0.0; 4], [0.5; 4], [0.5; 3]);
        let mut damage = damage.into_iter().cycle();
        let mut position = 0;
        for length in lengths {
            let mut block = [vec![0.5; length]];
            path.process_in_place(&mut block).unwrap();
            position += length as u64;
            prop_assert!(block[0].iter().all(|v| v.is_finite()));
            while let Some(ticket) = core.poll(&mut input).unwrap() {
                prop_assert!(input.iter().all(|v| v.is_finite()));
                core.publish(ticket, &output, &tail).unwrap();
            }
            for _ in 0..4 {
                let (place, value) = damage.next().unwrap();
                path.side().memory().words()[place as usize % words].store(value, Relaxed);
            }
        }
        let counters = path.counters();
        let buffering = path.side().geometry().buffering();
        prop_assert_eq!(counters.wet + counters.dry, position.saturating_sub(buffering));
    }
}
