//! How much of what the core found is heard, from sample to sample.

/// A level from 0 to 1 that goes where it is aimed along a straight line, but never so fast that it
/// is heard as a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    now: f32,
    /// Where the line is.
    aim: f32,
    /// Where the line ends, and after how many samples.
    end: f32,
    left: usize,
    /// Most change from one sample to the next.
    slope: f32,
}

impl Level {
    /// All of it; from nothing to all takes at least so many samples.
    pub(crate) fn new(samples: usize) -> Self {
        Self { now: 1.0, aim: 1.0, end: 1.0, left: 0, slope: 1.0 / samples.max(1) as f32 }
    }

    /// Aims: the `samples`-th one from now on is at this level, and all behind it. What is no
    /// number is nothing.
    pub(crate) fn glide(&mut self, level: f32, samples: usize) {
        self.end = if level.is_nan() { 0.0 } else { level.clamp(0.0, 1.0) };
        self.left = samples.max(1);
    }

    /// Is at once where it is going.
    pub(crate) fn arrive(&mut self) {
        (self.now, self.aim, self.left) = (self.end, self.end, 0);
    }

    /// The level of all samples to come, if it is the same.
    pub(crate) fn steady(&self) -> Option<f32> {
        let there = self.now.to_bits() == self.end.to_bits();
        (there && (self.left <= 1 || self.aim.to_bits() == self.end.to_bits())).then_some(self.now)
    }

    /// The level of the next sample.
    pub(crate) fn advance(&mut self) -> f32 {
        if self.left > 1 {
            self.aim += (self.end - self.aim) / self.left as f32;
            self.left -= 1;
        } else {
            (self.aim, self.left) = (self.end, 0);
        }
        let away = self.aim - self.now;
        self.now =
            if away.abs() <= self.slope { self.aim } else { self.now + self.slope.copysign(away) };
        self.now
    }

    /// Passes over samples.
    pub(crate) fn skip(&mut self, samples: usize) {
        for _ in 0..samples {
            if self.steady().is_some() {
                return;
            }
            self.advance();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn next(level: &mut Level, samples: usize) -> Vec<f32> {
        (0..samples).map(|_| level.advance()).collect()
    }

    #[test]
    fn a_line_ends_at_its_last_sample() {
        let mut level = Level::new(4);
        level.glide(0.0, 8);
        assert_eq!(level.steady(), None);
        let line = [0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0, 0.0];
        assert_eq!(next(&mut level, 9), line);
        assert_eq!(level.steady(), Some(0.0));
    }

    #[test]
    fn a_jump_and_a_line_that_is_too_steep_take_their_time() {
        for samples in [0, 1, 2] {
            let mut level = Level::new(4);
            level.glide(0.0, samples);
            let line = [[0.75, 0.5, 0.25, 0.0], [0.75, 0.5, 0.25, 0.0]][samples.min(1)];
            assert_eq!(next(&mut level, 4), line);
        }
    }

    #[test]
    fn where_it_arrives_at_once_it_stays() {
        let mut level = Level::new(100);
        level.glide(0.25, 50);
        level.arrive();
        assert_eq!(level.steady(), Some(0.25));
        // The same again, in whatever time, is no change.
        level.glide(0.25, 7);
        assert_eq!(level.steady(), Some(0.25));
        assert_eq!(next(&mut level, 3), [0.25; 3]);
    }

    #[test]
    fn passing_over_samples_is_the_same_as_playing_them() {
        let (mut one, mut two) = (Level::new(10), Level::new(10));
        for level in [&mut one, &mut two] {
            level.glide(0.3, 40);
        }
        next(&mut one, 17);
        two.skip(17);
        assert_eq!(next(&mut one, 60), next(&mut two, 60));
        two.skip(usize::MAX);
        assert_eq!(two.steady(), Some(0.3));
    }

    #[test]
    fn values_without_sense_are_brought_into_range() {
        for (value, expected) in [(f32::NAN, 0.0), (-1.0, 0.0), (7.0, 1.0), (f32::INFINITY, 1.0)] {
            let mut level = Level::new(1);
            level.glide(value, 1);
            level.arrive();
            assert_eq!(level.steady(), Some(expected));
        }
    }
}
