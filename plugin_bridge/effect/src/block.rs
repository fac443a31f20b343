//! A block of audio as a host hands it over, by pointers.

use uncodec_proto::finite;

/// Most channels of a bus: stereo.
pub const MAX_CHANNELS: usize = 2;
/// Samples of a channel that pass through in one go.
const PASSING: usize = 256;

/// A block as the host hands it over: pointers that may be null, and that may be the same for input
/// and output.
#[derive(Debug)]
pub struct Block {
    inputs: [*const f32; MAX_CHANNELS],
    outputs: [*mut f32; MAX_CHANNELS],
    length: usize,
}

impl Block {
    /// A block of `length` samples.
    ///
    /// # Safety
    /// Until the block is dropped, every pointer that is not null must be valid for `length`
    /// samples, the inputs for reading and the outputs for writing.
    #[must_use]
    pub unsafe fn new(
        inputs: [*const f32; MAX_CHANNELS],
        outputs: [*mut f32; MAX_CHANNELS],
        length: usize,
    ) -> Self {
        Self { inputs, outputs, length }
    }

    /// Samples of a channel.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Copies a part of an input, silence where there is none.
    pub(crate) fn read(&self, channel: usize, from: usize, samples: &mut [f32]) {
        let source = self.inputs.get(channel).copied().unwrap_or(std::ptr::null());
        if source.is_null() || from + samples.len() > self.length {
            samples.fill(0.0);
            return;
        }
        // SAFETY: the source is valid for `length` samples, of which this is a part; the
        // destination is the effect's own memory.
        unsafe { std::ptr::copy(source.add(from), samples.as_mut_ptr(), samples.len()) };
    }

    /// Copies into a part of an output, if there is one.
    pub(crate) fn write(&mut self, channel: usize, from: usize, samples: &[f32]) {
        let target = self.outputs.get(channel).copied().unwrap_or(std::ptr::null_mut());
        if target.is_null() || from + samples.len() > self.length {
            return;
        }
        // SAFETY: as above, the other way round.
        unsafe { std::ptr::copy(samples.as_ptr(), target.add(from), samples.len()) };
    }

    /// Fills the outputs with zeros.
    pub(crate) fn silence(&mut self) {
        for output in self.outputs {
            if !output.is_null() {
                // SAFETY: valid for `length` samples.
                unsafe { std::ptr::write_bytes(output, 0, self.length) };
            }
        }
    }

    /// The input itself, all of it read before any is written.
    pub(crate) fn pass_through(&mut self) {
        let mut samples = [[0.0; PASSING]; MAX_CHANNELS];
        for from in (0..self.length).step_by(PASSING) {
            let length = PASSING.min(self.length - from);
            for (channel, samples) in samples.iter_mut().enumerate() {
                self.read(channel, from, &mut samples[..length]);
                for sample in &mut samples[..length] {
                    *sample = finite(*sample);
                }
            }
            for (channel, samples) in samples.iter().enumerate() {
                self.write(channel, from, &samples[..length]);
            }
        }
    }

    /// The outputs that hold nothing but zeros, a bit for each, as hosts want to know.
    #[must_use]
    pub fn silent_outputs(&self) -> u64 {
        let is_silent = |output: *mut f32| {
            // SAFETY: valid for `length` samples, and nobody writes to them now.
            !output.is_null()
                && unsafe { std::slice::from_raw_parts(output, self.length) }
                    .iter()
                    .all(|&sample| sample == 0.0)
        };
        let bits = self.outputs.into_iter().enumerate();
        bits.map(|(channel, output)| u64::from(is_silent(output)) << channel).sum()
    }
}
