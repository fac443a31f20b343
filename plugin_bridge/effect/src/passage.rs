//! The way of a block through the core, part by part, and the wait for it offline.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use uncodec_proto::{HostPath, OfflineWait, SharedMemory};

use crate::automation::{Points, Timeline};
use crate::block::{Block, MAX_CHANNELS};
use crate::link::CoreState;

/// Between two looks while an offline render waits for the core.
const LOOK_AGAIN: Duration = Duration::from_micros(100);

/// A part of a block that is no longer than the session's longest one.
pub(crate) fn process_part<P: Points + ?Sized>(
    path: &mut HostPath<Arc<SharedMemory>>,
    scratch: &mut [f32],
    block: &mut Block,
    (from, length): (usize, usize),
    timeline: &mut Timeline<'_, P>,
    wait: Option<&mut OfflineWait>,
    core: &AtomicU8,
) {
    let geometry = *path.side().geometry();
    let (left, right) = scratch.split_at_mut(geometry.max_block().min(scratch.len()));
    let channels = [left, right];
    let mut views = channels.map(|channel| channel.get_mut(..length).unwrap_or_default());
    let Some(views) = views.get_mut(..geometry.channels()) else { return };
    for (channel, samples) in views.iter_mut().enumerate() {
        block.read(channel, from, samples);
    }
    // Neither fails: channels and lengths are the session's own, and nothing waits from before.
    if path.push(views).is_err() {
        return;
    }
    if let Some(wait) = wait {
        wait_for_core(path, wait, core);
    }
    let mut done = 0;
    while done < length {
        let end = timeline.advance(path, from + done).saturating_sub(from).clamp(done + 1, length);
        let mut parts: [&mut [f32]; MAX_CHANNELS] = Default::default();
        for (part, view) in parts.iter_mut().zip(views.iter_mut()) {
            *part = view.get_mut(done..end).unwrap_or_default();
        }
        if path.pull(&mut parts[..geometry.channels()]).is_err() {
            return;
        }
        done = end;
    }
    for channel in 0..MAX_CHANNELS {
        match views.get(channel) {
            Some(samples) => block.write(channel, from, samples),
            // A host that offers more outputs than it set up.
            None => block.write(channel, from, views.first().map_or(&[], |samples| &**samples)),
        }
    }
}

/// Only offline, and only for a core that gives signs of life.
fn wait_for_core(path: &HostPath<Arc<SharedMemory>>, wait: &mut OfflineWait, core: &AtomicU8) {
    let start = now_ns();
    while CoreState::load(core) == CoreState::Connected && !path.is_complete() {
        let now = now_ns();
        let waited = Duration::from_nanos(now.saturating_sub(start));
        if !wait.allows(true, path.side().heartbeat_age(now), waited) {
            return;
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// The monotonic clock, which the system answers without being called.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
