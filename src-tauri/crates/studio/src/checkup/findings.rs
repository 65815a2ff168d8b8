//! What the facts mean. Invariant: it looks at nothing but the facts, so that a recorded machine is judged as it was.

use super::{Facts, Finding, Folder};
use engine_api::{CUDA_NEEDED, OLDEST_CAPABILITY};
use telemetry::{GpuAbsence, GpuReading};

/// A model of a common size, fetched whole, wants as much.
const LITTLE_ROOM_BYTES: u64 = 8 << 30;

/// What computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    /// A GPU's name, or `CPU`.
    pub(super) name: String,
    /// Why not a GPU.
    pub(super) because: Option<String>,
    /// What to do about that, if there is something.
    pub(super) problem: Option<Finding>,
}

impl Device {
    fn cpu(because: impl Into<String>) -> Self {
        Self {
            name: "CPU".into(),
            because: Some(because.into()),
            problem: None,
        }
    }

    /// The processor, although the person could have a GPU compute.
    fn cpu_instead(because: &str, message: String, remedy: &str) -> Self {
        Self {
            problem: Some(problem(message, remedy)),
            ..Self::cpu(because)
        }
    }
}

fn problem(message: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        is_problem: true,
        message: message.into(),
        remedy: Some(remedy.into()),
    }
}

fn advice(message: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        is_problem: false,
        ..problem(message, remedy)
    }
}

/// What the worker that is installed will compute on, as far as can be told without asking it.
pub(super) fn device(facts: &Facts) -> Device {
    if facts.wanted_device.as_deref() == Some("cpu") {
        return Device::cpu("WICK_DEVICE says so");
    }
    match facts.gpus.first() {
        None => without_gpu(facts),
        Some(gpu) => unfit(gpu).unwrap_or_else(|| with_gpu(facts, gpu)),
    }
}

/// NVIDIA's driver tells of none.
fn without_gpu(facts: &Facts) -> Device {
    let on_bus = facts.pci_gpus.first();
    match (&facts.gpu_absence, on_bus) {
        (Some(GpuAbsence::DriverError(words)), _) => Device::cpu_instead(
            "NVIDIA's driver does not answer",
            format!("NVIDIA's driver is installed and does not answer ({words})."),
            "As a rule it was updated since the last start: restart the machine. If that does not help, install it again.",
        ),
        (_, None) => Device::cpu("there is no NVIDIA GPU"),
        (Some(GpuAbsence::NoDevice), Some(_)) => Device::cpu_instead(
            "NVIDIA's driver finds no GPU",
            "There is an NVIDIA GPU in the machine, and NVIDIA's driver does not find it.".into(),
            "See what the kernel says: sudo dmesg | grep -i nvrm. As a rule the driver is too old for the GPU, or Secure Boot keeps its module out.",
        ),
        (_, Some(holder)) => Device::cpu_instead(
            "NVIDIA's driver is not installed",
            no_driver(holder.as_deref()),
            "Install driver 580 or newer and restart: on Ubuntu sudo ubuntu-drivers install, on Debian from NVIDIA's own repository (that of Debian 12 and 13 is older).",
        ),
    }
}

fn no_driver(holder: Option<&str>) -> String {
    let lies_idle =
        "There is an NVIDIA GPU in the machine, and it lies idle: NVIDIA's driver is not installed";
    match holder {
        Some("vfio-pci") => {
            format!("{lies_idle} here. It is kept for a virtual machine (vfio-pci).")
        }
        Some(holder) => format!("{lies_idle}. {holder} drives it, which can draw and not compute."),
        None => format!("{lies_idle}."),
    }
}

/// The driver tells of one that Wick's kernels can't run on.
fn unfit(gpu: &GpuReading) -> Option<Device> {
    let knows = gpu.cuda_driver.as_deref().and_then(version);
    let capability = gpu.compute_capability.as_deref().and_then(version);
    let dotted = |(major, minor): (u32, u32)| format!("{major}.{minor}");
    if let Some(has) = capability.filter(|has| *has < OLDEST_CAPABILITY) {
        let (has, needs) = (dotted(has), dotted(OLDEST_CAPABILITY));
        let name = &gpu.name;
        return Some(Device::cpu(format!(
            "{name} has compute capability {has}, and Wick's kernels need {needs}"
        )));
    }
    let knows = knows.filter(|knows| *knows < CUDA_NEEDED)?;
    let (knows, needs) = (dotted(knows), dotted(CUDA_NEEDED));
    let driver = gpu.driver.as_deref().unwrap_or("that is installed");
    Some(Device::cpu_instead(
        "NVIDIA's driver is too old",
        format!(
            "{} lies idle: NVIDIA's driver {driver} knows CUDA {knows}, and Wick needs {needs}.",
            gpu.name
        ),
        "Update it to 580 or newer and restart: on Ubuntu sudo ubuntu-drivers install, on Debian from NVIDIA's own repository (that of Debian 12 and 13 is older).",
    ))
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// One that they can run on.
fn with_gpu(facts: &Facts, gpu: &GpuReading) -> Device {
    let workers = &facts.workers;
    if workers.for_gpu.is_none() {
        return Device::cpu_instead(
            "the worker for GPUs is not installed",
            format!(
                "{} lies idle: wick-engine-cuda, the worker for GPUs, is not installed.",
                gpu.name
            ),
            "In a checkout make cuda builds it, without a GPU or a toolkit; a package has it if it was made after that.",
        );
    }
    if workers.for_gpu != workers.chosen {
        return Device::cpu_instead(
            "the worker for GPUs is older than the other one",
            format!(
                "{} lies idle: wick-engine-cuda is older than wick-engine, and not used.",
                gpu.name
            ),
            "Build it again: make cuda.",
        );
    }
    Device {
        name: gpu.name.clone(),
        because: None,
        problem: None,
    }
}

/// All there is to say, what keeps Wick from working first.
pub(super) fn findings(facts: &Facts, device: &Device) -> Vec<Finding> {
    let trouble = facts.trouble.as_ref().map(|(message, hint)| Finding {
        is_problem: true,
        message: message.clone(),
        remedy: hint.clone(),
    });
    let folders = facts.models.iter().filter_map(of_models);
    let data = facts
        .data
        .iter()
        .filter(|data| !data.is_writable)
        .map(|data| {
            problem(
                format!(
                    "{} can't be written to: conversations and settings would get lost.",
                    data.path.display()
                ),
                "Make it yours, or set WICK_DATA_DIR to another folder.",
            )
        });
    let none = facts.model_count == Some(0);
    let none = none.then(|| {
        advice(
            "There is no model yet.",
            "wick pull unsloth/Qwen3-4B-Instruct-2507-GGUF, or Models in the window.",
        )
    });
    trouble
        .into_iter()
        .chain(data)
        .chain(device.problem.clone())
        .chain(folders)
        .chain(none)
        .collect()
}

fn of_models(folder: &Folder) -> Option<Finding> {
    if !folder.takes_downloads {
        return None;
    }
    let path = folder.path.display();
    if !folder.is_writable {
        return Some(problem(
            format!("{path} can't be written to: no model can be brought."),
            "Make it yours, or set HF_HOME to another folder.",
        ));
    }
    let free = folder.free_bytes.filter(|free| *free < LITTLE_ROOM_BYTES)?;
    let gigabytes = free / 1_000_000_000;
    Some(advice(
        format!("Only {gigabytes} GB are free at {path}, where models go."),
        "Delete a model that is not needed (wick rm), or set HF_HOME to a folder on a larger disk.",
    ))
}
