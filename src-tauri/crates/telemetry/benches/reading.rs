//! What readings cost: processor time of a thousand, the share of a core that four a second are, and whether memory
//! grows. Printed, never asserted.
//!
//! `cargo bench -p telemetry --bench reading [-- FOLDER…]`; a folder is a recorded machine, none is this one. The clock that
//! readings are told runs at four a second, so that what is done seldom is counted as often as it is done.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::time::{Duration, Instant};
use telemetry::{Machine, Reader};

const READINGS: u32 = 1000;
/// How often programs are listed, for a mean.
const CALLS: u32 = 50;
const PERIOD: Duration = Duration::from_millis(250);

fn main() {
    let folders: Vec<String> = std::env::args()
        .skip(1)
        .filter(|text| text != "--bench")
        .collect();
    if folders.is_empty() {
        bench("this machine", Machine::local());
    }
    for folder in folders {
        bench(&folder, Machine::at(&folder));
    }
}

fn bench(name: &str, machine: Machine) {
    let mut reader = Reader::new(machine);
    let mut at = Duration::ZERO;
    let mut take = |count: u32| {
        for _ in 0..count {
            at += PERIOD;
            std::hint::black_box(reader.read(at));
        }
    };
    take(100);
    let (cpu, resident) = (cpu(), resident());
    let began = Instant::now();
    take(READINGS);
    let used = self::cpu().saturating_sub(cpu);
    let share = 100.0 * used.as_secs_f64() / (PERIOD * READINGS).as_secs_f64();
    println!(
        "{name}: {READINGS} readings in {:?}, {used:?} of a processor: {share:.3} % of a core at four a second",
        began.elapsed()
    );
    take(9 * READINGS);
    println!(
        "  resident memory {resident} bytes after 100 readings, {} after 10,100",
        self::resident()
    );
    programs(&mut reader);
}

fn programs(reader: &mut Reader) {
    let before = cpu();
    let mut found = 0;
    for _ in 0..CALLS {
        found = reader.programs(&[], usize::MAX).len();
    }
    let used = cpu().saturating_sub(before) / CALLS;
    let share = 100.0 * used.as_secs_f64() / 5.0;
    println!("  {found} programs: {used:?} a call: {share:.3} % of a core once in five seconds");
}

/// Processor time of this thread, in the kernel's nanoseconds (`Documentation/scheduler/sched-stats.rst`).
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn resident() -> u64 {
    let machine = Machine::local();
    machine
        .resident_bytes(std::process::id())
        .unwrap_or_default()
}
