//! The effect itself, apart from any plugin format: a format translates its calls into these.
//!
//! [`Effect::process`] and [`Effect::reset`] come from a host's audio thread and neither allocate,
//! lock, call the system, nor panic; setting values is for any thread; all other calls come from its
//! main thread. Hosts that call both at once get silence from `process` rather than a wait.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use uncodec_proto::{
    Geometry, GeometryError, HeaderError, HostCounters, HostPath, HostSide, MAX_BLOCK, MapError,
    OfflineWait, OpenRequest, Parameters, Reference, SharedMemory, TimingError,
};

use crate::automation::{Points, Timeline};
use crate::block::{Block, MAX_CHANNELS};
use crate::denormals::FlushDenormals;
use crate::link::{CoreState, Link, LinkStatus, Waiter, Wanted};
use crate::models::{MODELS, Model, index_of};
use crate::parameters::{NO_REFERENCE, Parameter, Values};
use crate::passage::{now_ns, process_part};
use crate::state::{self, Settings, StateError, Status};

/// What hosts play to try a plugin out is shorter, and nobody's render.
const TRIAL_S: f64 = 0.2;
/// What is shown where the core has a reference and the plugin has none of its own.
const CORE_REFERENCE: &str = "the core's";

/// Why the plugin cannot run like this. A host that calls it all the same gets its input back,
/// undelayed, and it counts as dry.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The sample rate is not supported.
    #[error(transparent)]
    Timing(#[from] TimingError),
    /// The sizes are not supported.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The system has no memory to share.
    #[error(transparent)]
    Memory(#[from] MapError),
    /// The memory does not take the session.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// What the host says before it processes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Setup {
    sample_rate: f64,
    max_block: usize,
}

/// What the audio thread works with.
#[derive(Debug, Default)]
struct Audio {
    path: Option<HostPath<Arc<SharedMemory>>>,
    active: bool,
    /// Finds the core for a block that may wait.
    waiter: Option<Waiter>,
    run: Run,
    wait: OfflineWait,
    /// One block, channel after channel.
    scratch: Vec<f32>,
}

/// From a start of the plugin to the next.
#[derive(Debug, Default)]
struct Run {
    samples: u64,
    /// Counted before.
    dry_before: u64,
    /// A block that may wait has looked for the core.
    settled: bool,
    /// That samples of a render were not restored was told.
    told: bool,
}

impl Run {
    fn of(path: Option<&HostPath<Arc<SharedMemory>>>) -> Self {
        Self { dry_before: path.map_or(0, |path| path.counters().dry), ..Self::default() }
    }
}

/// What the main thread works with.
#[derive(Debug)]
struct Control {
    setup: Option<Setup>,
    offline: bool,
    channels: usize,
    /// The running path was made for these: sizes, model, seed, and whether the host renders.
    current: Option<(Geometry, usize, u64, bool)>,
    /// Whose tonal balance what is added is drawn towards.
    reference: Option<Reference>,
    memory: Option<Arc<SharedMemory>>,
    /// Of sessions before this one.
    counted: HostCounters,
    /// Why it cannot run as it was set up; empty if it can.
    obstacle: String,
    link: Option<Link>,
}

impl Control {
    /// The memory goes; what was counted in it stays.
    fn keep_count(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.counted = add(self.counted, HostCounters::load(&memory));
        }
    }

    /// What the link is to find a core for.
    fn wanted(&self) -> Option<Wanted> {
        let memory = Arc::clone(self.memory.as_ref()?);
        let (_, model, seed, may_wait) = self.current?;
        let reference = self.reference.clone();
        let name = MODELS.get(model)?.name;
        let request = OpenRequest { may_wait, reference, ..OpenRequest::new(name, seed) };
        Some(Wanted { memory, request })
    }
}

/// The effect.
#[derive(Debug)]
pub struct Effect {
    values: Values,
    seed: AtomicU64,
    latency: AtomicU32,
    tail: AtomicU32,
    core: Arc<AtomicU8>,
    /// Samples that passed through because it could not run.
    passed: AtomicU64,
    audio: Mutex<Audio>,
    control: Mutex<Control>,
}

impl Default for Effect {
    fn default() -> Self {
        Self {
            values: Values::default(),
            seed: AtomicU64::new(0),
            latency: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            core: Arc::default(),
            passed: AtomicU64::new(0),
            audio: Mutex::default(),
            control: Mutex::new(Control {
                setup: None,
                offline: false,
                channels: MAX_CHANNELS,
                current: None,
                reference: None,
                memory: None,
                counted: HostCounters::default(),
                obstacle: String::new(),
                link: None,
            }),
        }
    }
}

impl Effect {
    /// An effect with its defaults, without a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the thread that looks for a core at this path; once is enough.
    ///
    /// # Errors
    /// Of the system, which has no thread or no file left.
    pub fn connect(&self, socket: PathBuf) -> std::io::Result<()> {
        let mut control = self.control();
        if control.link.is_none() {
            let link = Link::start(socket, Arc::clone(&self.core))?;
            link.serve(control.wanted());
            self.audio().waiter = Some(link.waiter());
            control.link = Some(link);
        }
        Ok(())
    }

    /// Ends the connection and its thread; the effect is silent from now on.
    pub fn disconnect(&self) {
        self.set_active(false);
        self.audio().waiter = None;
        self.control().link = None;
    }

    /// The parameters' current values.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Sets a normalised value; whether the host should ask for the latency again.
    pub fn set(&self, parameter: Parameter, normalised: f64) -> bool {
        !parameter.is_read_only()
            && self.values.set(parameter, normalised)
            && parameter.changes_latency()
    }

    /// The text of a normalised value, without its unit.
    #[must_use]
    pub fn text(&self, parameter: Parameter, normalised: f64) -> String {
        if parameter != Parameter::Reference {
            return parameter.text(normalised);
        }
        let control = self.control();
        match (&control.reference, parameter.plain(normalised) > 0.5) {
            (Some(reference), true) => reference.name().to_owned(),
            (None, false) if control.link.as_ref().is_some_and(|link| link.status().reference) => {
                CORE_REFERENCE.to_owned()
            }
            _ => parameter.text(normalised),
        }
    }

    /// The normalised value of a text, with or without the unit.
    #[must_use]
    pub fn parse(&self, parameter: Parameter, text: &str) -> Option<f64> {
        if parameter != Parameter::Reference {
            return parameter.parse(text);
        }
        let text = text.trim();
        let named = |reference: &Reference| reference.name().trim() == text;
        if self.control().reference.as_ref().is_some_and(named) {
            return Some(1.0);
        }
        let text = if text == CORE_REFERENCE { NO_REFERENCE } else { text };
        parameter.parse(text)
    }

    /// Samples from input to output. Constant while active; what changes it waits until then.
    #[must_use]
    pub fn latency(&self) -> u32 {
        self.latency.load(Ordering::Relaxed)
    }

    /// Samples, apart from the latency, that come after the input has ended.
    #[must_use]
    pub fn tail(&self) -> u32 {
        self.tail.load(Ordering::Relaxed)
    }

    /// Channels of input and output.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.control().channels
    }

    /// Sets the channels of input and output, 1 or 2; whether it could.
    pub fn set_channels(&self, channels: usize) -> bool {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return false;
        }
        let mut control = self.control();
        control.channels = channels;
        // That an earlier set-up cannot be met is no fault of the channels.
        let _ = self.prepare(&mut control);
        true
    }

    /// Prepares for blocks of at most `max_block` samples; longer ones are processed in parts.
    ///
    /// `offline` says that starting may take its time, and nothing about any block.
    ///
    /// # Errors
    /// [`SetupError`]; the effect does not run until another set-up succeeds.
    pub fn set_up(
        &self,
        sample_rate: f64,
        max_block: usize,
        offline: bool,
    ) -> Result<(), SetupError> {
        let mut control = self.control();
        control.offline = offline;
        control.setup = Some(Setup { sample_rate, max_block: max_block.clamp(1, MAX_BLOCK) });
        self.prepare(&mut control)
    }

    /// Starts over with silence, or falls silent.
    pub fn set_active(&self, active: bool) {
        let mut control = self.control();
        if !active {
            let mut audio = self.audio();
            audio.active = false;
            if let Some(waiter) = &audio.waiter {
                waiter.rest();
            }
            if let Some(path) = &mut audio.path {
                path.deactivate();
            }
            drop(audio);
            // What the user changed meanwhile is ready before the host asks for the latency. What
            // cannot be prepared passes through, as it would have from the beginning.
            let _ = self.prepare(&mut control);
            return;
        }
        let waiter = control.link.as_ref().map(Link::waiter);
        let offline = control.offline;
        drop(control);
        if let Some(waiter) = waiter {
            waiter.settle(offline);
        }
        let mut audio = self.audio();
        audio.active = true;
        self.begin(&mut audio);
    }

    /// Starts over with silence, if it is active; from the audio thread.
    pub fn reset(&self) {
        let mut audio = match self.audio.try_lock() {
            Ok(audio) => audio,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It is being set up, and starts over by that.
            Err(TryLockError::WouldBlock) => return,
        };
        if audio.active {
            self.begin(&mut audio);
        }
    }

    /// Processes a block, in which amount and bypass change at these points; `offline` says whether
    /// this very block may take its time.
    pub fn process<P: Points + ?Sized>(
        &self,
        block: &mut Block,
        (amount, bypass): (&P, &P),
        offline: bool,
    ) {
        let before = (self.amount(), self.bypass());
        for (parameter, points) in [(Parameter::Amount, amount), (Parameter::Bypass, bypass)] {
            if let Some(value) = points.last() {
                self.values.set(parameter, value);
            }
        }
        if block.length() == 0 {
            return;
        }
        let mut audio = match self.audio.try_lock() {
            Ok(audio) => audio,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                block.silence();
                return;
            }
        };
        if !audio.active {
            block.silence();
            return;
        }
        let _flush = FlushDenormals::here();
        let start = now_ns();
        let Audio { path, wait, scratch, waiter, run, .. } = &mut *audio;
        let Some(path) = path else {
            block.pass_through();
            self.passed.fetch_add(block.length() as u64, Ordering::Relaxed);
            return;
        };
        if let Some(waiter) = waiter {
            waiter.hear();
        }
        // A host need not have said before that it renders, and may have set up anew since.
        if offline && !run.settled && CoreState::load(&self.core) != CoreState::Connected {
            run.settled = true;
            if let Some(waiter) = waiter {
                waiter.settle(true);
            }
        }
        // All of it from the core; how much of that is heard is a matter of single samples.
        path.set_parameters(Parameters {
            amount: 1.0,
            seed: self.seed.load(Ordering::Relaxed),
            brightness_db: self.values.plain(Parameter::Brightness) as f32,
            likeness: self.values.get(Parameter::Likeness) as f32,
        });
        path.set_level(before.0, 0);
        path.set_bypass(before.1);
        let mut timeline = Timeline::new(amount, bypass, block.length());
        let step = path.side().geometry().max_block();
        for from in (0..block.length()).step_by(step) {
            let part = (from, step.min(block.length() - from));
            let wait = offline.then_some(&mut *wait);
            process_part(path, scratch, block, part, &mut timeline, wait, &self.core);
        }
        run.samples = run.samples.saturating_add(block.length() as u64);
        let bypassed = before.1 || self.bypass();
        if offline && !bypassed && !run.told && path.counters().dry > run.dry_before {
            let tried_out = run.samples as f64 > TRIAL_S * path.side().geometry().sample_rate();
            if let Some(waiter) = waiter.as_ref().filter(|_| tried_out) {
                run.told = true;
                waiter.tell_dry_render();
            }
        }
        path.record_callback(now_ns().saturating_sub(start));
    }

    /// The settings and the status, as a host saves them.
    #[must_use]
    pub fn save(&self) -> [u8; state::BYTES] {
        let model = self.model().1;
        let settings = Settings {
            amount: self.values.get(Parameter::Amount),
            latency_safety_ms: self.values.plain(Parameter::LatencySafety),
            seed: self.seed.load(Ordering::Relaxed),
            brightness_db: self.values.plain(Parameter::Brightness),
            likeness: self.values.get(Parameter::Likeness),
            bypass: self.bypass(),
            model: model.name.to_owned(),
            reference: self.control().reference.clone(),
        };
        state::encode(&settings, &self.status())
    }

    /// Takes over saved settings, all of them or none; whether the host should ask for the latency
    /// again.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn restore(&self, bytes: &[u8]) -> Result<bool, StateError> {
        let settings = state::decode(bytes)?;
        let Some(model) = index_of(&settings.model) else {
            return Err(StateError::Model(settings.model));
        };
        self.seed.store(settings.seed, Ordering::Relaxed);
        self.values.set(Parameter::Amount, settings.amount);
        self.values.set_plain(Parameter::Brightness, settings.brightness_db);
        self.values.set(Parameter::Likeness, settings.likeness);
        self.refer_to(settings.reference);
        self.values.set_plain(Parameter::Bypass, f64::from(u8::from(settings.bypass)));
        let safety = self.values.set_plain(Parameter::LatencySafety, settings.latency_safety_ms);
        let model = self.values.set_plain(Parameter::Model, model as f64);
        Ok(safety | model)
    }

    /// Draws what is added towards another reference, or none. Audio goes on: the core is asked for
    /// another session, and until it answers the output is dry.
    fn refer_to(&self, reference: Option<Reference>) {
        let mut control = self.control();
        self.values.set(Parameter::Reference, f64::from(u8::from(reference.is_some())));
        if control.reference == reference {
            return;
        }
        control.reference = reference;
        let wanted = control.wanted();
        if let (Some(link), Some(_)) = (&control.link, &wanted) {
            link.serve(wanted);
            // A render waits for it, as it did for the session before.
            self.audio().run.settled = false;
        }
    }

    /// What can be said about the effect at work.
    #[must_use]
    pub fn status(&self) -> Status {
        let control = self.control();
        let link = control.link.as_ref().map(Link::status);
        let LinkStatus { core, session, reason, .. } = link.unwrap_or(LinkStatus {
            core: CoreState::Absent,
            session: 0,
            network: None,
            reference: false,
            reason: String::new(),
        });
        let now = control.memory.as_ref().map(HostCounters::load).unwrap_or_default();
        let mut counters = add(control.counted, now);
        counters.dry = counters.dry.saturating_add(self.passed.load(Ordering::Relaxed));
        let reason = if control.obstacle.is_empty() { reason } else { control.obstacle.clone() };
        Status { core, latency: self.latency(), session, counters, reason }
    }

    fn amount(&self) -> f32 {
        // Normalised is what is wanted; by way of percent it would be rounded.
        self.values.get(Parameter::Amount) as f32
    }

    fn begin(&self, audio: &mut Audio) {
        audio.run = Run::of(audio.path.as_ref());
        audio.wait.reset();
        if let Some(path) = &mut audio.path {
            self.start(path);
        }
    }

    /// A path begins with what is set, without a way there.
    fn start(&self, path: &mut HostPath<Arc<SharedMemory>>) {
        path.set_bypass(self.bypass());
        path.set_level(self.amount(), 0);
        path.activate();
    }

    fn bypass(&self) -> bool {
        self.values.plain(Parameter::Bypass) > 0.5
    }

    fn model(&self) -> (usize, &'static Model) {
        let index = self.values.plain(Parameter::Model) as usize;
        // The table is not empty, which its author made sure of, and the place is one in it.
        (index, MODELS.get(index).unwrap_or(&MODELS[0]))
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The audio thread's things, from the main thread. It never sleeps on the lock itself, for
    /// then the audio thread would have to wake it, by a system call.
    fn audio(&self) -> MutexGuard<'_, Audio> {
        loop {
            match self.audio.try_lock() {
                Ok(audio) => return audio,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_micros(50)),
            }
        }
    }

    /// Makes the path that setup, channels and parameters ask for, unless it is there already.
    fn prepare(&self, control: &mut Control) -> Result<(), SetupError> {
        let Some(setup) = control.setup else { return Ok(()) };
        let made = self.make(control, setup);
        control.obstacle.clear();
        if let Err(error) = &made {
            control.obstacle = error.to_string();
            self.audio().path = None;
            control.keep_count();
            control.current = None;
            self.latency.store(0, Ordering::Relaxed);
            self.tail.store(0, Ordering::Relaxed);
            if let Some(link) = &control.link {
                link.serve(None);
            }
        }
        made
    }

    fn make(&self, control: &mut Control, setup: Setup) -> Result<(), SetupError> {
        let (index, model) = self.model();
        let timing = model.network.timing(setup.sample_rate)?;
        let turnaround_s = self.values.plain(Parameter::LatencySafety) / 1000.0;
        let geometry = timing.geometry(control.channels, setup.max_block, turnaround_s)?;
        let seed = self.seed.load(Ordering::Relaxed);
        let wanted = Some((geometry, index, seed, control.offline));
        if control.current == wanted {
            return Ok(());
        }
        let memory = Arc::new(SharedMemory::create(&geometry)?);
        let mut path = HostPath::new(HostSide::create(Arc::clone(&memory), geometry)?);
        let mut scratch = vec![0.0; control.channels * setup.max_block];
        control.keep_count();
        let mut audio = self.audio();
        if audio.active {
            // A host that sets up anew while active need not activate again.
            self.start(&mut path);
            audio.run = Run::default();
        }
        std::mem::swap(&mut audio.scratch, &mut scratch);
        let before = audio.path.replace(path);
        drop(audio);
        drop(before);
        self.latency
            .store(u32::try_from(geometry.latency()).unwrap_or(u32::MAX), Ordering::Relaxed);
        let tail = u32::try_from(geometry.model_delay()).unwrap_or(u32::MAX);
        self.tail.store(tail, Ordering::Relaxed);
        (control.current, control.memory) = (wanted, Some(memory));
        if let Some(link) = &control.link {
            link.serve(control.wanted());
        }
        Ok(())
    }
}

fn add(before: HostCounters, now: HostCounters) -> HostCounters {
    HostCounters {
        wet: before.wet.saturating_add(now.wet),
        dry: before.dry.saturating_add(now.dry),
        late: before.late.saturating_add(now.late),
        refused: before.refused.saturating_add(now.refused),
        worst_callback_ns: before.worst_callback_ns.max(now.worst_callback_ns),
    }
}
