//! Damaged machines: whatever stands in a file and whatever a driver answers, a reading comes out, and each of its
//! numbers is one that can be.

mod check;
mod damage;

use check::check;
use damage::{Copy, any_json, damage, places};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use telemetry::{Machine, Reader};

const MACHINES: [&str; 4] = ["desk", "desk-discrete", "spark-64", "spark-memory"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_damage_to_any_file_leaves_a_plausible_reading(
        name in prop::sample::select(&MACHINES[..]), damages in prop::collection::vec(damage(), 7),
    ) {
        let machine = Copy::of(name);
        let mut old = machine.reader();
        for (number, path) in machine.files.iter().enumerate() {
            let whole = fs::read(path).expect("a file");
            match damages[number % damages.len()].of(&whole) {
                Some(content) => fs::write(path, content).expect("a file"),
                None => fs::remove_file(path).expect("a file"),
            }
            // One that was here before the damage, and one that comes after.
            check(&old.read(Duration::from_secs(number as u64)));
            let mut new = machine.reader();
            check(&new.read(Duration::ZERO));
            let _ = new.programs(&[1], 5);
            fs::write(path, whole).expect("a file");
        }
    }

    #[test]
    fn any_machine_of_damaged_files_has_a_plausible_reading(
        name in prop::sample::select(&MACHINES[..]), damages in prop::collection::vec(damage(), 7),
    ) {
        let machine = Copy::of(name);
        for (number, path) in machine.files.iter().enumerate() {
            let whole = fs::read(path).expect("a file");
            let damaged = damages[number % damages.len()].of(&whole);
            fs::write(path, damaged.unwrap_or_default()).expect("a file");
        }
        let mut reader = machine.reader();
        for second in [0, 1, 6] {
            check(&reader.read(Duration::from_secs(second)));
        }
        let _ = reader.programs(&[], 5);
    }

    #[test]
    fn any_moments_in_a_row_are_plausible(damages in prop::collection::vec(damage(), 20)) {
        let machine = Copy::of("desk-discrete");
        fs::remove_dir_all(machine.folder.path().join("then")).expect("it has two moments");
        let counters = ["proc/stat", "proc/diskstats", "proc/net/dev"].map(|path| machine.folder.path().join(path));
        let whole = counters.each_ref().map(|path| fs::read(path).expect("a file"));
        let mut reader = machine.reader();
        for (second, damage) in damages.iter().enumerate() {
            let place = second % counters.len();
            let content = damage.of(&whole[place]).unwrap_or_default();
            fs::write(&counters[place], content).expect("a file");
            check(&reader.read(Duration::from_secs(second as u64)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_numbers_of_memory_are_plausible_together(numbers: [u32; 7], percents: [f64; 2]) {
        let names = ["MemTotal", "MemFree", "MemAvailable", "Cached", "Shmem", "SwapTotal", "SwapFree"];
        let line = |(name, number): (&str, u32)| format!("{name}: {number} kB\n");
        let meminfo: String = names.into_iter().zip(numbers).map(line).collect();
        let [some, full] = percents;
        let pressure = format!("some avg10={some} avg60=0.00\nfull avg10={full} avg60=0.00\n");
        let folder = tempfile::tempdir().expect("a folder");
        let proc = folder.path().join("proc");
        fs::create_dir_all(proc.join("pressure")).expect("a folder");
        fs::write(proc.join("meminfo"), meminfo).expect("a file");
        fs::write(proc.join("pressure/memory"), pressure).expect("a file");
        check(&Reader::new(Machine::at(folder.path())).read(Duration::ZERO));
    }

    #[test]
    fn any_answer_of_a_driver_leaves_a_plausible_reading(
        name in prop::sample::select(&MACHINES[1..]), changes in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 1..20),
    ) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let folder = tempfile::tempdir().expect("a folder");
        let (path, meminfo) = (folder.path().join("nvml.json"), folder.path().join("proc/meminfo"));
        fs::create_dir(folder.path().join("proc")).expect("a folder");
        fs::copy(from.join("proc/meminfo"), meminfo).expect("a file");
        let whole = fs::read_to_string(from.join("nvml.json")).expect("a recording");
        let mut answers: Json = serde_json::from_str(&whole).expect("JSON");
        let mut reader = Reader::new(Machine::at(folder.path()));
        for (second, (place, value)) in changes.into_iter().enumerate() {
            let mut all = Vec::new();
            places(&answers, "", &mut all);
            *answers.pointer_mut(place.get(all.as_slice()).as_str()).expect("a place") = value;
            fs::write(&path, answers.to_string()).expect("a file");
            check(&reader.read(Duration::from_secs(second as u64)));
        }
    }
}

#[test]
fn an_answer_of_another_kind_spoils_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let answers = json!({"devices": [
        {"name": "NVIDIA GB10", "power_usage": "many", "temperature": 61, "clock_info_sm": [1], "memory_info": {"total": 1}},
    ]});
    fs::write(folder.path().join("nvml.json"), answers.to_string()).expect("a file");
    let reading = Reader::new(Machine::at(folder.path())).read(Duration::ZERO);
    let gpu = &reading.gpus[0];
    assert_eq!(
        (gpu.name.as_str(), gpu.celsius, gpu.integrated),
        ("NVIDIA GB10", Some(61.0), true)
    );
    assert_eq!(
        (gpu.power_watts, gpu.sm_clock_mhz, gpu.memory),
        (None, None, None)
    );
}
