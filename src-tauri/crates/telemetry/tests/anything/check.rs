//! What a plausible reading is.

use telemetry::{GpuReading, Reading};

/// Panics if there is a number that can't be.
pub(crate) fn check(reading: &Reading) {
    let json = serde_json::to_string(reading).expect("JSON");
    let back: Reading = serde_json::from_str(&json).expect("what is no number would not come back");
    assert_eq!(back, *reading);
    if let Some(memory) = &reading.memory {
        let parts = [
            memory.available_bytes,
            memory.free_bytes,
            memory.page_cache_bytes,
        ];
        assert!(
            parts.iter().all(|part| *part <= memory.total_bytes),
            "{memory:?}"
        );
    }
    assert!(
        reading
            .swap
            .is_none_or(|swap| swap.used_bytes <= swap.total_bytes)
    );
    let percent = |value: f64| (0.0..=100.0).contains(&value);
    let pressure = reading.pressure;
    assert!(
        pressure.is_none_or(|of| percent(of.some_avg10) && percent(of.full_avg10)),
        "{pressure:?}"
    );
    assert!(
        reading
            .cores
            .iter()
            .all(|share| (0.0..=1.0).contains(share))
    );
    let disks = reading.disks.iter();
    let networks = reading.networks.iter();
    let rates = disks.flat_map(|disk| [disk.read_bytes_per_second, disk.written_bytes_per_second]);
    let rates = rates
        .chain(networks.flat_map(|of| [of.received_bytes_per_second, of.sent_bytes_per_second]));
    assert!(rates.flatten().all(|rate| rate <= 1_000_000_000_000));
    for sensor in &reading.sensors {
        assert!(
            sensor.celsius.is_some() != sensor.watts.is_some(),
            "{sensor:?}"
        );
        assert!(
            sensor
                .celsius
                .is_none_or(|celsius| (-60.0..=200.0).contains(&celsius)),
            "{sensor:?}"
        );
        assert!(
            sensor
                .watts
                .is_none_or(|watts| (0.0..=5000.0).contains(&watts)),
            "{sensor:?}"
        );
    }
    assert_eq!(reading.gpus.is_empty(), reading.gpu_absence.is_some());
    reading.gpus.iter().for_each(check_gpu);
}

fn check_gpu(gpu: &GpuReading) {
    let within =
        |value: Option<f64>, most: f64| value.is_none_or(|value| (0.0..=most).contains(&value));
    assert!(
        within(gpu.utilization, 1.0) && within(gpu.memory_utilization, 1.0),
        "{gpu:?}"
    );
    assert!(
        within(gpu.power_watts, 5000.0) && within(gpu.power_limit_watts, 5000.0),
        "{gpu:?}"
    );
    assert!(within(gpu.celsius, 200.0), "{gpu:?}");
    let clocks = [gpu.sm_clock_mhz, gpu.sm_clock_max_mhz, gpu.memory_clock_mhz];
    assert!(
        clocks.into_iter().flatten().all(|mhz| mhz <= 20_000),
        "{gpu:?}"
    );
    assert!(
        gpu.memory
            .is_none_or(|memory| memory.used_bytes <= memory.total_bytes),
        "{gpu:?}"
    );
    assert!(
        !gpu.name.is_empty() && gpu.name.chars().all(|c| !c.is_control()),
        "{gpu:?}"
    );
}
