//! Once constructed, the methods for live use do not touch the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ndarray::{Array2, s};
use uncodec_dsp::{Complex32, InverseFrames, LatencyBudget, StreamingStft, resampler_pair};

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

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
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

#[test]
fn transforms_do_not_allocate() {
    // A power of two, a product of small primes, a prime (Bluestein's algorithm), an odd length.
    for length in [1024, 882, 1009, 15] {
        let window = vec![1.0; length];
        let mut stft = StreamingStft::new(2, &window, 256).unwrap();
        let mut inverse = InverseFrames::new(2, length).unwrap();
        let input = vec![0.5; 2 * 300];
        let mut spectra = vec![Complex32::default(); 2 * 2 * stft.bins()];
        let mut frames = vec![0.0; 2 * 2 * length];
        let calls = allocator_calls(|| {
            for _ in 0..50 {
                stft.push_into(&input, &mut spectra).unwrap();
                inverse.inverse_into(&spectra, &mut frames).unwrap();
            }
            // A refusal is an ordinary result, it must not allocate either.
            assert!(stft.push_into(&input[..599], &mut spectra).is_err());
            stft.reset();
        });
        assert_eq!(calls, 0, "length {length}");
    }
}

#[test]
fn the_resampler_does_not_allocate() {
    let (mut there, mut back) = resampler_pair(2, 96_000, 44_100).unwrap();
    let input = Array2::from_elem((2, 333), 0.5);
    let mut middle = Array2::zeros((2, 200));
    let mut out = Array2::zeros((2, 500));
    let calls = allocator_calls(|| {
        for _ in 0..50 {
            there.push_into(&input.view(), &mut middle.view_mut()).unwrap();
            // Rows that lie apart, as those of a part of a longer buffer.
            back.push_into(&middle.slice(s![.., 7..]), &mut out.slice_mut(s![.., 3..])).unwrap();
        }
        there.reset();
    });
    assert_eq!(calls, 0);
}

#[test]
fn the_latency_law_does_not_allocate() {
    let budget = LatencyBudget {
        model_delay: 1,
        hop: 2,
        block: 3,
        turnaround_s: 0.1,
        sample_rate: 48_000.0,
        varying_blocks: true,
    };
    assert_eq!(allocator_calls(|| assert!(budget.samples().is_ok())), 0);
}
