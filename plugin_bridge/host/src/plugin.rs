//! An instance of the plugin, and the calls a host makes to it.

use std::fmt;

use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, IAudioProcessor, IAudioProcessorTrait, IComponent,
    IComponentHandler, IComponentTrait, IEditController, IEditControllerTrait, IParameterChanges,
    ParameterInfo, ProcessData, ProcessModes_, ProcessSetup, SpeakerArr, SpeakerArrangement,
    SymbolicSampleSizes_, TChar,
};
use vst3::Steinberg::{IBStream, IPluginBaseTrait, int32, kResultOk, tresult};
use vst3::{ComPtr, ComWrapper};

use crate::com::{Changes, ComponentHandler, Restarts, Stream};
use crate::module::{LoadError, Module};

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

    fn speakers(self) -> SpeakerArrangement {
        match self {
            Self::Mono => SpeakerArr::kMono,
            Self::Stereo => SpeakerArr::kStereo,
            Self::Surround => SpeakerArr::k51,
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

impl Mode {
    fn number(self) -> int32 {
        match self {
            Self::Realtime => ProcessModes_::kRealtime as int32,
            Self::Offline => ProcessModes_::kOffline as int32,
        }
    }
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

/// An instance of the plugin; terminated when it is dropped.
pub struct Plugin {
    component: ComPtr<IComponent>,
    processor: ComPtr<IAudioProcessor>,
    controller: ComPtr<IEditController>,
    restarts: Restarts,
    /// Dropped last.
    _module: Module,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("latency", &self.latency()).finish_non_exhaustive()
    }
}

// SAFETY: a host may use a plugin from several threads; that this one bears it is tested here.
unsafe impl Send for Plugin {}
// SAFETY: as above; all references go through calls that the plugin allows at the same time.
unsafe impl Sync for Plugin {}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: a call of the plugin's own object.
        unsafe {
            self.controller.setComponentHandler(std::ptr::null_mut());
            self.component.terminate();
        }
    }
}

#[allow(clippy::must_use_candidate, reason = "a call has effects, whatever it answers")]
impl Plugin {
    pub(crate) fn new(module: Module, component: ComPtr<IComponent>) -> Result<Self, LoadError> {
        // SAFETY: a call of the plugin's own object; a plugin may do without a host's context.
        LoadError::check("initialize", unsafe { component.initialize(std::ptr::null_mut()) })?;
        let processor = component.cast().ok_or(LoadError::Missing("processor"))?;
        let controller: ComPtr<IEditController> =
            component.cast().ok_or(LoadError::Missing("controller"))?;
        let restarts = Restarts::default();
        let handler = ComWrapper::new(ComponentHandler(restarts.clone()))
            .to_com_ptr::<IComponentHandler>()
            .ok_or(LoadError::Missing("handler"))?;
        // SAFETY: as above; the plugin counts its own reference.
        unsafe { controller.setComponentHandler(handler.as_ptr()) };
        Ok(Self { component, processor, controller, restarts, _module: module })
    }

    /// What the plugin asked for.
    #[must_use]
    pub fn restarts(&self) -> &Restarts {
        &self.restarts
    }

    /// Initialises once more, or ends, out of turn.
    pub fn initialize(&self, start: bool) -> tresult {
        // SAFETY: calls of the plugin's own object.
        unsafe {
            if start {
                self.component.initialize(std::ptr::null_mut())
            } else {
                self.component.terminate()
            }
        }
    }

    /// Asks for arrangements of input and output.
    pub fn set_arrangement(&self, input: Arrangement, output: Arrangement) -> tresult {
        let (mut input, mut output) = (input.speakers(), output.speakers());
        // SAFETY: calls of the plugin's own object, with one bus each way.
        unsafe { self.processor.setBusArrangements(&raw mut input, 1, &raw mut output, 1) }
    }

    /// Sets up.
    pub fn set_up(&self, sample_rate: f64, max_block: i32, mode: Mode) -> tresult {
        let mut setup = ProcessSetup {
            processMode: mode.number(),
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as int32,
            maxSamplesPerBlock: max_block,
            sampleRate: sample_rate,
        };
        // SAFETY: a call of the plugin's own object.
        unsafe { self.processor.setupProcessing(&raw mut setup) }
    }

    /// Activates or deactivates.
    pub fn set_active(&self, active: bool) -> tresult {
        // SAFETY: calls of the plugin's own object, in the order of the format.
        unsafe {
            if active {
                let result = self.component.setActive(1);
                self.processor.setProcessing(1);
                result
            } else {
                self.processor.setProcessing(0);
                self.component.setActive(0)
            }
        }
    }

    /// The latency that the plugin reports.
    #[must_use]
    pub fn latency(&self) -> usize {
        // SAFETY: a call of the plugin's own object.
        unsafe { self.processor.getLatencySamples() as usize }
    }

    /// Processes the first `length` samples of the buffers.
    pub fn process(&self, blocks: &mut Blocks, length: usize, mode: Mode) -> tresult {
        self.process_with(blocks, 0, length, mode, std::ptr::null_mut())
    }

    /// Processes samples `from..from + length` of the buffers.
    pub fn process_at(
        &self,
        blocks: &mut Blocks,
        from: usize,
        length: usize,
        mode: Mode,
    ) -> tresult {
        self.process_with(blocks, from, length, mode, std::ptr::null_mut())
    }

    /// As [`process`](Self::process), with changes of parameters.
    pub fn process_changing(
        &self,
        blocks: &mut Blocks,
        length: usize,
        mode: Mode,
        changes: &Changes,
    ) -> tresult {
        self.process_with(blocks, 0, length, mode, changes.as_ptr())
    }

    fn process_with(
        &self,
        blocks: &mut Blocks,
        from: usize,
        length: usize,
        mode: Mode,
        changes: *mut IParameterChanges,
    ) -> tresult {
        let mut inputs = [std::ptr::null_mut(); 8];
        let mut outputs = [std::ptr::null_mut(); 8];
        for (pointer, samples) in outputs.iter_mut().zip(&mut blocks.outputs) {
            *pointer = samples[from..from + length].as_mut_ptr();
        }
        if blocks.in_place {
            inputs = outputs;
        } else {
            for (pointer, samples) in inputs.iter_mut().zip(&mut blocks.inputs) {
                *pointer = samples[from..from + length].as_mut_ptr();
            }
        }
        let bus = |channels: usize, buffers: &mut [*mut f32; 8]| AudioBusBuffers {
            numChannels: channels as int32,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: buffers.as_mut_ptr() },
        };
        let mut input = bus(blocks.inputs.len(), &mut inputs);
        let mut output = bus(blocks.outputs.len(), &mut outputs);
        let result = self.call(&mut input, &mut output, length as int32, mode, changes);
        blocks.silent = output.silenceFlags;
        result
    }

    /// Processes with busses that are not there: `None` is a bus without buffers, and a null pointer
    /// for the busses themselves if `no_busses` says so.
    pub fn process_nothing(&self, length: i32, no_busses: bool) -> tresult {
        let mut bus = AudioBusBuffers {
            numChannels: 2,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: std::ptr::null_mut() },
        };
        let mut nulls = [std::ptr::null_mut(); 2];
        let mut null_channels = AudioBusBuffers {
            __field0: AudioBusBuffers__type0 { channelBuffers32: nulls.as_mut_ptr() },
            ..bus
        };
        if no_busses {
            let mut data = data(length, Mode::Realtime, std::ptr::null_mut());
            // SAFETY: no busses, and it says so.
            return unsafe { self.processor.process(&raw mut data) };
        }
        self.call(&mut bus, &mut null_channels, length, Mode::Realtime, std::ptr::null_mut())
    }

    fn call(
        &self,
        input: &mut AudioBusBuffers,
        output: &mut AudioBusBuffers,
        length: int32,
        mode: Mode,
        changes: *mut IParameterChanges,
    ) -> tresult {
        let mut data = data(length, mode, changes);
        (data.numInputs, data.numOutputs) = (1, 1);
        (data.inputs, data.outputs) = (input, output);
        // SAFETY: every pointer is null or valid for what its number says, during the call.
        unsafe { self.processor.process(&raw mut data) }
    }

    /// All parameters.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterFacts> {
        // SAFETY: calls of the plugin's own object; the structure is one of plain numbers.
        let info = |index| unsafe {
            let mut info: ParameterInfo = std::mem::zeroed();
            (self.controller.getParameterInfo(index, &raw mut info) == kResultOk).then_some(info)
        };
        // SAFETY: as above.
        let count = unsafe { self.controller.getParameterCount() };
        let facts = |info: ParameterInfo| ParameterFacts {
            id: info.id,
            title: text(&info.title),
            unit: text(&info.units),
            steps: info.stepCount,
            default: info.defaultNormalizedValue,
            flags: info.flags,
        };
        (0..count).filter_map(info).map(facts).collect()
    }

    /// A parameter's normalised value.
    #[must_use]
    pub fn parameter(&self, id: u32) -> f64 {
        // SAFETY: a call of the plugin's own object.
        unsafe { self.controller.getParamNormalized(id) }
    }

    /// Sets a parameter's normalised value, as a knob does.
    pub fn set_parameter(&self, id: u32, value: f64) -> tresult {
        // SAFETY: a call of the plugin's own object.
        unsafe { self.controller.setParamNormalized(id, value) }
    }

    /// The text of a normalised value.
    #[must_use]
    pub fn parameter_text(&self, id: u32, value: f64) -> Option<String> {
        let mut string = [0; 128];
        // SAFETY: a call of the plugin's own object.
        let result = unsafe { self.controller.getParamStringByValue(id, value, &raw mut string) };
        (result == kResultOk).then(|| text(&string))
    }

    /// The normalised value of a text.
    #[must_use]
    pub fn parse_parameter(&self, id: u32, text: &str) -> Option<f64> {
        let mut string: Vec<TChar> = text.encode_utf16().chain([0]).collect();
        let mut value = 0.0;
        // SAFETY: a call of the plugin's own object, with a text that ends.
        let result = unsafe {
            self.controller.getParamValueByString(id, string.as_mut_ptr(), &raw mut value)
        };
        (result == kResultOk).then_some(value)
    }

    /// What the plugin saves.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        let stream = ComWrapper::new(Stream::new(&[]));
        if let Some(pointer) = stream.to_com_ptr::<IBStream>() {
            // SAFETY: a call of the plugin's own object.
            let result = unsafe { IComponentTrait::getState(&self.component, pointer.as_ptr()) };
            if result == kResultOk {
                return stream.bytes();
            }
        }
        Vec::new()
    }

    /// Hands over what was saved.
    pub fn set_state(&self, bytes: &[u8]) -> tresult {
        match ComWrapper::new(Stream::new(bytes)).to_com_ptr::<IBStream>() {
            // SAFETY: a call of the plugin's own object.
            Some(stream) => unsafe { IComponentTrait::setState(&self.component, stream.as_ptr()) },
            None => -1,
        }
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

fn data(length: int32, mode: Mode, changes: *mut IParameterChanges) -> ProcessData {
    ProcessData {
        processMode: mode.number(),
        symbolicSampleSize: SymbolicSampleSizes_::kSample32 as int32,
        numSamples: length,
        numInputs: 0,
        numOutputs: 0,
        inputs: std::ptr::null_mut(),
        outputs: std::ptr::null_mut(),
        inputParameterChanges: changes,
        outputParameterChanges: std::ptr::null_mut(),
        inputEvents: std::ptr::null_mut(),
        outputEvents: std::ptr::null_mut(),
        processContext: std::ptr::null_mut(),
    }
}

fn text(units: &[TChar]) -> String {
    let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}
