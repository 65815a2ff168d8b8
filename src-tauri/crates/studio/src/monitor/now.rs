//! What is going on now: the last reading of all that the machine tells, who else has its memory, what is being generated.
//!
//! It takes no reading. What the one figure of a timeline is made of, where a machine has several, is decided here.

use super::point::{Column, Point};
use crate::{DecodeLimit, GenerationNow, Measured};
use serde::{Deserialize, Serialize};
use telemetry::{Program, Reading, SensorReading};

/// What is going on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, specta::Type)]
pub struct MonitorNow {
    /// All that the machine told at the last reading, which is at most a second old.
    pub reading: Reading,
    /// The largest other programs by name, the largest first; read every few seconds while somebody looks.
    pub programs: Vec<Program>,
    /// The generations that run or wait, in the order in which they began.
    pub generations: Vec<GenerationNow>,
    /// What was measured of the generation that finished last, since the start of the app.
    pub last_measured: Option<Measured>,
    /// What the memory allows the loaded model at its present context.
    pub limit: Option<DecodeLimit>,
}

/// Chips whose temperature is a processor's, as the kernel's drivers call them.
const PROCESSOR_CHIPS: [&str; 6] = [
    "coretemp",
    "k10temp",
    "zenpower",
    "cpu_thermal",
    "x86_pkg_temp",
    "acpitz",
];

/// Puts what a reading tells into a point.
pub(crate) fn fill(point: &mut Point, reading: &Reading) {
    point.set(Column::Gpu, utilization(reading));
    point.set(Column::Power, power(reading));
    point.set(Column::Temperature, temperature(reading));
}

/// That of the busiest GPU.
fn utilization(reading: &Reading) -> Option<f64> {
    let shares = reading.gpus.iter().filter_map(|gpu| gpu.utilization);
    shares.reduce(f64::max)
}

/// What all GPUs draw; where none tells, what the processors' packages do.
fn power(reading: &Reading) -> Option<f64> {
    let gpus = reading.gpus.iter().filter_map(|gpu| gpu.power_watts);
    let is_package =
        |sensor: &&SensorReading| sensor.chip == "rapl" && sensor.label.starts_with("package");
    let packages = reading.sensors.iter().filter(is_package);
    sum(gpus).or_else(|| sum(packages.filter_map(|sensor| sensor.watts)))
}

/// The hottest GPU; where none tells, the hottest processor, or else the hottest of all that can be felt.
fn temperature(reading: &Reading) -> Option<f64> {
    let gpus = reading.gpus.iter().filter_map(|gpu| gpu.celsius);
    let sensors = reading.sensors.iter();
    let processors = sensors.clone().filter(|sensor| is_processor(sensor));
    gpus.reduce(f64::max)
        .or_else(|| hottest(processors))
        .or_else(|| hottest(sensors))
}

fn is_processor(sensor: &SensorReading) -> bool {
    PROCESSOR_CHIPS.contains(&sensor.chip.as_str())
}

fn hottest<'a>(sensors: impl Iterator<Item = &'a SensorReading>) -> Option<f64> {
    let degrees = sensors.filter_map(|sensor| sensor.celsius);
    degrees.reduce(f64::max)
}

fn sum(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::GpuReading;

    fn gpu(utilization: Option<f64>, power_watts: Option<f64>, celsius: Option<f64>) -> GpuReading {
        GpuReading {
            utilization,
            power_watts,
            celsius,
            ..GpuReading::default()
        }
    }

    fn sensor(chip: &str, label: &str, celsius: Option<f64>, watts: Option<f64>) -> SensorReading {
        SensorReading {
            chip: chip.into(),
            label: label.into(),
            celsius,
            watts,
        }
    }

    #[test]
    fn one_figure_stands_for_all_gpus_and_else_for_the_processor() {
        let check = |gpus: Vec<GpuReading>, sensors: Vec<SensorReading>, expected| {
            let reading = Reading {
                gpus,
                sensors,
                ..Reading::default()
            };
            let found = (
                utilization(&reading),
                power(&reading),
                temperature(&reading),
            );
            assert_eq!(found, expected);
        };
        let drive = || sensor("nvme", "Composite", Some(80.0), None);
        let package = || sensor("rapl", "package-0", None, Some(30.0));
        check(
            vec![
                gpu(Some(0.5), Some(70.0), Some(60.0)),
                gpu(Some(0.9), Some(5.0), None),
            ],
            vec![drive(), package()],
            (Some(0.9), Some(75.0), Some(60.0)),
        );
        check(
            vec![gpu(None, None, None)],
            vec![
                drive(),
                package(),
                sensor("k10temp", "Tctl", Some(55.0), None),
            ],
            (None, Some(30.0), Some(55.0)),
        );
        check(vec![], vec![drive()], (None, None, Some(80.0)));
        check(vec![], vec![], (None, None, None));
    }
}
