//! Changes of amount and bypass within a block, each at the sample that it is meant for.

use uncodec_proto::{HostPath, Memory};

use crate::parameters::{Parameter, in_range};

/// The changes of one parameter within a block, in their order.
///
/// Each point is the normalised value of one sample of the block. What is in between depends on the
/// format.
pub trait Points {
    /// Whether a value holds up to the next point; otherwise a straight line leads there.
    const HOLD: bool;

    /// Offset in the block and value of a point; nothing behind the last one.
    fn get(&self, index: usize) -> Option<(usize, f64)>;

    /// The value that stays.
    fn last(&self) -> Option<f64> {
        (0..).map_while(|index| self.get(index)).last().map(|(_, value)| value)
    }
}

impl Points for [(usize, f64)] {
    const HOLD: bool = false;

    fn get(&self, index: usize) -> Option<(usize, f64)> {
        <[_]>::get(self, index).copied()
    }
}

/// The way through a block.
#[derive(Debug)]
pub(crate) struct Timeline<'a, P: ?Sized> {
    amount: &'a P,
    bypass: &'a P,
    length: usize,
    /// The next points.
    next_amount: usize,
    next_bypass: usize,
    /// First sample behind the line that the amount is on.
    line_end: usize,
}

impl<'a, P: Points + ?Sized> Timeline<'a, P> {
    pub(crate) fn new(amount: &'a P, bypass: &'a P, length: usize) -> Self {
        Self { amount, bypass, length, next_amount: 0, next_bypass: 0, line_end: 0 }
    }

    /// Tells the path what holds from sample `at` on; gives the sample, behind `at`, up to which it
    /// does. Called with what it gave, or with a sample before that.
    ///
    /// Bypass changes at its points, as does an amount that [holds](Points::HOLD). Another one
    /// follows a straight line from point to point, the first one of a block from the value before;
    /// a jump is two points with nothing in between.
    pub(crate) fn advance<M: Memory>(&mut self, path: &mut HostPath<M>, at: usize) -> usize {
        let newest = self.length.saturating_sub(1);
        let mut end = self.length;
        while let Some((offset, value)) = self.bypass.get(self.next_bypass) {
            if offset.min(newest) > at {
                end = offset.min(newest);
                break;
            }
            path.set_bypass(Parameter::Bypass.plain(value) > 0.5);
            self.next_bypass += 1;
        }
        while P::HOLD
            && let Some((offset, value)) = self.amount.get(self.next_amount)
        {
            if offset.min(newest) > at {
                return end.min(offset.min(newest));
            }
            path.set_level(in_range(value) as f32, 1);
            self.next_amount += 1;
        }
        if at >= self.line_end {
            self.line_end = self.length;
            if let Some((offset, value)) = self.amount.get(self.next_amount) {
                let last = offset.clamp(at, newest.max(at));
                path.set_level(in_range(value) as f32, last - at + 1);
                self.next_amount += 1;
                self.line_end = last + 1;
            }
        }
        end.min(self.line_end).max(at + 1)
    }
}
