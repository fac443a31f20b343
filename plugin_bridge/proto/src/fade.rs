//! The change between wet and dry, without a step and without a shift.

/// Where the wet signal comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wet {
    /// From the core's result for the current hop.
    Slot,
    /// From the tail of the last result; the number of its samples that were played.
    Tail(usize),
    /// There is none left: the last difference between wet and dry is held.
    Held,
}

/// Direction of the fade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Towards wet, or there.
    Rising,
    /// Towards dry.
    Falling(Wet),
    /// Dry.
    Dry,
}

/// State of the fade: all channels go together.
///
/// The output is `dry + gain * (wet - dry)`, exactly wet at gain 1 and exactly dry at gain 0. When
/// results stop coming, the gain falls along the tail of the last one, or, without a tail, along
/// the last difference between wet and dry. It rises again only from 0: in between, the signals to
/// fade from are different ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fade {
    pub(crate) mode: Mode,
    pub(crate) gain: f32,
    /// Change of the gain per sample while falling.
    fall: f32,
    /// The same while rising.
    rise: f32,
}

impl Fade {
    /// A fade of this many samples that starts wet: what lies before the first sample is silence,
    /// in the wet signal as in the dry one.
    pub(crate) fn new(length: usize) -> Self {
        let rise = 1.0 / length.max(1) as f32;
        Self { mode: Mode::Rising, gain: 1.0, fall: rise, rise }
    }

    /// Back to the start: wet, or dry if that is wanted.
    pub(crate) fn restart(&mut self, wet: bool) {
        (self.mode, self.gain) = if wet { (Mode::Rising, 1.0) } else { (Mode::Dry, 0.0) };
    }

    /// Whether the slot can be copied as it is.
    pub(crate) fn is_wet(&self, slot: bool, wanted: bool) -> bool {
        self.mode == Mode::Rising && self.gain >= 1.0 && slot && wanted
    }

    /// Whether the dry signal can be copied as it is.
    pub(crate) fn is_dry(&self, slot: bool, wanted: bool) -> bool {
        self.mode == Mode::Dry && !(slot && wanted)
    }

    /// Moves on by one sample and tells where its wet part comes from.
    ///
    /// `slot`: the result for this sample is there. `wanted`: the user did not bypass. `tail`: the
    /// length of the tail that begins at this very sample, if one does.
    pub(crate) fn advance(&mut self, slot: bool, wanted: bool, tail: Option<usize>) -> Wet {
        match self.mode {
            Mode::Rising | Mode::Falling(Wet::Slot) if !slot => self.leave_slot(tail),
            Mode::Rising if !wanted => {
                self.mode = Mode::Falling(Wet::Slot);
                self.fall = self.rise;
            }
            Mode::Dry if slot && wanted => self.mode = Mode::Rising,
            _ => {}
        }
        match self.mode {
            Mode::Rising => {
                self.gain = (self.gain + self.rise).min(1.0);
                Wet::Slot
            }
            Mode::Falling(wet) => {
                self.gain -= self.fall;
                let mut next = wet;
                if let Wet::Tail(played) = &mut next {
                    *played += 1;
                }
                self.mode = Mode::Falling(next);
                // Below that, only rounding is left of the gain.
                if self.gain < 1e-5 {
                    (self.mode, self.gain) = (Mode::Dry, 0.0);
                }
                wet
            }
            Mode::Dry => Wet::Held,
        }
    }

    fn leave_slot(&mut self, tail: Option<usize>) {
        if let Some(length) = tail.filter(|&length| length > 0) {
            self.mode = Mode::Falling(Wet::Tail(0));
            self.fall = self.gain / length as f32;
        } else {
            self.mode = Mode::Falling(Wet::Held);
            self.fall = self.rise;
        }
    }
}
