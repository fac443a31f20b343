//! The parameters as data: ranges, names, texts, and their current values.
//!
//! Hosts speak of normalised values from 0 to 1; each parameter has a plain value with a unit.

use std::sync::atomic::{AtomicU64, Ordering};

use uncodec_proto::MOST_BRIGHTNESS_DB;

use crate::models::{MODELS, default_index};

/// A parameter; its number is the identifier in hosts, never changes and is never used again: 4 was
/// one that told of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Parameter {
    /// Strength of the restoration.
    Amount = 0,
    /// The input, as late as ever.
    Bypass = 1,
    /// Time that the core may take for a hop: more of it, more latency and fewer dropouts.
    LatencySafety = 2,
    /// Which model restores.
    Model = 3,
    /// Tilt of what is added.
    Brightness = 5,
    /// How far towards the reference; does nothing without one.
    Likeness = 6,
    /// Whether there is a reference, and which. It comes with a state and is read only.
    Reference = 7,
}

/// What a value of a parameter means.
#[derive(Debug, Clone, Copy)]
enum Scale {
    /// From the minimum to the maximum, in whole tenths as far as texts are concerned.
    Continuous { minimum: f64, maximum: f64 },
    /// Whole numbers from `minimum` on.
    Steps { minimum: u32, count: u32 },
    /// One of a list.
    List(fn(usize) -> Option<&'static str>),
}

/// More than any list has.
const MOST_NAMES: usize = 1000;
const AMOUNT: Scale = Scale::Continuous { minimum: 0.0, maximum: 100.0 };
const BRIGHTNESS: Scale =
    Scale::Continuous { minimum: -(MOST_BRIGHTNESS_DB as f64), maximum: MOST_BRIGHTNESS_DB as f64 };
const LIKENESS: Scale = AMOUNT;
const SAFETY: Scale = Scale::Steps { minimum: 1, count: 50 };
const SAFETY_DEFAULT_MS: f64 = 10.0;

fn on_off(index: usize) -> Option<&'static str> {
    ["Off", "On"].get(index).copied()
}

/// What is shown without a reference.
pub const NO_REFERENCE: &str = "none (Likeness is off)";

fn reference_name(index: usize) -> Option<&'static str> {
    [NO_REFERENCE, "a reference"].get(index).copied()
}

fn model_name(index: usize) -> Option<&'static str> {
    MODELS.get(index).map(|model| model.name)
}

impl Parameter {
    /// All of them, in the order in which hosts show them.
    pub const ALL: [Self; 7] = [
        Self::Amount,
        Self::Bypass,
        Self::LatencySafety,
        Self::Model,
        Self::Brightness,
        Self::Likeness,
        Self::Reference,
    ];

    /// Its place in [`ALL`](Self::ALL).
    const fn place(self) -> usize {
        match self {
            Self::Amount => 0,
            Self::Bypass => 1,
            Self::LatencySafety => 2,
            Self::Model => 3,
            Self::Brightness => 4,
            Self::Likeness => 5,
            Self::Reference => 6,
        }
    }

    /// The parameter with this number.
    #[must_use]
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| *parameter as u32 == id)
    }

    /// Name shown by hosts.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Amount => "Amount",
            Self::Bypass => "Bypass",
            Self::LatencySafety => "Latency safety",
            Self::Model => "Model",
            Self::Brightness => "Brightness",
            Self::Likeness => "Likeness",
            Self::Reference => "Reference",
        }
    }

    /// Unit of the plain value, empty for lists.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Amount | Self::Likeness => "%",
            Self::LatencySafety => "ms",
            Self::Brightness => "dB",
            Self::Bypass | Self::Model | Self::Reference => "",
        }
    }

    /// Whether hosts may record it: what changes the latency cannot be moved while audio runs.
    #[must_use]
    pub fn is_automatable(self) -> bool {
        matches!(self, Self::Amount | Self::Bypass | Self::Brightness | Self::Likeness)
    }

    /// Whether hosts may only look at it.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        self == Self::Reference
    }

    /// Whether its values have names.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self.scale(), Scale::List(_))
    }

    /// Whether it has whole numbers only.
    #[must_use]
    pub fn is_stepped(self) -> bool {
        !matches!(self.scale(), Scale::Continuous { .. })
    }

    /// Whether another value means another latency.
    #[must_use]
    pub fn changes_latency(self) -> bool {
        matches!(self, Self::LatencySafety | Self::Model)
    }

    fn scale(self) -> Scale {
        match self {
            Self::Amount => AMOUNT,
            Self::Bypass => Scale::List(on_off),
            Self::LatencySafety => SAFETY,
            Self::Model => Scale::List(model_name),
            Self::Brightness => BRIGHTNESS,
            Self::Likeness => LIKENESS,
            Self::Reference => Scale::List(reference_name),
        }
    }

    /// Number of steps between the least and the greatest value; 0 if it is continuous, or if there
    /// is one value only.
    #[must_use]
    pub fn steps(self) -> u32 {
        match self.scale() {
            Scale::Continuous { .. } => 0,
            Scale::Steps { count, .. } => count - 1,
            Scale::List(names) => {
                (1..MOST_NAMES).take_while(|&index| names(index).is_some()).count() as u32
            }
        }
    }

    /// The normalised default.
    #[must_use]
    pub fn default_value(self) -> f64 {
        match self {
            Self::Amount | Self::Likeness => 1.0,
            Self::Bypass | Self::Reference => 0.0,
            Self::LatencySafety => self.normalised(SAFETY_DEFAULT_MS),
            Self::Model => self.normalised(default_index() as f64),
            Self::Brightness => self.normalised(0.0),
        }
    }

    /// The plain value: percent, milliseconds, or the place in the list.
    #[must_use]
    pub fn plain(self, normalised: f64) -> f64 {
        let normalised = in_range(normalised);
        match self.scale() {
            Scale::Continuous { minimum, maximum } => minimum + normalised * (maximum - minimum),
            Scale::Steps { minimum, .. } => f64::from(minimum) + self.step(normalised),
            Scale::List(_) => self.step(normalised),
        }
    }

    /// The normalised value of a plain one; what is out of range is brought into it.
    #[must_use]
    pub fn normalised(self, plain: f64) -> f64 {
        in_range(match self.scale() {
            Scale::Continuous { minimum, maximum } => (plain - minimum) / (maximum - minimum),
            Scale::Steps { minimum, .. } => {
                (plain.round() - f64::from(minimum)) / f64::from(self.steps())
            }
            Scale::List(_) => plain.round() / f64::from(self.steps().max(1)),
        })
    }

    /// The step that a normalised value lies in: all steps are equally wide.
    fn step(self, normalised: f64) -> f64 {
        let steps = f64::from(self.steps());
        (normalised * (steps + 1.0)).floor().min(steps)
    }

    /// The text of a normalised value, without its unit.
    #[must_use]
    pub fn text(self, normalised: f64) -> String {
        let plain = self.plain(normalised);
        match self.scale() {
            // A sum with 0, because -0.0 is no text of its own.
            Scale::Continuous { .. } => format!("{:.1}", (plain * 10.0).round() / 10.0 + 0.0),
            Scale::Steps { .. } => format!("{plain:.0}"),
            Scale::List(names) => names(plain as usize).unwrap_or_default().to_owned(),
        }
    }

    /// The normalised value of a text, with or without the unit.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<f64> {
        let text = text.trim();
        let text = text.strip_suffix(self.unit()).unwrap_or(text).trim_end();
        let range = match self.scale() {
            Scale::List(names) => {
                let matches = |&index: &usize| {
                    names(index).is_some_and(|name| name.eq_ignore_ascii_case(text))
                };
                return (0..=self.steps() as usize)
                    .find(matches)
                    .map(|index| self.normalised(index as f64));
            }
            Scale::Continuous { minimum, maximum } => minimum..=maximum,
            Scale::Steps { minimum, count } => f64::from(minimum)..=f64::from(minimum + count - 1),
        };
        let plain: f64 = text.parse().ok()?;
        range.contains(&plain).then(|| self.normalised(plain))
    }
}

pub(crate) fn in_range(normalised: f64) -> f64 {
    if normalised.is_nan() { 0.0 } else { normalised.clamp(0.0, 1.0) }
}

/// The current values, normalised, for any thread.
#[derive(Debug)]
pub struct Values([AtomicU64; Parameter::ALL.len()]);

impl Default for Values {
    fn default() -> Self {
        Self(Parameter::ALL.map(|parameter| AtomicU64::new(parameter.default_value().to_bits())))
    }
}

impl Values {
    /// The normalised value.
    #[must_use]
    pub fn get(&self, parameter: Parameter) -> f64 {
        f64::from_bits(self.0[parameter.place()].load(Ordering::Relaxed))
    }

    /// The plain value.
    #[must_use]
    pub fn plain(&self, parameter: Parameter) -> f64 {
        parameter.plain(self.get(parameter))
    }

    /// Sets the normalised value, brought into range; whether its plain value is another one now.
    pub fn set(&self, parameter: Parameter, normalised: f64) -> bool {
        let before = self.plain(parameter);
        let normalised = in_range(normalised);
        self.0[parameter.place()].store(normalised.to_bits(), Ordering::Relaxed);
        before.to_bits() != parameter.plain(normalised).to_bits()
    }

    /// Sets the plain value; whether it is another one now.
    pub fn set_plain(&self, parameter: Parameter, plain: f64) -> bool {
        self.set(parameter, parameter.normalised(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_are_monotone() {
        for parameter in Parameter::ALL {
            let mut last = f64::NEG_INFINITY;
            for n in 0..=10_000 {
                let text = parameter.text(f64::from(n) / 10_000.0);
                let value = parameter.parse(&text).unwrap();
                assert_eq!(parameter.text(value), text, "{parameter:?}");
                assert!(parameter.plain(value) >= last, "{parameter:?} {text}");
                last = parameter.plain(value);
                assert_eq!(parameter.parse(&format!("{text} {}", parameter.unit())), Some(value));
            }
        }
    }

    #[test]
    fn plain_values_come_back() {
        for parameter in Parameter::ALL {
            for step in 0..=parameter.steps() {
                let plain = parameter.plain(f64::from(step) / f64::from(parameter.steps().max(1)));
                let back = parameter.plain(parameter.normalised(plain));
                assert!((plain - back).abs() < 1e-12, "{parameter:?} {plain} {back}");
            }
        }
        assert!((Parameter::LatencySafety.plain(0.0) - 1.0).abs() < 1e-12);
        assert!((Parameter::LatencySafety.plain(1.0) - 50.0).abs() < 1e-12);
    }

    #[test]
    fn values_without_sense_are_brought_into_range_or_refused() {
        for parameter in Parameter::ALL {
            for value in [f64::NAN, -1.0, 2.0, f64::INFINITY, f64::NEG_INFINITY] {
                let values = Values::default();
                values.set(parameter, value);
                assert!((0.0..=1.0).contains(&values.get(parameter)));
                values.set_plain(parameter, value);
                assert!((0.0..=1.0).contains(&values.get(parameter)));
            }
            for text in ["", "x", "nan", "-13", "101", "1e9"] {
                assert_eq!(parameter.parse(text), None, "{parameter:?} {text}");
            }
        }
    }

    #[test]
    fn numbers_name_parameters() {
        for parameter in Parameter::ALL {
            assert_eq!(Parameter::from_id(parameter as u32), Some(parameter));
            assert_eq!(Parameter::ALL[parameter.place()], parameter);
        }
        assert_eq!(Parameter::from_id(4), None);
    }
}
