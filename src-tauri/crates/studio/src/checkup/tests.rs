//! What is said of which facts.

use super::*;

const CUDA: &str = "/usr/lib/wick/wick-engine-cuda";

fn gpu(name: &str, capability: &str, cuda: &str) -> GpuReading {
    GpuReading {
        name: name.into(),
        compute_capability: Some(capability.into()),
        cuda_driver: Some(cuda.into()),
        driver: Some("580.95.05".into()),
        ..GpuReading::default()
    }
}

/// A machine with this GPU and both workers.
fn with(gpu: GpuReading) -> Facts {
    Facts {
        gpus: vec![gpu],
        workers: Workers {
            chosen: Some(CUDA.into()),
            for_gpu: Some(CUDA.into()),
        },
        ..Facts::default()
    }
}

fn without(absence: GpuAbsence, pci_gpus: Vec<Option<String>>) -> Facts {
    Facts {
        gpu_absence: Some(absence),
        pci_gpus,
        ..Facts::default()
    }
}

fn spark() -> GpuReading {
    gpu("NVIDIA GB10", "12.1", "13.0")
}

/// What computes, why not a GPU (a part of the words), and whether the person can do something about it.
fn check(facts: Facts, computes_on: &str, because: Option<&str>, problems: usize) {
    let found = Checkup::of(facts);
    assert_eq!(found.computes_on, computes_on, "{found:?}");
    match because {
        None => assert_eq!(found.because, None),
        Some(part) => assert!(
            found
                .because
                .as_ref()
                .is_some_and(|words| words.contains(part)),
            "{found:?}"
        ),
    }
    let count = found
        .findings
        .iter()
        .filter(|finding| finding.is_problem)
        .count();
    assert_eq!(count, problems, "{found:?}");
    let with_remedy = |finding: &Finding| !finding.is_problem || finding.remedy.is_some();
    assert!(found.findings.iter().all(with_remedy), "{found:?}");
}

#[test]
fn a_gpu_that_can_compute_does() {
    check(with(spark()), "NVIDIA GB10", None, 0);
    check(with(gpu("RTX 3060", "8.6", "13.1")), "RTX 3060", None, 0);
    // What the driver does not tell, the worker finds out.
    let silent = GpuReading {
        compute_capability: None,
        cuda_driver: None,
        ..spark()
    };
    check(with(silent), "NVIDIA GB10", None, 0);
}

#[test]
fn a_gpu_that_lies_idle_is_a_problem_only_if_somebody_can_mend_it() {
    check(with(gpu("GTX 1080", "6.1", "13.0")), "CPU", Some("6.1"), 0);
    check(
        with(gpu("RTX 3060", "8.6", "12.4")),
        "CPU",
        Some("too old"),
        1,
    );
    let wanted = Facts {
        wanted_device: Some("cpu".into()),
        ..with(spark())
    };
    check(wanted, "CPU", Some("WICK_DEVICE"), 0);
    let one = |chosen: &str, for_gpu: Option<&str>| Facts {
        workers: Workers {
            chosen: Some(chosen.into()),
            for_gpu: for_gpu.map(PathBuf::from),
        },
        ..with(spark())
    };
    check(one("/a/wick-engine", None), "CPU", Some("not installed"), 1);
    check(
        one("/a/wick-engine", Some("/a/wick-engine-cuda")),
        "CPU",
        Some("older"),
        1,
    );
}

#[test]
fn where_the_driver_tells_of_none_the_bus_is_asked() {
    let held = |holder: &str| vec![Some(holder.to_owned())];
    check(
        without(GpuAbsence::NoDriver, vec![]),
        "CPU",
        Some("no NVIDIA GPU"),
        0,
    );
    check(
        without(GpuAbsence::NoDriver, held("nouveau")),
        "CPU",
        Some("not installed"),
        1,
    );
    check(
        without(GpuAbsence::NoDriver, vec![None]),
        "CPU",
        Some("not installed"),
        1,
    );
    check(
        without(GpuAbsence::NoDevice, vec![None]),
        "CPU",
        Some("finds no GPU"),
        1,
    );
    check(
        without(GpuAbsence::NoDevice, vec![]),
        "CPU",
        Some("no NVIDIA GPU"),
        0,
    );
    let mismatch = GpuAbsence::DriverError("a driver/library version mismatch".into());
    check(
        without(mismatch, held("nvidia")),
        "CPU",
        Some("does not answer"),
        1,
    );
}

#[test]
fn folders_that_can_not_take_anything_and_paths_that_can_not_be_told_are_problems() {
    let folder = |is_writable, free_bytes| Folder {
        path: "/data".into(),
        is_writable,
        free_bytes: Some(free_bytes),
        takes_downloads: true,
        ..Folder::default()
    };
    let models = |folder| Facts {
        models: vec![folder],
        ..Facts::default()
    };
    let messages = |facts| {
        let findings = Checkup::of(facts).findings.into_iter();
        findings
            .map(|finding| (finding.is_problem, finding.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(messages(models(folder(true, 1 << 40))), []);
    let [(problem, words)] = &messages(models(folder(false, 1 << 40)))[..] else {
        panic!("one finding");
    };
    assert!(*problem && words.contains("/data"), "{words}");
    let [(problem, words)] = &messages(models(folder(true, 3_200_000_000)))[..] else {
        panic!("one finding");
    };
    assert!(!problem && words.contains("3 GB"), "{words}");
    let lost = Facts {
        trouble: Some(("There is no folder.".into(), None)),
        model_count: Some(0),
        ..Facts::default()
    };
    assert_eq!(messages(lost)[0], (true, "There is no folder.".into()));
}

#[test]
fn this_machine_is_looked_at_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = folder.path().join("wick-engine");
    std::fs::write(&engine, "").expect("a file");
    let paths = Paths {
        data_dir: folder.path().join("not/yet"),
        library_roots: Vec::new(),
        engine_program: engine.clone(),
        hub: None,
    };
    let found = check_up(&Ok(paths), &Machine::local());
    let data = found.facts.data.expect("a folder");
    assert!(data.is_writable && !data.exists && data.free_bytes.is_some());
    assert_eq!(
        found.facts.workers,
        Workers {
            chosen: Some(engine),
            for_gpu: None
        }
    );
    let lost = Error::new(crate::ErrorCode::NotFound, "There is no home.");
    let found = check_up(&Err(lost), &Machine::at("/nowhere"));
    assert_eq!(found.findings[0].message, "There is no home.");
}
