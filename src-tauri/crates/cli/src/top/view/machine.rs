//! The machine: GPUs, cores, disks, networks, sensors.

use super::rows::{Row, Section};
use super::words::{byte_rate, celsius, counted, percent, shown, watts};
use super::{Detail, Seen, gpu};
use std::collections::BTreeMap;
use telemetry::{DiskReading, NetworkReading, Reading, SensorReading};

pub(super) fn sections(seen: &Seen, detail: Detail) -> Vec<Section> {
    let reading = &seen.now.reading;
    let mut sections: Vec<_> = reading
        .gpus
        .iter()
        .map(|gpu| gpu::section(gpu, detail))
        .collect();
    if sections.is_empty() {
        sections.push(Section {
            title: "GPU".into(),
            rows: vec![Row::new("GPU", gpu::absence(reading.gpu_absence.as_ref()))],
        });
    }
    sections.push(processor(reading));
    sections.push(traffic(reading, detail));
    sections.push(sensors(&reading.sensors, detail));
    sections
}

/// Each core as a bar of its own.
fn processor(reading: &Reading) -> Section {
    let cores = &reading.cores;
    let row = if cores.is_empty() {
        Row::new("Cores", "not known yet")
    } else {
        let number = u16::try_from(cores.len()).unwrap_or(u16::MAX);
        let busy = cores.iter().copied().map(f64::from).sum::<f64>() / f64::from(number);
        let words = format!("{}, {} busy", counted(cores.len(), "core"), percent(busy));
        let bars: String = cores.iter().map(|share| bar(*share)).collect();
        Row::new("Cores", format!("{words} {bars}"))
    };
    Section {
        title: "Processor".into(),
        rows: vec![row],
    }
}

fn bar(share: f32) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let steps = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
    BARS[steps.iter().filter(|step| share > **step).count()]
}

/// Disks, and those networks that are devices.
fn traffic(reading: &Reading, detail: Detail) -> Section {
    let networks = reading.networks.iter().filter(|network| network.physical);
    let rows = match detail {
        Detail::Full => {
            let disks = reading.disks.iter();
            let disks =
                disks.map(|disk| Row::new(format!("Disk {}", shown(&disk.name)), disk_words(disk)));
            let networks = networks.map(|network| {
                Row::new(
                    format!("Net {}", shown(&network.name)),
                    network_words(network),
                )
            });
            disks.chain(networks).collect()
        }
        Detail::Short => {
            let disks = reading.disks.iter();
            let disks = disks.map(|disk| format!("{} {}", shown(&disk.name), disk_words(disk)));
            let moved = networks.filter(|network| is_used(network));
            let networks =
                moved.map(|network| format!("{} {}", shown(&network.name), network_words(network)));
            let row =
                |name, all: Vec<String>| (!all.is_empty()).then(|| Row::new(name, all.join(" · ")));
            let rows = [
                row("Disks", disks.collect()),
                row("Networks", networks.collect()),
            ];
            rows.into_iter().flatten().collect()
        }
    };
    Section {
        title: "Disks and networks".into(),
        rows,
    }
}

/// On a small screen, only what moves is worth its place.
fn is_used(network: &NetworkReading) -> bool {
    let some = |rate: Option<u64>| rate.unwrap_or(0) > 0;
    some(network.received_bytes_per_second) || some(network.sent_bytes_per_second)
}

fn disk_words(disk: &DiskReading) -> String {
    let (read, written) = (disk.read_bytes_per_second, disk.written_bytes_per_second);
    format!("read {}, write {}", byte_rate(read), byte_rate(written))
}

fn network_words(network: &NetworkReading) -> String {
    let (received, sent) = (
        network.received_bytes_per_second,
        network.sent_bytes_per_second,
    );
    format!("in {}, out {}", byte_rate(received), byte_rate(sent))
}

/// Each sensor, or of each chip the hottest and the one that draws most.
fn sensors(sensors: &[SensorReading], detail: Detail) -> Section {
    let rows = match detail {
        Detail::Full => {
            let row = |sensor: &SensorReading| {
                let name = format!("{} {}", shown(&sensor.chip), shown(&sensor.label));
                Row::new(name, felt(sensor.celsius, sensor.watts))
            };
            sensors.iter().map(row).collect()
        }
        Detail::Short => {
            let chips = by_chip(sensors).into_iter();
            let chips = chips.map(|(chip, (degrees, watts))| {
                format!("{} {}", shown(chip), felt(degrees, watts))
            });
            let words = chips.collect::<Vec<_>>().join(" · ");
            let row = (!words.is_empty()).then(|| Row::new("Sensors", words));
            row.into_iter().collect()
        }
    };
    Section {
        title: "Sensors".into(),
        rows,
    }
}

fn by_chip(sensors: &[SensorReading]) -> BTreeMap<&str, (Option<f64>, Option<f64>)> {
    let mut chips = BTreeMap::<&str, (Option<f64>, Option<f64>)>::new();
    for sensor in sensors {
        let (celsius, watts) = chips.entry(&sensor.chip).or_default();
        *celsius = larger(*celsius, sensor.celsius);
        *watts = larger(*watts, sensor.watts);
    }
    chips
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    [one, other].into_iter().flatten().reduce(f64::max)
}

fn felt(degrees: Option<f64>, power: Option<f64>) -> String {
    let words = [degrees.map(celsius), power.map(watts)];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
