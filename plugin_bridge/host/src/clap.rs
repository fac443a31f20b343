//! The plugin as a CLAP.

use std::ffi::{CStr, CString};
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clack_extensions::audio_ports::{AudioPortInfoBuffer, PluginAudioPorts};
use clack_extensions::audio_ports_config::{AudioPortsConfigBuffer, PluginAudioPortsConfig};
use clack_extensions::configurable_audio_ports::{
    AudioPortRequest, AudioPortRequestDetails, PluginConfigurableAudioPorts,
};
use clack_extensions::latency::{HostLatency, HostLatencyImpl, PluginLatency};
use clack_extensions::params::{
    HostParams, HostParamsImplMainThread, HostParamsImplShared, ParamClearFlags, ParamInfoBuffer,
    ParamInfoFlags, ParamRescanFlags, PluginParams,
};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::PluginState;
use clack_extensions::tail::{PluginTail, TailLength};
use clack_host::events::Pckn;
use clack_host::events::event_types::ParamValueEvent;
use clack_host::prelude::*;
use clack_host::utils::ClapId;
use clap_sys::audio_buffer::clap_audio_buffer;

use crate::module::{Format, LoadError};
use crate::plugin::{
    Arrangement, Change, Instance, Kind, MOST, Mode, ParameterFacts, Plugin, Pointers, Restarts,
    Told,
};

/// The most that one call of a stream reads or writes.
const PART: usize = 100;

/// A loaded module.
#[derive(Clone)]
pub struct Module {
    entry: PluginEntry,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").finish_non_exhaustive()
    }
}

fn failed(step: &'static str, error: impl fmt::Display) -> LoadError {
    LoadError::Clap { step, reason: error.to_string() }
}

impl Module {
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        // SAFETY: the library is the one under test; running its code is what this is for.
        let entry = unsafe { PluginEntry::load(path) };
        Ok(Self { entry: entry.map_err(|error| failed("clap_entry", error))? })
    }

    /// Name, identifier, features and version of the only plugin.
    pub fn class(&self) -> Result<[String; 4], LoadError> {
        let factory = self.entry.get_plugin_factory().ok_or(LoadError::Missing("factory"))?;
        if factory.plugin_count() != 1 {
            return Err(LoadError::Missing("plugin, or has several"));
        }
        let found = factory.plugin_descriptor(0).ok_or(LoadError::Missing("descriptor"))?;
        let text = |text: Option<&CStr>| text.unwrap_or_default().to_string_lossy().into_owned();
        let features: Vec<_> = found.features().map(|feature| text(Some(feature))).collect();
        Ok([text(found.name()), text(found.id()), features.join("|"), text(found.version())])
    }

    /// A new plugin, initialised.
    pub fn instantiate(&self) -> Result<Plugin, LoadError> {
        let [_, id, ..] = self.class()?;
        let id = CString::new(id).map_err(|error| failed("identifier", error))?;
        let info = HostInfo::new("Uncodec test host", "Uncodec", "", env!("CARGO_PKG_VERSION"))
            .map_err(|error| failed("host", error))?;
        let restarts = Restarts::default();
        let told = restarts.clone();
        let mut instance = PluginInstance::<Host>::new(
            |()| Teller(told),
            |shared| MainTeller(shared),
            &self.entry,
            &id,
            &info,
        )
        .map_err(|error| failed("create_plugin", error))?;
        let extensions = Extensions::of(instance.plugin_handle())?;
        let ranges = ranges(extensions.params, &mut instance);
        let main = Main { instance, setup: None };
        let plugin = Clap { main: Mutex::new(main), audio: Mutex::default(), extensions, ranges };
        Ok(Plugin::new(Box::new(plugin), Format::Clap, restarts))
    }
}

/// The host as the plugin sees it.
struct Host;

struct Teller(Restarts);

struct MainTeller<'a>(&'a Teller);

impl HostHandlers for Host {
    type Shared<'a> = Teller;
    type MainThread<'a> = MainTeller<'a>;
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<Self>, _shared: &Teller) {
        builder.register::<HostLatency>().register::<HostParams>();
    }
}

impl SharedHandler<'_> for Teller {
    fn request_restart(&self) {
        self.0.count(Told::WantsRestart);
    }

    fn request_process(&self) {}

    fn request_callback(&self) {}
}

impl<'a> MainThreadHandler<'a> for MainTeller<'a> {}

impl HostLatencyImpl for MainTeller<'_> {
    fn changed(&self) {
        self.0.0.count(Told::Latency);
    }
}

impl HostParamsImplShared for Teller {
    fn request_flush(&self) {}
}

impl HostParamsImplMainThread for MainTeller<'_> {
    fn rescan(&self, flags: ParamRescanFlags) {
        if flags.contains(ParamRescanFlags::VALUES) {
            self.0.0.count(Told::Values);
        }
    }

    fn clear(&self, _id: ClapId, _flags: ParamClearFlags) {}
}

/// What the plugin must have.
#[derive(Clone, Copy)]
struct Extensions {
    configurations: PluginAudioPortsConfig,
    configurable: PluginConfigurableAudioPorts,
    latency: PluginLatency,
    params: PluginParams,
    ports: PluginAudioPorts,
    render: PluginRender,
    state: PluginState,
    tail: PluginTail,
}

impl Extensions {
    fn of(plugin: PluginMainThreadHandle<'_>) -> Result<Self, LoadError> {
        Ok(Self {
            configurations: plugin.get_extension().ok_or(LoadError::Missing("configurations"))?,
            configurable: plugin.get_extension().ok_or(LoadError::Missing("configurable ports"))?,
            latency: plugin.get_extension().ok_or(LoadError::Missing("latency"))?,
            params: plugin.get_extension().ok_or(LoadError::Missing("parameters"))?,
            ports: plugin.get_extension().ok_or(LoadError::Missing("audio ports"))?,
            render: plugin.get_extension().ok_or(LoadError::Missing("render mode"))?,
            state: plugin.get_extension().ok_or(LoadError::Missing("state"))?,
            tail: plugin.get_extension().ok_or(LoadError::Missing("tail"))?,
        })
    }
}

/// Of a parameter, in plain values.
#[derive(Debug, Clone, Copy)]
struct Range {
    id: u32,
    minimum: f64,
    maximum: f64,
}

impl Range {
    fn plain(&self, normalised: f64) -> f64 {
        self.minimum + normalised * (self.maximum - self.minimum)
    }

    fn normalised(&self, plain: f64) -> f64 {
        let width = self.maximum - self.minimum;
        if width > 0.0 { (plain - self.minimum) / width } else { 0.0 }
    }
}

fn ranges(params: PluginParams, instance: &mut PluginInstance<Host>) -> Vec<Range> {
    let handle = instance.plugin_handle();
    let mut buffer = ParamInfoBuffer::new();
    let mut found = Vec::new();
    for index in 0..params.count(&handle) {
        if let Some(info) = params.get_info(&handle, index, &mut buffer) {
            let (minimum, maximum) = (info.min_value, info.max_value);
            found.push(Range { id: info.id.get(), minimum, maximum });
        }
    }
    found
}

/// The changes of a block.
pub struct Changes(EventBuffer);

/// What the main thread uses.
struct Main {
    instance: PluginInstance<Host>,
    setup: Option<PluginAudioConfiguration>,
}

/// An instance of the plugin; destroyed when it is dropped.
///
/// The format forbids some calls at the same time; those are made one after the other. The audio
/// thread and what a main thread may do meanwhile are not kept apart.
struct Clap {
    main: Mutex<Main>,
    audio: Mutex<Option<StartedPluginAudioProcessor<Host>>>,
    extensions: Extensions,
    ranges: Vec<Range>,
}

// SAFETY: what belongs to the main thread is used under a lock, by one thread at a time.
unsafe impl Send for Clap {}
// SAFETY: as above.
unsafe impl Sync for Clap {}

impl Drop for Clap {
    fn drop(&mut self) {
        self.set_active(false);
    }
}

impl Clap {
    fn main(&self) -> MutexGuard<'_, Main> {
        self.main.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn audio(&self) -> MutexGuard<'_, Option<StartedPluginAudioProcessor<Host>>> {
        self.audio.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn range(&self, id: u32) -> Option<&Range> {
        self.ranges.iter().find(|range| range.id == id)
    }

    fn event(&self, change: &Change) -> ParamValueEvent {
        let range = self.range(change.id);
        let value = range.map_or(change.value, |range| range.plain(change.value));
        // Offsets that are none become giant ones.
        let offset = change.offset.cast_unsigned();
        ParamValueEvent::new(offset, ClapId::new(change.id), Pckn::match_all(), value)
    }

    fn set_mode(&self, main: &mut Main, mode: Mode) {
        let mode = match mode {
            Mode::Realtime => RenderMode::Realtime,
            Mode::Offline => RenderMode::Offline,
        };
        // A plugin that cannot is asked again for each block, and what comes out shows it.
        let _ = self.extensions.render.set(&main.instance.plugin_handle(), mode);
    }

    /// Selects a configuration by its number of channels; whether there is one.
    fn select(&self, handle: PluginMainThreadHandle<'_>, arrangement: Arrangement) -> bool {
        let configurations = self.extensions.configurations;
        let mut buffer = AudioPortsConfigBuffer::new();
        (0..configurations.count(&handle)).any(|index| {
            let Some(found) = configurations.get(&handle, index, &mut buffer) else { return false };
            let channels = found.main_input.map_or(0, |port| port.channel_count as usize);
            Arrangement::of(channels) == arrangement
                && configurations.select(&handle, found.id).is_ok()
        })
    }

    fn start(&self, main: &mut Main) -> i32 {
        let Some(setup) = main.setup else { return -1 };
        match main.instance.activate(|_, _| (), setup) {
            Ok(stopped) => match stopped.start_processing() {
                Ok(started) => {
                    *self.audio() = Some(started);
                    0
                }
                Err(error) => {
                    main.instance.deactivate(error.into_stopped_processor());
                    -1
                }
            },
            Err(_) => -1,
        }
    }

    fn stop(&self, main: &mut Main) {
        if let Some(started) = self.audio().take() {
            main.instance.deactivate(started.stop_processing());
        }
    }
}

impl Instance for Clap {
    fn initialize(&self, _start: bool) -> i32 {
        0
    }

    fn set_arrangement(&self, input: Arrangement, output: Arrangement) -> i32 {
        let details = |arrangement| match arrangement {
            Arrangement::Mono => AudioPortRequestDetails::mono(),
            Arrangement::Stereo => AudioPortRequestDetails::stereo(),
            Arrangement::Surround => AudioPortRequestDetails::untyped(6),
        };
        let requests = [
            AudioPortRequest::new(true, 0, details(input)),
            AudioPortRequest::new(false, 0, details(output)),
        ];
        let mut main = self.main();
        let active = main.instance.is_active();
        self.stop(&mut main);
        let Some(mut handle) = main.instance.inactive_plugin_handle() else { return -1 };
        let configurable = self.extensions.configurable;
        let can = configurable.can_apply_configuration(&mut handle, &requests);
        let done = configurable.apply_configuration(&mut handle, &requests);
        // The other way to ask for the same.
        let known = input == output && self.select(main.instance.plugin_handle(), input);
        assert_eq!((can, known), (done, done), "the ways to ask agree");
        if active {
            self.start(&mut main);
        }
        if done { 0 } else { -1 }
    }

    fn set_up(&self, sample_rate: f64, max_block: i32, mode: Mode) -> i32 {
        let Ok(longest) = u32::try_from(max_block) else { return -1 };
        let mut main = self.main();
        let active = main.instance.is_active();
        self.stop(&mut main);
        let max_frames_count = longest.max(1);
        main.setup =
            Some(PluginAudioConfiguration { sample_rate, min_frames_count: 1, max_frames_count });
        self.set_mode(&mut main, mode);
        let result = self.start(&mut main);
        if !active {
            self.stop(&mut main);
        }
        result
    }

    fn set_active(&self, active: bool) -> i32 {
        let mut main = self.main();
        match (active, main.instance.is_active()) {
            (true, false) => self.start(&mut main),
            (false, true) => {
                self.stop(&mut main);
                0
            }
            _ => 0,
        }
    }

    fn reset(&self, sleeping: bool) -> i32 {
        let mut audio = self.audio();
        let Some(mut started) = audio.take() else { return -1 };
        if !sleeping {
            started.reset();
            *audio = Some(started);
            return 0;
        }
        *audio = started.stop_processing().start_processing().ok();
        if audio.is_some() { 0 } else { -1 }
    }

    fn channels(&self) -> [usize; 2] {
        let mut main = self.main();
        let handle = main.instance.plugin_handle();
        [true, false].map(|is_input| {
            let mut buffer = AudioPortInfoBuffer::new();
            let port = self.extensions.ports.get(&handle, 0, is_input, &mut buffer);
            port.map_or(0, |port| port.channel_count as usize)
        })
    }

    fn latency(&self) -> usize {
        self.extensions.latency.get(&self.main().instance.plugin_handle()) as usize
    }

    fn tail(&self) -> usize {
        let mut audio = self.audio();
        let tail = audio.as_mut().map(|audio| self.extensions.tail.get(&audio.plugin_handle()));
        match tail {
            Some(TailLength::Finite(tail)) => tail as usize,
            Some(TailLength::Infinite) => usize::MAX,
            None => 0,
        }
    }

    fn changes(&self, changes: &[Change]) -> crate::plugin::Changes {
        let mut events = EventBuffer::with_capacity(changes.len());
        for change in changes {
            events.push(&self.event(change));
        }
        crate::plugin::Changes(Kind::Clap(Changes(events)))
    }

    fn process(
        &self,
        block: &mut Pointers,
        mode: Mode,
        changes: Option<&crate::plugin::Changes>,
    ) -> i32 {
        self.set_mode(&mut self.main(), mode);
        let port = |channels: usize, buffers: &mut [*mut f32]| clap_audio_buffer {
            data32: buffers.as_mut_ptr(),
            data64: std::ptr::null_mut(),
            channel_count: channels as u32,
            latency: 0,
            constant_mask: 0,
        };
        let input = [port(block.channels.0, &mut block.inputs)];
        let mut output = [port(block.channels.1, &mut block.outputs)];
        let result = self.call(&input, &mut output, block.length as u32, changes);
        block.silent = output[0].constant_mask;
        result
    }

    fn process_nothing(&self, length: i32, no_busses: bool) -> i32 {
        let Ok(length) = u32::try_from(length) else { return -1 };
        if no_busses {
            return self.call(&[], &mut [], length, None);
        }
        let mut nulls = [std::ptr::null_mut(); MOST];
        let bus = clap_audio_buffer {
            data32: std::ptr::null_mut(),
            data64: std::ptr::null_mut(),
            channel_count: 2,
            latency: 0,
            constant_mask: 0,
        };
        let null_channels = clap_audio_buffer { data32: nulls.as_mut_ptr(), ..bus };
        self.call(&[bus], &mut [null_channels], length, None)
    }

    fn parameters(&self) -> Vec<ParameterFacts> {
        let mut main = self.main();
        let handle = main.instance.plugin_handle();
        let params = self.extensions.params;
        let mut buffer = ParamInfoBuffer::new();
        let mut found = Vec::new();
        for index in 0..params.count(&handle) {
            let Some(info) = params.get_info(&handle, index, &mut buffer) else { continue };
            let range =
                Range { id: info.id.get(), minimum: info.min_value, maximum: info.max_value };
            let stepped = info.flags.contains(ParamInfoFlags::IS_STEPPED);
            found.push(ParameterFacts {
                id: range.id,
                title: String::from_utf8_lossy(info.name).into_owned(),
                unit: String::new(),
                steps: if stepped { (range.maximum - range.minimum) as i32 } else { 0 },
                default: range.normalised(info.default_value),
                flags: info.flags.bits().cast_signed(),
            });
        }
        found
    }

    fn parameter(&self, id: u32) -> f64 {
        let params = self.extensions.params;
        let value = params.get_value(&self.main().instance.plugin_handle(), ClapId::new(id));
        match (value, self.range(id)) {
            (Some(value), Some(range)) => range.normalised(value),
            _ => 0.0,
        }
    }

    fn set_parameter(&self, id: u32, value: f64) -> i32 {
        let mut events = EventBuffer::with_capacity(1);
        events.push(&self.event(&Change { id, offset: 0, value }));
        let (input, mut output) = (events.as_input(), OutputEvents::void());
        let params = self.extensions.params;
        let mut main = self.main();
        if let Some(audio) = self.audio().as_mut() {
            params.flush_active(&mut audio.plugin_handle(), &input, &mut output);
        } else if let Some(mut handle) = main.instance.inactive_plugin_handle() {
            params.flush(&mut handle, &input, &mut output);
        }
        if self.range(id).is_some() { 0 } else { -1 }
    }

    fn parameter_text(&self, id: u32, value: f64) -> Option<String> {
        let mut main = self.main();
        let handle = main.instance.plugin_handle();
        let value = self.range(id).map_or(value, |range| range.plain(value));
        let mut buffer = [0; 128];
        let params = self.extensions.params;
        let text = params.value_to_text(&handle, ClapId::new(id), value, &mut buffer).ok()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn parse_parameter(&self, id: u32, text: &str) -> Option<f64> {
        let text = CString::new(text).ok()?;
        let mut main = self.main();
        let handle = main.instance.plugin_handle();
        let value = self.extensions.params.text_to_value(&handle, ClapId::new(id), &text)?;
        Some(self.range(id)?.normalised(value))
    }

    fn state(&self) -> Vec<u8> {
        let mut bytes = Parts(Vec::new());
        let mut main = self.main();
        let handle = main.instance.plugin_handle();
        match self.extensions.state.save(&handle, &mut bytes) {
            Ok(()) => bytes.0,
            Err(_) => Vec::new(),
        }
    }

    fn set_state(&self, bytes: &[u8]) -> i32 {
        let mut bytes = Parts(bytes);
        let mut main = self.main();
        let handle = main.instance.plugin_handle();
        if self.extensions.state.load(&handle, &mut bytes).is_ok() { 0 } else { -1 }
    }
}

impl Clap {
    fn call(
        &self,
        input: &[clap_audio_buffer],
        output: &mut [clap_audio_buffer],
        length: u32,
        changes: Option<&crate::plugin::Changes>,
    ) -> i32 {
        let mut audio = self.audio();
        let Some(audio) = audio.as_mut() else { return -1 };
        // SAFETY: every pointer is null or valid for what its number says, during the call.
        let (input, mut output) = unsafe {
            (
                InputAudioBuffers::from_raw_buffers(input, length),
                OutputAudioBuffers::from_raw_buffers(output, length),
            )
        };
        let events = match changes.map(|changes| &changes.0) {
            Some(Kind::Clap(changes)) => changes.0.as_input(),
            _ => InputEvents::empty(),
        };
        let mut told = OutputEvents::void();
        let result = audio.process(&input, &mut output, &events, &mut told, None, None);
        if result.is_ok() { 0 } else { -1 }
    }
}

/// A stream that hands over a few bytes at a time, as a stream may.
struct Parts<T>(T);

impl Read for Parts<&[u8]> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(PART);
        self.0.read(&mut buffer[..most])
    }
}

impl Write for Parts<Vec<u8>> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(PART)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
