//! Once constructed, the path of a block does not touch the allocator, nor do the two ends.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{session, settings};
use uncodec_proto::{CoreSide, HostPath, HostSettings, Memory, Parameters};

thread_local! {
    /// Calls to the allocator by this thread.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // Fails only while a thread is being torn down, when nobody counts.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every request is handed on to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocator_calls(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

#[test]
fn the_count_can_fail() {
    assert!(allocator_calls(|| drop(vec![0_u8; 64])) >= 2);
}

/// Answers every second hop, with what it holds, into buffers that exist already.
fn answer(core: &mut CoreSide<impl Memory>, buffer: &mut [f32], tail: &[f32]) {
    while let Some(ticket) = core.poll(buffer).unwrap() {
        if ticket.hop().is_multiple_of(2) {
            core.publish(ticket, buffer, tail).unwrap();
        }
    }
    core.beat(1);
}

fn storm(path: &mut HostPath<impl Memory>, core: &mut CoreSide<impl Memory>) {
    let (mut left, mut right) = ([0.5; 1000], [0.25; 1000]);
    let (mut hop, tail) = ([0.0; 2 * 16], [0.1; 2 * 24]);
    for number in 0..200_usize {
        if number.is_multiple_of(50) {
            path.activate();
        }
        path.set_bypass(number % 30 > 20);
        let seed = number as u64;
        path.set_parameters(Parameters { amount: 0.5, seed, brightness_db: 3.0, likeness: 0.5 });
        // Also blocks far longer than announced, and empty ones.
        let length = [16, 17, 64, 0, 1000, 3][number % 6];
        let mut block = [&mut left[..length], &mut right[..length]];
        path.process_in_place(&mut block).unwrap();
        answer(core, &mut hop, &tail);
        assert!(path.process(&[&left[..5]], &mut [&mut right[..5]]).is_err());
        path.record_callback(number as u64);
        let _ = path.side().heartbeat_age(5);
        let _ = (path.is_complete(), path.counters());
    }
    path.deactivate();
    path.process_in_place(&mut [&mut left, &mut right]).unwrap();
}

#[test]
fn the_callback_does_not_allocate() {
    let (mut path, mut core) = session(&HostSettings { turnaround_s: 0.05, ..settings() });
    let calls = allocator_calls(|| storm(&mut path, &mut core));
    assert_eq!(calls, 0);
    let counters = path.counters();
    assert!(counters.wet > 0 && counters.late > 0, "all branches were taken: {counters:?}");
}
