//! Memory that anybody wrote, for both sides: refused or harmless, never a panic.
#![no_main]

use std::sync::atomic::Ordering::Relaxed;

use libfuzzer_sys::fuzz_target;
use uncodec_proto::{
    CoreSide, Geometry, HeapMemory, HostPath, HostSettings, HostSide, MAX_BYTES, Memory,
};

/// Overwrites words: place and value, ten bytes.
fn damage(memory: &HeapMemory, data: &[u8]) {
    let words = memory.words();
    for change in data.chunks_exact(10) {
        let place = u16::from_le_bytes([change[0], change[1]]) as usize % words.len();
        let value = change[2..].try_into().map(u64::from_le_bytes).unwrap_or(0);
        words[place].store(value, Relaxed);
    }
}

fn drive_core(memory: HeapMemory) {
    let Ok(mut core) = CoreSide::attach(memory) else { return };
    let geometry = *core.geometry();
    assert!(geometry.bytes() <= MAX_BYTES);
    let mut input = vec![0.0; geometry.hop_samples()];
    let (output, tail) = (vec![0.5; geometry.hop_samples()], vec![0.5; geometry.tail_samples()]);
    for _ in 0..3 {
        if let Ok(Some(ticket)) = core.poll(&mut input) {
            assert!(input.iter().all(|sample| sample.is_finite()));
            core.publish(ticket, &output, &tail).expect("the buffers fit");
        }
    }
}

fuzz_target!(|data: &[u8]| {
    // A memory that is the input itself.
    let memory = HeapMemory::new(data.len());
    for (word, bytes) in memory.words().iter().zip(data.chunks_exact(8)) {
        word.store(bytes.try_into().map(u64::from_le_bytes).unwrap_or(0), Relaxed);
    }
    drive_core(memory);

    // A good session, damaged while it runs.
    let geometry = Geometry::new(&HostSettings {
        sample_rate: 48_000.0,
        channels: 1,
        hop: 4,
        tail: 3,
        model_delay: 3,
        max_block: 8,
        turnaround_s: 0.0,
        varying_blocks: true,
    })
    .expect("the settings are in range");
    let memory = HeapMemory::new(geometry.bytes());
    let host = HostSide::create(memory.clone(), geometry).expect("the memory is large enough");
    let mut path = HostPath::new(host);
    path.activate();
    for part in data.chunks(20) {
        let mut block = [vec![0.5; part.len()]];
        path.process_in_place(&mut block).expect("the block fits");
        assert!(block[0].iter().all(|sample| sample.is_finite()));
        drive_core(memory.clone());
        damage(&memory, part);
    }
});
