//! When an offline render waits for the core, and for how long.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::time::Duration;

use common::{block, session, settings};
use uncodec_proto::{HostSettings, OfflineWait};

#[test]
fn only_an_offline_render_waits_and_only_once_too_long() {
    let mut wait = OfflineWait::new();
    let instant = Duration::from_millis(1);
    assert!(!wait.allows(true, Some(OfflineWait::SILENCE), Duration::ZERO));
    assert!(wait.allows(true, Some(OfflineWait::SILENCE.saturating_sub(instant)), Duration::ZERO));
    assert!(wait.allows(true, Some(Duration::ZERO), OfflineWait::LIMIT.saturating_sub(instant)));
    assert!(!wait.allows(true, Some(Duration::ZERO), OfflineWait::LIMIT));
    assert!(wait.has_given_up());
    wait.reset();
    assert!(wait.allows(true, Some(Duration::ZERO), Duration::ZERO));
}

#[test]
fn what_the_core_gave_up_is_not_waited_for() {
    let (mut path, mut core) = session(&HostSettings { tail: 0, ..settings() });
    let mut hop = [0.0; 2 * 16];
    path.activate();
    // The model's delay plays no part in when a hop is due: after 15 samples, the first one is.
    path.push(&block(2, 0, 32)).unwrap();
    assert!(!path.is_complete());
    let (first, second) = (core.poll(&mut hop).unwrap(), core.poll(&mut hop).unwrap());
    core.decline(second.unwrap()).unwrap();
    assert!(path.is_complete(), "the newest hop has its answer");
    path.pull(&mut block(2, 0, 32)).unwrap();
    assert_eq!((path.counters().late, path.counters().refused), (1, 1));
    // The first one's answer is late now, and harmless.
    core.publish(first.unwrap(), &hop, &[]).unwrap();
    path.push(&block(2, 32, 16)).unwrap();
    assert!(!path.is_complete());
    let ticket = core.poll(&mut hop).unwrap().unwrap();
    core.publish(ticket, &hop, &[]).unwrap();
    assert!(path.is_complete());
}
