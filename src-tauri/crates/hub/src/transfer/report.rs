//! Tells how far a transfer is.
//!
//! Invariant: what it tells is always true; whoever listens is woken for each change of what is being done, and for bytes
//! only so often that a person sees them move.

use super::{Phase, Progress};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const WAKE_EVERY: Duration = Duration::from_millis(50);

/// Tells how far a transfer is.
#[derive(Debug)]
pub(super) struct Report<'a> {
    out: &'a watch::Sender<Progress>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes of all files but the one that is being fetched.
    others_bytes: u64,
    /// How many work on it.
    at_work: usize,
    /// How many of them wait.
    waiting: usize,
    /// What the last of them waits for.
    waits_for: Phase,
    woken: Instant,
    /// Something moved since.
    moved: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a watch::Sender<Progress>, total_bytes: u64) -> Self {
        out.send_replace(Progress {
            done_bytes: 0,
            total_bytes,
            phase: Phase::Starting,
            note: None,
        });
        let state = State {
            others_bytes: 0,
            at_work: 0,
            waiting: 0,
            waits_for: Phase::Starting,
            woken: Instant::now(),
            moved: false,
        };
        Self {
            out,
            state: Mutex::new(state),
        }
    }

    /// A file is begun, with these bytes of all the others.
    pub(super) fn begin(&self, others_bytes: u64, written_bytes: u64) {
        self.state().others_bytes = others_bytes;
        self.written(written_bytes);
        self.flush();
    }

    /// These bytes of the file are there.
    pub(super) fn written(&self, bytes: u64) {
        let mut state = self.state();
        let done_bytes = state.others_bytes + bytes;
        self.out.send_if_modified(|progress| {
            state.moved |= progress.done_bytes != done_bytes;
            progress.done_bytes = done_bytes;
            false
        });
        if state.woken.elapsed() >= WAKE_EVERY {
            self.wake(&mut state);
        }
    }

    /// Whoever listens learns of the last bytes too, when no more come.
    pub(super) fn flush(&self) {
        self.wake(&mut self.state());
    }

    fn wake(&self, state: &mut State) {
        state.woken = Instant::now();
        let moved = std::mem::take(&mut state.moved);
        self.out.send_if_modified(|_| moved);
    }

    /// So many work on the file from now on.
    pub(super) fn at_work(&self, count: usize) {
        let mut state = self.state();
        state.at_work = count;
        state.waiting = 0;
        self.phase(Phase::Fetching);
    }

    /// One of them has nothing more to do.
    pub(super) fn one_is_done(&self) {
        let mut state = self.state();
        state.at_work = state.at_work.saturating_sub(1);
        self.tell(&state);
    }

    /// One of them waits. If all of them do, nothing comes.
    pub(super) fn one_waits(&self, reason: &str, wait: Duration) {
        let mut state = self.state();
        state.waiting += 1;
        let reason = reason.to_owned();
        state.waits_for = Phase::Waiting { reason, wait };
        self.tell(&state);
    }

    /// One of them goes on.
    pub(super) fn one_goes_on(&self) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(1);
        self.tell(&state);
    }

    fn tell(&self, state: &State) {
        let nothing_comes = state.waiting > 0 && state.waiting >= state.at_work;
        self.phase(if nothing_comes {
            state.waits_for.clone()
        } else {
            Phase::Fetching
        });
    }

    /// What is being done.
    pub(super) fn phase(&self, phase: Phase) {
        self.out.send_if_modified(|progress| {
            let other = progress.phase != phase;
            progress.phase = phase;
            other
        });
    }

    /// What a person should know.
    pub(super) fn note(&self, note: String) {
        self.out.send_modify(|progress| progress.note = Some(note));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_when_all_who_work_wait() {
        let empty = Progress {
            done_bytes: 0,
            total_bytes: 0,
            phase: Phase::Starting,
            note: None,
        };
        let out = watch::Sender::new(empty);
        let report = Report::new(&out, 9);
        let waits = || matches!(out.borrow().phase, Phase::Waiting { .. });
        let second = Duration::from_secs(1);
        report.at_work(2);
        report.one_waits("no network", second);
        assert!(!waits());
        report.one_waits("no network", second);
        assert!(waits());
        report.one_goes_on();
        assert_eq!(out.borrow().phase, Phase::Fetching);
        report.one_is_done();
        assert!(waits(), "the one that is left");
        report.one_goes_on();
        report.begin(2, 3);
        assert_eq!(out.borrow().done_bytes, 5);
    }
}
