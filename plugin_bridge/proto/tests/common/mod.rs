//! What several tests need: settings, signals, an identity core.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use uncodec_proto::{
    CoreSide, Geometry, HeapMemory, HopTicket, HostPath, HostSettings, HostSide, Memory, Start,
};

pub fn settings() -> HostSettings {
    HostSettings {
        sample_rate: 48_000.0,
        channels: 2,
        hop: 16,
        tail: 24,
        model_delay: 24,
        max_block: 64,
        turnaround_s: 0.0,
        varying_blocks: true,
    }
}

pub fn session(settings: &HostSettings) -> (HostPath<HeapMemory>, CoreSide<HeapMemory>) {
    let geometry = Geometry::new(settings).unwrap();
    let memory = HeapMemory::new(geometry.bytes());
    let host = HostSide::create(memory.clone(), geometry).unwrap();
    (HostPath::new(host), CoreSide::attach(memory).unwrap())
}

/// Sample `n` of a channel: noise, with negative zeros, whose sign is lost easily.
pub fn noise(channel: usize, n: u64) -> f32 {
    if n % 7 == 3 {
        return -0.0;
    }
    let mut z = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (channel as u64 + 1) << 56;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((z >> 41) | 1) as f32) / (1 << 23) as f32 - 0.5
}

pub fn block(channels: usize, from: u64, length: usize) -> Vec<Vec<f32>> {
    (0..channels).map(|c| (0..length as u64).map(|n| noise(c, from + n)).collect()).collect()
}

/// A core whose output is its input times `gain`, late by the model's delay.
#[derive(Debug)]
pub struct DelayCore<M> {
    pub side: CoreSide<M>,
    pub gain: f32,
    history: Vec<Vec<f32>>,
    input: Vec<f32>,
    ticket: Option<HopTicket>,
    /// Samples of the history that were lost; a result made of them would be a wrong one.
    unknown: usize,
    /// Hops in the order they were taken, with their first sample.
    pub taken: Vec<(u32, Start)>,
}

impl<M: Memory> DelayCore<M> {
    pub fn new(side: CoreSide<M>, gain: f32) -> Self {
        let geometry = *side.geometry();
        Self {
            input: vec![0.0; geometry.hop_samples()],
            history: vec![Vec::new(); geometry.channels()],
            side,
            gain,
            ticket: None,
            unknown: 0,
            taken: Vec::new(),
        }
    }

    /// Takes a hop if there is one.
    pub fn take(&mut self) -> bool {
        if self.ticket.is_none() {
            self.ticket = self.side.poll(&mut self.input).unwrap();
            if let Some(ticket) = &self.ticket {
                self.taken.push((ticket.hop(), ticket.start()));
                let delay = self.side.geometry().model_delay() as usize;
                let hop = self.side.geometry().hop();
                match ticket.start() {
                    Start::Continues => self.unknown = self.unknown.saturating_sub(hop),
                    Start::Activated if ticket.hop() == 0 => self.unknown = 0,
                    _ => self.unknown = delay,
                }
                for (history, input) in self.history.iter_mut().zip(self.input.chunks(hop)) {
                    match ticket.start() {
                        Start::Continues => {}
                        Start::Activated => {
                            history.clear();
                            history.resize(delay, 0.0);
                        }
                        Start::Resynced { skipped } => {
                            history.resize(history.len() + skipped as usize * hop, 0.0);
                        }
                    }
                    history.extend_from_slice(input);
                    history.drain(..history.len().saturating_sub(delay + hop));
                }
            }
        }
        self.ticket.is_some()
    }

    /// Publishes what was taken.
    pub fn give(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        if self.unknown > 0 {
            return;
        }
        let (hop, tail) = (self.side.geometry().hop(), self.side.geometry().tail());
        let part = |from: usize, length: usize| -> Vec<f32> {
            let channels = self.history.iter();
            channels.flat_map(|h| h[from..from + length].iter().map(|v| v * self.gain)).collect()
        };
        let (output, tail) = (part(0, hop), part(hop, tail));
        self.side.publish(ticket, &output, &tail).unwrap();
    }

    /// Answers all that is there.
    pub fn run(&mut self) {
        while self.take() {
            self.give();
        }
    }
}

/// Bits, because -0.0 == 0.0.
pub fn bits(samples: &[f32]) -> Vec<u32> {
    samples.iter().map(|v| v.to_bits()).collect()
}
