//! What a GPU reading makes of raw answers, whether they come from the driver or from a recording.
//!
//! Invariant: an answer that can't be true (more used than there is, 4,294,967,295 degrees) is as good as none.

use super::answers::{Answer, Answers, Capability, DeviceAnswers, ProcessInfo, Utilization};
use super::{GpuMemory, GpuProcess, GpuReading, ThrottleReason};
use crate::MemoryReading;
use crate::words::shown;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Beyond each of these a GPU has not been built.
const MOST_GPUS: usize = 64;
const MOST_MHZ: u32 = 20_000;
const MOST_MILLIWATTS: u32 = 5_000_000;
const MOST_CELSIUS: u32 = 200;
const MOST_MEMORY_BYTES: u64 = 1 << 44;
/// What is listed of a GPU that claims more.
const MOST_PROCESSES: usize = 1024;

/// Words in the names of GPUs that share the memory of the machine.
const INTEGRATED: &[&str] = &["GB10", "Thor", "Orin", "Xavier", "Tegra", "nvgpu", "Jetson"];
/// Words in the names of GPUs with memory of their own.
#[rustfmt::skip]
const DISCRETE: &[&str] = &[
    "GeForce", "GTX", "RTX", "Quadro", "TITAN", "Tesla", "NVS", "CMP", "T4", "P4", "P40", "P100", "V100", "A2", "A10",
    "A10G", "A16", "A30", "A40", "A100", "A800", "H20", "H100", "H200", "H800", "L4", "L20", "L40", "L40S", "B100",
    "B200", "B300", "GH200", "GB200", "GB300",
];

/// The readings of all GPUs. `machine` is the memory of the machine that they are in.
pub(super) fn readings(answers: &Answers, machine: Option<&MemoryReading>) -> Vec<GpuReading> {
    let devices = (0..).zip(answers.devices.iter().take(MOST_GPUS));
    devices
        .map(|(index, device)| GpuReading {
            driver: text(&answers.sys_driver_version),
            cuda_driver: answers
                .sys_cuda_driver_version
                .value()
                .copied()
                .and_then(version),
            ..reading(index, device, machine)
        })
        .collect()
}

fn reading(index: u32, device: &DeviceAnswers, machine: Option<&MemoryReading>) -> GpuReading {
    let name = text(&device.name).unwrap_or_else(|| "NVIDIA GPU".into());
    let own = memory(device);
    let integrated = is_integrated(&name, own, machine);
    let memory = if integrated {
        machine.and_then(pool)
    } else {
        own
    };
    let utilization = |of: fn(&Utilization) -> u32| {
        let percent = device.utilization_rates.value().map(of);
        percent
            .filter(|percent| *percent <= 100)
            .map(|percent| f64::from(percent) / 100.0)
    };
    GpuReading {
        index,
        uuid: text(&device.uuid),
        compute_capability: device
            .cuda_compute_capability
            .value()
            .copied()
            .and_then(capability),
        integrated,
        memory,
        utilization: utilization(|rates| rates.gpu),
        // Integrated ones always say 0 (driver 580), which is as good as nothing.
        memory_utilization: utilization(|rates| rates.memory)
            .filter(|share| !integrated || *share > 0.0),
        sm_clock_mhz: up_to(&device.clock_info_sm, MOST_MHZ),
        sm_clock_max_mhz: up_to(&device.max_clock_info_sm, MOST_MHZ).filter(|mhz| *mhz > 0),
        memory_clock_mhz: up_to(&device.clock_info_memory, MOST_MHZ),
        power_watts: watts(&device.power_usage),
        power_limit_watts: watts(&device.enforced_power_limit).filter(|watts| *watts > 0.0),
        celsius: up_to(&device.temperature, MOST_CELSIUS).map(f64::from),
        throttle: device
            .current_throttle_reasons
            .value()
            .map(|bits| throttle(*bits)),
        processes: processes(device, memory),
        name,
        ..GpuReading::default()
    }
}

fn text(answer: &Answer<String>) -> Option<String> {
    let text = answer.value()?.trim();
    let told = !text.is_empty() && text != "N/A" && text != "[N/A]";
    told.then(|| shown(text))
}

fn up_to(answer: &Answer<u32>, most: u32) -> Option<u32> {
    answer.value().copied().filter(|value| *value <= most)
}

fn watts(answer: &Answer<u32>) -> Option<f64> {
    up_to(answer, MOST_MILLIWATTS).map(|milliwatts| f64::from(milliwatts) / 1000.0)
}

/// 13000 is 13.0, 12040 is 12.4.
fn version(number: i32) -> Option<String> {
    let plausible = (1000..1_000_000).contains(&number);
    plausible.then(|| format!("{}.{}", number / 1000, number % 1000 / 10))
}

fn capability(told: Capability) -> Option<String> {
    let plausible = (1..100).contains(&told.major) && (0..10).contains(&told.minor);
    plausible.then(|| format!("{}.{}", told.major, told.minor))
}

fn memory(device: &DeviceAnswers) -> Option<GpuMemory> {
    let told = device.memory_info.value()?;
    let plausible = (1..=MOST_MEMORY_BYTES).contains(&told.total) && told.used <= told.total;
    let used_bytes = told.total.checked_sub(told.free).filter(|_| plausible)?;
    Some(GpuMemory {
        total_bytes: told.total,
        used_bytes,
    })
}

/// The machine's memory, as its pool is divided: neither free memory nor page cache is used.
fn pool(machine: &MemoryReading) -> Option<GpuMemory> {
    let unused_bytes = machine.free_bytes.checked_add(machine.page_cache_bytes)?;
    let used_bytes = machine.total_bytes.checked_sub(unused_bytes)?;
    Some(GpuMemory {
        total_bytes: machine.total_bytes,
        used_bytes,
    })
}

/// A name says it, whole words compared (GB10 is integrated, GB100 is not). One that is in neither list is integrated
/// if it claims as much memory as the machine has, give or take a tenth: no GPU with memory of its own matches by
/// chance as often as a new integrated one appears. The driver has no call for it; CUDA's attribute `INTEGRATED` would
/// want a context.
fn is_integrated(name: &str, own: Option<GpuMemory>, machine: Option<&MemoryReading>) -> bool {
    let has_one_of = |words: &[&str]| {
        let mut own_words = name.split(|c: char| !c.is_ascii_alphanumeric());
        own_words.any(|own| words.iter().any(|word| own.eq_ignore_ascii_case(word)))
    };
    if has_one_of(INTEGRATED) {
        return true;
    }
    let alike = own.zip(machine).is_some_and(|(own, machine)| {
        let tenth = machine.total_bytes / 10;
        own.total_bytes.abs_diff(machine.total_bytes) <= tenth
    });
    alike && !has_one_of(DISCRETE)
}

/// Bits of `nvmlClocksEventReasons` in `nvml.h`. Bit 0 is having nothing to do.
fn throttle(bits: u64) -> Vec<ThrottleReason> {
    const IDLE: u64 = 0x1;
    const KNOWN: [(u64, ThrottleReason); 6] = [
        (0x4, ThrottleReason::PowerCap),
        (0x20 | 0x40, ThrottleReason::Thermal),
        (0x8, ThrottleReason::HardwareSlowdown),
        (0x80, ThrottleReason::PowerBrake),
        (0x10, ThrottleReason::SyncBoost),
        (0x2, ThrottleReason::ApplicationClocks),
    ];
    let other = !KNOWN.iter().fold(IDLE, |known, (mask, _)| known | mask);
    let reasons = KNOWN.into_iter().chain([(other, ThrottleReason::Other)]);
    let given = reasons.filter(|(mask, _)| bits & mask != 0);
    given.map(|(_, reason)| reason).collect()
}

/// Both lists in one; a process in both, which computes and draws, has the same memory in each.
fn processes(device: &DeviceAnswers, memory: Option<GpuMemory>) -> Option<Vec<GpuProcess>> {
    let lists = [
        &device.running_compute_processes,
        &device.running_graphics_processes,
    ];
    if lists.iter().all(|list| list.value().is_none()) {
        return None;
    }
    let most = memory.map_or(MOST_MEMORY_BYTES, |memory| memory.total_bytes);
    let plausible = |told: &ProcessInfo| told.used_gpu_memory.filter(|bytes| *bytes <= most);
    let mut by_pid = BTreeMap::<u32, Option<u64>>::new();
    for told in lists.iter().filter_map(|list| list.value()).flatten() {
        let used_bytes = by_pid.entry(told.pid).or_default();
        *used_bytes = (*used_bytes).max(plausible(told));
    }
    let processes = by_pid.into_iter();
    let mut processes: Vec<_> = processes
        .map(|(pid, used_bytes)| GpuProcess { pid, used_bytes })
        .collect();
    processes.sort_by_key(|process| Reverse(process.used_bytes));
    processes.truncate(MOST_PROCESSES);
    Some(processes)
}

#[cfg(test)]
mod tests;
