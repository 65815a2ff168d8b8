//! A check-up: what the machine has, what computes on it and why, and what needs the person.
//!
//! `facts` are gathered once and nothing is changed; `findings.rs` judges them, and looks at nothing else. It works where the
//! studio itself doesn't: without a home, a library or an engine.

mod findings;
#[cfg(test)]
mod tests;

pub use crate::paths::Workers;

use crate::{Error, Paths};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use telemetry::{GpuAbsence, GpuReading, Machine, Processor, Reader};

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checkup {
    /// What the machine has.
    pub facts: Facts,
    /// What models are computed on: a GPU's name, or `CPU`.
    pub computes_on: String,
    /// Why not on a GPU, where there is something to say.
    pub because: Option<String>,
    /// What needs the person, or what they may want to know.
    pub findings: Vec<Finding>,
}

/// What was looked at. What can't be told is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Facts {
    /// The label of a recorded machine; `None` for this one.
    pub recorded: Option<String>,
    /// Its processor's name and its hardware threads.
    pub processor: Option<(String, u32)>,
    /// All memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// What new work could have of it.
    pub available_bytes: Option<u64>,
    /// What NVIDIA's driver tells of its GPUs.
    pub gpus: Vec<GpuReading>,
    /// Why that is nothing.
    pub gpu_absence: Option<GpuAbsence>,
    /// Who holds each NVIDIA GPU that the bus knows: the name of a driver of the kernel, if any.
    pub pci_gpus: Vec<Option<String>>,
    /// Which engines there are.
    pub workers: Workers,
    /// What `WICK_DEVICE` says.
    pub wanted_device: Option<String>,
    /// The folder of conversations and settings.
    pub data: Option<Folder>,
    /// The folders that models are looked for in, and the one that downloads go to.
    pub models: Vec<Folder>,
    /// How many models were found, or why they can't be listed.
    pub model_count: Option<u32>,
    /// Why the paths could not be told.
    pub trouble: Option<(String, Option<String>)>,
}

/// A folder that Wick uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// Whether it is there; if not it is made when it is needed.
    pub exists: bool,
    /// Whether something can be written into it, or where it would be made.
    pub is_writable: bool,
    /// Bytes that are free there.
    pub free_bytes: Option<u64>,
    /// Whether downloads go there.
    pub takes_downloads: bool,
}

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether something is wrong that the person can mend.
    pub is_problem: bool,
    /// What is so.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// Looks at everything. `paths` may be an error: then that is the first finding.
pub fn check_up(paths: &Result<Paths, Error>, machine: &Machine) -> Checkup {
    let mut facts = Facts::of(machine);
    facts.wanted_device = std::env::var("WICK_DEVICE")
        .ok()
        .filter(|device| !device.is_empty());
    match paths {
        Ok(paths) => look_at_folders(paths, &mut facts),
        Err(error) => facts.trouble = Some((error.message.clone(), error.hint.clone())),
    }
    Checkup::of(facts)
}

impl Facts {
    /// What a machine tells, without Wick's own folders and programs.
    pub fn of(machine: &Machine) -> Self {
        let reading = Reader::new(machine.clone()).read(Duration::ZERO);
        let processor = machine.processor().ok();
        let on_bus = telemetry::nvidia_gpus(machine).into_iter();
        Self {
            recorded: reading.recorded,
            processor: processor.map(|Processor { name, cores }| (name, cores)),
            memory_bytes: reading.memory.map(|memory| memory.total_bytes),
            available_bytes: reading.memory.map(|memory| memory.available_bytes),
            gpus: reading.gpus,
            gpu_absence: reading.gpu_absence,
            pci_gpus: on_bus.map(|gpu| gpu.driver).collect(),
            ..Self::default()
        }
    }
}

impl Checkup {
    /// What these facts mean.
    pub fn of(facts: Facts) -> Self {
        let device = findings::device(&facts);
        let findings = findings::findings(&facts, &device);
        Self {
            computes_on: device.name,
            because: device.because,
            findings,
            facts,
        }
    }
}

fn look_at_folders(paths: &Paths, facts: &mut Facts) {
    facts.workers = Workers::beside(&paths.engine_program);
    facts.data = Some(folder(&paths.data_dir, false));
    let downloads = paths.hub.as_ref().map(|hub| hub.cache_dir.clone());
    let mut roots: Vec<PathBuf> = paths
        .library_roots
        .iter()
        .map(|root| root.path.clone())
        .collect();
    roots.extend(downloads.clone());
    for (at, path) in roots.iter().enumerate() {
        let takes_downloads = downloads.as_ref() == Some(path);
        let folder = folder(path, takes_downloads);
        if (folder.exists || takes_downloads) && !roots[..at].contains(path) {
            facts.models.push(folder);
        }
    }
    let models = crate::library_of(paths).models().ok();
    facts.model_count = models.map(|models| u32::try_from(models.len()).unwrap_or(u32::MAX));
}

fn folder(path: &Path, takes_downloads: bool) -> Folder {
    Folder {
        path: path.to_owned(),
        exists: path.is_dir(),
        is_writable: is_writable(path),
        free_bytes: hub::free_bytes(path).ok(),
        takes_downloads,
    }
}

/// Whether a file could be made there, or the folder itself.
fn is_writable(path: &Path) -> bool {
    let there = path.ancestors().find(|folder| folder.exists());
    there.is_some_and(|folder| tempfile::tempfile_in(folder).is_ok())
}
