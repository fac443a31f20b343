//! What a callback costs, against a core in a process of its own, in real time: percentiles of wall
//! and processor time, late hops with the upper bound of their rate, and what starting costs.
//!
//! `cargo run --release -p uncodec-host --example callback_times -- [SECONDS [--load]]`

fn main() {
    #[cfg(target_os = "linux")]
    if let Err(error) = linux::run() {
        eprintln!("callback_times: {error}");
        std::process::exit(1);
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::hint::black_box;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::time::{ClockId, clock_gettime};
    use uncodec_effect::models::{MODELS, default_index};
    use uncodec_host::statistics::{percentile, upper_bound};
    use uncodec_host::{Blocks, Mode, Module, chosen_module, signal};

    const RATE: f64 = 48_000.0;

    /// Killed when the program ends.
    struct Core(Child);

    impl Drop for Core {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    pub fn run() -> Result<(), Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let seconds: f64 = arguments.first().map_or(Ok(10.0), |seconds| seconds.parse())?;
        let busy = arguments.iter().any(|argument| argument == "--load");
        let stop = Arc::new(AtomicBool::new(false));
        if busy {
            for _ in 0..thread::available_parallelism()?.get() {
                let stop = Arc::clone(&stop);
                thread::spawn(move || {
                    let mut x = 1.0_f64;
                    while !stop.load(Ordering::Relaxed) {
                        x = black_box(x * 1.000_000_1 + 1e-9).fract();
                    }
                });
            }
        }
        println!("{}", if busy { "every processor busy otherwise" } else { "no load of our own" });
        let folder = std::env::temp_dir().join(format!("uncodec-times-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let socket = folder.join("core.sock");
        start(&socket)?;
        let core = Core(Command::new(program()?).arg(&socket).arg("0.5").spawn()?);
        while !socket.exists() {
            thread::sleep(Duration::from_millis(1));
        }
        for connected in [false, true] {
            println!();
            println!("{}", if connected { "with a core" } else { "without a core" });
            println!(
                "{:>6} {:>8} | {:>7} {:>7} {:>7} {:>7} | {:>7} {:>7} {:>7} | {:>6} {:>6} {:>9}",
                "block",
                "blocks",
                "wall50",
                "99",
                "99.9",
                "max",
                "cpu50",
                "99",
                "99.9",
                "hops",
                "late",
                "rate<95%"
            );
            for block in [16, 32, 64, 128, 256, 512, 1024] {
                let place = if connected { socket.clone() } else { folder.join("none.sock") };
                measure(&place, block, seconds, connected)?;
            }
        }
        stop.store(true, Ordering::Relaxed);
        drop(core);
        std::fs::remove_dir_all(&folder)?;
        Ok(())
    }

    /// The core's program, which cargo builds beside the folder of the examples.
    fn program() -> Result<PathBuf, Box<dyn Error>> {
        let path = std::env::current_exe()?;
        let folder = path.parent().and_then(Path::parent).ok_or("this program is nowhere")?;
        let program = folder.join("uncodec-test-core");
        if program.is_file() {
            Ok(program)
        } else {
            Err(format!("{}: build the whole package first", program.display()).into())
        }
    }

    /// How long it takes to load the module, to read its class, to make an instance of it.
    fn start(socket: &Path) -> Result<(), Box<dyn Error>> {
        let (mut scans, mut instances) = (Vec::new(), Vec::new());
        for _ in 0..50 {
            let begin = Instant::now();
            let module = Module::load(&chosen_module())?;
            module.class()?;
            scans.push(begin.elapsed().as_nanos() as u64);
            let begin = Instant::now();
            let plugin = module.instantiate_at(&socket.with_extension("none"))?;
            plugin.set_up(RATE, 512, Mode::Realtime);
            plugin.set_active(true);
            instances.push(begin.elapsed().as_nanos() as u64);
        }
        for (what, times) in [("scan", &mut scans), ("instantiate and activate", &mut instances)] {
            let [middle, worst] = [50.0, 100.0].map(|p| percentile(times, p) as f64 * 1e-6);
            println!(
                "{what}, without a core: {middle:.2} ms in the middle, {worst:.2} ms at worst"
            );
        }
        Ok(())
    }

    fn measure(
        socket: &Path,
        block: usize,
        seconds: f64,
        connected: bool,
    ) -> Result<(), Box<dyn Error>> {
        let plugin = Module::load(&chosen_module())?.instantiate_at(socket)?;
        plugin.set_up(RATE, i32::try_from(block)?, Mode::Realtime);
        plugin.set_active(true);
        if plugin.is_connected() != connected {
            return Err("the core did not answer".into());
        }
        let mut blocks = Blocks::new(2, block, false);
        for channel in 0..2 {
            for (n, sample) in (0..).zip(blocks.input(channel)) {
                *sample = signal::noise(channel, n);
            }
        }
        let period = block as f64 / RATE;
        let count = (seconds / period) as u32;
        let (mut wall, mut cpu) = (Vec::new(), Vec::new());
        let begin = Instant::now();
        for number in 0..count {
            let due = begin + Duration::from_secs_f64(f64::from(number) * period);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (before, start) = (thread_time(), Instant::now());
            plugin.process(&mut blocks, block, Mode::Realtime);
            wall.push(start.elapsed().as_nanos() as u64);
            cpu.push(thread_time() - before);
        }
        let [_, _, late] = plugin.counters();
        let hop = MODELS[default_index()].network.hop;
        let hops = u64::from(count) * block as u64 / u64::from(hop);
        let micro = |times: &mut Vec<u64>, p| percentile(times, p) as f64 * 1e-3;
        println!(
            "{block:>6} {count:>8} | {:>7.2} {:>7.2} {:>7.2} {:>7.2} | {:>7.2} {:>7.2} {:>7.2} | {hops:>6} {late:>6} {:>9.6}",
            micro(&mut wall, 50.0),
            micro(&mut wall, 99.0),
            micro(&mut wall, 99.9),
            micro(&mut wall, 100.0),
            micro(&mut cpu, 50.0),
            micro(&mut cpu, 99.0),
            micro(&mut cpu, 99.9),
            if connected { upper_bound(late, hops) } else { 1.0 },
        );
        println!(
            "{:>15} | p99.9 of the wall time is {:.2} % of the period",
            "",
            1e-4 * micro(&mut wall, 99.9) / period
        );
        Ok(())
    }

    fn thread_time() -> u64 {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
    }
}
