//! Model checks: publication of slots and the change of generation, under every interleaving and
//! every order of memory accesses that the memory model allows.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "these are tests")]

use std::sync::atomic::{AtomicUsize, Ordering as Process};

use loom::sync::Arc;
use loom::thread;

use crate::core_side::CoreSide;
use crate::geometry::Geometry;
use crate::host_side::{Fetch, HostSide};
use crate::memory::{HeapMemory, Memory};
use crate::parameters::Parameters;
use crate::slot::Slot;
use crate::sync::{AtomicU64, Ordering};

fn check(preemption_bound: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Clearing the memory of a session takes as many steps as it has words.
    builder.max_branches = 20_000;
    builder.preemption_bound = preemption_bound;
    builder.check(model);
}

/// How the writer publishes.
#[derive(Clone, Copy)]
enum Writer {
    AsItIs,
    WithoutRelease,
    WithoutMark,
}

/// A writer fills a slot twice; the reader gets a value whole or not at all.
fn publication(writer: Writer, seen: &'static [AtomicUsize; 3]) {
    check(None, move || {
        let words: Arc<[AtomicU64; 3]> = Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        let theirs = Arc::clone(&words);
        let writer = thread::spawn(move || {
            let slot = Slot::new(&theirs[..]).unwrap();
            for value in [1, 2] {
                let fill = |words: &[AtomicU64]| {
                    words[1].store(value * 10, Ordering::Relaxed);
                    words[2].store(value * 100, Ordering::Relaxed);
                };
                match writer {
                    Writer::AsItIs => slot.publish(value, fill),
                    Writer::WithoutRelease => slot.publish_with(value, Ordering::Relaxed, fill),
                    Writer::WithoutMark => {
                        fill(&theirs[..]);
                        theirs[0].store(value, Ordering::Release);
                    }
                }
            }
        });
        let slot = Slot::new(&words[..]).unwrap();
        for tag in [1, 2] {
            let value = slot.read(tag, |words| {
                (words[1].load(Ordering::Relaxed), words[2].load(Ordering::Relaxed))
            });
            if let Some(value) = value {
                assert_eq!(value, (tag * 10, tag * 100), "torn or stale");
                seen[tag as usize].fetch_add(1, Process::Relaxed);
            } else {
                seen[0].fetch_add(1, Process::Relaxed);
            }
        }
        writer.join().unwrap();
    });
}

#[test]
fn loom_a_slot_is_read_whole_or_not_at_all() {
    static SEEN: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
    publication(Writer::AsItIs, &SEEN);
    // Each outcome occurred in some interleaving.
    assert!(SEEN.iter().all(|count| count.load(Process::Relaxed) > 0), "{SEEN:?}");
}

/// The check can fail.
#[test]
#[should_panic(expected = "torn or stale")]
fn loom_finds_a_missing_release() {
    static SEEN: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
    publication(Writer::WithoutRelease, &SEEN);
}

/// And once more: the tag must be taken away before the words are overwritten.
#[test]
#[should_panic(expected = "torn or stale")]
fn loom_finds_a_missing_mark() {
    static SEEN: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
    publication(Writer::WithoutMark, &SEEN);
}

/// One slot, so that everything is overwritten at once.
fn tiny() -> Geometry {
    Geometry {
        sample_rate: 48_000.0,
        channels: 1,
        hop: 2,
        tail: 0,
        slots: 1,
        model_delay: 0,
        latency: 1,
        max_block: 1,
    }
}

#[test]
fn loom_no_result_of_an_earlier_generation_is_fetched() {
    static READY: AtomicUsize = AtomicUsize::new(0);
    check(Some(4), || {
        let memory = HeapMemory::new(tiny().bytes());
        let mut host = HostSide::create(memory.clone(), tiny()).unwrap();
        let core = thread::spawn(move || {
            let mut core = CoreSide::with_geometry(memory, tiny());
            let mut buffer = [0.0; 2];
            for _ in 0..2 {
                if let Some(ticket) = core.poll(&mut buffer).unwrap() {
                    // Input, generation and parameters are those of one hop.
                    let generation = ticket.generation() as f32;
                    assert_eq!(buffer, [generation, -generation]);
                    assert_eq!(ticket.parameters().seed, u64::from(ticket.generation()));
                    core.publish(ticket, &buffer, &[]).unwrap();
                }
            }
        });
        let (mut output, mut tail) = ([0.0; 2], []);
        for generation in [1.0, 2.0] {
            host.activate();
            let parameters = Parameters { seed: generation as u64, ..Parameters::default() };
            host.submit(&[generation, -generation], parameters).unwrap();
            if host.fetch(0, &mut output, &mut tail) == Ok(Fetch::Ready) {
                assert_eq!(output, [generation, -generation]);
                READY.fetch_add(1, Process::Relaxed);
            }
        }
        core.join().unwrap();
        assert_eq!(host.memory().words().len() * 8, tiny().bytes());
    });
    assert!(READY.load(Process::Relaxed) > 0);
}
