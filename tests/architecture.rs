//! The dependency rule of ARCHITECTURE.md, kept by machine, and the sizes of files, reported.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use wick_tests::root;

/// Who may depend on whom inside the workspace. Arrows only this way.
const RULE: &[(&str, &[&str])] = &[
    ("engine-api", &[]),
    ("hub", &[]),
    ("fake-hub", &[]),
    ("on-host", &[]),
    ("telemetry", &[]),
    ("wick-engine", &["engine-api"]),
    ("studio", &["engine-api", "hub", "telemetry"]),
    ("wick-studio", &["studio"]),
    ("wick-cli", &["studio", "engine-api", "hub", "telemetry"]),
];

/// One crate for one outside world: who alone may know these.
const OUTSIDE: &[(&str, &[&str])] = &[
    (
        "wick-engine",
        &[
            "candle-core",
            "candle-nn",
            "candle-transformers",
            "tokenizers",
            "minijinja",
        ],
    ),
    ("studio", &["rusqlite"]),
    (
        "wick-studio",
        &[
            "tauri",
            "tauri-specta",
            "tauri-build",
            "gtk",
            "webkit2gtk",
            "x11rb",
            "open",
        ],
    ),
    ("hub", &["hf-hub", "reqwest", "hyper", "ureq"]),
    // Until there is a server, only the tests' hub serves HTTP.
    ("fake-hub", &["axum"]),
    ("telemetry", &["nvml-wrapper", "procfs", "sysinfo"]),
    ("wick-cli", &["clap", "ratatui"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .expect("cargo metadata works")
}

/// The dependencies of each member, those of its tests aside. `wick-tests` may know everybody.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let members = metadata.workspace_packages().into_iter();
    members
        .filter(|package| package.name.as_str() != "wick-tests")
        .map(|package| {
            let names = package.dependencies.iter();
            let names = names.filter(|dependency| dependency.kind != DependencyKind::Development);
            (
                package.name.to_string(),
                names.map(|dependency| dependency.name.clone()).collect(),
            )
        })
        .collect()
}

#[test]
fn arrows_point_only_one_way() {
    let dependencies = dependencies();
    let members: BTreeSet<_> = dependencies.keys().cloned().collect();
    let ruled: BTreeSet<_> = RULE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        members, ruled,
        "a member is without a rule, or a rule without a member"
    );
    for (name, allowed) in RULE {
        for dependency in dependencies[*name].intersection(&members) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn each_outside_world_has_one_crate() {
    for (name, known) in dependencies() {
        for (owner, worlds) in OUTSIDE {
            let known: Vec<_> = worlds
                .iter()
                .filter(|world| known.contains(**world))
                .collect();
            assert!(
                name == *owner || known.is_empty(),
                "{name} knows {known:?}, which only {owner} may"
            );
        }
    }
}

#[test]
fn only_telemetry_reads_proc() {
    for file in sources("rs") {
        let text = std::fs::read_to_string(&file).expect("a source file can be read");
        let path = file
            .strip_prefix(root())
            .expect("it lies in the repository");
        let may = path.starts_with("src-tauri/crates/telemetry") || path.starts_with("tests");
        // A bench measures itself, and so do the example that is one and the test that memory is not touched.
        let may = may
            || path.starts_with("src-tauri/crates/engine/src/weights.rs")
            || path.starts_with("src-tauri/crates/engine/benches")
            || path.starts_with("src-tauri/crates/hub/examples");
        // The worker writes its own oom_score_adj and reads nothing.
        let own = text.matches("/proc/self/oom_score_adj").count();
        let found = text
            .lines()
            .filter(|line| line.contains("\"/proc") && !line.trim_start().starts_with("//"));
        assert!(
            may || found.count() <= own,
            "{} reads /proc",
            path.display()
        );
    }
}

/// A report and no gate: a long file is a question, not a crime.
#[test]
fn file_sizes_are_reported() {
    let mut report = Vec::new();
    for (extension, soft_limit) in [("rs", 300), ("svelte", 200), ("ts", 200)] {
        for file in sources(extension) {
            let lines = std::fs::read_to_string(&file).map_or(0, |text| text.lines().count());
            if lines > soft_limit && !file.ends_with("bindings.ts") {
                let path = file.strip_prefix(root()).unwrap_or(&file);
                report.push(format!("{lines} lines: {}\n", path.display()));
            }
        }
    }
    let folder = root().join("target/checks");
    std::fs::create_dir_all(&folder).expect("target can be written");
    std::fs::write(folder.join("file-sizes.txt"), report.concat())
        .expect("the report can be written");
}

fn sources(extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["src-tauri", "tests", "ui/src"] {
        collect(&root().join(folder), extension, &mut files);
    }
    assert!(!files.is_empty(), "no .{extension} files were found");
    files
}

fn collect(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder)
        .expect("a source folder can be read")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, extension, files);
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
}
