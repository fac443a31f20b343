//! Both ends of a session within one process: an audio callback and the thread of an engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use numpy::ndarray::Ix2;
use pyo3::prelude::*;
use uncodec_proto as proto;
use uncodec_proto::HeapMemory;

use crate::arguments::{Block, Input, Output, count, planes, planes_mut};
use crate::errors::{core_error, invalid_value};
use crate::hops::{HOP, HopTicket, TAIL, check_shape};
use crate::shared::Shared;

/// A change of the level is spread over so long.
const GLIDE_S: f64 = 0.01;
/// While audio runs the core looks for hops this often; a wake-up by the callback would cost the
/// callback a system call and, when it is pre-empted, milliseconds.
const POLL: Duration = Duration::from_micros(250);
/// When none came for so long it looks less often.
const IDLE_AFTER: Duration = Duration::from_secs(1);
const IDLE_POLL: Duration = Duration::from_millis(2);

/// What both ends have.
#[derive(Debug)]
struct Link {
    memory: HeapMemory,
    /// When the hop in each slot was submitted, on the host's clock.
    submitted: Box<[AtomicU64]>,
}

impl Link {
    fn submitted(&self, hop: u32) -> Option<&AtomicU64> {
        self.submitted.get(hop as usize % self.submitted.len().max(1))
    }
}

/// The callback's end: takes blocks of input, gives back as many samples of output, always
/// latency_samples late, with the engine's part where its result is there in time. Nothing but
/// `reset` may be called beside `push` and `pull_into`; none of them lets go of the interpreter.
///
/// Parameters
/// ----------
/// sample_rate : float
///     In Hz.
/// channels : int
/// hop, tail, model_delay : int
///     Of the engine, in samples: what it takes at a time, what lies unfinished behind every hop,
///     and by how many its results lag the input.
/// max_block : int
///     Longest block, in samples.
/// turnaround_s : float
///     Seconds that the engine may take for a hop.
/// varying_blocks : bool
///     Whether blocks may be shorter than max_block.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct LiveHost {
    inner: Shared<Callback>,
    geometry: proto::Geometry,
    link: Arc<Link>,
    level: AtomicU32,
}

#[derive(Debug)]
struct Callback {
    path: proto::HostPath<HeapMemory>,
    /// A block of input or output, channel after channel.
    block: Vec<f32>,
    /// The level that the path has been told.
    level: u32,
    /// Samples that were given out since the last reset, and what was counted before it.
    samples: u64,
    before: proto::HostCounters,
}

#[pymethods]
impl LiveHost {
    #[new]
    #[pyo3(signature = (
        *, sample_rate, channels, hop, tail, model_delay, max_block, turnaround_s, varying_blocks
    ))]
    #[allow(clippy::too_many_arguments, reason = "by name, in Python")]
    fn new(
        sample_rate: f64,
        channels: &Bound<'_, PyAny>,
        hop: &Bound<'_, PyAny>,
        tail: &Bound<'_, PyAny>,
        model_delay: &Bound<'_, PyAny>,
        max_block: &Bound<'_, PyAny>,
        turnaround_s: f64,
        varying_blocks: bool,
    ) -> PyResult<Self> {
        let settings = proto::HostSettings {
            sample_rate,
            channels: count("channels", channels, 1)?,
            hop: count("hop", hop, 1)?,
            tail: count("tail", tail, 0)?,
            model_delay: count("model_delay", model_delay, 0)? as u64,
            max_block: count("max_block", max_block, 1)?,
            turnaround_s,
            varying_blocks,
        };
        let geometry = proto::Geometry::new(&settings).map_err(invalid_value)?;
        let memory = HeapMemory::new(geometry.bytes());
        let side = proto::HostSide::create(memory.clone(), geometry).map_err(core_error)?;
        let submitted = (0..geometry.slots()).map(|_| AtomicU64::new(0)).collect();
        let mut path = proto::HostPath::new(side);
        path.activate();
        let callback = Callback {
            path,
            block: vec![0.0; geometry.channels() * geometry.max_block()],
            level: 1.0_f32.to_bits(),
            samples: 0,
            before: proto::HostCounters::default(),
        };
        Ok(Self {
            inner: Shared::new("LiveHost", callback),
            geometry,
            link: Arc::new(Link { memory, submitted }),
            level: AtomicU32::new(1.0_f32.to_bits()),
        })
    }

    /// Samples from input to output, with the engine's part and without.
    #[getter]
    fn latency_samples(&self) -> u64 {
        self.geometry.latency()
    }

    /// Hops submitted since the start or the last reset.
    #[getter]
    fn submitted(&self) -> PyResult<u32> {
        self.inner.look(|callback| callback.path.side().hops())
    }

    /// Set how much of the engine's part is heard, from 0 to 1; a change is spread over 10 ms.
    #[pyo3(signature = (level, /))]
    fn set_level(&self, level: f32) {
        self.level.store(level.to_bits(), Ordering::Relaxed);
    }

    /// Take a block x (channels, n), float32, in any memory order, of max_block samples at most.
    /// now_ns goes with the hops that it completes.
    #[pyo3(signature = (x, now_ns, /))]
    fn push(&self, x: &Bound<'_, PyAny>, now_ns: u64) -> PyResult<()> {
        let channels = self.geometry.channels();
        let x = Block::new("x", x, channels)?;
        let samples = x.samples();
        self.inner.brief(|callback| {
            let Callback { path, block, .. } = callback;
            let Some(block) = block.get_mut(..channels * samples) else {
                return Err(self.too_long("x", samples));
            };
            x.read_into(block);
            let first = path.side().hops();
            // A hop that is seen before its time is written has the time of an older one; so all
            // that a push can submit get it before.
            let most = samples.div_ceil(self.geometry.hop()) + 1;
            for hop in (first..).take(most) {
                if let Some(time) = self.link.submitted(hop) {
                    time.store(now_ns, Ordering::Relaxed);
                }
            }
            path.push(&planes(block, samples)[..channels]).map_err(invalid_value)
        })?
    }

    /// Write out (channels, n), float32, in any memory order: as many samples must have been pushed.
    #[pyo3(signature = (out, /))]
    fn pull_into(&self, out: &Bound<'_, PyAny>) -> PyResult<()> {
        let channels = self.geometry.channels();
        let out = Block::new("out", out, channels)?;
        let samples = out.samples();
        self.inner.brief(|callback| {
            self.follow_level(callback);
            let Callback { path, block, .. } = callback;
            let Some(block) = block.get_mut(..channels * samples) else {
                return Err(self.too_long("out", samples));
            };
            path.pull(&mut planes_mut(block, samples)[..channels]).map_err(invalid_value)?;
            out.write_from(block)?;
            callback.samples += samples as u64;
            Ok(())
        })?
    }

    /// Forget all audio and all counts; the level is at its target at once.
    fn reset(&self) -> PyResult<()> {
        self.inner.brief(|callback| {
            self.follow_level(callback);
            callback.path.activate();
            callback.samples = 0;
            callback.before = callback.path.counters();
        })
    }

    /// Samples (of one channel) given out since the start or the last reset, those of them with the
    /// engine's part and those without, and hops whose result was not there.
    fn counters(&self) -> PyResult<(u64, u64, u64, u64)> {
        self.inner.look(|callback| {
            let (now, before) = (callback.path.counters(), callback.before);
            let missing = (now.late - before.late) + (now.refused - before.refused);
            (callback.samples, now.wet - before.wet, now.dry - before.dry, missing)
        })
    }

    /// An engine's end of this session; more than most_behind hops behind, which may be half of what
    /// the session keeps, it continues with the newest one. The last end that was opened is the one
    /// to use.
    #[pyo3(signature = (*, most_behind=None))]
    fn open_core(&self, most_behind: Option<usize>) -> PyResult<LiveCore> {
        let link = Arc::clone(&self.link);
        let mut side = proto::CoreSide::attach(link.memory.clone()).map_err(core_error)?;
        if let Some(hops) = most_behind {
            side.set_most_behind(hops);
        }
        Ok(LiveCore {
            inner: Shared::new("LiveCore", side),
            geometry: self.geometry,
            link,
            stopped: AtomicBool::new(false),
        })
    }

    fn __repr__(&self) -> String {
        format!("LiveHost(latency_samples={})", self.geometry.latency())
    }
}

impl LiveHost {
    fn follow_level(&self, callback: &mut Callback) {
        let level = self.level.load(Ordering::Relaxed);
        if level != callback.level {
            callback.level = level;
            let samples = (GLIDE_S * self.geometry.sample_rate()) as usize;
            callback.path.set_level(f32::from_bits(level), samples);
        }
    }

    fn too_long(&self, name: &str, got: usize) -> PyErr {
        let most = self.geometry.max_block();
        invalid_value(format!("{name}: must have at most {most} samples, got {got}"))
    }
}

/// The engine's end, as LiveHost.open_core gives it.
#[pyclass(module = "uncodec._native", frozen)]
#[derive(Debug)]
pub struct LiveCore {
    inner: Shared<proto::CoreSide<HeapMemory>>,
    geometry: proto::Geometry,
    link: Arc<Link>,
    stopped: AtomicBool,
}

#[pymethods]
impl LiveCore {
    /// The next hop, if there is one: out (channels, hop), float32, C-contiguous, then holds it.
    #[pyo3(signature = (out, /))]
    fn poll_into(&self, out: &Bound<'_, PyAny>) -> PyResult<Option<HopTicket>> {
        let mut out = self.hop("out", out)?;
        let values = out.values();
        let ticket = self.inner.brief(|side| side.poll(values).map_err(invalid_value))??;
        Ok(ticket.map(HopTicket::new))
    }

    /// As poll_into, but waits for a hop, with the interpreter released; None only once it was
    /// stopped.
    #[pyo3(signature = (out, /))]
    fn wait_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<HopTicket>> {
        let mut out = self.hop("out", out)?;
        let values = out.values();
        let ticket = self.inner.work(py, |side| {
            let began = Instant::now();
            while !self.stopped.load(Ordering::Relaxed) {
                let ticket = side.poll(values).map_err(invalid_value)?;
                if ticket.is_some() {
                    return Ok(ticket);
                }
                sleep(if began.elapsed() > IDLE_AFTER { IDLE_POLL } else { POLL });
            }
            Ok::<_, PyErr>(None)
        })??;
        Ok(ticket.map(HopTicket::new))
    }

    /// Have wait_into return; from any thread.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// When a hop was submitted, as the host said; for one of the last hops.
    #[pyo3(signature = (hop, /))]
    fn submitted_ns(&self, hop: u32) -> u64 {
        self.link.submitted(hop).map_or(0, |time| time.load(Ordering::Relaxed))
    }

    /// Publish the result of a hop: output (channels, hop), and tail (channels, tail), with which
    /// it would go on if no further hop came; float32, C-contiguous.
    #[pyo3(signature = (ticket, output, tail, /))]
    fn publish(
        &self,
        ticket: &HopTicket,
        output: &Bound<'_, PyAny>,
        tail: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let output = Input::<f32, Ix2>::contiguous("output", output, HOP)?;
        let (channels, hop) = (self.geometry.channels(), self.geometry.hop());
        check_shape("output", output.shape(), channels, "hop", hop)?;
        let tail = Input::<f32, Ix2>::contiguous("tail", tail, TAIL)?;
        check_shape("tail", tail.shape(), channels, "tail", self.geometry.tail())?;
        let taken = ticket.take()?;
        self.inner
            .brief(|side| side.publish(taken, output.values(), tail.values()))?
            .map_err(invalid_value)
    }

    fn __repr__(&self) -> String {
        let (channels, hop) = (self.geometry.channels(), self.geometry.hop());
        format!("LiveCore(channels={channels}, hop={hop})")
    }
}

impl LiveCore {
    fn hop<'a, 'py>(
        &self,
        name: &str,
        out: &'a Bound<'py, PyAny>,
    ) -> PyResult<Output<'a, 'py, f32, Ix2>> {
        let out = Output::<f32, Ix2>::new(name, out, HOP, &(0..0))?;
        check_shape(name, out.shape(), self.geometry.channels(), "hop", self.geometry.hop())?;
        Ok(out)
    }
}
