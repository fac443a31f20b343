//! A core for tests, as a process of its own that can be stopped and killed.
//!
//! `uncodec-test-core PATH [GAIN [HOP_MICROSECONDS]]`

fn main() {
    #[cfg(target_os = "linux")]
    if let Err(error) = run() {
        eprintln!("uncodec-test-core: {error}");
        std::process::exit(1);
    }
}

#[cfg(target_os = "linux")]
fn run() -> Result<(), Box<dyn std::error::Error>> {
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::time::Duration;

    use uncodec_host::core::{Behaviour, serve};

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("usage: uncodec-test-core PATH [GAIN [MICROSECONDS]]")?;
    let gain = arguments.get(1).map_or(Ok(1.0), |gain| gain.parse())?;
    let time = arguments.get(2).map_or(Ok(0), |time| time.parse())?;
    let behaviour =
        Behaviour { gain, hop_time: Duration::from_micros(time), ..Behaviour::default() };
    serve(path.as_ref(), behaviour, &AtomicBool::new(false), &AtomicU64::new(0))?;
    Ok(())
}
