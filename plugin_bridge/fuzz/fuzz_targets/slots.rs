//! A session in which both sides do anything in any order, and somebody may write into the memory.
#![no_main]

use std::sync::atomic::Ordering::Relaxed;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use uncodec_proto::{
    CoreSide, Geometry, HeapMemory, HopTicket, HostPath, HostSettings, HostSide, Memory,
    Parameters, Start,
};

const HOP: usize = 4;
const MAX_BLOCK: usize = 24;

#[derive(Debug, Arbitrary)]
enum Step {
    /// A block of input: so many samples of this value, in turn with its negative.
    Process {
        length: u8,
        value: f32,
    },
    /// The two halves, with whatever the core does in between.
    Push {
        length: u8,
        value: f32,
    },
    Pull {
        length: u8,
    },
    /// The core takes a hop, and answers the one that it has.
    Take,
    Publish,
    PublishAnything {
        value: f32,
    },
    Decline,
    /// A core that begins anew in the same memory.
    Attach,
    Activate,
    Deactivate,
    Bypass(bool),
    Level {
        level: f32,
        samples: u16,
    },
    Parameters {
        amount: f32,
        seed: u64,
        brightness_db: f32,
        likeness: f32,
    },
    Beat(u64),
    /// Somebody writes a word.
    Damage {
        place: u16,
        value: u64,
    },
}

#[derive(Debug, Arbitrary)]
struct Plan {
    channels: bool,
    tail: u8,
    model_delay: u8,
    turnaround: u8,
    steps: Vec<Step>,
}

struct Session {
    memory: HeapMemory,
    path: HostPath<HeapMemory>,
    core: Option<CoreSide<HeapMemory>>,
    ticket: Option<HopTicket>,
    input: Vec<f32>,
    channels: usize,
    /// The largest sample that ever came in.
    peak: f32,
    /// Somebody wrote into the memory, or the core gave something else than what came in.
    damaged: bool,
    active: bool,
    pulled: u64,
    counted: u64,
}

impl Session {
    fn block(&mut self, length: usize, value: f32) -> Vec<Vec<f32>> {
        if value.is_finite() {
            self.peak = self.peak.max(value.abs());
        }
        let sample = |n: usize| if n.is_multiple_of(2) { value } else { -value };
        vec![(0..length).map(sample).collect(); self.channels]
    }

    fn hear(&mut self, block: &[Vec<f32>]) {
        let buffering = self.path.side().geometry().buffering();
        for samples in block {
            for sample in samples {
                assert!(sample.is_finite(), "{sample}");
                // From the core comes what went in, at another time. A fade without a tail adds the
                // last difference of the two to what goes on.
                let most = if self.damaged { f32::MAX } else { self.peak * 3.0001 };
                assert!(sample.abs() <= most, "{sample} > {most}");
                assert!(self.active || *sample == 0.0);
            }
        }
        if self.active {
            let length = block[0].len() as u64;
            let before = self.pulled.max(buffering);
            self.pulled += length;
            self.counted += self.pulled.max(buffering) - before;
        }
        let counters = self.path.counters();
        assert_eq!(counters.wet + counters.dry, self.counted);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Process { length, value } => {
                let mut block = self.block(length.into(), value);
                if self.path.process_in_place(&mut block).is_ok() {
                    self.hear(&block);
                } else {
                    assert!(self.path.waiting() > 0);
                }
            }
            Step::Push { length, value } => {
                let block = self.block(length.into(), value);
                let fits = self.path.waiting() + usize::from(length) <= MAX_BLOCK;
                assert_eq!(self.path.push(&block).is_ok(), fits);
            }
            Step::Pull { length } => {
                let mut block = vec![vec![f32::NAN; length.into()]; self.channels];
                let there = usize::from(length) <= self.path.waiting();
                assert_eq!(self.path.pull(&mut block).is_ok(), there);
                if there {
                    self.hear(&block);
                }
                let _ = self.path.is_complete();
            }
            Step::Take => {
                let Some(core) = &mut self.core else { return };
                if self.ticket.is_none() {
                    self.ticket = core.poll(&mut self.input).expect("the buffer fits");
                    if let Some(ticket) = &self.ticket {
                        assert!(self.input.iter().all(|sample| sample.is_finite()));
                        assert!((0.0..=1.0).contains(&ticket.parameters().amount));
                        assert!((0.0..=1.0).contains(&ticket.parameters().likeness));
                        assert!(ticket.parameters().brightness_db.abs() <= 12.0);
                        // This core looks back over hops that it has not seen.
                        let _: Start = ticket.start();
                    }
                }
            }
            Step::Publish => {
                let zeros = vec![0.0; self.path.side().geometry().tail_samples()];
                if let (Some(core), Some(ticket)) = (&mut self.core, self.ticket.take()) {
                    core.publish(ticket, &self.input, &zeros).expect("the buffers fit");
                }
            }
            Step::PublishAnything { value } => {
                let geometry = *self.path.side().geometry();
                let output = vec![value; geometry.hop_samples()];
                let tail = vec![value; geometry.tail_samples()];
                if let (Some(core), Some(ticket)) = (&mut self.core, self.ticket.take()) {
                    core.publish(ticket, &output, &tail).expect("the buffers fit");
                    self.damaged = true;
                }
            }
            Step::Decline => {
                if let (Some(core), Some(ticket)) = (&mut self.core, self.ticket.take()) {
                    core.decline(ticket).expect("the ticket is its own");
                }
            }
            Step::Attach => {
                self.ticket = None;
                self.core = CoreSide::attach(self.memory.clone()).ok();
                assert!(self.core.is_some() || self.damaged);
                // Damage of the header may have made it another session.
                let same = self.core.as_ref().is_some_and(|core| {
                    core.geometry().hop_samples() == self.path.side().geometry().hop_samples()
                        && core.geometry().tail_samples()
                            == self.path.side().geometry().tail_samples()
                });
                if !same {
                    self.core = None;
                }
            }
            Step::Activate => {
                // What waits from before is gone.
                self.path.activate();
                (self.active, self.pulled) = (true, 0);
            }
            Step::Deactivate => {
                self.path.deactivate();
                self.active = false;
            }
            Step::Bypass(bypass) => self.path.set_bypass(bypass),
            Step::Level { level, samples } => self.path.set_level(level, samples.into()),
            Step::Parameters { amount, seed, brightness_db, likeness } => {
                self.path.set_parameters(Parameters { amount, seed, brightness_db, likeness });
            }
            Step::Beat(now) => {
                if let Some(core) = &mut self.core {
                    core.beat(now);
                }
                let _ = self.path.side().heartbeat_age(now / 2);
            }
            Step::Damage { place, value } => {
                let words = self.memory.words();
                words[place as usize % words.len()].store(value, Relaxed);
                self.damaged = true;
            }
        }
    }
}

fuzz_target!(|plan: Plan| {
    let channels = 1 + usize::from(plan.channels);
    let tail = usize::from(plan.tail % 8);
    let geometry = Geometry::new(&HostSettings {
        sample_rate: 48_000.0,
        channels,
        hop: HOP,
        tail,
        model_delay: (tail + usize::from(plan.model_delay % 16)) as u64,
        max_block: MAX_BLOCK,
        turnaround_s: f64::from(plan.turnaround % 8) / 8000.0,
        varying_blocks: true,
    })
    .expect("the settings are in range");
    let memory = HeapMemory::new(geometry.bytes());
    let host = HostSide::create(memory.clone(), geometry).expect("the memory is large enough");
    let mut session = Session {
        core: CoreSide::attach(memory.clone()).ok(),
        memory,
        path: HostPath::new(host),
        ticket: None,
        input: vec![0.0; geometry.hop_samples()],
        channels,
        peak: 0.0,
        damaged: false,
        active: false,
        pulled: 0,
        counted: 0,
    };
    for step in &plan.steps {
        session.step(step);
    }
});
