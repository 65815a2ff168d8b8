//! The machine: where its files lie, and its processor. Memory is in `memory.rs`, processes are in `process.rs`.

use crate::Error;
use crate::fields::field;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A machine that can be read: this one, or a recorded one.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

/// What computes in the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    /// The name, or each kind of core with its number: `10 × Cortex-X925 + 10 × Cortex-A725`.
    pub name: String,
    /// Number of hardware threads that the kernel schedules on.
    pub cores: u32,
}

impl Machine {
    /// The machine that this runs on.
    pub fn local() -> Self {
        Self::at("/")
    }

    /// A machine whose file system begins at this folder: its `proc` is `root/proc`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where its file system begins.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is the one that this runs on.
    pub(crate) fn is_local(&self) -> bool {
        self.root == Path::new("/")
    }

    pub(crate) fn proc(&self) -> PathBuf {
        self.root.join("proc")
    }

    /// The processor, from `/proc/cpuinfo`.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or [`Error::Malformed`] when no processor is listed.
    pub fn processor(&self) -> Result<Processor, Error> {
        let path = self.proc().join("cpuinfo");
        let text = read(&path)?;
        let cores: Vec<String> = text
            .split("\n\n")
            .filter(|block| field(block, "processor").is_some())
            .map(core_name)
            .collect();
        if cores.is_empty() {
            let reason = "it lists no processor".into();
            return Err(Error::Malformed { path, reason });
        }
        Ok(Processor {
            name: processor_name(&cores),
            cores: u32::try_from(cores.len()).unwrap_or(u32::MAX),
        })
    }
}

pub(crate) fn read(path: &Path) -> Result<String, Error> {
    crate::files::whole(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn core_name(block: &str) -> String {
    if let Some(name) = field(block, "model name") {
        return name.into();
    }
    let implementer = field(block, "CPU implementer").unwrap_or("?");
    let part = field(block, "CPU part").unwrap_or("?");
    arm_core(implementer, part)
        .map_or_else(|| format!("core {implementer}/{part}"), ToOwned::to_owned)
}

/// Arm kernels give only numbers. Source: the MIDR tables of util-linux `sys-utils/lscpu-arm.c`; only cores of
/// machines that a person might put on a desk or rent.
fn arm_core(implementer: &str, part: &str) -> Option<&'static str> {
    Some(match (implementer, part) {
        ("0x41", "0xd08") => "Cortex-A72",
        ("0x41", "0xd0b") => "Cortex-A76",
        ("0x41", "0xd0c") => "Neoverse-N1",
        ("0x41", "0xd40") => "Neoverse-V1",
        ("0x41", "0xd49") => "Neoverse-N2",
        ("0x41", "0xd4f") => "Neoverse-V2",
        ("0x41", "0xd84") => "Neoverse-V3",
        ("0x41", "0xd85") => "Cortex-X925",
        ("0x41", "0xd87") => "Cortex-A725",
        _ => return None,
    })
}

/// Equal cores are one name; different ones are listed with their numbers, the greater name first.
fn processor_name(cores: &[String]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for core in cores {
        *kinds.entry(core).or_default() += 1;
    }
    if let [name] = kinds.keys().collect::<Vec<_>>()[..] {
        return (*name).to_owned();
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| b.cmp(a));
    let parts = kinds
        .iter()
        .map(|(name, count)| format!("{count} × {name}"));
    parts.collect::<Vec<_>>().join(" + ")
}
