//! Readings of recorded machines, of damaged ones, and of this one.

use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use telemetry::{Error, Machine, MemoryPool, MemoryReading};
use tempfile::TempDir;

fn recorded(name: &str) -> Machine {
    Machine::at(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name),
    )
}

/// A machine with these files below its `/proc`.
fn written(files: &[(&str, &str)]) -> (TempDir, Machine) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, content) in files {
        let path = folder.path().join("proc").join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    let machine = Machine::at(folder.path());
    (folder, machine)
}

#[test]
fn memory_of_a_recorded_machine() {
    let reading = recorded("desk").memory().expect("a recording");
    let kib = |n: u64| n * 1024;
    assert_eq!(
        reading,
        MemoryReading {
            total_bytes: kib(24_684_096),
            available_bytes: kib(23_463_300),
            free_bytes: kib(18_894_820),
            page_cache_bytes: kib(4_236_628 + 26_784 + 627_384 - 8_788),
        }
    );
}

#[test]
fn processors_of_recorded_machines() {
    let check = |name: &str, expected: &str, cores: u32| {
        let processor = recorded(name).processor().expect("a recording");
        assert_eq!(
            (processor.name.as_str(), processor.cores),
            (expected, cores)
        );
    };
    check("desk", "AMD EPYC", 2);
    check("spark", "2 × Cortex-X925 + 2 × Cortex-A725", 4);
}

#[test]
fn what_is_missing_is_told() {
    let check = |files: &[(&str, &str)], expected: &str| {
        let (_folder, machine) = written(files);
        let error = machine.memory().expect_err(expected).to_string();
        assert!(
            error.contains(expected),
            "{error:?} does not say {expected:?}"
        );
    };
    check(&[], "can't be read");
    check(&[("meminfo", "")], "MemTotal");
    check(
        &[("meminfo", "MemTotal: 9 kB\nMemAvailable: 5 kB")],
        "MemFree",
    );
    check(
        &[("meminfo", "MemTotal: 9 kB\nMemFree: 5 kB")],
        "MemAvailable",
    );
    let (_folder, machine) = written(&[("cpuinfo", "nothing: here")]);
    assert!(matches!(machine.processor(), Err(Error::Malformed { .. })));
}

#[test]
fn cache_never_goes_below_nothing() {
    let text = "MemTotal: 9 kB\nMemFree: 5 kB\nMemAvailable: 5 kB\nCached: 1 kB\nShmem: 2 kB";
    let (_folder, machine) = written(&[("meminfo", text)]);
    assert_eq!(machine.memory().expect("whole").page_cache_bytes, 0);
}

#[test]
fn a_tree_holds_all_descendants_and_nobody_else() {
    let (_folder, machine) = written(&[
        ("1/stat", "1 (init) S 0 1"),
        ("10/stat", "10 (wick studio) S 1 10"),
        ("11/stat", "11 (a) b) R 10 10"),
        ("5/stat", "5 (wick-engine) S 11 10"),
        ("12/stat", "12 (other) S 1 12"),
        ("13/stat", "vanishing"),
        ("14/status", "no stat at all"),
        ("self/stat", "10 (wick) S 1 10"),
        ("99999999999/stat", "no process id"),
    ]);
    let tree = |pid| machine.process_tree(pid);
    assert_eq!(tree(10).expect("alive"), [10, 11, 5]);
    assert_eq!(tree(1).expect("alive"), [1, 10, 12, 11, 5]);
    assert_eq!(tree(12).expect("alive"), [12]);
    for pid in [13, 14, 7] {
        assert!(matches!(tree(pid), Err(Error::Gone { pid: gone }) if gone == pid));
    }
}

#[test]
fn memory_of_recorded_processes() {
    let (_folder, machine) = written(&[
        (
            "1/smaps_rollup",
            "0-1 ---p 0 0:0 0 [rollup]\nRss: 9 kB\nPss: 9 kB\nPss_Anon: 1 kB\nPss_File: 5 kB\nPss_Shmem: 3 kB\n",
        ),
        ("1/status", "Name:\ta\nVmHWM:\t 12 kB\nVmRSS:\t 9 kB\n"),
        ("2/status", "Name:\tb\nVmHWM:\t 12 kB\nVmRSS:\t 9 kB\n"),
        ("3/status", "Name:\tzombie\nState:\tZ (zombie)\n"),
    ]);
    let check = |pid, resident: u64, peak: u64| {
        assert_eq!(
            machine.resident_bytes(pid).expect("alive"),
            resident,
            "{pid}"
        );
        assert_eq!(
            machine.peak_resident_bytes(pid).expect("alive"),
            peak,
            "{pid}"
        );
    };
    check(1, 4096, 12 * 1024);
    check(2, 9 * 1024, 12 * 1024);
    check(3, 0, 0);
    assert!(matches!(
        machine.resident_bytes(4),
        Err(Error::Gone { pid: 4 })
    ));
    assert!(matches!(
        machine.peak_resident_bytes(4),
        Err(Error::Gone { pid: 4 })
    ));
}

/// A child that waits for the end of its input; killed and waited for when dropped.
struct Waiting(Child);

impl Waiting {
    fn start() -> Self {
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("cat is everywhere"))
    }

    fn end(&mut self) {
        self.0.kill().expect("it is ours");
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn this_machine_and_this_process() {
    let machine = Machine::local();
    let me = std::process::id();
    let own_bytes = machine.resident_bytes(me).expect("alive");
    assert!(own_bytes > 0);
    assert!(machine.peak_resident_bytes(me).expect("alive") >= own_bytes / 2);
    let memory = machine.memory().expect("a Linux machine");
    assert!(own_bytes < memory.total_bytes);
    let pool = MemoryPool::divide(&memory, own_bytes, telemetry::NamedBytes::default());
    assert!(
        pool.app_bytes == own_bytes && pool.other_bytes > 0,
        "{pool:?}"
    );
    assert!(machine.processor().expect("a Linux machine").cores > 0);
}

#[test]
fn a_child_is_in_the_tree_until_it_is_waited_for() {
    let machine = Machine::local();
    let me = std::process::id();
    let mut child = Waiting::start();
    let pid = child.0.id();
    assert!(machine.process_tree(me).expect("alive").contains(&pid));
    assert!(machine.resident_bytes(pid).expect("alive") > 0);
    child.end();
    drop(child);
    assert!(!machine.process_tree(me).expect("alive").contains(&pid));
    assert!(matches!(machine.process_tree(pid), Err(Error::Gone { .. })));
    assert!(matches!(
        machine.resident_bytes(pid),
        Err(Error::Gone { .. })
    ));
    assert!(matches!(
        machine.peak_resident_bytes(pid),
        Err(Error::Gone { .. })
    ));
}

#[test]
fn the_pool_crosses_to_typescript_as_numbers() {
    let pool = MemoryPool {
        total_bytes: 7,
        free_bytes: 7,
        ..MemoryPool::default()
    };
    let json = serde_json::to_value(pool).expect("JSON");
    assert_eq!(json["total_bytes"], 7);
    assert_eq!(
        serde_json::from_value::<MemoryPool>(json).expect("a pool"),
        pool
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_content_is_a_reading_or_an_error(content: String, number: u32) {
        let lines = format!("MemTotal: {content}\nMemFree: {number} kB\nMemAvailable: {number}{content}");
        for text in [&content, &lines] {
            let (_folder, machine) = written(&[
                ("meminfo", text), ("cpuinfo", text), ("1/stat", text), ("1/status", text), ("1/smaps_rollup", text),
            ]);
            let _ = machine.memory();
            let _ = machine.processor();
            let _ = machine.process_tree(1);
            let _ = machine.resident_bytes(1);
            let _ = machine.peak_resident_bytes(1);
        }
    }

    #[test]
    fn any_family_has_each_member_once(parents in prop::collection::vec(0_u32..12, 12)) {
        let files: Vec<(String, String)> = (0..).zip(&parents)
            .map(|(pid, parent)| (format!("{pid}/stat"), format!("{pid} (p) S {parent}")))
            .collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (_folder, machine) = written(&files);
        let mut tree = machine.process_tree(3).expect("alive");
        prop_assert_eq!(tree[0], 3);
        tree.sort_unstable();
        let length = tree.len();
        tree.dedup();
        prop_assert_eq!(tree.len(), length);
    }
}
