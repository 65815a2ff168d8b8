//! The raw answers of NVML, each a value or an error's name, as they stand in a recording (`nvml.json`).
//!
//! Fields are called like nvml-wrapper's methods and hold its units. Deliberately no judgement of them: that is
//! `judge.rs`'s. Invariant: an answer that is not what it should be spoils no other.

use serde::Deserialize;

/// What the driver says, or why it says nothing: `45` or `{"error": "NotSupported"}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer<T> {
    Value(T),
    Error {
        /// The name of NVML's error, by nvml-wrapper.
        error: String,
    },
    /// A recording holds something else.
    Other(serde::de::IgnoredAny),
}

/// Nobody asked: a recording that lacks the call.
impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self::Other(serde::de::IgnoredAny)
    }
}

impl<T> Answer<T> {
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Error { .. } | Self::Other(_) => None,
        }
    }
}

/// All answers.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answers {
    pub(crate) sys_driver_version: Answer<String>,
    /// Thousand times the version, and ten times what follows its dot.
    pub(crate) sys_cuda_driver_version: Answer<i32>,
    pub(crate) devices: Vec<DeviceAnswers>,
}

/// The answers about one GPU.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DeviceAnswers {
    pub(crate) name: Answer<String>,
    pub(crate) uuid: Answer<String>,
    pub(crate) cuda_compute_capability: Answer<Capability>,
    pub(crate) memory_info: Answer<MemoryInfo>,
    pub(crate) utilization_rates: Answer<Utilization>,
    pub(crate) clock_info_sm: Answer<u32>,
    pub(crate) clock_info_memory: Answer<u32>,
    pub(crate) max_clock_info_sm: Answer<u32>,
    /// Milliwatts.
    pub(crate) power_usage: Answer<u32>,
    /// Milliwatts.
    pub(crate) enforced_power_limit: Answer<u32>,
    /// Degrees Celsius.
    pub(crate) temperature: Answer<u32>,
    /// Bits.
    pub(crate) current_throttle_reasons: Answer<u64>,
    pub(crate) running_compute_processes: Answer<Vec<ProcessInfo>>,
    pub(crate) running_graphics_processes: Answer<Vec<ProcessInfo>>,
}

/// Bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct MemoryInfo {
    pub(crate) total: u64,
    pub(crate) reserved: u64,
    pub(crate) free: u64,
    pub(crate) used: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Capability {
    pub(crate) major: i32,
    pub(crate) minor: i32,
}

/// Percent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Utilization {
    pub(crate) gpu: u32,
    pub(crate) memory: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct ProcessInfo {
    pub(crate) pid: u32,
    /// Bytes; `None` where NVML says "not available".
    pub(crate) used_gpu_memory: Option<u64>,
}
