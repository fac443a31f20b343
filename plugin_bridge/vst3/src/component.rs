//! The component: processor and controller in one object, because the effect is one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use uncodec_effect::automation::Points;
use uncodec_effect::block::{Block, MAX_CHANNELS};
use uncodec_effect::effect::Effect;
use uncodec_effect::parameters::Parameter;
use uncodec_effect::{say, socket_path, state};
use vst3::Steinberg::Vst::{
    AudioBusBuffers, BusDirection, BusDirections_, BusInfo, BusInfo_, BusTypes_, IAudioProcessor,
    IAudioProcessorTrait, IComponent, IComponentHandler, IComponentHandlerTrait, IComponentTrait,
    IEditController, IEditControllerTrait, IHostApplication, IHostApplicationTrait,
    IParamValueQueue, IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait,
    IProcessContextRequirements, IProcessContextRequirementsTrait, IoMode, MediaType, MediaTypes_,
    ParamID, ParamValue, ParameterInfo, ParameterInfo_, ProcessData, ProcessModes_, ProcessSetup,
    RestartFlags_, RoutingInfo, SpeakerArr, SpeakerArrangement, String128, SymbolicSampleSizes_,
    TChar,
};
use vst3::Steinberg::{
    FIDString, FUnknown, IBStream, IPlugView, IPluginBaseTrait, TBool, TUID, int32, kInternalError,
    kInvalidArgument, kNotImplemented, kResultFalse, kResultOk, tresult, uint32,
};
use vst3::{Class, ComPtr, ComRef, uid};

use super::{guard, guard_or, stream, text};

const ARRANGEMENTS: [(SpeakerArrangement, usize); 2] =
    [(SpeakerArr::kMono, 1), (SpeakerArr::kStereo, 2)];
const LATENCY_CHANGED: int32 = RestartFlags_::kLatencyChanged as int32;
const VALUES_CHANGED: int32 = RestartFlags_::kParamValuesChanged as int32;

/// Hosts that read all values again after they loaded a state, and load presets under a lock that they
/// take once more when they are asked to: they would wait for themselves, for ever.
const READING_THEMSELVES: [&str; 4] = ["Ardour", "Mixbus", "Mixbus32C", "LiveTrax"];

/// The plugin.
pub struct Component {
    effect: Effect,
    handler: Mutex<Option<Handler>>,
    /// The host is one of [`READING_THEMSELVES`].
    reads_itself: AtomicBool,
}

/// The host's handler.
struct Handler(ComPtr<IComponentHandler>);

// SAFETY: it is called on the thread that called us only; what moves between threads is the
// counting of references, which hosts do atomically.
unsafe impl Send for Handler {}

impl Class for Component {
    type Interfaces = (IComponent, IAudioProcessor, IEditController, IProcessContextRequirements);
}

impl Component {
    /// Identifier of the class; with it hosts find the plugin of a saved project.
    pub const CID: TUID = uid(0x5C11_6E0A, 0x8F0B_4B7E, 0x9D2A_37C4, 0x61E8_A95D);

    /// A plugin with its defaults.
    pub fn new() -> Self {
        Self {
            effect: Effect::new(),
            handler: Mutex::new(None),
            reads_itself: AtomicBool::new(false),
        }
    }

    /// Asks the host to ask again for what these flags name.
    fn restart(&self, flags: int32) {
        let handler = {
            let handler = self.handler.lock().unwrap_or_else(PoisonError::into_inner);
            // The host may call back from within, hence no lock around the call.
            handler.as_ref().map(|handler| handler.0.clone())
        };
        if let Some(handler) = handler {
            // SAFETY: the handler is alive as long as this reference.
            unsafe { handler.restartComponent(flags) };
        }
    }

    fn load(&self, stream: *mut IBStream) -> tresult {
        // SAFETY: the host's, null or valid during the call.
        let Some(stream) = (unsafe { ComRef::from_raw(stream) }) else { return kInvalidArgument };
        match self.effect.restore(&stream::read(stream, state::BYTES)) {
            Ok(latency_changed) => {
                // Other hosts keep values of their own, which are those of before.
                if !self.reads_itself.load(Ordering::Relaxed) {
                    let latency = if latency_changed { LATENCY_CHANGED } else { 0 };
                    self.restart(VALUES_CHANGED | latency);
                }
                kResultOk
            }
            Err(error) => {
                say(format_args!("{error}"));
                kResultFalse
            }
        }
    }

    /// Takes the last value of each parameter that changes in this block, and finds the changes of
    /// those that follow them from sample to sample: amount and bypass.
    ///
    /// # Safety
    /// The pointer must be null or valid for as long as what is found.
    unsafe fn take_changes<'a>(&self, changes: *mut IParameterChanges) -> [Queue<'a>; 2] {
        let mut found = [Queue::default(), Queue::default()];
        // SAFETY: as the caller says.
        let Some(changes) = (unsafe { ComRef::from_raw(changes) }) else { return found };
        // SAFETY: a call of the host's own object.
        for index in 0..unsafe { changes.getParameterCount() } {
            // SAFETY: as above, with an index that it has named.
            let queue = unsafe { ComRef::from_raw(changes.getParameterData(index)) };
            let Some(queue) = queue else { continue };
            // SAFETY: as above.
            let (id, count) = unsafe { (queue.getParameterId(), queue.getPointCount()) };
            let queue = Queue { queue: Some(queue), count: usize::try_from(count).unwrap_or(0) };
            match Parameter::from_id(id) {
                Some(Parameter::Amount) => found[0] = queue,
                Some(Parameter::Bypass) => found[1] = queue,
                Some(parameter) => {
                    if let Some(value) = queue.last() {
                        self.effect.set(parameter, value);
                    }
                }
                None => {}
            }
        }
        found
    }
}

/// The host's changes of one parameter in a block.
#[derive(Default)]
struct Queue<'a> {
    queue: Option<ComRef<'a, IParamValueQueue>>,
    count: usize,
}

impl Points for Queue<'_> {
    // As this format has it.
    const HOLD: bool = false;

    fn get(&self, index: usize) -> Option<(usize, f64)> {
        let queue = self.queue.filter(|_| index < self.count)?;
        let (mut offset, mut value) = (0, 0.0);
        // SAFETY: a call of the host's own object, with an index that it has named.
        let result = unsafe { queue.getPoint(index as int32, &raw mut offset, &raw mut value) };
        (result == kResultOk).then(|| (usize::try_from(offset).unwrap_or(0), value))
    }

    fn last(&self) -> Option<f64> {
        self.get(self.count.checked_sub(1)?).map(|(_, value)| value)
    }
}

impl IPluginBaseTrait for Component {
    unsafe fn initialize(&self, context: *mut FUnknown) -> tresult {
        guard(|| {
            // SAFETY: the host's, null or valid during the call.
            let name = unsafe { host_name(context) };
            let reads_itself = READING_THEMSELVES.contains(&name.as_str());
            self.reads_itself.store(reads_itself, Ordering::Relaxed);
            let path: PathBuf = socket_path();
            match self.effect.connect(path) {
                Ok(()) => kResultOk,
                Err(_) => kInternalError,
            }
        })
    }

    unsafe fn terminate(&self) -> tresult {
        guard(|| {
            self.effect.disconnect();
            *self.handler.lock().unwrap_or_else(PoisonError::into_inner) = None;
            kResultOk
        })
    }
}

impl IComponentTrait for Component {
    unsafe fn getControllerClassId(&self, _class: *mut TUID) -> tresult {
        // It is this very object.
        kNotImplemented
    }

    unsafe fn setIoMode(&self, _mode: IoMode) -> tresult {
        kNotImplemented
    }

    unsafe fn getBusCount(&self, media: MediaType, direction: BusDirection) -> int32 {
        int32::from(is_bus(media, direction, 0))
    }

    unsafe fn getBusInfo(
        &self,
        media: MediaType,
        direction: BusDirection,
        index: int32,
        info: *mut BusInfo,
    ) -> tresult {
        guard(|| {
            // SAFETY: the host's, null or valid.
            let Some(info) = (unsafe { info.as_mut() }) else { return kInvalidArgument };
            if !is_bus(media, direction, index) {
                return kInvalidArgument;
            }
            info.mediaType = media;
            info.direction = direction;
            info.channelCount = self.effect.channels() as int32;
            let input = direction == BusDirections_::kInput as BusDirection;
            text::put_wide(if input { "Input" } else { "Output" }, &mut info.name);
            info.busType = BusTypes_::kMain as int32;
            info.flags = BusInfo_::BusFlags_::kDefaultActive as uint32;
            kResultOk
        })
    }

    unsafe fn getRoutingInfo(&self, _from: *mut RoutingInfo, _to: *mut RoutingInfo) -> tresult {
        kNotImplemented
    }

    unsafe fn activateBus(
        &self,
        media: MediaType,
        direction: BusDirection,
        index: int32,
        _state: TBool,
    ) -> tresult {
        if is_bus(media, direction, index) { kResultOk } else { kInvalidArgument }
    }

    unsafe fn setActive(&self, state: TBool) -> tresult {
        guard(|| {
            self.effect.set_active(state != 0);
            kResultOk
        })
    }

    unsafe fn setState(&self, state: *mut IBStream) -> tresult {
        guard(|| self.load(state))
    }

    unsafe fn getState(&self, state: *mut IBStream) -> tresult {
        guard(|| {
            // SAFETY: the host's, null or valid during the call.
            let Some(stream) = (unsafe { ComRef::from_raw(state) }) else {
                return kInvalidArgument;
            };
            if stream::write(stream, &self.effect.save()) { kResultOk } else { kResultFalse }
        })
    }
}

impl IAudioProcessorTrait for Component {
    unsafe fn setBusArrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        input_count: int32,
        outputs: *mut SpeakerArrangement,
        output_count: int32,
    ) -> tresult {
        guard(|| {
            if input_count != 1 || output_count != 1 || inputs.is_null() || outputs.is_null() {
                return kResultFalse;
            }
            // SAFETY: not null, so they hold as many arrangements as the host says.
            let (input, output) = unsafe { (*inputs, *outputs) };
            let channels = ARRANGEMENTS.into_iter().find(|(known, _)| *known == input);
            match channels {
                Some((_, channels)) if input == output && self.effect.set_channels(channels) => {
                    kResultOk
                }
                _ => kResultFalse,
            }
        })
    }

    unsafe fn getBusArrangement(
        &self,
        direction: BusDirection,
        index: int32,
        arrangement: *mut SpeakerArrangement,
    ) -> tresult {
        guard(|| {
            // SAFETY: the host's, null or valid.
            let Some(arrangement) = (unsafe { arrangement.as_mut() }) else {
                return kInvalidArgument;
            };
            if !is_bus(MediaTypes_::kAudio as MediaType, direction, index) {
                return kInvalidArgument;
            }
            let mono = self.effect.channels() == 1;
            *arrangement = if mono { SpeakerArr::kMono } else { SpeakerArr::kStereo };
            kResultOk
        })
    }

    unsafe fn canProcessSampleSize(&self, size: int32) -> tresult {
        if is_single(size) { kResultOk } else { kResultFalse }
    }

    unsafe fn getLatencySamples(&self) -> uint32 {
        self.effect.latency()
    }

    unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
        guard(|| {
            // SAFETY: the host's, null or valid.
            let Some(setup) = (unsafe { setup.as_ref() }) else { return kInvalidArgument };
            let Ok(longest) = usize::try_from(setup.maxSamplesPerBlock) else {
                return kInvalidArgument;
            };
            if !is_single(setup.symbolicSampleSize) {
                return kResultFalse;
            }
            let offline = is_offline(setup.processMode);
            match self.effect.set_up(setup.sampleRate, longest, offline) {
                Ok(()) => kResultOk,
                Err(error) => {
                    say(format_args!("{error}; the plugin does not run"));
                    kResultFalse
                }
            }
        })
    }

    unsafe fn setProcessing(&self, _state: TBool) -> tresult {
        // Some hosts call it from the audio thread; there is nothing to do.
        kResultOk
    }

    unsafe fn process(&self, data: *mut ProcessData) -> tresult {
        guard(|| {
            // SAFETY: the host's, null or valid.
            let Some(data) = (unsafe { data.as_mut() }) else { return kInvalidArgument };
            let Ok(length) = usize::try_from(data.numSamples) else { return kInvalidArgument };
            if length > 0 && !is_single(data.symbolicSampleSize) {
                return kInvalidArgument;
            }
            // SAFETY: as the host says, during this call.
            let [amount, bypass] = unsafe { self.take_changes(data.inputParameterChanges) };
            // With no samples there need not be any busses.
            let busses = if length > 0 { (data.numInputs, data.numOutputs) } else { (0, 0) };
            // SAFETY: as the host says: so many busses, of so many channels, of so many samples.
            let (inputs, outputs) =
                unsafe { (channels(data.inputs, busses.0), channels(data.outputs, busses.1)) };
            let inputs = inputs.map(<*mut f32>::cast_const);
            // SAFETY: as above; the block does not outlive this call.
            let mut block = unsafe { Block::new(inputs, outputs, length) };
            self.effect.process(&mut block, (&amount, &bypass), is_offline(data.processMode));
            // SAFETY: null or valid, and there is a first one if the number says so.
            if let Some(bus) = unsafe { data.outputs.as_mut() }.filter(|_| busses.1 > 0) {
                bus.silenceFlags = block.silent_outputs();
            }
            kResultOk
        })
    }

    unsafe fn getTailSamples(&self) -> uint32 {
        self.effect.tail()
    }
}

impl IProcessContextRequirementsTrait for Component {
    unsafe fn getProcessContextRequirements(&self) -> uint32 {
        0
    }
}

impl IEditControllerTrait for Component {
    unsafe fn setComponentState(&self, state: *mut IBStream) -> tresult {
        guard(|| self.load(state))
    }

    unsafe fn setState(&self, _state: *mut IBStream) -> tresult {
        kNotImplemented
    }

    unsafe fn getState(&self, _state: *mut IBStream) -> tresult {
        kNotImplemented
    }

    unsafe fn getParameterCount(&self) -> int32 {
        Parameter::ALL.len() as int32
    }

    unsafe fn getParameterInfo(&self, index: int32, info: *mut ParameterInfo) -> tresult {
        guard(|| {
            let parameter = usize::try_from(index).ok().and_then(|i| Parameter::ALL.get(i));
            // SAFETY: the host's, null or valid.
            let (Some(parameter), Some(info)) = (parameter, unsafe { info.as_mut() }) else {
                return kInvalidArgument;
            };
            info.id = *parameter as ParamID;
            text::put_wide(parameter.title(), &mut info.title);
            text::put_wide(parameter.title(), &mut info.shortTitle);
            text::put_wide(parameter.unit(), &mut info.units);
            info.stepCount = parameter.steps() as int32;
            info.defaultNormalizedValue = parameter.default_value();
            info.unitId = 0;
            info.flags = [
                (parameter.is_automatable(), ParameterInfo_::ParameterFlags_::kCanAutomate),
                (parameter.is_list(), ParameterInfo_::ParameterFlags_::kIsList),
                (parameter.is_read_only(), ParameterInfo_::ParameterFlags_::kIsReadOnly),
                (*parameter == Parameter::Bypass, ParameterInfo_::ParameterFlags_::kIsBypass),
            ]
            .into_iter()
            .filter_map(|(set, flag)| set.then_some(flag as int32))
            .sum();
            kResultOk
        })
    }

    unsafe fn getParamStringByValue(
        &self,
        id: ParamID,
        value: ParamValue,
        string: *mut String128,
    ) -> tresult {
        guard(|| {
            // SAFETY: the host's, null or valid.
            let (Some(parameter), Some(string)) =
                (Parameter::from_id(id), unsafe { string.as_mut() })
            else {
                return kInvalidArgument;
            };
            text::put_wide(&self.effect.text(parameter, value), string);
            kResultOk
        })
    }

    unsafe fn getParamValueByString(
        &self,
        id: ParamID,
        string: *mut TChar,
        value: *mut ParamValue,
    ) -> tresult {
        guard(|| {
            let Some(parameter) = Parameter::from_id(id) else { return kInvalidArgument };
            if string.is_null() || value.is_null() {
                return kInvalidArgument;
            }
            // SAFETY: not null, so it is a text that ends with a zero.
            match self.effect.parse(parameter, &unsafe { text::read_wide(string) }) {
                Some(parsed) => {
                    // SAFETY: not null, so it is room for a value.
                    unsafe { *value = parsed };
                    kResultOk
                }
                None => kResultFalse,
            }
        })
    }

    unsafe fn normalizedParamToPlain(&self, id: ParamID, value: ParamValue) -> ParamValue {
        guard_or(value, || Parameter::from_id(id).map_or(value, |p| p.plain(value)))
    }

    unsafe fn plainParamToNormalized(&self, id: ParamID, value: ParamValue) -> ParamValue {
        guard_or(value, || Parameter::from_id(id).map_or(value, |p| p.normalised(value)))
    }

    unsafe fn getParamNormalized(&self, id: ParamID) -> ParamValue {
        guard_or(0.0, || match Parameter::from_id(id) {
            Some(parameter) => self.effect.values().get(parameter),
            None => 0.0,
        })
    }

    unsafe fn setParamNormalized(&self, id: ParamID, value: ParamValue) -> tresult {
        guard(|| {
            let Some(parameter) = Parameter::from_id(id) else { return kInvalidArgument };
            if self.effect.set(parameter, value) {
                self.restart(LATENCY_CHANGED);
            }
            kResultOk
        })
    }

    unsafe fn setComponentHandler(&self, handler: *mut IComponentHandler) -> tresult {
        guard(|| {
            // SAFETY: the host's, null or valid; the reference is counted.
            let handler = unsafe { ComRef::from_raw(handler) }.map(|handler| handler.to_com_ptr());
            *self.handler.lock().unwrap_or_else(PoisonError::into_inner) = handler.map(Handler);
            kResultOk
        })
    }

    unsafe fn createView(&self, _name: FIDString) -> *mut IPlugView {
        // Hosts show the parameters themselves.
        std::ptr::null_mut()
    }
}

/// What the host calls itself; empty if it does not say.
///
/// # Safety
/// The pointer must be null or valid.
unsafe fn host_name(context: *mut FUnknown) -> String {
    // SAFETY: as the caller says.
    let context = unsafe { ComRef::from_raw(context) };
    let Some(host) = context.and_then(|context| context.cast::<IHostApplication>()) else {
        return String::new();
    };
    let mut name: String128 = [0; 128];
    // SAFETY: a call of the host's own object, with room for what it writes.
    if unsafe { host.getName(&raw mut name) } != kResultOk {
        return String::new();
    }
    // SAFETY: 128 units.
    unsafe { text::read_wide(name.as_ptr()) }
}

/// Whether there is such a bus: one of audio in either direction.
fn is_bus(media: MediaType, direction: BusDirection, index: int32) -> bool {
    media == MediaTypes_::kAudio as MediaType
        && (direction == BusDirections_::kInput as BusDirection
            || direction == BusDirections_::kOutput as BusDirection)
        && index == 0
}

fn is_single(size: int32) -> bool {
    size == SymbolicSampleSizes_::kSample32 as int32
}

fn is_offline(mode: int32) -> bool {
    mode == ProcessModes_::kOffline as int32
}

/// The channels of the first bus, null where there are none.
///
/// # Safety
/// `busses` must be null or hold `count` busses, each with as many channels as it says, or null.
unsafe fn channels(busses: *mut AudioBusBuffers, count: int32) -> [*mut f32; MAX_CHANNELS] {
    let mut found = [std::ptr::null_mut(); MAX_CHANNELS];
    if count < 1 || busses.is_null() {
        return found;
    }
    // SAFETY: as the caller says; both members of the union are pointers.
    let (buffers, channels) =
        unsafe { ((*busses).__field0.channelBuffers32, (*busses).numChannels) };
    if buffers.is_null() {
        return found;
    }
    for (channel, found) in found.iter_mut().enumerate() {
        if (channel as int32) < channels {
            // SAFETY: below the number of channels.
            *found = unsafe { *buffers.add(channel) };
        }
    }
    found
}
