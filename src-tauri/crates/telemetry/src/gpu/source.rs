//! Where answers come from: the driver of this machine, or the recording of another.

use super::answers::Answers;
use super::judge::readings;
use super::live::Live;
use super::{GpuAbsence, GpuReading};
use crate::files::{Buffer, HeldFile};
use crate::{Machine, MemoryReading};
use std::time::Duration;

/// The GPUs of a machine.
#[derive(Debug)]
pub(crate) struct Gpus(Source);

#[derive(Debug)]
enum Source {
    Live(Box<Live>),
    /// `nvml.json` at the root of a recorded machine.
    Recorded(HeldFile),
}

impl Gpus {
    pub(crate) fn of(machine: &Machine) -> Self {
        Self(if machine.is_local() {
            Source::Live(Box::new(Live::new()))
        } else {
            Source::Recorded(HeldFile::new(machine.root().join("nvml.json")))
        })
    }

    /// Their readings, or why there are none. `machine` is the memory of the machine now.
    pub(crate) fn read(
        &mut self,
        at: Duration,
        machine: Option<&MemoryReading>,
        buffer: &mut Buffer,
    ) -> Result<Vec<GpuReading>, GpuAbsence> {
        let gpus = match &mut self.0 {
            Source::Live(live) => readings(live.answers(at)?, machine),
            Source::Recorded(file) => readings(&recorded(file, buffer)?, machine),
        };
        if gpus.is_empty() {
            return Err(GpuAbsence::NoDevice);
        }
        Ok(gpus)
    }
}

fn recorded(file: &mut HeldFile, buffer: &mut Buffer) -> Result<Answers, GpuAbsence> {
    let text = file.read(buffer).ok_or(GpuAbsence::NoDriver)?;
    serde_json::from_str(&text).map_err(|error| GpuAbsence::DriverError(error.to_string()))
}
