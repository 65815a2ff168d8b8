//! The answers of the driver of this machine.
//!
//! NVML is loaded at run time; a machine without it is as good as any. What changes from one moment to the next is asked
//! at each reading, the rest once a second. Deliberately nothing is ever set.

use super::GpuAbsence;
use super::answers::{
    Answer, Answers, Capability, DeviceAnswers, MemoryInfo, ProcessInfo, Utilization,
};
use crate::counter::due;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo as RunningProcess;
use nvml_wrapper::{Device, Nvml};
use std::time::Duration;

/// How often a driver is looked for that was not there: somebody may install or repair it.
const RETRY: Duration = Duration::from_secs(60);
/// How often that is asked which seldom changes, or which costs more.
const SLOW: Duration = Duration::from_secs(1);

/// The driver, once it has been found.
#[derive(Debug)]
pub(super) struct Live {
    nvml: Result<Nvml, GpuAbsence>,
    tried: Option<Duration>,
    asked: Option<Duration>,
    answers: Answers,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            nvml: Err(GpuAbsence::NoDriver),
            tried: None,
            asked: None,
            answers: Answers::default(),
        }
    }

    /// What the driver says now. The first time it is loaded, which may take a second.
    pub(super) fn answers(&mut self, at: Duration) -> Result<&Answers, GpuAbsence> {
        if self.nvml.is_err() && due(&mut self.tried, at, RETRY) {
            self.nvml = Nvml::init().map_err(absence);
            self.asked = None;
        }
        let nvml = self.nvml.as_ref().map_err(Clone::clone)?;
        if !due(&mut self.asked, at, SLOW) {
            refresh(nvml, &mut self.answers);
            return Ok(&self.answers);
        }
        match ask(nvml) {
            Ok(answers) => self.answers = answers,
            // The driver was replaced or has died. It is loaded anew after a while.
            Err(error) => {
                self.tried = Some(at);
                self.nvml = Err(absence(error));
            }
        }
        let working = self.nvml.as_ref().map(|_| &self.answers);
        working.map_err(Clone::clone)
    }
}

fn absence(error: NvmlError) -> GpuAbsence {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => GpuAbsence::NoDriver,
        error => GpuAbsence::DriverError(error.to_string()),
    }
}

fn ask(nvml: &Nvml) -> Result<Answers, NvmlError> {
    let devices = 0..nvml.device_count()?;
    Ok(Answers {
        sys_driver_version: answer(nvml.sys_driver_version()),
        sys_cuda_driver_version: answer(nvml.sys_cuda_driver_version()),
        devices: devices.map(|index| ask_device(nvml, index)).collect(),
    })
}

fn ask_device(nvml: &Nvml, index: u32) -> DeviceAnswers {
    let mut answers = DeviceAnswers::default();
    if let Ok(device) = nvml.device_by_index(index) {
        ask_seldom(&device, &mut answers);
        ask_often(&device, &mut answers);
    }
    answers
}

fn refresh(nvml: &Nvml, answers: &mut Answers) {
    for (index, answers) in (0..).zip(&mut answers.devices) {
        match nvml.device_by_index(index) {
            Ok(device) => ask_often(&device, answers),
            Err(_) => *answers = DeviceAnswers::default(),
        }
    }
}

fn ask_seldom(device: &Device, answers: &mut DeviceAnswers) {
    answers.name = answer(device.name());
    answers.uuid = answer(device.uuid());
    let capability = device.cuda_compute_capability();
    answers.cuda_compute_capability = answer(capability.map(|told| Capability {
        major: told.major,
        minor: told.minor,
    }));
    answers.max_clock_info_sm = answer(device.max_clock_info(Clock::SM));
    answers.enforced_power_limit = answer(device.enforced_power_limit());
    let listed = |list: Vec<RunningProcess>| list.iter().map(process).collect();
    answers.running_compute_processes = answer(device.running_compute_processes().map(listed));
    answers.running_graphics_processes = answer(device.running_graphics_processes().map(listed));
}

fn ask_often(device: &Device, answers: &mut DeviceAnswers) {
    answers.memory_info = answer(device.memory_info().map(|told| MemoryInfo {
        total: told.total,
        reserved: told.reserved,
        free: told.free,
        used: told.used,
    }));
    answers.utilization_rates = answer(device.utilization_rates().map(|told| Utilization {
        gpu: told.gpu,
        memory: told.memory,
    }));
    answers.clock_info_sm = answer(device.clock_info(Clock::SM));
    answers.clock_info_memory = answer(device.clock_info(Clock::Memory));
    answers.power_usage = answer(device.power_usage());
    answers.temperature = answer(device.temperature(TemperatureSensor::Gpu));
    let reasons = device.current_throttle_reasons();
    answers.current_throttle_reasons = answer(reasons.map(|reasons| reasons.bits()));
}

fn process(told: &RunningProcess) -> ProcessInfo {
    ProcessInfo {
        pid: told.pid,
        used_gpu_memory: match told.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
    }
}

fn answer<T>(told: Result<T, NvmlError>) -> Answer<T> {
    told.map_or_else(
        |error| Answer::Error {
            error: format!("{error:?}"),
        },
        Answer::Value,
    )
}
