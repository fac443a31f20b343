//! One port in and one out, both mono or both stereo.

use clack_extensions::audio_ports::{
    AudioPortFlags, AudioPortInfo, AudioPortInfoWriter, AudioPortType, PluginAudioPortsImpl,
};
use clack_extensions::audio_ports_config::{
    AudioPortConfigWriter, AudioPortsConfiguration, MainPortInfo, PluginAudioPortsConfigImpl,
};
use clack_extensions::configurable_audio_ports::{
    AudioPortRequest, PluginConfigurableAudioPortsImpl,
};
use clack_plugin::plugin::PluginError;
use clack_plugin::utils::ClapId;

use crate::plugin::MainThread;

/// Names of the arrangements, whose identifier is their number of channels; the usual one first.
const ARRANGEMENTS: [(u32, &[u8]); 2] = [(2, b"Stereo"), (1, b"Mono")];
const INPUT: ClapId = ClapId::new(0);
const OUTPUT: ClapId = ClapId::new(1);

fn port_type(channels: u32) -> AudioPortType<'static> {
    if channels == 1 { AudioPortType::MONO } else { AudioPortType::STEREO }
}

impl PluginAudioPortsImpl for MainThread<'_> {
    fn count(&self, _is_input: bool) -> u32 {
        1
    }

    fn get(&self, index: u32, is_input: bool, writer: &mut AudioPortInfoWriter) {
        if index != 0 {
            return;
        }
        let channels = self.shared.effect.channels() as u32;
        let (id, name, other): (_, &[u8], _) =
            if is_input { (INPUT, b"Input", OUTPUT) } else { (OUTPUT, b"Output", INPUT) };
        writer.set(&AudioPortInfo {
            id,
            name,
            channel_count: channels,
            flags: AudioPortFlags::IS_MAIN,
            port_type: Some(port_type(channels)),
            in_place_pair: Some(other),
        });
    }
}

impl PluginAudioPortsConfigImpl for MainThread<'_> {
    fn count(&self) -> u32 {
        ARRANGEMENTS.len() as u32
    }

    fn get(&self, index: u32, writer: &mut AudioPortConfigWriter) {
        let Some(&(channels, name)) = ARRANGEMENTS.get(index as usize) else { return };
        let port =
            Some(MainPortInfo { channel_count: channels, port_type: Some(port_type(channels)) });
        writer.write(&AudioPortsConfiguration {
            id: ClapId::new(channels),
            name,
            input_port_count: 1,
            output_port_count: 1,
            main_input: port,
            main_output: port,
        });
    }

    fn select(&self, id: ClapId) -> Result<(), PluginError> {
        if self.shared.effect.set_channels(id.get() as usize) {
            Ok(())
        } else {
            Err(PluginError::Message("no such configuration of ports: must be 1 or 2 channels"))
        }
    }
}

impl MainThread<'_> {
    /// The channels of input and output after these requests, if that can be.
    fn requested(&self, requests: &[AudioPortRequest<'_>]) -> Option<usize> {
        let mut channels = [self.shared.effect.channels(); 2];
        for request in requests {
            if request.port_index() != 0 {
                return None;
            }
            channels[usize::from(request.is_input())] = request.details().channel_count() as usize;
        }
        let [output, input] = channels;
        (output == input && matches!(input, 1 | 2)).then_some(input)
    }
}

impl PluginConfigurableAudioPortsImpl for MainThread<'_> {
    fn can_apply_configuration(&self, requests: &[AudioPortRequest<'_>]) -> bool {
        self.requested(requests).is_some()
    }

    fn apply_configuration(&self, requests: &[AudioPortRequest<'_>]) -> bool {
        self.requested(requests).is_some_and(|channels| self.shared.effect.set_channels(channels))
    }
}
