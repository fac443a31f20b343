//! The two ends: order of hops, generations, falling behind, misuse.
#![allow(clippy::float_cmp, reason = "equality to the bit is what is promised")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::atomic::Ordering::Relaxed;

use common::settings;
use uncodec_proto::{
    BufferError, CoreSide, Fetch, Geometry, HeapMemory, HostSettings, HostSide, Memory, Parameters,
    PublishError, Start, SubmitError, word,
};

fn pair() -> (HostSide<HeapMemory>, CoreSide<HeapMemory>) {
    let settings = HostSettings { channels: 1, hop: 4, tail: 0, model_delay: 0, ..settings() };
    let geometry = Geometry::new(&settings).unwrap();
    assert_eq!(geometry.slots(), 64);
    let memory = HeapMemory::new(geometry.bytes());
    let host = HostSide::create(memory.clone(), geometry).unwrap();
    (host, CoreSide::attach(memory).unwrap())
}

fn submit(host: &mut HostSide<HeapMemory>, value: f32) -> u32 {
    host.submit(&[value; 4], Parameters::default()).unwrap()
}

#[test]
fn hops_arrive_in_order_with_their_own_parameters() {
    let (mut host, mut core) = pair();
    let mut input = [0.0; 4];
    assert!(core.poll(&mut input).unwrap().is_none(), "not active");
    host.activate();
    assert!(core.poll(&mut input).unwrap().is_none(), "no hop yet");
    let parameters = |(amount, seed, brightness_db, likeness)| Parameters {
        amount,
        seed,
        brightness_db,
        likeness,
    };
    for given in [
        (0.25, 1, -3.5, 0.75),
        (f32::NAN, 2, f32::NAN, f32::NAN),
        (7.0, 3, 13.0, 7.0),
        (f32::NEG_INFINITY, 4, f32::NEG_INFINITY, -1.0),
    ] {
        host.submit(&[given.0; 4], parameters(given)).unwrap();
    }
    let taken =
        [(0.25, 1, -3.5, 0.75), (0.0, 2, 0.0, 0.0), (1.0, 3, 12.0, 1.0), (0.0, 4, -12.0, 0.0)];
    for (hop, expected) in taken.into_iter().enumerate() {
        let ticket = core.poll(&mut input).unwrap().unwrap();
        assert_eq!((ticket.hop() as usize, ticket.generation()), (hop, 1));
        assert_eq!(ticket.parameters(), parameters(expected));
        assert!(input.iter().all(|v| v.is_finite()));
        let start = if hop == 0 { Start::Activated } else { Start::Continues };
        assert_eq!(ticket.start(), start);
    }
    assert!(core.poll(&mut input).unwrap().is_none());
}

#[test]
fn an_answer_to_an_earlier_generation_is_not_fetched() {
    let (mut host, mut core) = pair();
    let (mut input, mut output) = ([0.0; 4], [0.0; 4]);
    host.activate();
    submit(&mut host, 1.0);
    let old = core.poll(&mut input).unwrap().unwrap();
    host.activate();
    submit(&mut host, 2.0);
    core.publish(old, &[1.0; 4], &[]).unwrap();
    assert!(!host.is_published(0));
    assert_eq!(host.fetch(0, &mut output, &mut []), Ok(Fetch::Missing));
    let new = core.poll(&mut input).unwrap().unwrap();
    assert_eq!((new.start(), new.generation(), input), (Start::Activated, 2, [2.0; 4]));
    core.publish(new, &[2.0; 4], &[]).unwrap();
    assert_eq!(host.fetch(0, &mut output, &mut []), Ok(Fetch::Ready));
    assert_eq!(output, [2.0; 4]);
}

#[test]
fn memory_that_is_used_again_holds_nothing_of_the_session_before() {
    let (mut host, mut core) = pair();
    host.activate();
    submit(&mut host, 1.0);
    let ticket = core.poll(&mut [0.0; 4]).unwrap().unwrap();
    core.publish(ticket, &[1.0; 4], &[]).unwrap();
    assert!(host.is_published(0));
    // The same generation and hop once more.
    let mut host = HostSide::create(host.memory().clone(), *host.geometry()).unwrap();
    host.activate();
    submit(&mut host, 2.0);
    assert!(!host.is_published(0));
}

#[test]
fn a_core_half_of_the_slots_behind_jumps_to_the_newest_hop() {
    let (mut host, mut core) = pair();
    let mut input = [0.0; 4];
    host.activate();
    submit(&mut host, 0.0);
    drop(core.poll(&mut input).unwrap().unwrap());
    for hop in 1..=32_u8 {
        submit(&mut host, f32::from(hop));
    }
    // 32 of 64 are still taken one by one.
    assert_eq!(core.poll(&mut input).unwrap().unwrap().hop(), 1);
    submit(&mut host, 33.0);
    submit(&mut host, 34.0);
    let ticket = core.poll(&mut input).unwrap().unwrap();
    assert_eq!((ticket.hop(), input), (34, [34.0; 4]));
    assert_eq!(ticket.start(), Start::Resynced { skipped: 32 });
    assert_eq!(core.counters().resyncs, 1);
    assert_eq!(host.core_counters().resyncs, 1);
    // Attached in the middle.
    let mut late = CoreSide::attach(host.memory().clone()).unwrap();
    let ticket = late.poll(&mut input).unwrap().unwrap();
    assert_eq!((ticket.hop(), ticket.start()), (34, Start::Activated));
}

#[test]
fn an_overwritten_result_is_missing() {
    let (mut host, mut core) = pair();
    let (mut input, mut output) = ([0.0; 4], [0.0; 4]);
    host.activate();
    for hop in 0..65_u8 {
        submit(&mut host, f32::from(hop));
        let ticket = core.poll(&mut input).unwrap().unwrap();
        core.publish(ticket, &input, &[]).unwrap();
    }
    assert_eq!(host.fetch(0, &mut output, &mut []), Ok(Fetch::Missing));
    assert_eq!(host.fetch(64, &mut output, &mut []), Ok(Fetch::Ready));
    assert_eq!(output, [64.0; 4]);
    assert_eq!(host.fetch(65, &mut output, &mut []), Ok(Fetch::Missing), "not submitted");
}

#[test]
fn a_result_that_is_not_finite_is_refused() {
    let (mut host, mut core) = pair();
    let mut input = [0.0; 4];
    host.activate();
    submit(&mut host, 1.0);
    let ticket = core.poll(&mut input).unwrap().unwrap();
    core.publish(ticket, &[0.0, f32::NAN, 0.0, 0.0], &[]).unwrap();
    assert_eq!(host.fetch(0, &mut input, &mut []), Ok(Fetch::Refused));
}

#[test]
fn a_declined_hop_is_answered_and_refused() {
    let (mut host, mut core) = pair();
    let (_, mut other) = pair();
    let mut input = [0.0; 4];
    host.activate();
    submit(&mut host, 1.0);
    let ticket = core.poll(&mut input).unwrap().unwrap();
    core.decline(ticket).unwrap();
    assert!(host.is_published(0));
    assert_eq!(host.fetch(0, &mut input, &mut []), Ok(Fetch::Refused));
    assert_eq!(host.core_counters().published, 0);
    submit(&mut host, 1.0);
    let ticket = core.poll(&mut input).unwrap().unwrap();
    assert!(other.decline(ticket).is_err());
    assert!(!host.is_published(1));
}

#[test]
fn misuse_is_refused_and_named() {
    let (mut host, mut core) = pair();
    assert_eq!(host.submit(&[0.0; 4], Parameters::default()), Err(SubmitError::Inactive));
    host.activate();
    let error = host.submit(&[0.0; 5], Parameters::default()).unwrap_err();
    assert_eq!(error.to_string(), "hop: holds 5 samples, must hold 4");
    let expected = BufferError { name: "output", len: 3, expected: 4 };
    assert_eq!(host.fetch(0, &mut [0.0; 3], &mut []), Err(expected));
    assert!(host.fetch(0, &mut [0.0; 4], &mut [0.0]).is_err());
    assert!(core.poll(&mut [0.0; 3]).is_err());
    submit(&mut host, 1.0);
    let ticket = core.poll(&mut [0.0; 4]).unwrap().unwrap();
    assert!(matches!(core.publish(ticket, &[0.0; 3], &[]), Err(PublishError::Buffer(_))));
    let (mut other_host, mut other) = pair();
    other_host.activate();
    submit(&mut other_host, 1.0);
    let foreign = other.poll(&mut [0.0; 4]).unwrap().unwrap();
    assert_eq!(core.publish(foreign, &[0.0; 4], &[]), Err(PublishError::ForeignTicket));
}

#[test]
fn a_head_without_sense_is_no_work() {
    let (mut host, mut core) = pair();
    let mut input = [0.0; 4];
    host.activate();
    for _ in 0..3 {
        submit(&mut host, 1.0);
        drop(core.poll(&mut input).unwrap().unwrap());
    }
    let head = &host.memory().words()[word::HEAD];
    let good = head.load(Relaxed);
    for bad in [0, 1 << 32, u64::MAX, good + 1, good + 1000, 9 << 32 | 3] {
        head.store(bad, Relaxed);
        assert!(core.poll(&mut input).unwrap().is_none(), "{bad:#x}");
    }
    // The next hop is taken as if nothing had been.
    submit(&mut host, 5.0);
    let ticket = core.poll(&mut input).unwrap().unwrap();
    assert_eq!((ticket.hop(), ticket.start(), input), (3, Start::Continues, [5.0; 4]));
}
