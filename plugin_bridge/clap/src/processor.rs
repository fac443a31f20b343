//! The audio thread's part.

use clack_extensions::params::PluginAudioProcessorParams;
use clack_extensions::tail::{PluginTailImpl, TailLength};
use clack_plugin::events::io::{InputEvents, OutputEvents};
use clack_plugin::host::HostAudioProcessorHandle;
use clack_plugin::plugin::{PluginAudioProcessor, PluginError};
use clack_plugin::process::{
    Audio, ConstantMask, Events, PluginAudioConfiguration, Process, ProcessStatus,
};
use uncodec_effect::block::{Block, MAX_CHANNELS};
use uncodec_effect::parameters::Parameter;

use crate::changes::{Steps, take_changes};
use crate::plugin::{MainThread, Shared};

/// The plugin between activation and deactivation.
pub struct Processor<'a> {
    shared: &'a Shared<'a>,
}

impl<'a> PluginAudioProcessor<'a, Shared<'a>, MainThread<'a>> for Processor<'a> {
    fn activate(
        _host: HostAudioProcessorHandle<'a>,
        main_thread: &MainThread<'a>,
        shared: &'a Shared<'a>,
        config: PluginAudioConfiguration,
    ) -> Result<Self, PluginError> {
        let longest = config.max_frames_count as usize;
        shared.effect.set_up(config.sample_rate, longest, shared.is_offline())?;
        shared.effect.set_active(true);
        shared.set_active(true);
        main_thread.tell_latency();
        Ok(Self { shared })
    }

    fn process(
        &mut self,
        _process: Process,
        mut audio: Audio,
        events: Events,
    ) -> Result<ProcessStatus, PluginError> {
        let effect = &self.shared.effect;
        let steps = |parameter| Steps::new(events.input, parameter);
        let (amount, bypass) = (steps(Parameter::Amount), steps(Parameter::Bypass));
        self.take(events.input, false);
        let length = audio.frames_count() as usize;
        let inputs = audio.input_port(0).and_then(|port| port.channels().ok()?.into_f32());
        let inputs = pointers(inputs.as_ref().map_or(&[], |channels| channels.raw_data()));
        let mut port = audio.output_port(0);
        let outputs = port.as_mut().and_then(|port| port.channels().ok()?.into_f32());
        let outputs = pointers(outputs.as_ref().map_or(&[], |channels| channels.raw_data()));
        let inputs = inputs.map(<*mut f32>::cast_const);
        // SAFETY: null, or of so many samples, as the host says; the block does not outlive this call.
        let mut block = unsafe { Block::new(inputs, outputs, length) };
        effect.process(&mut block, (&amount, &bypass), self.shared.is_offline());
        if let Some(port) = &mut port {
            port.set_constant_mask(ConstantMask::from_bits(block.silent_outputs()));
        }
        // What comes out now went in earlier: a host that puts the plugin to sleep when the input
        // ends would cut that off.
        Ok(ProcessStatus::Continue)
    }

    fn deactivate(self, _main_thread: &MainThread<'a>) {
        self.shared.set_active(false);
        self.shared.effect.set_active(false);
    }

    fn reset(&mut self) {
        self.shared.effect.reset();
    }

    fn start_processing(&mut self) -> Result<(), PluginError> {
        // What was on its way when the host stopped belongs to another moment.
        self.shared.effect.reset();
        Ok(())
    }
}

impl Processor<'_> {
    fn take(&self, events: &InputEvents, all: bool) {
        if take_changes(events, &self.shared.effect, all) {
            self.shared.want_activation();
        }
    }
}

impl PluginAudioProcessorParams for Processor<'_> {
    fn flush(&mut self, input: &InputEvents, _output: &mut OutputEvents) {
        self.take(input, true);
    }
}

impl PluginTailImpl for Processor<'_> {
    fn get(&self) -> TailLength {
        TailLength::Finite(self.shared.effect.tail())
    }
}

/// The first channels of a port, null where there are none.
fn pointers(channels: &[*mut f32]) -> [*mut f32; MAX_CHANNELS] {
    let mut found = [std::ptr::null_mut(); MAX_CHANNELS];
    for (found, channel) in found.iter_mut().zip(channels) {
        *found = *channel;
    }
    found
}
