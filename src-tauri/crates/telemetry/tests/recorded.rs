//! Recorded machines: what a reading of each must be, byte for byte (`expected.json` beside each).
//!
//! `WICK_RECORD=1 cargo test -p telemetry --test recorded` writes those files anew; read the difference before you
//! commit it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use telemetry::{Machine, Reader, Reading};

const MACHINES: [&str; 5] = [
    "desk",
    "desk-discrete",
    "spark-64",
    "spark-memory",
    "spark-no-memory",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn reader(name: &str) -> Reader {
    Reader::new(Machine::at(folder(name)))
}

fn json(reading: &Reading) -> String {
    serde_json::to_string_pretty(reading).expect("JSON") + "\n"
}

#[test]
fn each_recorded_machine_is_read_byte_for_byte() {
    for name in MACHINES {
        let found = json(&reader(name).read(Duration::ZERO));
        let path = folder(name).join("expected.json");
        if std::env::var_os("WICK_RECORD").is_some() {
            fs::write(&path, &found).expect("the fixtures can be written");
        }
        let expected = fs::read_to_string(&path).expect("an expected reading");
        assert!(found == expected, "{name} reads as\n{found}");
    }
}

#[test]
fn a_recorded_machine_stands_still() {
    for name in MACHINES {
        let mut reader = reader(name);
        let first = reader.read(Duration::from_secs(7));
        for ms in [7_000, 7_250, 9_000, 19_000] {
            assert_eq!(reader.read(Duration::from_millis(ms)), first, "{name}");
        }
    }
}

#[test]
fn a_reading_comes_back_from_json() {
    for name in MACHINES {
        let reading = reader(name).read(Duration::ZERO);
        let back: Reading = serde_json::from_str(&json(&reading)).expect("a reading");
        assert_eq!(back, reading, "{name}");
    }
}

#[test]
fn the_largest_other_programs_of_recorded_machines() {
    let check = |name: &str, ours: &[u32], expected: &[(&str, u64, u32)]| {
        let programs = reader(name).programs(ours, 2);
        let found: Vec<_> = programs
            .iter()
            .map(|program| {
                (
                    program.name.as_str(),
                    program.bytes / 4096,
                    program.processes,
                )
            })
            .collect();
        assert_eq!(found, expected, "{name}");
    };
    let isolated = ("Isolated Web Co", 61_200 + 40_100 - 2 * 25_110, 2);
    check("desk", &[], &[]);
    check(
        "desk-discrete",
        &[8120],
        &[("steamwebhelper", 90_000, 2), ("gnome-shell", 67_110, 1)],
    );
    check(
        "spark-64",
        &[],
        &[("llama-server", 12_101_000, 1), ("firefox", 81_891, 1)],
    );
    check(
        "spark-memory",
        &[5120],
        &[("python3", 431_000, 1), ("firefox", 81_891, 1)],
    );
    check(
        "spark-no-memory",
        &[5120, 4120],
        &[("gnome-shell", 67_110, 1), isolated],
    );
}

#[test]
fn the_processors_of_recorded_machines() {
    let check = |name: &str, expected: &str, cores: u32| {
        let processor = Machine::at(folder(name)).processor().expect("a processor");
        assert_eq!(
            (processor.name.as_str(), processor.cores),
            (expected, cores)
        );
    };
    check("spark-64", "10 × Cortex-X925 + 10 × Cortex-A725", 20);
    check("desk-discrete", "AMD Ryzen 9 7950X 16-Core Processor", 32);
}
