//! What `wick doctor` says of recorded machines, page for page (`pages/`).
//!
//! `WICK_RECORD=1 cargo test -p wick-cli doctor` writes those files anew; look at the difference before you commit it.

use super::*;
use std::path::Path;
use studio::{Machine, Workers};

const MACHINES: [&str; 7] = [
    "spark-no-memory",
    "spark-64",
    "desk",
    "desk-discrete",
    "desk-no-driver",
    "desk-old-driver",
    "desk-old-gpu",
];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A recorded machine with Wick from a package.
fn recorded(name: &str) -> Checkup {
    let machine = Machine::at(here().join("../telemetry/fixtures").join(name));
    let cuda = "/usr/lib/wick/wick-engine-cuda";
    let folder = |path: &str| Folder {
        path: path.into(),
        exists: true,
        is_writable: true,
        free_bytes: Some(812_000_000_000),
        takes_downloads: false,
    };
    Checkup::of(Facts {
        workers: Workers {
            chosen: Some(cuda.into()),
            for_gpu: Some(cuda.into()),
        },
        data: Some(folder("/home/ann/.local/share/wick")),
        models: vec![
            folder("/usr/share/wick/models"),
            Folder {
                takes_downloads: true,
                ..folder("/home/ann/.cache/huggingface/hub")
            },
        ],
        model_count: Some(1),
        ..Facts::of(&machine)
    })
}

#[test]
fn each_recorded_machine_is_explained_word_for_word() {
    for name in MACHINES {
        let found = page(&recorded(name));
        let path = here().join("src/doctor/pages").join(format!("{name}.txt"));
        if std::env::var_os("WICK_RECORD").is_some() {
            std::fs::write(&path, &found).expect("the pages can be written");
        }
        let expected = std::fs::read_to_string(&path).expect("an expected page");
        assert!(found == expected, "{name}:\n{found}");
    }
}

#[test]
fn a_page_fits_a_terminal_that_is_not_wide() {
    for name in MACHINES {
        let page = page(&recorded(name));
        let facts = page
            .lines()
            .filter(|line| line.starts_with("  ") && !line.contains('→'));
        assert!(
            facts.clone().all(|line| line.chars().count() <= 100),
            "{page}"
        );
    }
}
