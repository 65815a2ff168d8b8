//! Readings of the machine that Wick runs on, or of a recorded one: its memory, processors, disks, networks, sensors and
//! GPUs, and what processes hold of it.
//!
//! The only crate that knows `/proc`, `/sys` and NVML. It keeps no history and draws no conclusion: a reading is taken
//! when it is asked for, and whoever asks decides what it means.
//!
//! Invariant: whatever stands in the files that it reads and whatever the driver answers, the answer is a reading of
//! plausible numbers or an [`Error`], never a panic.

mod activity;
mod auxiliary;
mod bandwidth;
mod cores;
mod counter;
mod disks;
mod error;
mod fields;
mod files;
mod gpu;
mod machine;
mod memory;
mod networks;
mod pci;
mod pool;
mod process;
mod programs;
mod reader;
mod reading;
mod sensors;
mod words;

pub use activity::{Activity, ProcessState};
pub use bandwidth::read_bandwidth;
pub use error::Error;
pub use gpu::{GpuAbsence, GpuMemory, GpuProcess, GpuReading, ThrottleReason};
pub use machine::{Machine, Processor};
pub use memory::MemoryReading;
pub use pci::{PciGpu, nvidia_gpus};
pub use pool::{MemoryPool, NamedBytes};
pub use programs::Program;
pub use reader::Reader;
pub use reading::{
    DiskReading, MemoryPressure, NetworkReading, Reading, SensorReading, SwapReading,
};
