//! The ring: against a queue for any sequence of operations, and between two threads.
#![allow(clippy::float_cmp, reason = "equality to the bit is what is promised")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::VecDeque;
use std::thread;

use proptest::prelude::*;
use uncodec_dsp::{MAX_RING_SAMPLES, RingError, ring};

#[derive(Debug, Clone)]
enum Step {
    Write(usize),
    WriteChunk { frames: usize, commit: usize },
    Read(usize),
    ReadChunk { frames: usize, commit: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_usize..12).prop_map(Step::Write),
        (0_usize..12, 0_usize..12).prop_map(|(frames, commit)| Step::WriteChunk { frames, commit }),
        (0_usize..12).prop_map(Step::Read),
        (0_usize..12, 0_usize..12).prop_map(|(frames, commit)| Step::ReadChunk { frames, commit }),
    ]
}

/// Sample of a channel in the frame with this number; no two are the same.
fn sample(number: usize, channel: usize) -> f32 {
    (number * 8 + channel) as f32
}

fn planar(first: usize, frames: usize, channels: usize) -> Vec<f32> {
    (0..channels).flat_map(|c| (first..first + frames).map(move |k| sample(k, c))).collect()
}

proptest! {
    #[test]
    fn behaves_as_a_queue_of_frames(
        channels in 1_usize..5,
        capacity in 1_usize..10,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut producer, mut consumer) = ring(channels, capacity).unwrap();
        let mut queue: VecDeque<usize> = VecDeque::new();
        let mut next = 0;
        for step in steps {
            let free = capacity - queue.len();
            match step {
                Step::Write(frames) => {
                    let accepted = producer.write(&planar(next, frames, channels)).unwrap();
                    prop_assert_eq!(accepted, frames.min(free));
                    queue.extend(next..next + accepted);
                    next += accepted;
                }
                Step::WriteChunk { frames, commit } => match producer.write_chunk(frames) {
                    Ok(mut chunk) => {
                        prop_assert!(frames <= free);
                        prop_assert_eq!(chunk.frames(), frames);
                        let (first, second) = chunk.as_mut_slices();
                        prop_assert_eq!(first.len() % channels, 0);
                        for (place, value) in first.iter_mut().chain(second).enumerate() {
                            *value = sample(next + place / channels, place % channels);
                        }
                        chunk.commit(commit);
                        queue.extend(next..next + commit.min(frames));
                        next += commit.min(frames);
                    }
                    Err(error) => {
                        prop_assert!(frames > free);
                        prop_assert_eq!(error, RingError::Full { requested: frames, free });
                    }
                },
                Step::Read(frames) => {
                    let mut out = vec![f32::NAN; channels * frames];
                    let taken = consumer.read_into(&mut out).unwrap();
                    prop_assert_eq!(taken, frames.min(queue.len()));
                    for (frame, number) in queue.drain(..taken).enumerate() {
                        for channel in 0..channels {
                            prop_assert_eq!(out[channel * frames + frame], sample(number, channel));
                        }
                    }
                    for channel in 0..channels {
                        let rest = &out[channel * frames + taken..(channel + 1) * frames];
                        prop_assert!(rest.iter().all(|v| v.is_nan()), "the rest is left alone");
                    }
                }
                Step::ReadChunk { frames, commit } => match consumer.read_chunk(frames) {
                    Ok(chunk) => {
                        prop_assert!(frames <= queue.len());
                        let (first, second) = chunk.as_slices();
                        for (place, &value) in first.iter().chain(second).enumerate() {
                            let expected = sample(queue[place / channels], place % channels);
                            prop_assert_eq!(value, expected);
                        }
                        chunk.commit(commit);
                        queue.drain(..commit.min(frames));
                    }
                    Err(error) => {
                        let available = queue.len();
                        prop_assert!(frames > available);
                        prop_assert_eq!(error, RingError::Empty { requested: frames, available });
                    }
                },
            }
            prop_assert_eq!(producer.free(), capacity - queue.len());
            prop_assert_eq!(consumer.available(), queue.len());
        }
    }
}

#[test]
fn two_threads_exchange_whole_frames_in_order() {
    const FRAMES: usize = 100_000;
    const CHANNELS: usize = 3;
    let (mut producer, mut consumer) = ring(CHANNELS, 61).unwrap();
    // Numbers that f32 can hold and that differ within a ring's length.
    let value = |number: usize, channel: usize| ((number % 4096) * 4 + channel) as f32;
    let writer = thread::spawn(move || {
        let mut next = 0;
        while next < FRAMES {
            let frames = (1 + next % 37).min(FRAMES - next);
            let block: Vec<f32> = (0..CHANNELS)
                .flat_map(|c| (next..next + frames).map(move |k| value(k, c)))
                .collect();
            let accepted = producer.write(&block).unwrap();
            next += accepted;
            if accepted == 0 {
                thread::yield_now();
            }
        }
    });
    let mut next = 0;
    let mut out = [0.0; CHANNELS * 29];
    while next < FRAMES {
        let taken = consumer.read_into(&mut out).unwrap();
        for frame in 0..taken {
            for channel in 0..CHANNELS {
                assert_eq!(out[channel * 29 + frame], value(next + frame, channel));
            }
        }
        next += taken;
        if taken == 0 {
            thread::yield_now();
        }
    }
    writer.join().unwrap();
    assert!(consumer.is_abandoned());
    assert_eq!(consumer.available(), 0);
}

#[test]
fn an_uncommitted_chunk_leaves_the_ring_as_it_was() {
    let (mut producer, mut consumer) = ring(2, 3).unwrap();
    assert_eq!(producer.write_chunk(3).unwrap().frames(), 3);
    assert_eq!((producer.free(), consumer.available()), (3, 0));
    producer.write(&[1.0, -1.0]).unwrap();
    assert_eq!(consumer.read_chunk(1).unwrap().frames(), 1);
    assert_eq!((producer.free(), consumer.available()), (2, 1));
    assert!(!producer.is_abandoned());
    drop(consumer);
    assert!(producer.is_abandoned());
}

#[test]
fn rings_without_sense_are_refused() {
    assert_eq!(ring(0, 4).unwrap_err(), RingError::Channels(0));
    for capacity in [0, MAX_RING_SAMPLES / 2 + 1, usize::MAX] {
        let error = ring(2, capacity).unwrap_err();
        assert!(matches!(error, RingError::Capacity { .. }), "{error}");
    }
    let (mut producer, mut consumer) = ring(2, 4).unwrap();
    assert_eq!(
        producer.write(&[0.0; 3]).unwrap_err().to_string(),
        "x: holds 3 samples, which is no multiple of channels=2"
    );
    assert!(consumer.read_into(&mut [0.0; 3]).is_err());
    assert!(producer.write_chunk(usize::MAX).is_err());
    assert_eq!(
        consumer.read_chunk(usize::MAX).unwrap_err().to_string(),
        format!("frames={}: the ring holds 0", usize::MAX)
    );
}
