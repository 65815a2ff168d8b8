//! The honest light: whether the worker works, is slow or is stuck, and why, in words.
//!
//! A GPU can tell of 95 % utilization while it is deadlocked, so no single figure is believed. What counts is whether the
//! worker comes further (it counts its steps), whether it is let compute, and what the machine says against it.
//! Deliberately pure: everything that is known comes in, a judgement goes out.
//!
//! Invariant: a worker that comes further is never stuck, however slow it is.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use telemetry::{Activity, GpuReading, ProcessState, Reading, ThrottleReason};

/// Steps are fractions of a second apart. Whoever makes none for this long while there is work comes no further.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(6);
/// A worker that gets less than this of the processor, while others have the rest of it, shares it.
const FAIR_SHARE: f64 = 0.75;
const UNFAIR_SHARE: f64 = 1.0 - FAIR_SHARE;
/// Tasks that wait for memory for this much of the time, in percent, are held up by it.
const PRESSED: f64 = 10.0;
/// A GPU that says it is busy while its clock is below this share of the highest is held back.
const LOW_CLOCK: f64 = 0.5;
const BUSY: f64 = 0.5;
/// Processor time under this share of one core is none.
const IDLE_SHARE: f64 = 0.02;

/// The light.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Light {
    /// Its colour.
    pub state: LightState,
    /// Why, in a sentence.
    pub reason: String,
}

/// What the light says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum LightState {
    /// No model is loaded.
    Off,
    /// A model is loaded and has nothing to do.
    Ready,
    /// It comes further, as fast as it may.
    Working,
    /// It comes further, but something holds it up.
    Slow,
    /// It does not come further.
    Stuck,
}

/// All that is known of a worker at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signs<'a> {
    /// Whether it has something to do.
    pub(crate) busy: bool,
    /// How long it has said nothing.
    pub(crate) silent: Duration,
    /// How long it has made no step.
    pub(crate) still: Duration,
    /// What its process does; `None` if that can't be read.
    pub(crate) process: Option<ProcessState>,
    /// Cores that it used lately; `None` until that is known.
    pub(crate) cores: Option<f64>,
    /// What the machine tells.
    pub(crate) reading: &'a Reading,
}

impl Light {
    pub(crate) fn off() -> Self {
        Self::new(LightState::Off, "No model is loaded.")
    }

    /// The judgement.
    pub(crate) fn of(signs: &Signs<'_>) -> Self {
        if !signs.busy {
            return Self::new(
                LightState::Ready,
                "The model is loaded and has nothing to do.",
            );
        }
        if signs.still >= STUCK_AFTER {
            return Self::new(LightState::Stuck, stuck(signs));
        }
        match held_up(signs) {
            Some(reason) => Self::new(LightState::Slow, reason),
            None => Self::new(
                LightState::Working,
                "It comes further, and nothing holds it up.",
            ),
        }
    }

    fn new(state: LightState, reason: impl Into<String>) -> Self {
        Self {
            state,
            reason: reason.into(),
        }
    }
}

/// Why it comes no further.
fn stuck(signs: &Signs<'_>) -> String {
    let seconds = signs.still.as_secs();
    let why = match signs.process {
        Some(ProcessState::Stopped) => "its process was stopped by a signal or a debugger",
        Some(ProcessState::Zombie) => "its process has ended",
        Some(ProcessState::DiskWait) => "it waits for a disk or a driver",
        _ if signs.silent >= STUCK_AFTER => "its process says nothing",
        _ if signs.cores.is_some_and(|cores| cores < IDLE_SHARE) => "it computes nothing",
        _ => "it computes without coming further",
    };
    format!("No step for {seconds} seconds: {why}.")
}

/// What holds it up although it comes further; the most certain first.
fn held_up(signs: &Signs<'_>) -> Option<String> {
    let gpus = &signs.reading.gpus;
    gpus.iter()
        .find_map(throttled)
        .or_else(|| gpus.iter().find_map(low_clock))
        .or_else(|| shared_cores(signs))
        .or_else(|| pressed(signs.reading))
}

fn throttled(gpu: &GpuReading) -> Option<String> {
    let reason = gpu
        .throttle
        .as_ref()?
        .iter()
        .find(|reason| slows(**reason))?;
    let why = match reason {
        ThrottleReason::Thermal => "it is too hot",
        ThrottleReason::PowerBrake => "the power supply asks for less",
        _ => "its hardware halves the clocks",
    };
    Some(format!("{} slows itself down: {why}.", gpu.name))
}

/// A power cap and set clocks are how a GPU is run, no fault.
pub(crate) fn slows(reason: ThrottleReason) -> bool {
    use ThrottleReason::{HardwareSlowdown, PowerBrake, Thermal};
    matches!(reason, HardwareSlowdown | PowerBrake | Thermal)
}

fn low_clock(gpu: &GpuReading) -> Option<String> {
    let (now, most) = (gpu.sm_clock_mhz?, gpu.sm_clock_max_mhz?);
    let low = gpu.utilization? > BUSY && f64::from(now) < LOW_CLOCK * f64::from(most);
    low.then(|| format!("{} runs at {now} of {most} MHz.", gpu.name))
}

/// Other programs have cores that the worker could use.
fn shared_cores(signs: &Signs<'_>) -> Option<String> {
    let cores = &signs.reading.cores;
    let all: f64 = cores.iter().map(|share| f64::from(*share)).sum();
    let ours = signs.cores?;
    let others = all - ours;
    #[expect(clippy::cast_precision_loss, reason = "machines have few cores")]
    let count = cores.len() as f64;
    // Free cores that it does not take are not taken from it.
    let shares = ours < FAIR_SHARE * count
        && others > UNFAIR_SHARE * count
        && count - all < UNFAIR_SHARE * count;
    shares.then(|| format!("Other programs use {others:.1} of {count:.0} cores."))
}

fn pressed(reading: &Reading) -> Option<String> {
    let percent = reading.pressure?.some_avg10;
    (percent >= PRESSED).then(|| format!("Programs wait for memory {percent:.0} % of the time."))
}

/// Cores that a process used between two looks at it.
pub(crate) fn cores_used(before: &Activity, now: &Activity, between: Duration) -> Option<f64> {
    let ms = between.as_secs_f64() * 1000.0;
    let used = u32::try_from(now.cpu_ms.checked_sub(before.cpu_ms)?).ok()?;
    (ms > 0.0).then(|| f64::from(used) / ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::MemoryPressure;

    const SECOND: Duration = Duration::from_secs(1);

    fn light(change: impl FnOnce(&mut Signs<'_>), reading: &Reading) -> (LightState, String) {
        let mut signs = Signs {
            busy: true,
            silent: Duration::ZERO,
            still: Duration::ZERO,
            process: Some(ProcessState::Running),
            cores: Some(1.9),
            reading,
        };
        change(&mut signs);
        let light = Light::of(&signs);
        (light.state, light.reason)
    }

    fn reading(cores: &[f32], gpu: Option<GpuReading>, some_avg10: f64) -> Reading {
        Reading {
            cores: cores.to_vec(),
            gpus: gpu.into_iter().collect(),
            pressure: Some(MemoryPressure {
                some_avg10,
                full_avg10: 0.0,
            }),
            ..Reading::default()
        }
    }

    #[test]
    fn what_comes_no_further_is_stuck_and_says_why() {
        let busy = reading(&[1.0, 1.0], None, 0.0);
        let check = |silent: u64, still: u64, process, cores, words: &str| {
            let (state, reason) = light(
                |signs| {
                    signs.silent = SECOND * u32::try_from(silent).expect("few");
                    signs.still = SECOND * u32::try_from(still).expect("few");
                    signs.process = Some(process);
                    signs.cores = Some(cores);
                },
                &busy,
            );
            assert_eq!(state, LightState::Stuck, "{reason}");
            assert!(reason.contains(words), "{reason}");
        };
        check(7, 7, ProcessState::Stopped, 0.0, "stopped by a signal");
        check(7, 7, ProcessState::DiskWait, 0.0, "disk or a driver");
        check(7, 7, ProcessState::Sleeping, 0.0, "says nothing");
        check(0, 6, ProcessState::Sleeping, 0.0, "computes nothing");
        check(0, 6, ProcessState::Running, 1.0, "without coming further");
    }

    #[test]
    fn what_comes_further_is_working_or_slow_never_stuck() {
        let gpu = |change: fn(&mut GpuReading)| {
            let mut gpu = GpuReading {
                name: "GB10".into(),
                utilization: Some(0.95),
                sm_clock_mhz: Some(2400),
                sm_clock_max_mhz: Some(3000),
                throttle: Some(vec![]),
                ..GpuReading::default()
            };
            change(&mut gpu);
            Some(gpu)
        };
        let check = |cores: f64, reading: &Reading, words: Option<&str>| {
            let (state, reason) = light(
                |signs| {
                    signs.cores = Some(cores);
                    signs.still = STUCK_AFTER.saturating_sub(Duration::from_millis(1));
                },
                reading,
            );
            let expected = words.map_or(LightState::Working, |_| LightState::Slow);
            assert_eq!(state, expected, "{reason}");
            assert!(reason.contains(words.unwrap_or("")), "{reason}");
        };
        check(1.9, &reading(&[1.0, 1.0], gpu(|_| {}), 0.0), None);
        check(
            0.9,
            &reading(&[1.0, 1.0], None, 0.0),
            Some("use 1.1 of 2 cores"),
        );
        // It waits for itself, not for others: half of the machine is free.
        check(0.9, &reading(&[0.6, 0.6], None, 0.0), None);
        check(
            1.9,
            &reading(&[1.0, 1.0], None, 30.0),
            Some("wait for memory"),
        );
        let hot = gpu(|gpu| gpu.throttle = Some(vec![ThrottleReason::Thermal]));
        check(1.9, &reading(&[1.0, 1.0], hot, 0.0), Some("too hot"));
        let capped = gpu(|gpu| gpu.throttle = Some(vec![ThrottleReason::PowerCap]));
        check(1.9, &reading(&[1.0, 1.0], capped, 0.0), None);
        let held = gpu(|gpu| gpu.sm_clock_mhz = Some(500));
        check(
            1.9,
            &reading(&[1.0, 1.0], held, 0.0),
            Some("500 of 3000 MHz"),
        );
    }

    #[test]
    fn what_has_nothing_to_do_is_ready() {
        let (state, _) = light(
            |signs| {
                signs.busy = false;
                signs.still = SECOND * 100;
            },
            &Reading::default(),
        );
        assert_eq!(state, LightState::Ready);
    }

    #[test]
    fn cores_are_processor_time_over_time() {
        let activity = |cpu_ms| Activity {
            cpu_ms,
            state: ProcessState::Running,
        };
        assert_eq!(
            cores_used(&activity(100), &activity(1600), SECOND),
            Some(1.5)
        );
        assert_eq!(cores_used(&activity(100), &activity(50), SECOND), None);
        assert_eq!(cores_used(&activity(1), &activity(2), Duration::ZERO), None);
    }
}
