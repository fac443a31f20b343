//! Memory of the system: sealed, passed over a socket, used by two threads through two mappings.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{DelayCore, bits, block, settings};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use uncodec_proto::{
    CoreSide, Geometry, HostPath, HostSettings, HostSide, MapError, Memory, PassError,
    SharedMemory, receive, send,
};

fn geometry() -> Geometry {
    Geometry::new(&HostSettings { turnaround_s: 0.001, ..settings() }).unwrap()
}

#[test]
fn a_session_runs_over_a_socket_between_two_threads() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let core = thread::spawn(move || {
        let memory = receive(&theirs).unwrap();
        let mut core = DelayCore::new(CoreSide::attach(memory).unwrap(), 1.0);
        while !stopped.load(Ordering::Acquire) {
            core.run();
            thread::yield_now();
        }
        core.side.counters()
    });
    let memory = SharedMemory::create(&geometry()).unwrap();
    let mut path = HostPath::new(HostSide::create(memory, geometry()).unwrap());
    send(&ours, path.side().memory()).unwrap();
    path.activate();
    let latency = path.latency_samples();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut position = 0;
    for number in 0..2000_usize {
        let length = 1 + number * 7 % 64;
        let mut buffer = block(2, position, length);
        path.push(&buffer).unwrap();
        // Every second block is offline: it waits for the core.
        if number % 2 == 0 {
            while !path.is_complete() && Instant::now() < deadline {
                thread::yield_now();
            }
            assert!(path.is_complete(), "block {number}");
        }
        path.pull(&mut buffer).unwrap();
        for (channel, samples) in buffer.iter().enumerate() {
            let expected: Vec<f32> = (position..position + length as u64)
                .map(|n| n.checked_sub(latency).map_or(0.0, |n| common::noise(channel, n)))
                .collect();
            assert_eq!(bits(samples), bits(&expected));
        }
        position += length as u64;
    }
    stop.store(true, Ordering::Release);
    let counters = core.join().unwrap();
    assert!(counters.published > 0);
    assert!(path.counters().wet > 0, "{:?}", path.counters());
}

#[test]
fn the_size_of_a_session_cannot_change() {
    let memory = SharedMemory::create(&geometry()).unwrap();
    assert_eq!(memory.words().len() * 8, geometry().bytes());
    let file = File::from(memory.as_fd().try_clone_to_owned().unwrap());
    assert!(file.set_len(0).is_err());
    assert!(file.set_len(1 << 20).is_err());
}

#[test]
fn files_that_are_no_sessions_are_refused() {
    let (_, pipe) = std::io::pipe().unwrap();
    assert!(matches!(SharedMemory::from_file(pipe.into()), Err(MapError::NotSealed)));
    let program = File::open("/proc/self/exe").unwrap();
    assert!(matches!(SharedMemory::from_file(program.into()), Err(MapError::NotSealed)));
    let file = |size: u64, seals: SealFlags| -> OwnedFd {
        let file = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&file, size).unwrap();
        fcntl_add_seals(&file, seals).unwrap();
        file
    };
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    for missing in [SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL] {
        let error = SharedMemory::from_file(file(4096, all - missing)).unwrap_err();
        assert!(matches!(error, MapError::NotSealed), "{error}");
    }
    let sealed = |size| file(size, all);
    for size in [0, 8, 511, 1001, 1 << 40] {
        let error = SharedMemory::from_file(sealed(size)).unwrap_err();
        assert!(matches!(error, MapError::Size(got) if got == size), "{error}");
    }
    let empty = SharedMemory::from_file(sealed(4096)).unwrap();
    assert!(CoreSide::attach(empty).is_err(), "zeros are no session");
}

#[test]
fn messages_that_are_no_sessions_are_refused() {
    let heard = |message: &[u8]| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(message).unwrap();
        drop(ours);
        receive(&theirs).unwrap_err()
    };
    assert!(matches!(heard(b""), PassError::Closed));
    assert!(matches!(heard(b"GET / HTTP/1.1\r\n"), PassError::Greeting));
    assert!(matches!(heard(b"UNCODECP"), PassError::Greeting));
    assert!(matches!(heard(b"UNCODECP\x03\0\0\0"), PassError::AbiVersion(3)));
    assert!(matches!(heard(b"UNCODECP\x04\0\0\0"), PassError::Files(0)));
}

#[test]
fn nothing_stays_open_behind_a_session() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut peer = ours.try_clone().unwrap();
    let memory = SharedMemory::create(&geometry()).unwrap();
    // Which files are open is the whole process's affair; this one is recognised by its inode.
    let inode = rustix::fs::fstat(&memory).unwrap().st_ino;
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter(|entry| {
                use std::os::unix::fs::MetadataExt;
                entry
                    .as_ref()
                    .ok()
                    .and_then(|entry| std::fs::metadata(entry.path()).ok())
                    .is_some_and(|data| {
                        data.ino() == inode && data.len() == geometry().bytes() as u64
                    })
            })
            .count()
    };
    assert_eq!(open(), 1);
    send(&ours, &memory).unwrap();
    let received = receive(&theirs).unwrap();
    assert_eq!(open(), 2);
    drop(received);
    assert_eq!(open(), 1);
    drop(memory);
    assert_eq!(open(), 0);
    drop(theirs);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}
