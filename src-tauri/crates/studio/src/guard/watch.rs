//! The watch: reads the memory while a model is there, and has models give way before the machine stands still; also has
//! a model go that nobody uses for long.
//!
//! What is done at which reading, `decide.rs` says. It deliberately rests while nothing is loaded: then nothing could
//! give way. Invariant: a model in use is ended only when memory is nearly used up.

use super::Guard;
use super::decide::{Held, Level, Measure, Reading, State, decide};
use super::notice::{GuardMeasure, GuardNotice};
use crate::slot::{Relief, Slot, SlotState};
use crate::{Error, interruption};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

/// How often memory is read while a model is there, and while one is being loaded: ten gigabytes a second may come in.
const PERIOD: Duration = Duration::from_millis(500);
const LOADING_PERIOD: Duration = Duration::from_millis(100);
/// A model that was handed out is about to be used.
const HANDED_OUT: Duration = Duration::from_secs(1);
/// Notices that nobody has fetched; more than happen in an hour of trouble.
const UNREAD_NOTICES: usize = 16;

/// The task, before it runs.
pub(crate) struct Watch {
    guard: Guard,
    slot: Slot,
    notices: broadcast::Sender<GuardNotice>,
    level: Level,
    taken: Option<(Level, Instant)>,
}

impl Watch {
    /// Starts the task; `closing` ends it. What it does is told to whoever subscribes to what is returned.
    pub(crate) fn start(
        guard: Guard,
        slot: Slot,
        mut closing: watch::Receiver<bool>,
    ) -> broadcast::Sender<GuardNotice> {
        let (notices, _) = broadcast::channel(UNREAD_NOTICES);
        let mut task = Self {
            guard,
            slot,
            notices: notices.clone(),
            level: Level::Enough,
            taken: None,
        };
        tokio::spawn(async move {
            tokio::select! {
                () = crate::closed(&mut closing) => {}
                () = task.run() => {}
            }
        });
        notices
    }

    /// Returns when the slot's task has ended.
    async fn run(&mut self) {
        let mut states = self.slot.states();
        loop {
            let occupied = |state: &SlotState| {
                matches!(state, SlotState::Loading { .. } | SlotState::Loaded(_))
            };
            let period = match states.wait_for(occupied).await.as_deref() {
                Ok(SlotState::Loading { .. }) => LOADING_PERIOD,
                Ok(_) => PERIOD,
                Err(_) => return,
            };
            self.look().await;
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                changed = states.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn look(&mut self) {
        let state = self.slot.state();
        if let Some(reading) = self.reading() {
            self.level = reading.level(self.level);
            let found = State {
                held: held(&state),
                insisted: insisted(&state),
                taken: self.taken.map(|(level, at)| (level, at.elapsed())),
            };
            if let Some(measure) = decide(self.level, &found) {
                tracing::warn!(?measure, level = ?self.level, ?reading, "memory runs short");
                self.take(measure, state).await;
                return;
            }
        }
        self.unload_if_idle(state).await;
    }

    /// `None` where the machine does not tell its memory.
    fn reading(&self) -> Option<Reading> {
        let memory = self.guard.memory()?;
        Some(Reading {
            available_bytes: memory.available_bytes,
            reserve_bytes: self.guard.reserve_bytes(memory.total_bytes),
            stall_percent: self
                .guard
                .machine
                .pressure()
                .map_or(0.0, |pressure| pressure.full_avg10),
        })
    }

    async fn take(&mut self, measure: Measure, state: SlotState) {
        let Some((measure, name, relief)) = giving_way(measure, state) else {
            return;
        };
        if self.relieve(measure, &name, relief, 0).await {
            self.taken = Some((self.level, Instant::now()));
        }
    }

    async fn unload_if_idle(&self, state: SlotState) {
        let idle_minutes = self.guard.settings.get().models.idle_minutes;
        let SlotState::Loaded(engine) = state else {
            return;
        };
        if !is_due(engine.uses.idle_for(), idle_minutes) {
            return;
        }
        let name = engine.model.name.clone();
        let relief = Relief::Idle(engine, minutes(idle_minutes));
        self.relieve(GuardMeasure::IdleUnloaded, &name, relief, idle_minutes)
            .await;
    }

    /// Has it done, and tells of it if it was.
    async fn relieve(
        &self,
        measure: GuardMeasure,
        name: &str,
        relief: Relief,
        idle_minutes: u32,
    ) -> bool {
        let done = self.slot.relieve(relief).await;
        if done {
            let notice = GuardNotice::new(measure, name, idle_minutes);
            tracing::info!(?measure, model = name, "a model gave way");
            // Nobody need listen.
            drop(self.notices.send(notice));
        }
        done
    }
}

/// What gives way, what that is called, and the model's name.
fn giving_way(measure: Measure, state: SlotState) -> Option<(GuardMeasure, String, Relief)> {
    match (measure, state) {
        (Measure::StopLoad, SlotState::Loading { model, .. }) => {
            let error = Error::load_stopped(&model.name);
            let relief = Relief::Load(model.id, error);
            Some((GuardMeasure::LoadStopped, model.name, relief))
        }
        (Measure::UnloadIdle, SlotState::Loaded(engine)) => {
            let name = engine.model.name.clone();
            let relief = Relief::Idle(engine, HANDED_OUT);
            Some((GuardMeasure::UnloadedForMemory, name, relief))
        }
        (Measure::EndWorker, SlotState::Loaded(engine)) => {
            let name = engine.model.name.clone();
            // It may have been handed out just now, and nobody writes with it yet.
            Some(if engine.uses.idle_for().is_some() {
                let relief = Relief::Idle(engine, Duration::ZERO);
                (GuardMeasure::UnloadedForMemory, name, relief)
            } else {
                let relief = Relief::Worker(engine, interruption::OUT_OF_MEMORY);
                (GuardMeasure::WorkerEnded, name, relief)
            })
        }
        _ => None,
    }
}

/// Whether a model that was idle for so long goes; `None` is in use.
fn is_due(idle: Option<Duration>, idle_minutes: u32) -> bool {
    idle_minutes > 0 && idle.is_some_and(|idle| idle >= minutes(idle_minutes))
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60) * minutes
}

/// A load that has read nothing holds nothing yet: it may still wait for the memory of the model before it.
fn held(state: &SlotState) -> Held {
    match state {
        SlotState::Empty | SlotState::Failed { .. } => Held::Nothing,
        SlotState::Loading { progress, .. } if progress.borrow().done_bytes == 0 => Held::Nothing,
        SlotState::Loading { .. } => Held::Loading,
        SlotState::Loaded(engine) => match engine.uses.idle_for() {
            Some(idle) if idle >= HANDED_OUT => Held::Idle,
            _ => Held::Busy,
        },
    }
}

fn insisted(state: &SlotState) -> bool {
    match state {
        SlotState::Empty | SlotState::Failed { .. } => false,
        SlotState::Loading { wish, .. } => wish.anyway,
        SlotState::Loaded(engine) => engine.wish.anyway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_goes_after_its_time_and_none_in_use_ever() {
        let check = |idle: Option<u32>, idle_minutes, expected| {
            let found = is_due(idle.map(minutes), idle_minutes);
            assert_eq!(found, expected, "{idle:?} of {idle_minutes}");
        };
        check(Some(29), 30, false);
        check(Some(30), 30, true);
        check(Some(0), 1, false);
        check(Some(10_000), 0, false);
        check(None, 30, false);
        check(None, 0, false);
    }
}
