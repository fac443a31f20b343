//! An instance of the plugin, and the calls a host makes to it, whatever its format.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::module::Format;
use crate::{clap, vst3};

/// Arrangement of a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// One channel.
    Mono,
    /// Two channels.
    Stereo,
    /// Six of them.
    Surround,
}

impl Arrangement {
    /// The one with so many channels.
    #[must_use]
    pub fn of(channels: usize) -> Self {
        match channels {
            1 => Self::Mono,
            2 => Self::Stereo,
            _ => Self::Surround,
        }
    }
}

/// What the host says about a block's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is heard at once.
    Realtime,
    /// It is rendered.
    Offline,
}

/// A parameter as the plugin describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterFacts {
    /// Its identifier.
    pub id: u32,
    /// Its name.
    pub title: String,
    /// Its unit.
    pub unit: String,
    /// Number of steps; 0 if it is continuous.
    pub steps: i32,
    /// Normalised default.
    pub default: f64,
    /// Flags of the format.
    pub flags: i32,
}

/// The buffers of a block; made once, so that a call itself allocates nothing.
#[derive(Debug)]
pub struct Blocks {
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
    in_place: bool,
    silent: u64,
}

impl Blocks {
    /// Buffers of so many channels and samples.
    #[must_use]
    pub fn new(channels: usize, samples: usize, in_place: bool) -> Self {
        let buffers = || vec![vec![0.0; samples]; channels];
        Self { inputs: buffers(), outputs: buffers(), in_place, silent: 0 }
    }

    /// Buffers of a host with other channels on the way in than on the way out.
    #[must_use]
    pub fn uneven(inputs: usize, outputs: usize, samples: usize) -> Self {
        let buffers = |channels| vec![vec![0.0; samples]; channels];
        Self { inputs: buffers(inputs), outputs: buffers(outputs), in_place: false, silent: 0 }
    }

    /// Number of channels on the way out.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.outputs.len()
    }

    /// The input of a channel.
    #[must_use]
    pub fn input(&mut self, channel: usize) -> &mut [f32] {
        if self.in_place { &mut self.outputs[channel] } else { &mut self.inputs[channel] }
    }

    /// The output of a channel.
    #[must_use]
    pub fn output(&self, channel: usize) -> &[f32] {
        &self.outputs[channel]
    }

    /// What the plugin said of the last block: a bit for each channel of silence.
    #[must_use]
    pub fn silent(&self) -> u64 {
        self.silent
    }
}

/// A parameter changes within a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Which parameter.
    pub id: u32,
    /// At which sample of the block.
    pub offset: i32,
    /// Its normalised value.
    pub value: f64,
}

/// The changes of a block; made once, so that a call itself allocates nothing.
pub struct Changes(pub(crate) Kind);

/// In a format's own terms.
pub(crate) enum Kind {
    Vst3(vst3::Changes),
    Clap(clap::Changes),
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

/// How often the plugin said what about itself has changed.
#[derive(Debug, Clone, Default)]
pub struct Restarts(Arc<[AtomicUsize; 3]>);

/// What a plugin says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    /// Its latency changes when it is started anew.
    WantsRestart,
    /// The values of its parameters are other ones.
    Values,
    /// Its latency is another one now.
    Latency,
}

impl Restarts {
    pub(crate) fn count(&self, told: Told) {
        self.0[told as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn told(&self, told: Told) -> usize {
        self.0[told as usize].load(Ordering::Relaxed)
    }

    /// How often it asked to be started anew, for another latency.
    #[must_use]
    pub fn latency_changes(&self) -> usize {
        self.told(Told::WantsRestart)
    }

    /// How often the values of its parameters have, until now.
    #[must_use]
    pub fn value_changes(&self) -> usize {
        self.told(Told::Values)
    }

    /// How often it said while it was started that its latency is another one; in CLAP alone.
    #[must_use]
    pub fn latencies_told(&self) -> usize {
        self.told(Told::Latency)
    }
}

/// Most channels that a test has.
pub(crate) const MOST: usize = 8;

/// A block as a host hands it over.
pub(crate) struct Pointers {
    pub inputs: [*mut f32; MOST],
    pub outputs: [*mut f32; MOST],
    /// Channels in and out.
    pub channels: (usize, usize),
    pub length: usize,
    /// What the plugin says of the outputs: a bit for each that is silent.
    pub silent: u64,
}

/// What a host does with an instance, in the terms of one format. Results are those of VST 3: 0 is
/// yes, anything else is no.
pub(crate) trait Instance: Send + Sync {
    fn initialize(&self, start: bool) -> i32;
    fn set_arrangement(&self, input: Arrangement, output: Arrangement) -> i32;
    fn set_up(&self, sample_rate: f64, max_block: i32, mode: Mode) -> i32;
    fn set_active(&self, active: bool) -> i32;
    fn reset(&self, sleeping: bool) -> i32;
    fn channels(&self) -> [usize; 2];
    fn latency(&self) -> usize;
    fn tail(&self) -> usize;
    fn changes(&self, changes: &[Change]) -> Changes;
    fn process(&self, block: &mut Pointers, mode: Mode, changes: Option<&Changes>) -> i32;
    fn process_nothing(&self, length: i32, no_busses: bool) -> i32;
    fn parameters(&self) -> Vec<ParameterFacts>;
    fn parameter(&self, id: u32) -> f64;
    fn set_parameter(&self, id: u32, value: f64) -> i32;
    fn parameter_text(&self, id: u32, value: f64) -> Option<String>;
    fn parse_parameter(&self, id: u32, text: &str) -> Option<f64>;
    fn state(&self) -> Vec<u8>;
    fn set_state(&self, bytes: &[u8]) -> i32;
}

/// An instance of the plugin; ended when it is dropped.
pub struct Plugin {
    instance: Box<dyn Instance>,
    format: Format,
    restarts: Restarts,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("format", &self.format).finish_non_exhaustive()
    }
}

#[allow(clippy::must_use_candidate, reason = "a call has effects, whatever it answers")]
impl Plugin {
    pub(crate) fn new(instance: Box<dyn Instance>, format: Format, restarts: Restarts) -> Self {
        Self { instance, format, restarts }
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the plugin asked for.
    #[must_use]
    pub fn restarts(&self) -> &Restarts {
        &self.restarts
    }

    /// Initialises once more, or ends, out of turn; nothing in a format without such calls.
    pub fn initialize(&self, start: bool) -> i32 {
        self.instance.initialize(start)
    }

    /// Asks for arrangements of input and output.
    pub fn set_arrangement(&self, input: Arrangement, output: Arrangement) -> i32 {
        self.instance.set_arrangement(input, output)
    }

    /// Sets up. A CLAP, which does that when it is activated, is activated and, unless it was
    /// active before, deactivated.
    pub fn set_up(&self, sample_rate: f64, max_block: i32, mode: Mode) -> i32 {
        self.instance.set_up(sample_rate, max_block, mode)
    }

    /// Activates or deactivates.
    pub fn set_active(&self, active: bool) -> i32 {
        self.instance.set_active(active)
    }

    /// Has an active plugin start over, or, if it is `sleeping`, stops and starts the processing; in
    /// CLAP alone, which has calls for that.
    pub fn reset(&self, sleeping: bool) -> i32 {
        self.instance.reset(sleeping)
    }

    /// Channels of its input and of its output, as the plugin has them.
    #[must_use]
    pub fn channels(&self) -> [usize; 2] {
        self.instance.channels()
    }

    /// The latency that the plugin reports.
    #[must_use]
    pub fn latency(&self) -> usize {
        self.instance.latency()
    }

    /// The tail that the plugin reports; in CLAP only while it is active.
    #[must_use]
    pub fn tail(&self) -> usize {
        self.instance.tail()
    }

    /// Changes in the order of their offsets, to be processed with.
    #[must_use]
    pub fn changes(&self, changes: &[Change]) -> Changes {
        self.instance.changes(changes)
    }

    /// Processes the first `length` samples of the buffers. A CLAP that is not active is not called,
    /// and that is an error.
    pub fn process(&self, blocks: &mut Blocks, length: usize, mode: Mode) -> i32 {
        self.process_with(blocks, 0, length, mode, None)
    }

    /// Processes samples `from..from + length` of the buffers.
    pub fn process_at(&self, blocks: &mut Blocks, from: usize, length: usize, mode: Mode) -> i32 {
        self.process_with(blocks, from, length, mode, None)
    }

    /// As [`process`](Self::process), with changes of parameters.
    pub fn process_changing(
        &self,
        blocks: &mut Blocks,
        length: usize,
        mode: Mode,
        changes: &Changes,
    ) -> i32 {
        self.process_with(blocks, 0, length, mode, Some(changes))
    }

    fn process_with(
        &self,
        blocks: &mut Blocks,
        from: usize,
        length: usize,
        mode: Mode,
        changes: Option<&Changes>,
    ) -> i32 {
        let channels = (blocks.inputs.len(), blocks.outputs.len());
        let nulls = [std::ptr::null_mut(); MOST];
        let mut block = Pointers { inputs: nulls, outputs: nulls, channels, length, silent: 0 };
        for (pointer, samples) in block.outputs.iter_mut().zip(&mut blocks.outputs) {
            *pointer = samples[from..from + length].as_mut_ptr();
        }
        if blocks.in_place {
            block.inputs = block.outputs;
        } else {
            for (pointer, samples) in block.inputs.iter_mut().zip(&mut blocks.inputs) {
                *pointer = samples[from..from + length].as_mut_ptr();
            }
        }
        let result = self.instance.process(&mut block, mode, changes);
        blocks.silent = block.silent;
        result
    }

    /// Processes with busses that are not there: one without buffers, or none at all if `no_busses`
    /// says so.
    pub fn process_nothing(&self, length: i32, no_busses: bool) -> i32 {
        self.instance.process_nothing(length, no_busses)
    }

    /// What the plugin says of its parameters.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterFacts> {
        self.instance.parameters()
    }

    /// A parameter's normalised value.
    #[must_use]
    pub fn parameter(&self, id: u32) -> f64 {
        self.instance.parameter(id)
    }

    /// Sets a parameter's normalised value, as a knob does.
    pub fn set_parameter(&self, id: u32, value: f64) -> i32 {
        self.instance.set_parameter(id, value)
    }

    /// The text of a normalised value.
    #[must_use]
    pub fn parameter_text(&self, id: u32, value: f64) -> Option<String> {
        self.instance.parameter_text(id, value)
    }

    /// The normalised value of a text.
    #[must_use]
    pub fn parse_parameter(&self, id: u32, text: &str) -> Option<f64> {
        self.instance.parse_parameter(id, text)
    }

    /// What the plugin saves.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        self.instance.state()
    }

    /// Hands over what was saved.
    pub fn set_state(&self, bytes: &[u8]) -> i32 {
        self.instance.set_state(bytes)
    }

    /// A number of the status in the state: 8 bytes from here.
    #[must_use]
    pub fn status(&self, at: usize) -> u64 {
        let state = self.state();
        let bytes = state.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    }

    /// Whether a core serves it.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.status(192) as u32 == 2
    }

    /// Samples that came from the core, samples that did not, and hops that came late.
    #[must_use]
    pub fn counters(&self) -> [u64; 3] {
        [208, 216, 224].map(|at| self.status(at))
    }
}
