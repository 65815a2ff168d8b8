//! What reads the machine for the sampler, and what of it need not be read each time.
//!
//! Reading what processes hold (their proportional set sizes) makes the kernel walk their page tables. It is read less
//! often than the rest, so that an idle window costs next to nothing. All of it blocks.

use crate::light::{Light, Signs, cores_used};
use crate::status::WorkerGauge;
use std::time::{Duration, Instant};
use telemetry::{Activity, Machine, Program, Reader, Reading};

/// How old the resident memory of the processes may be.
const BUSY_RESIDENT_AGE: Duration = Duration::from_secs(1);
const IDLE_RESIDENT_AGE: Duration = Duration::from_secs(10);
/// How old the list of other programs may be while somebody looks.
const PROGRAMS_AGE: Duration = Duration::from_secs(5);
/// How many of them are told.
const MOST_PROGRAMS: usize = 5;

/// What reads the machine, and what it need not read each time.
pub(crate) struct Looker {
    machine: Machine,
    reader: Reader,
    began: Instant,
    processes: Option<Processes>,
    worker: Option<WorkerLooks>,
    pub(crate) programs: Vec<Program>,
    programs_read: Option<Instant>,
}

/// How often processor time is compared with what it was.
const ACTIVITY_AGE: Duration = Duration::from_secs(1);

/// What a worker's process did at two moments, about a second apart.
#[derive(Debug, Clone, Copy)]
struct WorkerLooks {
    process_id: u32,
    before: (Instant, Activity),
    cores: Option<f64>,
}

/// The processes of this app at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Processes {
    at: Instant,
    ids: Vec<u32>,
    /// What they hold together.
    resident_bytes: u64,
}

impl Looker {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            reader: Reader::new(machine.clone()),
            machine,
            began: Instant::now(),
            processes: None,
            worker: None,
            programs: Vec::new(),
            programs_read: None,
        }
    }

    /// Takes a reading, and of the processes what is due.
    pub(crate) fn look(&mut self, busy: bool, looked_at: bool) -> Reading {
        let oldest = if busy {
            BUSY_RESIDENT_AGE
        } else {
            IDLE_RESIDENT_AGE
        };
        let is_old = |at: Instant, most| at.elapsed() >= most;
        if self
            .processes
            .as_ref()
            .is_none_or(|read| is_old(read.at, oldest))
        {
            self.processes = processes_now(&self.machine).or(self.processes.take());
        }
        if looked_at && self.programs_read.is_none_or(|at| is_old(at, PROGRAMS_AGE)) {
            let ours = self.processes.as_ref().map_or(&[][..], |read| &read.ids);
            self.programs = self.reader.programs(ours, MOST_PROGRAMS);
            self.programs_read = Some(Instant::now());
        }
        self.reader.read(self.began.elapsed())
    }

    /// What all processes of this app hold together.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.processes
            .as_ref()
            .map_or(0, |read| read.resident_bytes)
    }

    /// The light of a worker, by this reading.
    pub(crate) fn light(&mut self, worker: &WorkerGauge, reading: &Reading) -> Light {
        let now = Instant::now();
        // What was before it had something to do is no sign: an idle worker says nothing and makes no step.
        let begun = worker.busy_since.unwrap_or(now);
        let activity = worker
            .process_id
            .and_then(|process_id| self.activity(process_id, begun, now));
        let since = |then: Instant| now.saturating_duration_since(then.max(begun));
        Light::of(&Signs {
            busy: worker.busy_since.is_some(),
            silent: since(worker.progress.heard),
            still: since(worker.progress.moved),
            process: activity.map(|activity| activity.state),
            cores: self.worker.and_then(|looks| looks.cores),
            reading,
        })
    }

    fn activity(&mut self, process_id: u32, begun: Instant, now: Instant) -> Option<Activity> {
        let activity = Machine::local().process_activity(process_id).ok()?;
        let is_of_now =
            |looks: &WorkerLooks| looks.process_id == process_id && looks.before.0 >= begun;
        let looks = self.worker.filter(is_of_now);
        let mut looks = looks.unwrap_or(WorkerLooks {
            process_id,
            before: (now, activity),
            cores: None,
        });
        let (then, before) = looks.before;
        let between = now.saturating_duration_since(then);
        if between >= ACTIVITY_AGE {
            looks.cores = cores_used(&before, &activity, between);
            looks.before = (now, activity);
        }
        self.worker = Some(looks);
        Some(activity)
    }

    /// Something began or ended: what is known of the processes may be of no use any more.
    pub(crate) fn something_changed(&mut self, begun: bool) {
        self.processes = still_good(self.processes.take(), begun, Instant::now());
    }
}

/// What is known of the processes after something began or ended. At an end they are read at once; at a beginning a second
/// later, since walking the page tables of the app and its worker then would hold up the first token.
fn still_good(processes: Option<Processes>, begun: bool, now: Instant) -> Option<Processes> {
    let processes = processes.filter(|_| begun)?;
    Some(Processes {
        at: now,
        ..processes
    })
}

/// The processes of this app, and what they hold together.
fn processes_now(machine: &Machine) -> Option<Processes> {
    let at = Instant::now();
    let ids = machine.process_tree(std::process::id()).ok()?;
    // One that has ended since holds nothing.
    let held = ids
        .iter()
        .filter_map(|pid| machine.resident_bytes(*pid).ok());
    Some(Processes {
        at,
        resident_bytes: held.sum(),
        ids,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LightState;

    #[test]
    fn processes_are_read_when_something_ended_and_not_when_it_begins() {
        let read_at = Instant::now();
        let now = read_at + IDLE_RESIDENT_AGE;
        let processes = |at| {
            Some(Processes {
                at,
                ids: vec![1],
                resident_bytes: 7,
            })
        };
        let check = |known, begun, expected| assert_eq!(still_good(known, begun, now), expected);
        check(processes(read_at), false, None);
        check(processes(read_at), true, processes(now));
        check(None, true, None);
    }

    #[test]
    fn a_worker_that_was_idle_for_long_is_not_stuck_when_it_begins() {
        let now = Instant::now();
        let long_ago = now.checked_sub(Duration::from_secs(1000)).unwrap_or(now);
        let check = |busy_since: Option<Instant>, expected| {
            let gauge = WorkerGauge {
                process_id: None,
                progress: engine_api::Progress {
                    steps: 7,
                    heard: long_ago,
                    moved: long_ago,
                },
                busy_since,
            };
            let mut looker = Looker::new(Machine::at("/nowhere"));
            assert_eq!(looker.light(&gauge, &Reading::default()).state, expected);
        };
        check(None, LightState::Ready);
        check(Some(now), LightState::Working);
        check(Some(long_ago), LightState::Stuck);
    }
}
