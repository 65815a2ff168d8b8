//! What a reading holds. How it is taken is in `reader.rs`; GPUs are in `gpu/`.
//!
//! Invariant: what the machine does not tell is absent, never zero, and each number is one that can be.

use crate::{GpuAbsence, GpuReading, MemoryReading};
use serde::{Deserialize, Serialize};

/// The machine at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, specta::Type)]
pub struct Reading {
    /// What a recorded machine is called; `None` for the one that this runs on.
    pub recorded: Option<String>,
    /// The memory of the whole machine.
    pub memory: Option<MemoryReading>,
    /// Where memory goes that doesn't fit.
    pub swap: Option<SwapReading>,
    /// How much programs wait for memory.
    pub pressure: Option<MemoryPressure>,
    /// Busy share of each hardware thread since the last reading, from 0 to 1; empty at the first reading, and when a
    /// thread came or went.
    #[specta(type = Vec<u32>)]
    pub cores: Vec<f32>,
    /// Physical disks by name: no partitions, and nothing that is made of other disks, of files or of memory.
    pub disks: Vec<DiskReading>,
    /// Networks by name, without the loopback.
    pub networks: Vec<NetworkReading>,
    /// Temperatures and powers, as far as one may read them. They are at most a second old.
    pub sensors: Vec<SensorReading>,
    /// NVIDIA's GPUs in the driver's order.
    pub gpus: Vec<GpuReading>,
    /// Why there are no GPUs; `None` if there are.
    pub gpu_absence: Option<GpuAbsence>,
}

/// Swap space in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct SwapReading {
    /// All of it; 0 if there is none.
    #[specta(type = u32)]
    pub total_bytes: u64,
    /// What is in use.
    #[specta(type = u32)]
    pub used_bytes: u64,
}

/// Pressure stall information of the memory: percent of the last ten seconds in which tasks waited for memory.
/// Source: the kernel's `Documentation/accounting/psi.rst`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct MemoryPressure {
    /// At least one task waited.
    #[specta(type = u32)]
    pub some_avg10: f64,
    /// All tasks that had something to do waited.
    #[specta(type = u32)]
    pub full_avg10: f64,
}

/// A disk, in bytes a second since the last reading; `None` at the first, and when its counters were set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct DiskReading {
    /// The kernel's name: `nvme0n1`.
    pub name: String,
    /// Read from it.
    #[specta(type = Option<u32>)]
    pub read_bytes_per_second: Option<u64>,
    /// Written to it.
    #[specta(type = Option<u32>)]
    pub written_bytes_per_second: Option<u64>,
}

/// A network, in bytes a second since the last reading; `None` at the first, and when its counters were set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct NetworkReading {
    /// The kernel's name: `enp1s0`.
    pub name: String,
    /// Whether it is a device. What passes through others (bridges, tunnels) mostly passes through a device too.
    pub physical: bool,
    /// Received.
    #[specta(type = Option<u32>)]
    pub received_bytes_per_second: Option<u64>,
    /// Sent.
    #[specta(type = Option<u32>)]
    pub sent_bytes_per_second: Option<u64>,
}

/// One sensor, with either a temperature or a power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct SensorReading {
    /// What it sits in: `k10temp`, `nvme`; `rapl` for the processor's energy counters, `power_supply` for batteries.
    pub chip: String,
    /// What it measures there: `Tctl`, `Composite`.
    pub label: String,
    /// Temperature.
    #[specta(type = Option<u32>)]
    pub celsius: Option<f64>,
    /// Power; for an energy counter the mean since the last reading.
    #[specta(type = Option<u32>)]
    pub watts: Option<f64>,
}
