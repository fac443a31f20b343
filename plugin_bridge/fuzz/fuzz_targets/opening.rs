//! What a peer sends to open a session: refused or harmless, and never waited for too long.
#![no_main]

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use uncodec_proto::{
    ABI_VERSION, Acceptance, Geometry, HostSettings, HostSide, MOST_LEVEL_DB, Memory, Network,
    REQUEST_BYTES, REQUEST_MAGIC, Reference, SharedMemory, accept_session, send,
};

#[derive(Debug, Arbitrary)]
struct Peer {
    /// Whether it begins as a request does, in this version.
    greets: bool,
    message: Vec<u8>,
    /// Words of the memory that it overwrites; none at all for a peer that sends no memory.
    memory: Option<Vec<(u8, u64)>>,
    rest: Vec<u8>,
}

fuzz_target!(|peer: Peer| {
    let Ok((mut theirs, ours)) = UnixStream::pair() else { return };
    let mut request = vec![0; REQUEST_BYTES];
    if peer.greets {
        request[..8].copy_from_slice(&REQUEST_MAGIC);
        request[8..12].copy_from_slice(&ABI_VERSION.to_le_bytes());
        let room = &mut request[12..];
        let length = peer.message.len().min(room.len());
        room[..length].copy_from_slice(&peer.message[..length]);
    } else {
        request = peer.message;
    }
    // Neither fails for want of room: what is sent is short.
    let _ = theirs.write_all(&request);
    if let Some(damage) = peer.memory {
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
        let Ok(memory) = SharedMemory::create(&geometry) else { return };
        let Ok(host) = HostSide::create(memory, geometry) else { return };
        let words = host.memory().words();
        for (place, value) in damage {
            words[usize::from(place) % words.len()].store(value, Relaxed);
        }
        let _ = send(&theirs, host.memory());
    }
    let _ = theirs.write_all(&peer.rest);
    let _ = theirs.shutdown(Shutdown::Write);
    let Ok(pending) = accept_session(ours, Duration::from_secs(5)) else { return };
    assert!(!pending.request().model.is_empty());
    if let Some(reference) = &pending.request().reference {
        assert!(reference.levels_db().iter().all(|level| level.abs() <= MOST_LEVEL_DB));
        assert_eq!(Reference::decode(&reference.encode()).as_ref(), Ok(&Some(reference.clone())));
    }
    let network = Network { window: 7, hop: 4 };
    let acceptance =
        Acceptance { session: 1, network, version: "fuzz".to_owned(), reference: false };
    let Ok(mut session) = pending.accept(&acceptance, 1) else { return };
    let mut input = vec![0.0; session.side.geometry().hop_samples()];
    let tail = vec![0.5; session.side.geometry().tail_samples()];
    for _ in 0..3 {
        if let Ok(Some(ticket)) = session.side.poll(&mut input) {
            assert!(input.iter().all(|sample| sample.is_finite()));
            session.side.publish(ticket, &input, &tail).expect("the buffers fit");
        }
    }
    assert!(session.is_over());
});
