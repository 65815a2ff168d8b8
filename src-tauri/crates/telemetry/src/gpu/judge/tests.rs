//! What is made of answers that GPUs give, and of those that none should.

use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const GIB: u64 = 1 << 30;

/// The memory of a machine, 10 GiB of it free and 30 GiB page cache.
fn machine(total_bytes: u64) -> MemoryReading {
    MemoryReading {
        total_bytes,
        available_bytes: 38 * GIB,
        free_bytes: 10 * GIB,
        page_cache_bytes: 30 * GIB,
    }
}

fn read(device: &Json, machine: Option<&MemoryReading>) -> GpuReading {
    let answers = json!({"devices": [device]});
    let answers: Answers = serde_json::from_value(answers).expect("answers");
    readings(&answers, machine).remove(0)
}

#[test]
fn a_name_or_the_memory_tells_whether_a_gpu_is_integrated() {
    let check = |name: &str, gpu_gib: u64, machine_gib: u64, expected: bool| {
        let total = gpu_gib * GIB;
        let memory = json!({"total": total, "reserved": 0, "free": total, "used": 0});
        let device = json!({"name": name, "memory_info": memory});
        let found = read(&device, Some(&machine(machine_gib * GIB)));
        assert_eq!(found.integrated, expected, "{name} {gpu_gib} {machine_gib}");
    };
    check("NVIDIA GB10", 1, 121, true);
    check("NVIDIA Thor", 1, 121, true);
    check("Orin (nvgpu)", 1, 61, true);
    check("NVIDIA Jetson AGX Orin", 1, 61, true);
    check("NVIDIA GeForce RTX 4090", 24, 62, false);
    check("NVIDIA GeForce RTX 4090", 24, 24, false);
    check("NVIDIA GB100", 180, 1000, false);
    check("NVIDIA GH200 480GB", 96, 570, false);
    check("NVIDIA GB200", 186, 186, false);
    check("NVIDIA H200", 141, 141, false);
    // Names that nobody knows yet.
    check("NVIDIA N1", 60, 62, true);
    check("NVIDIA N1", 24, 62, false);
    check("NVIDIA N1", 90, 62, false);
}

#[test]
fn memory_is_the_gpus_or_the_machines() {
    let check = |name: &str,
                 memory: Json,
                 machine: Option<&MemoryReading>,
                 expected: Option<(u64, u64)>| {
        let found = read(&json!({"name": name, "memory_info": memory}), machine);
        let found = found
            .memory
            .map(|memory| (memory.total_bytes, memory.used_bytes));
        assert_eq!(found, expected, "{name} {memory}");
    };
    let memory = |total: u64, used: u64, free: u64| json!({"total": total, "reserved": 1, "free": free, "used": used});
    let none = || json!({"error": "NotSupported"});
    let desk = machine(62 * GIB);
    check(
        "NVIDIA GeForce RTX 4090",
        memory(100, 30, 69),
        Some(&desk),
        Some((100, 31)),
    );
    check("NVIDIA GeForce RTX 4090", none(), Some(&desk), None);
    check(
        "NVIDIA GeForce RTX 4090",
        memory(100, 101, 0),
        Some(&desk),
        None,
    );
    check(
        "NVIDIA GeForce RTX 4090",
        memory(100, 0, 101),
        Some(&desk),
        None,
    );
    check(
        "NVIDIA GeForce RTX 4090",
        memory(0, 0, 0),
        Some(&desk),
        None,
    );
    check(
        "NVIDIA GeForce RTX 4090",
        memory(u64::MAX, 0, u64::MAX),
        Some(&desk),
        None,
    );
    check(
        "NVIDIA GB10",
        none(),
        Some(&desk),
        Some((62 * GIB, 22 * GIB)),
    );
    check(
        "NVIDIA GB10",
        memory(62 * GIB, 52 * GIB, 10 * GIB),
        Some(&desk),
        Some((62 * GIB, 22 * GIB)),
    );
    check("NVIDIA GB10", memory(100, 30, 70), None, None);
}

#[test]
fn numbers_that_can_not_be_are_none() {
    let check = |call: &str, field: &str, answer: Json, expected: Json| {
        let found = read(&json!({"name": "NVIDIA GB10", call: answer}), None);
        let found = serde_json::to_value(found).expect("JSON");
        assert_eq!(found[field], expected, "{call} {answer}");
    };
    let rates = |gpu: u32, memory: u32| json!({"gpu": gpu, "memory": memory});
    check(
        "utilization_rates",
        "utilization",
        rates(96, 7),
        json!(0.96),
    );
    check(
        "utilization_rates",
        "memory_utilization",
        rates(96, 7),
        json!(0.07),
    );
    check(
        "utilization_rates",
        "utilization",
        rates(101, 7),
        Json::Null,
    );
    check(
        "utilization_rates",
        "memory_utilization",
        rates(101, 7),
        json!(0.07),
    );
    check("clock_info_sm", "sm_clock_mhz", json!(2411), json!(2411));
    check("clock_info_sm", "sm_clock_mhz", json!(u32::MAX), Json::Null);
    check(
        "max_clock_info_sm",
        "sm_clock_max_mhz",
        json!(0),
        Json::Null,
    );
    check(
        "clock_info_memory",
        "memory_clock_mhz",
        json!({"error": "NotSupported"}),
        Json::Null,
    );
    check("power_usage", "power_watts", json!(27_130), json!(27.13));
    check("power_usage", "power_watts", json!(5_000_001), Json::Null);
    check("power_usage", "power_watts", json!("N/A"), Json::Null);
    check("power_usage", "power_watts", json!(-1), Json::Null);
    check(
        "enforced_power_limit",
        "power_limit_watts",
        json!(0),
        Json::Null,
    );
    check("temperature", "celsius", json!(61), json!(61.0));
    check("temperature", "celsius", json!(u32::MAX), Json::Null);
    check("uuid", "uuid", json!("GPU-1"), json!("GPU-1"));
    check("uuid", "uuid", json!("N/A"), Json::Null);
    check("uuid", "uuid", json!(" "), Json::Null);
    check(
        "name",
        "name",
        json!({"error": "GpuLost"}),
        json!("NVIDIA GPU"),
    );
}

#[test]
fn bits_are_reasons_and_idle_is_none() {
    use ThrottleReason::{
        ApplicationClocks, HardwareSlowdown, Other, PowerBrake, PowerCap, SyncBoost, Thermal,
    };
    let check = |bits: u64, expected: &[ThrottleReason]| {
        assert_eq!(throttle(bits), expected, "{bits:#x}");
    };
    check(0, &[]);
    check(0x1, &[]);
    check(0x2, &[ApplicationClocks]);
    check(0x4, &[PowerCap]);
    check(0x20, &[Thermal]);
    check(0x68, &[Thermal, HardwareSlowdown]);
    check(0x80, &[PowerBrake]);
    check(0x10, &[SyncBoost]);
    check(0x100, &[Other]);
    check(1 << 63, &[Other]);
    check(0x5, &[PowerCap]);
}

#[test]
fn processes_of_both_lists_are_one_list() {
    let check = |compute: Json, graphics: Json, expected: Option<&[(u32, Option<u64>)]>| {
        let device = json!({"name": "NVIDIA GB10", "running_compute_processes": compute, "running_graphics_processes": graphics});
        let found = read(&device, Some(&machine(62 * GIB))).processes;
        let found = found.map(|found| {
            found
                .iter()
                .map(|of| (of.pid, of.used_bytes))
                .collect::<Vec<_>>()
        });
        assert_eq!(found.as_deref(), expected, "{device}");
    };
    let process = |pid: u32, bytes: Option<u64>| json!({"pid": pid, "used_gpu_memory": bytes});
    let error = || json!({"error": "NotSupported"});
    check(error(), error(), None);
    check(json!([]), error(), Some(&[]));
    check(
        json!([process(7, Some(5)), process(9, Some(50))]),
        json!([process(7, Some(5)), process(3, None)]),
        Some(&[(9, Some(50)), (7, Some(5)), (3, None)]),
    );
    check(
        json!([process(7, Some(u64::MAX))]),
        error(),
        Some(&[(7, None)]),
    );
}

#[test]
fn versions_are_written_with_a_dot() {
    let check = |number: i32, expected: Option<&str>| {
        assert_eq!(version(number).as_deref(), expected, "{number}");
    };
    check(13000, Some("13.0"));
    check(12040, Some("12.4"));
    check(0, None);
    check(-1, None);
    check(i32::MAX, None);
}

proptest! {
    #[test]
    fn any_answers_give_plausible_numbers(
        numbers in prop::collection::vec(any::<u32>(), 8), bytes in prop::collection::vec(any::<u64>(), 6), name: String,
    ) {
        let device = json!({
            "name": name,
            "uuid": name,
            "memory_info": {"total": bytes[0], "reserved": bytes[1], "free": bytes[2], "used": bytes[3]},
            "utilization_rates": {"gpu": numbers[0], "memory": numbers[1]},
            "clock_info_sm": numbers[2],
            "clock_info_memory": numbers[3],
            "max_clock_info_sm": numbers[4],
            "power_usage": numbers[5],
            "enforced_power_limit": numbers[6],
            "temperature": numbers[7],
            "current_throttle_reasons": bytes[4],
            "running_compute_processes": [{"pid": numbers[0], "used_gpu_memory": bytes[5]}],
        });
        for memory in [None, Some(machine(bytes[0])), Some(machine(62 * GIB))] {
            let found = read(&device, memory.as_ref());
            for share in [found.utilization, found.memory_utilization].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&share));
            }
            for watts in [found.power_watts, found.power_limit_watts].into_iter().flatten() {
                prop_assert!((0.0..=5000.0).contains(&watts));
            }
            prop_assert!(found.celsius.is_none_or(|celsius| celsius <= 200.0));
            prop_assert!(found.memory.is_none_or(|memory| memory.used_bytes <= memory.total_bytes));
        }
    }
}
