//! A host's changes of parameters, as the effect takes them.

use std::cell::Cell;

use clack_plugin::events::Event as _;
use clack_plugin::events::event_types::ParamValueEvent;
use clack_plugin::events::io::InputEvents;
use uncodec_effect::automation::Points;
use uncodec_effect::effect::Effect;
use uncodec_effect::parameters::Parameter;

/// Sets the parameters that change, all of them or those that do not follow their changes from
/// sample to sample; whether another latency is wanted now.
pub fn take_changes(events: &InputEvents, effect: &Effect, all: bool) -> bool {
    let mut latency = false;
    for event in events.iter().filter_map(|event| event.as_event::<ParamValueEvent>()) {
        let parameter = event.param_id().and_then(|id| Parameter::from_id(id.get()));
        let Some(parameter) = parameter else { continue };
        if all || !matches!(parameter, Parameter::Amount | Parameter::Bypass) {
            latency |= effect.set(parameter, parameter.normalised(event.value()));
        }
    }
    latency
}

/// The changes of one parameter in a block.
pub struct Steps<'a> {
    events: &'a InputEvents<'a>,
    parameter: Parameter,
    count: usize,
    /// Number and place of the event that was found last, for the next one is looked for next.
    found: Cell<(usize, u32)>,
}

impl<'a> Steps<'a> {
    pub fn new(events: &'a InputEvents<'a>, parameter: Parameter) -> Self {
        let of_it = |place: &u32| value_at(events, *place, parameter).is_some();
        let places = || (0..events.len()).filter(of_it);
        let first = places().next().unwrap_or(0);
        Self { events, parameter, count: places().count(), found: Cell::new((0, first)) }
    }

    fn value_at(&self, place: u32) -> Option<(usize, f64)> {
        value_at(self.events, place, self.parameter)
    }
}

impl Points for Steps<'_> {
    // As this format has it.
    const HOLD: bool = true;

    fn get(&self, index: usize) -> Option<(usize, f64)> {
        if index >= self.count {
            return None;
        }
        let (mut number, mut place) = self.found.get();
        if index < number {
            (number, place) = (0, 0);
        }
        loop {
            if let Some(found) = self.value_at(place) {
                if number == index {
                    self.found.set((number, place));
                    return Some(found);
                }
                number += 1;
            }
            place = place.checked_add(1).filter(|&place| place < self.events.len())?;
        }
    }

    fn last(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        (0..self.events.len()).rev().find_map(|place| self.value_at(place)).map(|(_, value)| value)
    }
}

/// The offset and the normalised value of an event, if it is one of this parameter.
fn value_at(events: &InputEvents, place: u32, parameter: Parameter) -> Option<(usize, f64)> {
    let event = events.get(place)?.as_event::<ParamValueEvent>()?;
    let id = event.param_id()?.get();
    (id == parameter as u32)
        .then(|| (event.header().time() as usize, parameter.normalised(event.value())))
}
