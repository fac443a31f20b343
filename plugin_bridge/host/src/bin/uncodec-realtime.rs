//! Plays the plugin at the pace of a sound card and prints how much of what came back was restored.
//!
//! `uncodec-realtime SECONDS [RATE [BLOCK]]`
//!
//! The plugin is `$UNCODEC_PLUGIN`, its core listens at `$UNCODEC_CORE_SOCKET`.

fn main() {
    #[cfg(target_os = "linux")]
    if let Err(error) = run() {
        eprintln!("uncodec-realtime: {error}");
        std::process::exit(1);
    }
}

#[cfg(target_os = "linux")]
fn run() -> Result<(), Box<dyn std::error::Error>> {
    use uncodec_host::realtime::{Pace, play};
    use uncodec_host::{Module, chosen_module};

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: uncodec-realtime SECONDS [RATE [BLOCK]]";
    let seconds = arguments.first().ok_or(usage)?.parse()?;
    let sample_rate = arguments.get(1).map_or(Ok(48_000), |rate| rate.parse())?;
    let block: usize = arguments.get(2).map_or(Ok(256), |block| block.parse())?;
    if block == 0 || sample_rate == 0 {
        return Err(usage.into());
    }
    let plugin = Module::load(&chosen_module())?.instantiate()?;
    // Latency safety at its most, for a machine that does other things as well.
    plugin.set_parameter(2, 1.0);
    println!("{}", play(&plugin, &Pace { sample_rate, block, seconds })?);
    Ok(())
}
