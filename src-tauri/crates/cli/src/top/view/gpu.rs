//! A GPU in words: what it reports, and what it does not.
//!
//! Invariant: what is absent is said to be, and never a number.

use super::rows::{Row, Section};
use super::words::{celsius, count, percent, shown, watts};
use super::{Detail, Tone};
use crate::figures;
use telemetry::{GpuAbsence, GpuReading, ThrottleReason};

const SILENT: &str = "not reported by this GPU";

/// A name, and what is reported of it.
type Field = (&'static str, Option<String>, Tone);

pub(super) fn section(gpu: &GpuReading, detail: Detail) -> Section {
    let title = shown(&gpu.name);
    let rows = match detail {
        Detail::Full => fields(gpu).into_iter().map(row).collect(),
        Detail::Short => vec![one_row(gpu, &title)],
    };
    Section { title, rows }
}

fn row((name, words, tone): Field) -> Row {
    match words {
        Some(words) => Row::named(name).and(words, tone),
        None => Row::named(name).and(SILENT, Tone::Muted),
    }
}

/// All that is reported after one another, then the names of what is not.
fn one_row(gpu: &GpuReading, title: &str) -> Row {
    let mut row = Row::new(format!("GPU {}", gpu.index), title);
    let mut silent = Vec::new();
    for (name, words, tone) in fields(gpu) {
        match words {
            None => silent.push(name.to_lowercase()),
            // On a small screen, only what is not as it should be.
            Some(_) if name == "Slowed down" && tone == Tone::Plain => {}
            Some(words) if name == "Driver" => row = row.and(format!(" · driver {words}"), tone),
            Some(words) => row = row.and(format!(" · {}{words}", prefix(name)), tone),
        }
    }
    if silent.is_empty() {
        return row;
    }
    row.and(format!(" · {SILENT}: {}", silent.join(", ")), Tone::Muted)
}

/// What tells two figures of the same unit apart where they have no name.
fn prefix(name: &str) -> &'static str {
    match name {
        "Memory clock" => "memory ",
        "Slowed down" => "slowed down: ",
        _ => "",
    }
}

fn fields(gpu: &GpuReading) -> Vec<Field> {
    let plain = |name, words| (name, words, Tone::Plain);
    let clock = plain(
        "Clock",
        of(gpu.sm_clock_mhz.map(mhz), gpu.sm_clock_max_mhz.map(mhz)),
    );
    let power = plain(
        "Power",
        of(gpu.power_watts.map(watts), gpu.power_limit_watts.map(watts)),
    );
    let mut fields = vec![plain("Utilization", gpu.utilization.map(percent)), clock];
    fields.extend(
        gpu.sm_clock_max_mhz
            .is_none()
            .then_some(plain("Highest clock", None)),
    );
    fields.push(plain("Memory clock", gpu.memory_clock_mhz.map(mhz)));
    fields.push(power);
    fields.extend(
        gpu.power_limit_watts
            .is_none()
            .then_some(plain("Power limit", None)),
    );
    fields.push(plain("Temperature", gpu.celsius.map(celsius)));
    fields.push(plain("Memory", memory(gpu)));
    fields.push(slowed_down(gpu));
    fields.push(plain("Driver", driver(gpu)));
    fields
}

fn mhz(mhz: u32) -> String {
    format!("{} MHz", count(mhz))
}

fn of(words: Option<String>, most: Option<String>) -> Option<String> {
    match (words?, most) {
        (words, Some(most)) => Some(format!("{words} of {most}")),
        (words, None) => Some(words),
    }
}

fn memory(gpu: &GpuReading) -> Option<String> {
    if gpu.integrated {
        return Some("one pool with the machine's".into());
    }
    let memory = gpu.memory?;
    let (used, total) = (
        figures::bytes(memory.used_bytes),
        figures::bytes(memory.total_bytes),
    );
    Some(format!("{used} of {total}"))
}

fn slowed_down(gpu: &GpuReading) -> Field {
    let Some(why) = &gpu.throttle else {
        return ("Slowed down", None, Tone::Plain);
    };
    if why.is_empty() {
        return ("Slowed down", Some("no".into()), Tone::Plain);
    }
    let why = why.iter().map(|why| reason(*why)).collect::<Vec<_>>();
    ("Slowed down", Some(why.join(", ")), Tone::Tight)
}

fn reason(why: ThrottleReason) -> &'static str {
    match why {
        ThrottleReason::PowerCap => "it draws as much power as it may",
        ThrottleReason::Thermal => "it is too hot",
        ThrottleReason::HardwareSlowdown => "the hardware slows it down",
        ThrottleReason::PowerBrake => "the power supply asks for less",
        ThrottleReason::SyncBoost => "it waits for other GPUs",
        ThrottleReason::ApplicationClocks => "somebody set its clocks",
        ThrottleReason::Other => "for another reason",
    }
}

fn driver(gpu: &GpuReading) -> Option<String> {
    let driver = shown(gpu.driver.as_deref()?);
    Some(match &gpu.cuda_driver {
        Some(cuda) => format!("{driver}, CUDA {}", shown(cuda)),
        None => driver,
    })
}

/// Why there is none.
pub(super) fn absence(absence: Option<&GpuAbsence>) -> String {
    match absence {
        None | Some(GpuAbsence::NoDriver) => "none: NVIDIA's driver is not installed".into(),
        Some(GpuAbsence::NoDevice) => "none: NVIDIA's driver is installed and finds no GPU".into(),
        Some(GpuAbsence::DriverError(words)) => {
            format!("unknown: NVIDIA's driver does not work: {}", shown(words))
        }
    }
}
