//! Temperatures and powers, from `/sys/class/hwmon`, `/sys/class/powercap` (RAPL) and `/sys/class/power_supply`.
//!
//! Deliberately at most once a second: some sensors cost the device work (a solid-state disk answers a command).
//! Many kernels let only root read energy counters; what can't be read is left out.

use crate::SensorReading;
use crate::counter::Counter;
use crate::files::{Buffer, HeldFile};
use std::path::Path;
use std::time::Duration;

mod scan;

/// Hotter and colder than a machine that works.
const MOST_MILLIDEGREES: i32 = 200_000;
const LEAST_MILLIDEGREES: i32 = -60_000;

/// The sensors of the machine.
#[derive(Debug, Default)]
pub(crate) struct Sensors(Vec<Sensor>);

#[derive(Debug)]
struct Sensor {
    chip: String,
    label: String,
    file: HeldFile,
    kind: Kind,
}

/// What the number in the file means (`Documentation/hwmon/sysfs-interface.rst`, `power/powercap/powercap.rst`).
#[derive(Debug)]
enum Kind {
    Millidegrees,
    Microwatts,
    /// Energy that was used so far.
    Microjoules(Counter),
}

impl Sensors {
    /// Looks which sensors there are. Those that stay keep their files and counters.
    pub(crate) fn scan(&mut self, root: &Path) {
        let before = std::mem::take(&mut self.0);
        let mut found = scan::all(root);
        for old in before {
            if let Some(new) = found.iter_mut().find(|new| new.is_same(&old)) {
                *new = old;
            }
        }
        self.0 = found;
    }

    /// What those say that can be read.
    pub(crate) fn read(&mut self, at: Duration, buffer: &mut Buffer) -> Vec<SensorReading> {
        let sensors = self.0.iter_mut();
        sensors
            .filter_map(|sensor| sensor.read(at, buffer))
            .collect()
    }
}

impl Sensor {
    fn is_same(&self, other: &Self) -> bool {
        self.file.path() == other.file.path()
            && (&self.chip, &self.label) == (&other.chip, &other.label)
    }

    fn read(&mut self, at: Duration, buffer: &mut Buffer) -> Option<SensorReading> {
        let text = self.file.read(buffer)?;
        let (celsius, watts) = self.kind.measured(text.trim(), at)?;
        Some(SensorReading {
            chip: self.chip.clone(),
            label: self.label.clone(),
            celsius,
            watts,
        })
    }
}

impl Kind {
    /// Degrees or watts; `None` for what is no number or can't be.
    fn measured(&mut self, text: &str, at: Duration) -> Option<(Option<f64>, Option<f64>)> {
        match self {
            Self::Millidegrees => {
                let millidegrees: i32 = text.parse().ok()?;
                let plausible = LEAST_MILLIDEGREES..=MOST_MILLIDEGREES;
                let celsius = f64::from(millidegrees) / 1000.0;
                plausible
                    .contains(&millidegrees)
                    .then_some((Some(celsius), None))
            }
            Self::Microwatts => Some((None, Some(watts(text.parse().ok()?)?))),
            Self::Microjoules(counter) => {
                let microwatts = counter.rate(at, text.parse().ok()?)?;
                Some((None, Some(watts(microwatts)?)))
            }
        }
    }
}

/// 32 bits of microwatts are 4.3 kW, which is as much as a desk's socket gives.
fn watts(microwatts: u64) -> Option<f64> {
    let microwatts = u32::try_from(microwatts).ok()?;
    Some(f64::from(microwatts) / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, content) in files {
            let path = root.join("sys/class").join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
    }

    fn told(sensors: &mut Sensors, seconds: u64) -> Vec<String> {
        let found = sensors.read(Duration::from_secs(seconds), &mut Buffer::new());
        let told = |of: &SensorReading| {
            format!("{} {} {:?} {:?}", of.chip, of.label, of.celsius, of.watts)
        };
        found.iter().map(told).collect()
    }

    #[test]
    fn each_kind_of_sensor_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        write(
            folder.path(),
            &[
                ("hwmon/hwmon10/name", "nvme\n"),
                ("hwmon/hwmon10/temp1_input", "38850\n"),
                ("hwmon/hwmon10/temp1_label", "Composite\n"),
                ("hwmon/hwmon2/name", "amdgpu\n"),
                ("hwmon/hwmon2/power1_average", "25000000\n"),
                ("hwmon/hwmon2/power1_cap", "300000000\n"),
                ("hwmon/hwmon2/temp1_input", "-5000\n"),
                ("hwmon/hwmon2/temp2_input", "255000\n"),
                ("hwmon/hwmon2/temp3_input", "faulty\n"),
                ("hwmon/hwmon3/temp1_input", "20000\n"),
                ("power_supply/BAT0/power_now", "12500000\n"),
                ("power_supply/AC/online", "1\n"),
                ("powercap/intel-rapl/enabled", "1\n"),
                ("powercap/intel-rapl:0/name", "package-0\n"),
                ("powercap/intel-rapl:0/energy_uj", "1000000\n"),
            ],
        );
        let mut sensors = Sensors::default();
        sensors.scan(folder.path());
        let mut expected = vec![
            "amdgpu power1 None Some(25.0)",
            "amdgpu temp1 Some(-5.0) None",
            "hwmon3 temp1 Some(20.0) None",
            "nvme Composite Some(38.85) None",
            "power_supply BAT0 None Some(12.5)",
        ];
        assert_eq!(told(&mut sensors, 0), expected);
        // An energy counter has a power from the second reading on, also when the list was made anew meanwhile.
        write(
            folder.path(),
            &[("powercap/intel-rapl:0/energy_uj", "31000000")],
        );
        sensors.scan(folder.path());
        expected.push("rapl package-0 None Some(15.0)");
        assert_eq!(told(&mut sensors, 2), expected);
        // It ran over.
        write(folder.path(), &[("powercap/intel-rapl:0/energy_uj", "5")]);
        expected.pop();
        assert_eq!(told(&mut sensors, 3), expected);
    }

    #[test]
    fn a_sensor_that_vanishes_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &[("hwmon/hwmon0/temp1_input", "20000")]);
        let mut sensors = Sensors::default();
        sensors.scan(folder.path());
        assert_eq!(told(&mut sensors, 0).len(), 1);
        fs::remove_dir_all(folder.path().join("sys")).expect("it is there");
        sensors.scan(folder.path());
        assert!(told(&mut sensors, 1).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_a_plausible_number_or_nothing(text: String, number: i64) {
            for kind in [Kind::Millidegrees, Kind::Microwatts, Kind::Microjoules(Counter::default())] {
                let mut kind = kind;
                for (at, text) in [text.clone(), number.to_string(), i64::MAX.to_string()].iter().enumerate() {
                    if let Some((celsius, watts)) = kind.measured(text, Duration::from_secs(at as u64)) {
                        prop_assert!(celsius.is_none_or(|found| (-60.0..=200.0).contains(&found)));
                        prop_assert!(watts.is_none_or(|found| (0.0..=5000.0).contains(&found)));
                    }
                }
            }
        }
    }
}
