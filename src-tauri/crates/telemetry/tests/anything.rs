//! Damaged machines: whatever stands in a file and whatever a driver answers, a reading comes out, and each of its
//! numbers is one that can be.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use telemetry::{GpuReading, Machine, Reader, Reading};
use tempfile::TempDir;

const MACHINES: [&str; 4] = ["desk", "desk-discrete", "spark-64", "spark-memory"];

/// A copy of a recorded machine that may be damaged.
struct Copy {
    folder: TempDir,
    files: Vec<PathBuf>,
}

impl Copy {
    fn of(name: &str) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name);
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Vec::new();
        copy(&from, folder.path(), &mut files);
        files.sort();
        assert!(files.len() > 10, "{name} is there");
        Self { folder, files }
    }

    fn reader(&self) -> Reader {
        Reader::new(Machine::at(self.folder.path()))
    }
}

fn copy(from: &Path, to: &Path, files: &mut Vec<PathBuf>) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
    {
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied, files);
        } else {
            fs::copy(&path, &copied).expect("a file");
            files.push(copied);
        }
    }
}

/// Panics if there is a number that can't be.
fn check(reading: &Reading) {
    let json = serde_json::to_string(reading).expect("JSON");
    let back: Reading = serde_json::from_str(&json).expect("what is no number would not come back");
    assert_eq!(back, *reading);
    if let Some(memory) = &reading.memory {
        let parts = [
            memory.available_bytes,
            memory.free_bytes,
            memory.page_cache_bytes,
        ];
        assert!(
            parts.iter().all(|part| *part <= memory.total_bytes),
            "{memory:?}"
        );
    }
    assert!(
        reading
            .swap
            .is_none_or(|swap| swap.used_bytes <= swap.total_bytes)
    );
    let percent = |value: f64| (0.0..=100.0).contains(&value);
    let pressure = reading.pressure;
    assert!(
        pressure.is_none_or(|of| percent(of.some_avg10) && percent(of.full_avg10)),
        "{pressure:?}"
    );
    assert!(
        reading
            .cores
            .iter()
            .all(|share| (0.0..=1.0).contains(share))
    );
    let disks = reading.disks.iter();
    let networks = reading.networks.iter();
    let rates = disks.flat_map(|disk| [disk.read_bytes_per_second, disk.written_bytes_per_second]);
    let rates = rates
        .chain(networks.flat_map(|of| [of.received_bytes_per_second, of.sent_bytes_per_second]));
    assert!(rates.flatten().all(|rate| rate <= 1_000_000_000_000));
    for sensor in &reading.sensors {
        assert!(
            sensor.celsius.is_some() != sensor.watts.is_some(),
            "{sensor:?}"
        );
        assert!(
            sensor
                .celsius
                .is_none_or(|celsius| (-60.0..=200.0).contains(&celsius)),
            "{sensor:?}"
        );
        assert!(
            sensor
                .watts
                .is_none_or(|watts| (0.0..=5000.0).contains(&watts)),
            "{sensor:?}"
        );
    }
    assert_eq!(reading.gpus.is_empty(), reading.gpu_absence.is_some());
    reading.gpus.iter().for_each(check_gpu);
}

fn check_gpu(gpu: &GpuReading) {
    let within =
        |value: Option<f64>, most: f64| value.is_none_or(|value| (0.0..=most).contains(&value));
    assert!(
        within(gpu.utilization, 1.0) && within(gpu.memory_utilization, 1.0),
        "{gpu:?}"
    );
    assert!(
        within(gpu.power_watts, 5000.0) && within(gpu.power_limit_watts, 5000.0),
        "{gpu:?}"
    );
    assert!(within(gpu.celsius, 200.0), "{gpu:?}");
    let clocks = [gpu.sm_clock_mhz, gpu.sm_clock_max_mhz, gpu.memory_clock_mhz];
    assert!(
        clocks.into_iter().flatten().all(|mhz| mhz <= 20_000),
        "{gpu:?}"
    );
    assert!(
        gpu.memory
            .is_none_or(|memory| memory.used_bytes <= memory.total_bytes),
        "{gpu:?}"
    );
    assert!(
        !gpu.name.is_empty() && gpu.name.chars().all(|c| !c.is_control()),
        "{gpu:?}"
    );
}

/// What may happen to a file.
#[derive(Debug, Clone)]
enum Damage {
    Replaced(Vec<u8>),
    /// Cut after so many thousandths.
    Cut(usize),
    /// Each number is another.
    Numbers(String),
    /// One number is another.
    Number(prop::sample::Index, String),
    Missing,
}

impl Damage {
    fn of(&self, content: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::Replaced(bytes) => bytes.clone(),
            Self::Cut(thousandths) => content[..content.len() * thousandths / 1000].to_vec(),
            Self::Numbers(number) => with_numbers(content, number, None),
            Self::Number(place, number) => with_numbers(content, number, Some(place)),
            Self::Missing => return None,
        })
    }
}

const SEPARATORS: [char; 5] = [' ', '\n', '=', ',', '\t'];

/// The content with another number in the place of one, or of each.
fn with_numbers(content: &[u8], number: &str, place: Option<&prop::sample::Index>) -> Vec<u8> {
    let text = String::from_utf8_lossy(content);
    let mut pieces: Vec<&str> = text.split_inclusive(SEPARATORS).collect();
    let digits = |piece: &str| piece.trim_end_matches(SEPARATORS).parse::<f64>().is_ok();
    let mut places: Vec<usize> = (0..pieces.len())
        .filter(|place| digits(pieces[*place]))
        .collect();
    if let (Some(place), false) = (place, places.is_empty()) {
        places = vec![*place.get(&places)];
    }
    let number = format!("{number} ");
    for place in places {
        pieces[place] = &number;
    }
    pieces.concat().into_bytes()
}

fn damage() -> impl Strategy<Value = Damage> {
    let numbers = [
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "NaN",
        "1e300",
        "0",
        "4294967295",
    ];
    prop_oneof![
        any::<Vec<u8>>().prop_map(Damage::Replaced),
        any::<String>().prop_map(|text| Damage::Replaced(text.into_bytes())),
        (0..1000_usize).prop_map(Damage::Cut),
        prop::sample::select(numbers.to_vec()).prop_map(|number| Damage::Numbers(number.into())),
        any::<u64>().prop_map(|number| Damage::Numbers(number.to_string())),
        (any::<prop::sample::Index>(), 0..1_u64 << 40)
            .prop_map(|(place, number)| Damage::Number(place, number.to_string())),
        Just(Damage::Missing),
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"error": "GpuLost"})),
        Just(json!({"error": 7})),
    ]
}

/// Where in the document there is a value.
fn places(value: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Json::Object(fields) => fields
            .iter()
            .for_each(|(name, of)| places(of, &format!("{at}/{name}"), found)),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, of)| places(of, &format!("{at}/{i}"), found)),
        _ => {}
    }
}

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
