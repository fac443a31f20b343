//! What a callback costs: `HostPath::process` on two channels, with an identity core between the
//! callbacks, as percentiles of its time and of the block's period.

use std::time::Instant;

use uncodec_proto::{CoreSide, Geometry, HeapMemory, HostPath, HostSettings, HostSide};

const CALLBACKS: usize = 50_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("block   p50 us   p99 us   p99.9 us   max us   p99.9 of the period");
    for block in [32_usize, 64, 128, 512, 2048] {
        let geometry = Geometry::new(&HostSettings {
            sample_rate: 48_000.0,
            channels: 2,
            hop: 256,
            tail: 512,
            model_delay: 512,
            max_block: block,
            turnaround_s: block as f64 / 48_000.0,
            varying_blocks: true,
        })?;
        let memory = HeapMemory::new(geometry.bytes());
        let mut path = HostPath::new(HostSide::create(memory.clone(), geometry)?);
        let mut core = CoreSide::attach(memory)?;
        let mut hop = vec![0.0; geometry.hop_samples()];
        let tail = vec![0.0; geometry.tail_samples()];
        let mut buffer = [vec![0.5; block], vec![0.25; block]];
        let mut times = Vec::with_capacity(CALLBACKS);
        path.activate();
        for _ in 0..CALLBACKS {
            let start = Instant::now();
            path.process_in_place(&mut buffer)?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
            while let Some(ticket) = core.poll(&mut hop)? {
                core.publish(ticket, &hop, &tail)?;
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((CALLBACKS - 1) as f64 * share) as usize];
        let period = block as f64 / 48_000.0 * 1e6;
        println!(
            "{block:5} {:8.2} {:8.2} {:10.2} {:8.1} {:18.2} %",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            at(0.999) / period * 100.0
        );
    }
    Ok(())
}
