//! The core's end of the shared memory.

use std::sync::atomic as process;

use thiserror::Error;

use crate::counters::{CoreCounters, HostCounters};
use crate::geometry::Geometry;
use crate::header::{self, HeaderError};
use crate::layout::{Layout, word};
use crate::memory::{BufferError, Memory, load, load_samples, store, store_samples};
use crate::parameters::Parameters;
use crate::slot::tag;
use crate::sync::Ordering;

/// How a hop follows on the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Directly.
    Continues,
    /// It is the first one of a generation that this core sees: forget all state.
    Activated,
    /// Hops in between were given up, because the core had fallen behind: their input is lost.
    Resynced {
        /// Number of hops that were skipped.
        skipped: u32,
    },
}

/// A hop to be processed. Handing it back to [`CoreSide::publish`] answers it; it can be answered
/// once, and dropping it leaves the hop dry.
///
/// ```compile_fail,E0382
/// # use uncodec_proto::{CoreSide, HeapMemory, HopTicket, PublishError};
/// fn twice(core: &mut CoreSide<HeapMemory>, ticket: HopTicket) -> Result<(), PublishError> {
///     core.publish(ticket, &[0.0], &[])?;
///     core.publish(ticket, &[0.0], &[]) // use of moved value
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct HopTicket {
    session: u64,
    generation: u32,
    hop: u32,
    start: Start,
    parameters: Parameters,
}

impl HopTicket {
    /// Number of the hop since activation: it covers the input samples from `hop * H` on.
    #[must_use]
    pub fn hop(&self) -> u32 {
        self.hop
    }

    /// The generation it belongs to.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// How it follows on the previous one.
    #[must_use]
    pub fn start(&self) -> Start {
        self.start
    }

    /// The parameters of this hop.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }
}

/// Why a result was not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A buffer has the wrong length.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// The ticket was issued by another session.
    #[error("ticket: belongs to another session")]
    ForeignTicket,
}

/// The core's end: takes hops of input and publishes results.
#[derive(Debug)]
pub struct CoreSide<M> {
    memory: M,
    geometry: Geometry,
    layout: Layout,
    session: u64,
    generation: Option<u32>,
    next: u32,
    most_behind: usize,
    counters: CoreCounters,
}

impl<M: Memory> CoreSide<M> {
    /// Attaches to a session that a host created.
    ///
    /// # Errors
    /// [`HeaderError`] if the memory is not that of a session, or of one this core cannot serve.
    pub fn attach(memory: M) -> Result<Self, HeaderError> {
        let geometry = header::read(&memory)?;
        Ok(Self::with_geometry(memory, geometry))
    }

    /// A core for a geometry that is known to fit the memory.
    pub(crate) fn with_geometry(memory: M, geometry: Geometry) -> Self {
        static SESSIONS: process::AtomicU64 = process::AtomicU64::new(0);
        Self {
            layout: Layout::new(&geometry),
            memory,
            geometry,
            session: SESSIONS.fetch_add(1, process::Ordering::Relaxed),
            generation: None,
            next: 0,
            most_behind: geometry.slots / 2,
            counters: CoreCounters::default(),
        }
    }

    /// The sizes of the session, as they were when it was attached to.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Continues with the newest hop when it is more than so many behind. Half of the slots is the
    /// most, and what it begins with; at least 1.
    pub fn set_most_behind(&mut self, hops: usize) {
        self.most_behind = hops.clamp(1, self.geometry.slots / 2);
    }

    /// Shows a sign of life: the monotonic clock in nanoseconds. At least ten times a second.
    pub fn beat(&mut self, now_ns: u64) {
        store(self.memory.words(), word::HEARTBEAT, now_ns.max(1), Ordering::Relaxed);
    }

    /// The next hop, if there is one; `input`, planar `[channels, hop]`, then holds it, with zeros
    /// in the place of what is not a finite number.
    ///
    /// A core that is more than half of the slots behind, or more than
    /// [`set_most_behind`](Self::set_most_behind) allows, continues with the newest hop.
    ///
    /// # Errors
    /// [`BufferError`] if the buffer has the wrong length.
    pub fn poll(&mut self, input: &mut [f32]) -> Result<Option<HopTicket>, BufferError> {
        BufferError::check("input", input, self.geometry.hop_samples())?;
        let head = load(self.memory.words(), word::HEAD, Ordering::Acquire);
        let (generation, hops) = ((head >> 32) as u32, head as u32);
        if head == 0 {
            return Ok(None);
        }
        let known = self.generation == Some(generation);
        let next = if known { self.next } else { 0 };
        // A head that runs backwards is no work either.
        let Some(behind) = hops.checked_sub(next).filter(|&behind| behind > 0) else {
            return Ok(None);
        };
        let lost = behind as usize > self.most_behind;
        let hop = if lost { hops - 1 } else { next };
        let start = match (known, lost) {
            (false, _) => Start::Activated,
            (true, false) => Start::Continues,
            (true, true) => Start::Resynced { skipped: hop - next },
        };
        let Some(slot) = self.layout.input(&self.memory, hop) else {
            return Ok(None);
        };
        let parameters = slot.read(tag(generation, hop), |words| {
            let samples = words.get(word::SLOT_SAMPLES..).unwrap_or_default();
            let channels = samples.chunks(self.layout.channel_words());
            for (words, channel) in channels.zip(input.chunks_mut(self.geometry.hop)) {
                if !load_samples(words, channel) {
                    // One of them would stay in the state of a recurrent network for ever.
                    for sample in channel.iter_mut().filter(|sample| !sample.is_finite()) {
                        *sample = 0.0;
                    }
                }
            }
            Parameters::load(words)
        });
        // A slot without its tag: overwritten since, and the next look at the head tells; or never
        // filled, and then the head was not a host's. Nothing was changed on its word.
        let Some(parameters) = parameters else {
            return Ok(None);
        };
        (self.generation, self.next) = (Some(generation), hop + 1);
        if lost {
            self.counters.resyncs += 1;
            self.counters.store(&self.memory);
        }
        Ok(Some(HopTicket { session: self.session, generation, hop, start, parameters }))
    }

    /// Publishes the result of a hop: `output`, planar `[channels, hop]`, and `tail`, planar
    /// `[channels, tail]`, with which the output would go on if no further hop came.
    ///
    /// # Errors
    /// [`PublishError`]; the hop stays dry.
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is good for one answer")]
    pub fn publish(
        &mut self,
        ticket: HopTicket,
        output: &[f32],
        tail: &[f32],
    ) -> Result<(), PublishError> {
        let HopTicket { session, generation, hop, .. } = ticket;
        if session != self.session {
            return Err(PublishError::ForeignTicket);
        }
        BufferError::check("output", output, self.geometry.hop_samples())?;
        BufferError::check("tail", tail, self.geometry.tail_samples())?;
        let (layout, geometry) = (self.layout, self.geometry);
        if let Some(slot) = layout.output(&self.memory, hop) {
            slot.publish(tag(generation, hop), |words| {
                let words = words.get(word::SLOT_SAMPLES..).unwrap_or_default();
                let split = geometry.channels * layout.channel_words();
                let (outputs, tails) = words.split_at_checked(split).unwrap_or_default();
                let outputs = outputs.chunks(layout.channel_words());
                for (words, channel) in outputs.zip(output.chunks(geometry.hop)) {
                    store_samples(words, channel);
                }
                // Chunks of length 0 do not exist; without a tail there is nothing to copy either.
                let tails = tails.chunks(layout.tail_words().max(1));
                for (words, channel) in tails.zip(tail.chunks(geometry.tail.max(1))) {
                    store_samples(words, channel);
                }
            });
        }
        self.counters.published += 1;
        self.counters.store(&self.memory);
        Ok(())
    }

    /// Answers a hop with nothing: it is dry, and a host that may wait for it need not.
    ///
    /// What the host finds in the slot is no number, and it refuses the whole result.
    ///
    /// # Errors
    /// [`PublishError::ForeignTicket`].
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is good for one answer")]
    pub fn decline(&mut self, ticket: HopTicket) -> Result<(), PublishError> {
        let HopTicket { session, generation, hop, .. } = ticket;
        if session != self.session {
            return Err(PublishError::ForeignTicket);
        }
        if let Some(slot) = self.layout.output(&self.memory, hop) {
            slot.publish(tag(generation, hop), |words| {
                let words = words.get(word::SLOT_SAMPLES..).unwrap_or_default();
                store_samples(words, &[f32::NAN]);
            });
        }
        Ok(())
    }

    /// What this core counted.
    #[must_use]
    pub fn counters(&self) -> CoreCounters {
        self.counters
    }

    /// What the host says it counted; for display only.
    #[must_use]
    pub fn host_counters(&self) -> HostCounters {
        HostCounters::load(&self.memory)
    }
}
