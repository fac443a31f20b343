//! The plugin's parts, by the threads that the format gives them to, and what hosts ask the main
//! thread for.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use clack_extensions::audio_ports::PluginAudioPorts;
use clack_extensions::audio_ports_config::PluginAudioPortsConfig;
use clack_extensions::configurable_audio_ports::PluginConfigurableAudioPorts;
use clack_extensions::latency::{HostLatency, PluginLatency, PluginLatencyImpl};
use clack_extensions::params::{HostParams, ParamRescanFlags, PluginParams};
use clack_extensions::render::{PluginRender, PluginRenderImpl, RenderMode};
use clack_extensions::state::{PluginState, PluginStateImpl};
use clack_extensions::tail::PluginTail;
use clack_plugin::entry::DefaultPluginFactory;
use clack_plugin::extensions::PluginExtensions;
use clack_plugin::host::{HostMainThreadHandle, HostSharedHandle};
use clack_plugin::plugin::features::{AUDIO_EFFECT, MONO, RESTORATION, STEREO};
use clack_plugin::plugin::{Plugin, PluginDescriptor, PluginError, PluginMainThread, PluginShared};
use clack_plugin::stream::{InputStream, OutputStream};
use uncodec_effect::effect::Effect;
use uncodec_effect::{socket_path, state};

use crate::processor::Processor;

/// Identifier of the plugin; with it hosts find the plugin of a saved project.
const ID: &str = "uncodec.uncodec";

/// The plugin.
pub struct Uncodec;

/// What all threads use.
pub struct Shared<'a> {
    pub effect: Effect,
    host: HostSharedHandle<'a>,
    /// The host renders.
    offline: AtomicBool,
    /// Between activation and deactivation: what changes the latency waits until the host starts the
    /// plugin anew.
    active: AtomicBool,
}

impl Shared<'_> {
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Relaxed)
    }

    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    pub fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
    }

    /// Another latency is wanted: it comes with the next activation.
    pub fn want_activation(&self) {
        if self.is_active() {
            self.host.request_restart();
        }
    }
}

impl<'a> PluginShared<'a> for Shared<'a> {}

/// What the main thread uses.
pub struct MainThread<'a> {
    pub shared: &'a Shared<'a>,
    host: HostMainThreadHandle<'a>,
    /// The latency of the activation before.
    told: Cell<Option<u32>>,
}

impl<'a> PluginMainThread<'a, Shared<'a>> for MainThread<'a> {}

impl MainThread<'_> {
    /// Tells the host of another latency than before; while the plugin is being activated.
    pub fn tell_latency(&self) {
        let latency = self.shared.effect.latency();
        if self.told.replace(Some(latency)).is_some_and(|told| told != latency)
            && let Some(host) = self.host.get_extension::<HostLatency>()
        {
            host.changed(&self.host);
        }
    }
}

impl Plugin for Uncodec {
    type AudioProcessor<'a> = Processor<'a>;
    type Shared<'a> = Shared<'a>;
    type MainThread<'a> = MainThread<'a>;

    fn declare_extensions(builder: &mut PluginExtensions<Self>, _shared: Option<&Shared<'_>>) {
        builder
            .register::<PluginAudioPorts>()
            .register::<PluginAudioPortsConfig>()
            .register::<PluginConfigurableAudioPorts>()
            .register::<PluginLatency>()
            .register::<PluginParams>()
            .register::<PluginRender>()
            .register::<PluginState>()
            .register::<PluginTail>();
    }
}

impl DefaultPluginFactory for Uncodec {
    fn get_descriptor() -> PluginDescriptor {
        PluginDescriptor::new(ID, "Uncodec")
            .with_vendor("Uncodec")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_description("Gives back what lossy audio compression took away")
            .with_features([AUDIO_EFFECT, RESTORATION, STEREO, MONO])
    }

    fn new_shared(host: HostSharedHandle<'_>) -> Result<Shared<'_>, PluginError> {
        let effect = Effect::new();
        effect.connect(socket_path())?;
        let (offline, active) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Shared { effect, host, offline, active })
    }

    fn new_main_thread<'a>(
        host: HostMainThreadHandle<'a>,
        shared: &'a Shared<'a>,
    ) -> Result<MainThread<'a>, PluginError> {
        Ok(MainThread { shared, host, told: Cell::new(None) })
    }
}

impl PluginLatencyImpl for MainThread<'_> {
    fn get(&self) -> u32 {
        self.shared.effect.latency()
    }
}

impl PluginRenderImpl for MainThread<'_> {
    fn has_hard_realtime_requirement(&self) -> bool {
        false
    }

    fn set(&self, mode: RenderMode) -> Result<(), PluginError> {
        self.shared.offline.store(mode == RenderMode::Offline, Ordering::Relaxed);
        Ok(())
    }
}

impl PluginStateImpl for MainThread<'_> {
    fn save(&self, output: &mut OutputStream) -> Result<(), PluginError> {
        Ok(output.write_all(&self.shared.effect.save())?)
    }

    fn load(&self, input: &mut InputStream) -> Result<(), PluginError> {
        let mut bytes = Vec::new();
        // One more says that there are more.
        input.take(state::BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let latency_changed = self.shared.effect.restore(&bytes)?;
        // Hosts keep values of their own, which are those of before.
        if let Some(host) = self.host.get_extension::<HostParams>() {
            host.rescan(&self.host, ParamRescanFlags::VALUES);
        }
        if latency_changed {
            self.shared.want_activation();
        }
        Ok(())
    }
}
