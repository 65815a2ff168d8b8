//! Which sensors there are, in the order of the kernel's numbers.

use super::{Kind, Sensor};
use crate::counter::Counter;
use crate::files::{HeldFile, names, short};
use crate::words::shown;
use std::path::Path;

/// What is listed of a machine that claims to have more.
const MOST_SENSORS: usize = 256;

pub(super) fn all(root: &Path) -> Vec<Sensor> {
    let class = root.join("sys/class");
    let mut sensors = Vec::new();
    let mut chips = names(&class.join("hwmon"));
    chips.sort_by_key(|name| number(name));
    for chip in chips {
        hwmon(&class.join("hwmon").join(&chip), &chip, &mut sensors);
    }
    for name in names(&class.join("power_supply")) {
        let file = class.join("power_supply").join(&name).join("power_now");
        if file.exists() {
            sensors.push(sensor("power_supply", &name, &file, Kind::Microwatts));
        }
    }
    for name in names(&class.join("powercap")) {
        rapl(&class.join("powercap").join(name), &mut sensors);
    }
    sensors.truncate(MOST_SENSORS);
    sensors
}

/// `temp1_input` and `power1_input`, or `power1_average` where a chip knows only that.
fn hwmon(folder: &Path, name: &str, sensors: &mut Vec<Sensor>) {
    let files = names(folder);
    let chip = short(&folder.join("name")).unwrap_or_else(|| name.into());
    for file in &files {
        let Some((channel, what)) = file.split_once('_') else {
            continue;
        };
        let kind = match (channel.trim_end_matches(|c: char| c.is_ascii_digit()), what) {
            ("temp", "input") => Kind::Millidegrees,
            ("power", "input") => Kind::Microwatts,
            ("power", "average") if !files.contains(&format!("{channel}_input")) => {
                Kind::Microwatts
            }
            _ => continue,
        };
        let label = short(&folder.join(format!("{channel}_label")));
        let label = label.unwrap_or_else(|| channel.into());
        sensors.push(sensor(&chip, &label, &folder.join(file), kind));
    }
}

/// Folders without an energy counter only hold others.
fn rapl(folder: &Path, sensors: &mut Vec<Sensor>) {
    let file = folder.join("energy_uj");
    if file.exists() {
        let label = short(&folder.join("name")).unwrap_or_default();
        let kind = Kind::Microjoules(Counter::default());
        sensors.push(sensor("rapl", &label, &file, kind));
    }
}

fn sensor(chip: &str, label: &str, file: &Path, kind: Kind) -> Sensor {
    Sensor {
        chip: shown(chip),
        label: shown(label),
        file: HeldFile::new(file.into()),
        kind,
    }
}

/// `hwmon10` comes after `hwmon9`.
fn number(name: &str) -> u32 {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().unwrap_or(u32::MAX)
}
