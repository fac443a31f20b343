//! What a plugin does in its audio callback, apart from any plugin.

use thiserror::Error;

use crate::counters::HostCounters;
use crate::fade::{Fade, Wet};
use crate::geometry::Geometry;
use crate::host_side::{Fetch, HostSide};
use crate::level::Level;
use crate::memory::Memory;
use crate::parameters::Parameters;

/// Length of a fade, in seconds.
const FADE_S: f64 = 0.005;

/// Why a block was not processed. Nothing was consumed, nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The number of channels is not the session's.
    #[error("{name}: has {got} channels, the session has {expected}")]
    Channels {
        /// Name of the argument.
        name: &'static str,
        /// Channels that were given.
        got: usize,
        /// Channels of the session.
        expected: usize,
    },
    /// The channels differ in length, or input and output do.
    #[error("{name}: a channel holds {got} samples, the first one of the block {expected}")]
    Length {
        /// Name of the argument.
        name: &'static str,
        /// Samples of the channel that stands out.
        got: usize,
        /// Samples of the first channel of the block.
        expected: usize,
    },
    /// More than the longest block would be under way.
    #[error("samples={got}: at most {room} more can be pushed before some are pulled")]
    NoRoom {
        /// Samples that were given.
        got: usize,
        /// Samples that can be pushed.
        room: usize,
    },
    /// More samples are asked for than were pushed.
    #[error("samples={got}: only {available} were pushed")]
    NotPushed {
        /// Samples that were asked for.
        got: usize,
        /// Samples that can be pulled.
        available: usize,
    },
}

/// A sample as the path takes it: what is not a finite number counts as 0.
#[must_use]
pub fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

/// The audio path of a plugin: takes blocks of any length, gives back as many samples, each either
/// from the core or the input itself, both exactly [`Geometry::latency`] samples late.
///
/// [`process`](Self::process) is all a real-time callback needs. An offline one may do
/// [`push`](Self::push), wait until [`is_complete`](Self::is_complete) as far as
/// [`OfflineWait`](crate::OfflineWait) allows, then [`pull`](Self::pull); so does a host that hands
/// over the same buffers for input and output in another order.
///
/// After [`new`](Self::new) nothing here allocates, locks, calls the system, or panics. The path is
/// silent until [`activate`](Self::activate) is called.
#[derive(Debug)]
pub struct HostPath<M> {
    side: HostSide<M>,
    active: bool,
    parameters: Parameters,
    bypass: bool,
    /// Ring of input, planar `[channels, mask + 1]`; sample `n` lies at `n & mask`.
    history: Vec<f32>,
    mask: usize,
    /// Samples that came in and went out since activation.
    pushed: u64,
    pulled: u64,
    /// A hop of input on its way into the shared memory.
    submission: Vec<f32>,
    /// The result of the hop `loaded`.
    loaded: Option<u32>,
    output: Vec<f32>,
    tail: Vec<f32>,
    /// Room for the next result, so that an overwritten slot does not spoil this one.
    next_output: Vec<f32>,
    next_tail: Vec<f32>,
    /// The tail that is being played because a result is missing.
    falling_tail: Vec<f32>,
    /// Last difference of wet and dry, for each channel.
    held: Vec<f32>,
    fade: Fade,
    level: Level,
    /// The last hop that was counted as late or refused.
    missed: Option<u32>,
    counters: HostCounters,
}

/// A part of a block that belongs to one hop.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Place in the block.
    from: usize,
    length: usize,
    /// Absolute position of its first sample.
    position: u64,
    hop: u32,
    offset: usize,
    /// The result of the hop is loaded.
    slot: bool,
}

impl<M: Memory> HostPath<M> {
    /// Allocates all that is needed; silent until [`activate`](Self::activate).
    #[must_use]
    pub fn new(side: HostSide<M>) -> Self {
        let geometry = *side.geometry();
        let Geometry { channels, hop, latency, max_block, .. } = geometry;
        // The longest look back: to the dry signal from a block's last sample, or to the first
        // sample of a hop that its last sample completes.
        let reach = (latency as usize).max(hop) + max_block;
        let capacity = reach.next_power_of_two();
        let buffer = |samples| vec![0.0; samples];
        Self {
            side,
            active: false,
            parameters: Parameters::default(),
            bypass: false,
            history: buffer(channels * capacity),
            mask: capacity - 1,
            pushed: 0,
            pulled: 0,
            submission: buffer(geometry.hop_samples()),
            loaded: None,
            output: buffer(geometry.hop_samples()),
            tail: buffer(geometry.tail_samples()),
            next_output: buffer(geometry.hop_samples()),
            next_tail: buffer(geometry.tail_samples()),
            falling_tail: buffer(geometry.tail_samples()),
            held: buffer(channels),
            fade: Fade::new((FADE_S * geometry.sample_rate) as usize),
            level: Level::new((FADE_S * geometry.sample_rate) as usize),
            missed: None,
            counters: HostCounters::default(),
        }
    }

    /// The host's end of the shared memory, for the heartbeat and for passing the memory on.
    #[must_use]
    pub fn side(&self) -> &HostSide<M> {
        &self.side
    }

    /// What the plugin reports to its host.
    #[must_use]
    pub fn latency_samples(&self) -> u64 {
        self.side.geometry().latency
    }

    /// What was counted since the path was made.
    #[must_use]
    pub fn counters(&self) -> HostCounters {
        self.counters
    }

    /// Starts over with silence, in a new generation; while active already, too.
    pub fn activate(&mut self) {
        self.active = true;
        self.history.fill(0.0);
        self.held.fill(0.0);
        (self.pushed, self.pulled) = (0, 0);
        (self.loaded, self.missed) = (None, None);
        self.fade.restart(!self.bypass);
        self.level.arrive();
        self.side.activate();
    }

    /// Silence from now on, until the next [`activate`](Self::activate).
    pub fn deactivate(&mut self) {
        self.active = false;
    }

    /// Parameters for every hop that is submitted from now on.
    pub fn set_parameters(&mut self, parameters: Parameters) {
        self.parameters = parameters;
    }

    /// How much of the difference between result and delayed input is heard from the next sample
    /// that is pulled: 0 for none of it, 1, as at first, for all.
    ///
    /// The level is reached at the `samples`-th of them, along a straight line, but in no less than
    /// 5 ms from 0 to 1. It is independent of [`Parameters::amount`], which is for the core. What
    /// comes from the core counts as wet at every level.
    pub fn set_level(&mut self, level: f32, samples: usize) {
        self.level.glide(level, samples);
    }

    /// Fades to the dry signal, or back, beginning with the next sample that is pulled. The delay
    /// stays, and the core goes on receiving hops.
    pub fn set_bypass(&mut self, bypass: bool) {
        self.bypass = bypass;
    }

    /// Takes part in the counters: how long the callback took, measured by the plugin.
    pub fn record_callback(&mut self, nanoseconds: u64) {
        self.counters.worst_callback_ns = self.counters.worst_callback_ns.max(nanoseconds);
        self.side.publish_counters(&self.counters);
    }

    /// Processes a block of any length, 0 included: channels of input, as many of output.
    ///
    /// # Errors
    /// [`BlockError`] if channels or lengths do not fit, or if samples are waiting to be pulled.
    pub fn process<I: AsRef<[f32]>, O: AsMut<[f32]>>(
        &mut self,
        input: &[I],
        output: &mut [O],
    ) -> Result<(), BlockError> {
        let length = self.check_input(input)?;
        self.check_output(output, Some(length))?;
        self.check_nothing_waits()?;
        for (from, to) in self.cuts(length) {
            self.push_part(input, from, to);
            self.pull_part(output, from, to);
        }
        Ok(())
    }

    /// As [`process`](Self::process), in place.
    ///
    /// # Errors
    /// The same.
    pub fn process_in_place<B: AsRef<[f32]> + AsMut<[f32]>>(
        &mut self,
        block: &mut [B],
    ) -> Result<(), BlockError> {
        let length = self.check_input(block)?;
        self.check_nothing_waits()?;
        for (from, to) in self.cuts(length) {
            self.push_part(block, from, to);
            self.pull_part(block, from, to);
        }
        Ok(())
    }

    /// The first half of [`process`](Self::process): copies all input and submits the hops that it
    /// completes.
    ///
    /// # Errors
    /// [`BlockError`]; also if more than the session's longest block would wait to be pulled.
    pub fn push<I: AsRef<[f32]>>(&mut self, input: &[I]) -> Result<(), BlockError> {
        let got = self.check_input(input)?;
        let room = self.side.geometry().max_block.saturating_sub(self.waiting());
        if got > room {
            return Err(BlockError::NoRoom { got, room });
        }
        self.push_part(input, 0, got);
        Ok(())
    }

    /// The second half of [`process`](Self::process): writes all output.
    ///
    /// # Errors
    /// [`BlockError`]; also if fewer samples were pushed.
    pub fn pull<O: AsMut<[f32]>>(&mut self, output: &mut [O]) -> Result<(), BlockError> {
        let got = self.check_output(output, None)?;
        let available = self.waiting();
        if got > available {
            return Err(BlockError::NotPushed { got, available });
        }
        self.pull_part(output, 0, got);
        Ok(())
    }

    /// Samples that were pushed and not yet pulled.
    #[must_use]
    pub fn waiting(&self) -> usize {
        (self.pushed - self.pulled) as usize
    }

    /// Whether all results are there that the samples waiting to be pulled will need, as far as they
    /// will ever be: a core answers in order, so that what is missing before an answer stays so.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let Geometry { hop, .. } = *self.side.geometry();
        let buffering = self.side.geometry().buffering();
        if !self.active || self.pushed <= buffering || self.pushed == self.pulled {
            return true;
        }
        let first = self.pulled.saturating_sub(buffering) / hop as u64;
        let last = (self.pushed - buffering - 1) / hop as u64;
        let there = |hop: u64| {
            u32::try_from(hop)
                .is_ok_and(|hop| self.loaded == Some(hop) || self.side.is_published(hop))
        };
        let newest = self.side.hops().checked_sub(1);
        newest.is_some_and(|newest| self.side.is_published(newest)) || (first..=last).all(there)
    }

    /// The parts of a block of this length that can be processed in one go.
    fn cuts(&self, length: usize) -> impl Iterator<Item = (usize, usize)> + use<M> {
        let step = self.side.geometry().max_block;
        (0..length).step_by(step).map(move |from| (from, length.min(from + step)))
    }

    fn check_nothing_waits(&self) -> Result<(), BlockError> {
        match self.waiting() {
            0 => Ok(()),
            waiting => Err(BlockError::NoRoom { got: waiting, room: 0 }),
        }
    }

    fn check_channels(&self, name: &'static str, got: usize) -> Result<(), BlockError> {
        let expected = self.side.geometry().channels;
        if got == expected { Ok(()) } else { Err(BlockError::Channels { name, got, expected }) }
    }

    /// The length of the block.
    fn check_input<I: AsRef<[f32]>>(&self, input: &[I]) -> Result<usize, BlockError> {
        self.check_channels("input", input.len())?;
        same_length("input", None, input.iter().map(|channel| channel.as_ref().len()))
    }

    fn check_output<O: AsMut<[f32]>>(
        &self,
        output: &mut [O],
        expected: Option<usize>,
    ) -> Result<usize, BlockError> {
        self.check_channels("output", output.len())?;
        same_length("output", expected, output.iter_mut().map(|channel| channel.as_mut().len()))
    }

    /// Copies samples `from..to` of the block; at most `max_block` may wait then.
    fn push_part<I: AsRef<[f32]>>(&mut self, input: &[I], from: usize, to: usize) {
        if !self.active {
            // Counted, so that as much silence can be pulled.
            self.pushed += (to - from) as u64;
            return;
        }
        let capacity = self.mask + 1;
        let start = self.pushed as usize & self.mask;
        for (ring, channel) in self.history.chunks_exact_mut(capacity).zip(input) {
            let Some(samples) = channel.as_ref().get(from..to) else { continue };
            let (first, second) = samples.split_at(samples.len().min(capacity - start));
            let (end, begin) = (&mut ring[start..], first.iter().map(|&sample| finite(sample)));
            end.iter_mut().zip(begin).for_each(|(to, sample)| *to = sample);
            let rest = second.iter().map(|&sample| finite(sample));
            ring.iter_mut().zip(rest).for_each(|(to, sample)| *to = sample);
        }
        self.pushed += (to - from) as u64;
        let hop = self.side.geometry().hop as u64;
        while (u64::from(self.side.hops()) + 1) * hop <= self.pushed {
            if !self.submit_next() {
                break;
            }
        }
    }

    /// Submits the next hop from the history; false if hop numbers are used up.
    fn submit_next(&mut self) -> bool {
        let (hop, capacity) = (self.side.geometry().hop, self.mask + 1);
        let start = (self.side.hops() as usize).wrapping_mul(hop) & self.mask;
        let rings = self.history.chunks_exact(capacity);
        for (ring, samples) in rings.zip(self.submission.chunks_exact_mut(hop)) {
            let (first, second) = samples.split_at_mut(hop.min(capacity - start));
            first.copy_from_slice(&ring[start..start + first.len()]);
            second.copy_from_slice(&ring[..second.len()]);
        }
        self.side.submit(&self.submission, self.parameters).is_ok()
    }

    fn pull_part<O: AsMut<[f32]>>(&mut self, output: &mut [O], from: usize, to: usize) {
        if !self.active {
            for channel in output {
                if let Some(samples) = channel.as_mut().get_mut(from..to) {
                    samples.fill(0.0);
                }
            }
            self.pulled += (to - from) as u64;
            return;
        }
        let hop = self.side.geometry().hop as u64;
        let buffering = self.side.geometry().buffering();
        let mut from = from;
        while from < to {
            let position = self.pulled;
            let length = if position < buffering {
                // Before the first hop: what the input was before its first sample.
                let length = usize::try_from(buffering - position).unwrap_or(usize::MAX);
                let length = length.min(to - from);
                self.copy_dry(output, from, length, position);
                self.level.skip(length);
                length
            } else {
                let sample = position - buffering;
                // A number beyond those of all hops stands for one that never comes.
                let number = u32::try_from(sample / hop).unwrap_or(u32::MAX);
                let offset = (sample % hop) as usize;
                let length = (hop as usize - offset).min(to - from);
                let slot = self.load(number);
                self.mix(output, Part { from, length, position, hop: number, offset, slot });
                length
            };
            self.pulled += length as u64;
            from += length;
        }
        self.side.publish_counters(&self.counters);
    }

    /// Whether the result of this hop is at hand, after looking for it.
    fn load(&mut self, hop: u32) -> bool {
        if self.loaded == Some(hop) {
            return true;
        }
        let fetched = self.side.fetch(hop, &mut self.next_output, &mut self.next_tail);
        if fetched == Ok(Fetch::Ready) {
            std::mem::swap(&mut self.output, &mut self.next_output);
            std::mem::swap(&mut self.tail, &mut self.next_tail);
            self.loaded = Some(hop);
            return true;
        }
        if self.missed != Some(hop) {
            self.missed = Some(hop);
            match fetched {
                Ok(Fetch::Refused) => self.counters.refused += 1,
                _ => self.counters.late += 1,
            }
        }
        false
    }

    fn mix<O: AsMut<[f32]>>(&mut self, output: &mut [O], part: Part) {
        let Part { from, length, position, hop, offset, slot } = part;
        let wanted = !self.bypass;
        let mut done = 0;
        while done < length {
            let (place, at) = (from + done, offset + done);
            let position = position + done as u64;
            let rest = length - done;
            if self.fade.is_wet(slot, wanted)
                && let Some(level) = self.level.steady()
            {
                self.copy_wet(output, place, rest, (position, at), level);
                self.counters.wet += rest as u64;
                return;
            }
            if self.fade.is_dry(slot, wanted) {
                self.copy_dry(output, place, rest, position);
                self.level.skip(rest);
                self.counters.dry += rest as u64;
                return;
            }
            let after_loaded = hop > 0 && self.loaded == Some(hop - 1) && at == 0;
            let tail = after_loaded.then_some(self.side.geometry().tail);
            let wet = self.fade.advance(slot, wanted, tail);
            if wet == Wet::Tail(0) {
                std::mem::swap(&mut self.tail, &mut self.falling_tail);
            }
            self.mix_sample(output, place, position, at, wet);
            if self.fade.is_wet(slot, wanted) {
                self.counters.wet += 1;
            } else {
                self.counters.dry += 1;
            }
            done += 1;
        }
    }

    fn mix_sample<O: AsMut<[f32]>>(
        &mut self,
        output: &mut [O],
        place: usize,
        position: u64,
        at: usize,
        wet: Wet,
    ) {
        let Geometry { hop, tail, latency, .. } = *self.side.geometry();
        let back = position.wrapping_sub(latency) as usize & self.mask;
        let gain = self.fade.gain * self.level.advance();
        let rings = self.history.chunks_exact(self.mask + 1);
        for (channel, ((samples, ring), held)) in
            output.iter_mut().zip(rings).zip(&mut self.held).enumerate()
        {
            let dry = ring[back];
            let wet = match wet {
                Wet::Slot => self.output[channel * hop + at],
                Wet::Tail(played) if played < tail => self.falling_tail[channel * tail + played],
                Wet::Tail(_) | Wet::Held => dry + *held,
            };
            *held = finite(wet - dry);
            if let Some(sample) = samples.as_mut().get_mut(place) {
                *sample = blend(dry, wet, gain);
            }
        }
    }

    /// The input of `latency` samples ago; before the first sample that is silence.
    fn copy_dry<O: AsMut<[f32]>>(
        &self,
        output: &mut [O],
        from: usize,
        length: usize,
        position: u64,
    ) {
        let capacity = self.mask + 1;
        let start = position.wrapping_sub(self.latency_samples()) as usize & self.mask;
        for (channel, ring) in output.iter_mut().zip(self.history.chunks_exact(capacity)) {
            let Some(samples) = channel.as_mut().get_mut(from..from + length) else { continue };
            let (first, second) = samples.split_at_mut(length.min(capacity - start));
            first.copy_from_slice(&ring[start..start + first.len()]);
            second.copy_from_slice(&ring[..second.len()]);
        }
    }

    /// The result as a whole, or with a level that stays.
    fn copy_wet<O: AsMut<[f32]>>(
        &mut self,
        output: &mut [O],
        from: usize,
        length: usize,
        (position, at): (u64, usize),
        level: f32,
    ) {
        let Geometry { hop, latency, .. } = *self.side.geometry();
        let first = position.wrapping_sub(latency) as usize & self.mask;
        let rings = self.history.chunks_exact(self.mask + 1);
        let results = self.output.chunks_exact(hop);
        for (((channel, ring), result), held) in
            output.iter_mut().zip(rings).zip(results).zip(&mut self.held)
        {
            let Some(samples) = channel.as_mut().get_mut(from..from + length) else { continue };
            let result = &result[at..at + length];
            if level >= 1.0 {
                samples.copy_from_slice(result);
            } else {
                let dry = ring[first..].iter().chain(ring);
                for ((sample, &wet), &dry) in samples.iter_mut().zip(result).zip(dry) {
                    *sample = blend(dry, wet, level);
                }
            }
            let last = (first + length - 1) & self.mask;
            *held = finite(result[length - 1] - ring[last]);
        }
    }
}

/// Between dry and wet, exactly dry at gain 0 and exactly wet at gain 1.
fn blend(dry: f32, wet: f32, gain: f32) -> f32 {
    // The difference of two large numbers need not be one.
    let away = finite(wet - dry);
    if gain >= 1.0 {
        wet
    } else if gain <= 0.0 || away == 0.0 {
        // The formula would turn a negative zero into a positive one.
        dry
    } else {
        dry + gain * away
    }
}

fn same_length(
    name: &'static str,
    expected: Option<usize>,
    lengths: impl Iterator<Item = usize>,
) -> Result<usize, BlockError> {
    let mut expected = expected;
    for got in lengths {
        let expected = *expected.get_or_insert(got);
        if got != expected {
            return Err(BlockError::Length { name, got, expected });
        }
    }
    Ok(expected.unwrap_or(0))
}
