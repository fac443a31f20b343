//! The parameters as hosts see them: plain values, where the effect speaks of normalised ones.

use std::ffi::CStr;
use std::fmt::Write as _;

use clack_extensions::params::{
    ParamDisplayWriter, ParamInfo, ParamInfoFlags, ParamInfoWriter, PluginMainThreadParams,
};
use clack_plugin::events::io::{InputEvents, OutputEvents};
use clack_plugin::utils::{ClapId, Cookie};
use uncodec_effect::parameters::Parameter;

use crate::changes::take_changes;
use crate::plugin::MainThread;

impl PluginMainThreadParams for MainThread<'_> {
    fn count(&self) -> u32 {
        Parameter::ALL.len() as u32
    }

    fn get_info(&self, index: u32, info: &mut ParamInfoWriter) {
        let Some(&parameter) = Parameter::ALL.get(index as usize) else { return };
        let flags = [
            (parameter.is_automatable(), ParamInfoFlags::IS_AUTOMATABLE),
            (parameter.is_stepped(), ParamInfoFlags::IS_STEPPED),
            (parameter.is_list(), ParamInfoFlags::IS_ENUM),
            (parameter.is_read_only(), ParamInfoFlags::IS_READONLY),
            (parameter == Parameter::Bypass, ParamInfoFlags::IS_BYPASS),
        ];
        info.set(&ParamInfo {
            id: ClapId::new(parameter as u32),
            flags: flags.into_iter().filter_map(|(set, flag)| set.then_some(flag)).collect(),
            cookie: Cookie::empty(),
            name: parameter.title().as_bytes(),
            module: b"",
            min_value: parameter.plain(0.0),
            max_value: parameter.plain(1.0),
            default_value: parameter.plain(parameter.default_value()),
        });
    }

    fn get_value(&self, id: ClapId) -> Option<f64> {
        Parameter::from_id(id.get()).map(|parameter| self.shared.effect.values().plain(parameter))
    }

    fn value_to_text(
        &self,
        id: ClapId,
        value: f64,
        writer: &mut ParamDisplayWriter,
    ) -> std::fmt::Result {
        let parameter = Parameter::from_id(id.get()).ok_or(std::fmt::Error)?;
        writer.write_str(&self.shared.effect.text(parameter, parameter.normalised(value)))?;
        // This format has no other place for the unit.
        match parameter.unit() {
            "" => Ok(()),
            unit => write!(writer, " {unit}"),
        }
    }

    fn text_to_value(&self, id: ClapId, text: &CStr) -> Option<f64> {
        let parameter = Parameter::from_id(id.get())?;
        let normalised = self.shared.effect.parse(parameter, text.to_str().ok()?)?;
        Some(parameter.plain(normalised))
    }

    fn flush(&self, input: &InputEvents, _output: &mut OutputEvents) {
        if take_changes(input, &self.shared.effect, true) {
            self.shared.want_activation();
        }
    }
}
