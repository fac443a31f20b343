//! A plugin at the pace of a sound card: the one thing that no validator of the format tries.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::plugin::{Arrangement, Blocks, Mode, Plugin};

/// Longest wait for a core.
const CONNECTING: Duration = Duration::from_secs(20);
/// Played before anything is counted.
const WARM_UP_S: f64 = 1.0;
/// The highest partial of what is played, in Hz: above it there is something to restore.
const CUT_OFF: f64 = 7_000.0;
const PITCH: f64 = 110.0;

/// What to play.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Samples per second.
    pub sample_rate: u32,
    /// Samples in a block.
    pub block: usize,
    /// How long to count, in seconds.
    pub seconds: f64,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Played {
    /// Samples of the output, in each channel.
    pub samples: u64,
    /// Of these, as the plugin counts: from the core, and not.
    pub wet: u64,
    /// Not, or not entirely, from the core.
    pub dry: u64,
    /// Hops that came late.
    pub late: u64,
    /// Of the samples, those of the first channel that are not the delayed input.
    pub changed: u64,
}

impl Played {
    /// Share of the samples that came from the core.
    #[must_use]
    pub fn wet_share(&self) -> f64 {
        self.wet as f64 / self.samples.max(1) as f64
    }

    /// Share of the samples that are not the input.
    #[must_use]
    pub fn changed_share(&self) -> f64 {
        self.changed as f64 / self.samples.max(1) as f64
    }
}

/// As JSON.
impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, wet, dry, late, changed } = self;
        write!(
            f,
            "{{\"samples\": {samples}, \"wet\": {wet}, \"dry\": {dry}, \"late\": {late}, \
             \"changed\": {changed}}}"
        )
    }
}

/// Why nothing was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaceError {
    /// The plugin refused a call.
    #[error("{step}: the plugin answered {result}")]
    Refused {
        /// What was asked.
        step: &'static str,
        /// The answer.
        result: i32,
    },
    /// No core serves the plugin.
    #[error("no core came within {} s", CONNECTING.as_secs())]
    NoCore,
}

fn check(step: &'static str, result: i32) -> Result<(), PaceError> {
    if result == 0 { Ok(()) } else { Err(PaceError::Refused { step, result }) }
}

/// Plays a harmonic tone in stereo, in real time, once a core serves the plugin.
///
/// # Errors
/// [`PaceError`].
pub fn play(plugin: &Plugin, pace: &Pace) -> Result<Played, PaceError> {
    let Pace { sample_rate, block, seconds } = *pace;
    let rate = f64::from(sample_rate);
    let stereo = Arrangement::Stereo;
    check("setBusArrangements", plugin.set_arrangement(stereo, stereo))?;
    let longest = i32::try_from(block).unwrap_or(i32::MAX);
    check("setupProcessing", plugin.set_up(rate, longest, Mode::Realtime))?;
    check("setActive", plugin.set_active(true))?;
    let start = Instant::now();
    while !plugin.is_connected() {
        if start.elapsed() > CONNECTING {
            return Err(PaceError::NoCore);
        }
        thread::sleep(Duration::from_millis(10));
    }
    let tone = tone(sample_rate);
    let source = |n: u64| tone[(n % tone.len() as u64) as usize];
    let latency = plugin.latency() as u64;
    let mut blocks = Blocks::new(2, block, true);
    let (mut position, mut changed) = (0_u64, 0);
    let first = ((WARM_UP_S * rate) as u64).next_multiple_of(block.max(1) as u64) + latency;
    let end = first + (seconds * rate) as u64;
    let mut before = None;
    let start = Instant::now();
    while position < end {
        if position >= first && before.is_none() {
            before = Some((position, plugin.counters()));
        }
        for channel in 0..2 {
            let gain = [1.0, 0.7][channel];
            for (n, sample) in (position..).zip(blocks.input(channel)) {
                *sample = gain * source(n);
            }
        }
        check("process", plugin.process(&mut blocks, block, Mode::Realtime))?;
        if before.is_some() {
            let output = (position..).zip(blocks.output(0));
            let is_input = |(n, sample): (u64, &f32)| {
                n.checked_sub(latency).is_some_and(|n| source(n).to_bits() == sample.to_bits())
            };
            changed += output.filter(|&sample| !is_input(sample)).count() as u64;
        }
        position += block as u64;
        // As late as the next block is due; a host that is late itself does not hurry on.
        let due = start + Duration::from_secs_f64(position as f64 / rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let (from, before) = before.unwrap_or((position, plugin.counters()));
    let now = plugin.counters();
    let [wet, dry, late] = [0, 1, 2].map(|at| now[at] - before[at]);
    Ok(Played { samples: position - from, wet, dry, late, changed })
}

/// A second of a tone whose partials end at the cut-off.
fn tone(sample_rate: u32) -> Vec<f32> {
    let highest = CUT_OFF.min(0.45 * f64::from(sample_rate));
    let partials = (1..).map(|k| PITCH * f64::from(k)).take_while(|&f| f < highest);
    let partials: Vec<f64> = partials.collect();
    let sample = |n: u32| {
        let time = f64::from(n) / f64::from(sample_rate);
        // Phases that differ, so that it is no row of impulses.
        let phase = |f: f64| std::f64::consts::TAU * (f * time + 1e-4 * f * f / PITCH);
        let sum: f64 = partials.iter().map(|&f| phase(f).sin() * (PITCH / f).sqrt()).sum();
        (0.02 * sum) as f32
    };
    (0..sample_rate).map(sample).collect()
}
