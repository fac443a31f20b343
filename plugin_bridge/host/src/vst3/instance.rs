//! An instance of the plugin as a VST 3.

use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, BusDirections_, BusInfo, IAudioProcessor,
    IAudioProcessorTrait, IComponent, IComponentHandler, IComponentTrait, IEditController,
    IEditControllerTrait, IParameterChanges, MediaTypes_, ParameterInfo, ProcessData,
    ProcessModes_, ProcessSetup, SpeakerArr, SpeakerArrangement, SymbolicSampleSizes_, TChar,
};
use vst3::Steinberg::{IBStream, IPluginBaseTrait, int32, kNotImplemented, kResultOk};
use vst3::{ComPtr, ComWrapper};

use super::com::{Changes, ComponentHandler, Stream};
use super::module::Module;
use crate::module::{Format, LoadError};
use crate::plugin::{
    Arrangement, Change, Instance, Kind, Mode, ParameterFacts, Plugin, Pointers, Restarts,
};

fn speakers(arrangement: Arrangement) -> SpeakerArrangement {
    match arrangement {
        Arrangement::Mono => SpeakerArr::kMono,
        Arrangement::Stereo => SpeakerArr::kStereo,
        Arrangement::Surround => SpeakerArr::k51,
    }
}

fn number(mode: Mode) -> int32 {
    match mode {
        Mode::Realtime => ProcessModes_::kRealtime as int32,
        Mode::Offline => ProcessModes_::kOffline as int32,
    }
}

/// An instance of the plugin; terminated when it is dropped.
pub struct Vst3 {
    component: ComPtr<IComponent>,
    processor: ComPtr<IAudioProcessor>,
    controller: ComPtr<IEditController>,
    /// Dropped last.
    _module: Module,
}

// SAFETY: a host may use a plugin from several threads; that this one bears it is tested here.
unsafe impl Send for Vst3 {}
// SAFETY: as above; all references go through calls that the plugin allows at the same time.
unsafe impl Sync for Vst3 {}

impl Drop for Vst3 {
    fn drop(&mut self) {
        // SAFETY: a call of the plugin's own object.
        unsafe {
            self.controller.setComponentHandler(std::ptr::null_mut());
            self.component.terminate();
        }
    }
}

impl Vst3 {
    pub fn open(module: Module, component: ComPtr<IComponent>) -> Result<Plugin, LoadError> {
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
        let instance = Self { component, processor, controller, _module: module };
        Ok(Plugin::new(Box::new(instance), Format::Vst3, restarts))
    }

    fn call(
        &self,
        input: &mut AudioBusBuffers,
        output: &mut AudioBusBuffers,
        length: int32,
        mode: Mode,
        changes: *mut IParameterChanges,
    ) -> i32 {
        let mut data = data(length, mode, changes);
        (data.numInputs, data.numOutputs) = (1, 1);
        (data.inputs, data.outputs) = (input, output);
        // SAFETY: every pointer is null or valid for what its number says, during the call.
        unsafe { self.processor.process(&raw mut data) }
    }
}

impl Instance for Vst3 {
    fn initialize(&self, start: bool) -> i32 {
        // SAFETY: calls of the plugin's own object.
        unsafe {
            if start {
                self.component.initialize(std::ptr::null_mut())
            } else {
                self.component.terminate()
            }
        }
    }

    fn set_arrangement(&self, input: Arrangement, output: Arrangement) -> i32 {
        let (mut input, mut output) = (speakers(input), speakers(output));
        // SAFETY: calls of the plugin's own object, with one bus each way.
        unsafe { self.processor.setBusArrangements(&raw mut input, 1, &raw mut output, 1) }
    }

    fn set_up(&self, sample_rate: f64, max_block: i32, mode: Mode) -> i32 {
        let mut setup = ProcessSetup {
            processMode: number(mode),
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as int32,
            maxSamplesPerBlock: max_block,
            sampleRate: sample_rate,
        };
        // SAFETY: a call of the plugin's own object.
        unsafe { self.processor.setupProcessing(&raw mut setup) }
    }

    fn set_active(&self, active: bool) -> i32 {
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

    fn reset(&self, _sleeping: bool) -> i32 {
        kNotImplemented
    }

    fn channels(&self) -> [usize; 2] {
        [BusDirections_::kInput, BusDirections_::kOutput].map(|direction| {
            // SAFETY: a structure of plain numbers, and a call of the plugin's own object.
            unsafe {
                let mut info: BusInfo = std::mem::zeroed();
                let (media, direction) = (MediaTypes_::kAudio as i32, direction as i32);
                self.component.getBusInfo(media, direction, 0, &raw mut info);
                info.channelCount as usize
            }
        })
    }

    fn latency(&self) -> usize {
        // SAFETY: a call of the plugin's own object.
        unsafe { self.processor.getLatencySamples() as usize }
    }

    fn tail(&self) -> usize {
        // SAFETY: a call of the plugin's own object.
        unsafe { self.processor.getTailSamples() as usize }
    }

    fn changes(&self, changes: &[Change]) -> crate::plugin::Changes {
        crate::plugin::Changes(Kind::Vst3(Changes::new(changes)))
    }

    fn process(
        &self,
        block: &mut Pointers,
        mode: Mode,
        changes: Option<&crate::plugin::Changes>,
    ) -> i32 {
        let changes = match changes.map(|changes| &changes.0) {
            Some(Kind::Vst3(changes)) => changes.as_ptr(),
            _ => std::ptr::null_mut(),
        };
        let bus = |channels: usize, buffers: &mut [*mut f32]| AudioBusBuffers {
            numChannels: channels as int32,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: buffers.as_mut_ptr() },
        };
        let mut input = bus(block.channels.0, &mut block.inputs);
        let mut output = bus(block.channels.1, &mut block.outputs);
        let result = self.call(&mut input, &mut output, block.length as int32, mode, changes);
        block.silent = output.silenceFlags;
        result
    }

    fn process_nothing(&self, length: i32, no_busses: bool) -> i32 {
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

    fn parameters(&self) -> Vec<ParameterFacts> {
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

    fn parameter(&self, id: u32) -> f64 {
        // SAFETY: a call of the plugin's own object.
        unsafe { self.controller.getParamNormalized(id) }
    }

    fn set_parameter(&self, id: u32, value: f64) -> i32 {
        // SAFETY: a call of the plugin's own object.
        unsafe { self.controller.setParamNormalized(id, value) }
    }

    fn parameter_text(&self, id: u32, value: f64) -> Option<String> {
        let mut string = [0; 128];
        // SAFETY: a call of the plugin's own object.
        let result = unsafe { self.controller.getParamStringByValue(id, value, &raw mut string) };
        (result == kResultOk).then(|| text(&string))
    }

    fn parse_parameter(&self, id: u32, text: &str) -> Option<f64> {
        let mut string: Vec<TChar> = text.encode_utf16().chain([0]).collect();
        let mut value = 0.0;
        // SAFETY: a call of the plugin's own object, with a text that ends.
        let result = unsafe {
            self.controller.getParamValueByString(id, string.as_mut_ptr(), &raw mut value)
        };
        (result == kResultOk).then_some(value)
    }

    fn state(&self) -> Vec<u8> {
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

    fn set_state(&self, bytes: &[u8]) -> i32 {
        match ComWrapper::new(Stream::new(bytes)).to_com_ptr::<IBStream>() {
            // SAFETY: a call of the plugin's own object.
            Some(stream) => unsafe { IComponentTrait::setState(&self.component, stream.as_ptr()) },
            None => -1,
        }
    }
}

fn data(length: int32, mode: Mode, changes: *mut IParameterChanges) -> ProcessData {
    ProcessData {
        processMode: number(mode),
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
