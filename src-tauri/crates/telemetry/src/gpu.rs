//! NVIDIA's GPUs, as NVML tells of them.
//!
//! Deliberately no control of them: no clock, limit or mode is ever set. What answers come from (the driver in `live.rs`,
//! a recording) and what is made of them (`judge.rs`) are apart: both kinds of answers take the same way.

mod answers;
mod judge;
mod live;
mod source;

pub(crate) use source::Gpus;

use serde::{Deserialize, Serialize};

/// Why there are no GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum GpuAbsence {
    /// NVIDIA's driver is not installed.
    NoDriver,
    /// The driver is there and finds no GPU.
    NoDevice,
    /// The driver, or the recording of its answers, does not work; with its words.
    DriverError(String),
}

/// A GPU at one moment. What this GPU doesn't report, and what it reports but can't be, is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, specta::Type)]
pub struct GpuReading {
    /// Its number among the driver's GPUs, from 0.
    pub index: u32,
    /// What the driver calls it: `NVIDIA GB10`.
    pub name: String,
    /// The driver's name for this very one, which stays when others come or go.
    pub uuid: Option<String>,
    /// What kernels it can run: `12.1` on a GB10.
    pub compute_capability: Option<String>,
    /// Whether it shares the memory of the machine.
    pub integrated: bool,
    /// Its memory. That of an integrated one is the machine's, and used is what is neither free nor page cache: what the
    /// driver says there counts the page cache as used.
    pub memory: Option<GpuMemory>,
    /// Share of the driver's last sample period (a sixth of a second to a second) in which a kernel ran, 0 to 1.
    #[specta(type = Option<u32>)]
    pub utilization: Option<f64>,
    /// The same for reading and writing memory. Integrated ones always say 0, which counts as not reported.
    #[specta(type = Option<u32>)]
    pub memory_utilization: Option<f64>,
    /// Clock of the multiprocessors.
    pub sm_clock_mhz: Option<u32>,
    /// The highest that it may be.
    pub sm_clock_max_mhz: Option<u32>,
    /// Clock of the memory.
    pub memory_clock_mhz: Option<u32>,
    /// Power that it draws. Of an integrated one it is the GPU's rail alone.
    #[specta(type = Option<u32>)]
    pub power_watts: Option<f64>,
    /// Power that it may draw.
    #[specta(type = Option<u32>)]
    pub power_limit_watts: Option<f64>,
    /// Temperature.
    #[specta(type = Option<u32>)]
    pub celsius: Option<f64>,
    /// Why its clocks are lower than they could be; empty when they are not. Having nothing to do is no reason.
    pub throttle: Option<Vec<ThrottleReason>>,
    /// Who uses it, most memory first.
    pub processes: Option<Vec<GpuProcess>>,
    /// Version of the driver: `580.95.05`.
    pub driver: Option<String>,
    /// The newest CUDA that the driver knows: `13.0`.
    pub cuda_driver: Option<String>,
}

/// Memory of a GPU in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct GpuMemory {
    /// All of it.
    #[specta(type = u32)]
    pub total_bytes: u64,
    /// What nobody can have now: on a discrete one all that isn't free, with what the driver keeps for itself, which
    /// `nvidia-smi` leaves out.
    #[specta(type = u32)]
    pub used_bytes: u64,
}

/// Why clocks are lowered. Source: `nvmlClocksEventReasons` of NVML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleReason {
    /// It draws as much as it may.
    PowerCap,
    /// It, or its memory, is too hot.
    Thermal,
    /// The hardware halves its clocks, for heat, power or a signal from outside.
    HardwareSlowdown,
    /// The power supply asks for less.
    PowerBrake,
    /// It waits for others that run with the same clocks.
    SyncBoost,
    /// Somebody set its clocks.
    ApplicationClocks,
    /// Something else, such as the clocks of a display.
    Other,
}

/// A process that uses a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct GpuProcess {
    /// Its id.
    pub pid: u32,
    /// GPU memory that it holds, in bytes.
    #[specta(type = Option<u32>)]
    pub used_bytes: Option<u64>,
}
