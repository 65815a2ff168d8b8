//! What a meter counts, behind its lock: the generations that run, the power of the machine, the generation that finished
//! last. Invariant: time is charged to those that decode before anything changes in who works.

use super::energy::{Energy, MOST_GAP};
use super::steps::Steps;
use super::{Asker, GenerationNow, GenerationStage, Measured};
use engine_api::Timings;
use std::collections::BTreeMap;
use std::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Count {
    /// By the order in which they began.
    pub(super) running: BTreeMap<u64, One>,
    pub(super) begun: u64,
    /// Since when something has been running without a pause.
    pub(super) busy_since: Option<Instant>,
    /// All together, since nothing ran.
    pub(super) together: Steps,
    pub(super) last: Option<(Timings, Option<Measured>)>,
    pub(super) power: Power,
    /// Until when time is charged to those that decode.
    pub(super) charged: Option<Instant>,
}

/// The last reading of the machine's power.
#[derive(Debug, Default)]
pub(super) struct Power {
    pub(super) watts: Option<f64>,
    pub(super) at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct One {
    pub(super) asker: Asker,
    pub(super) model: String,
    pub(super) began: Instant,
    pub(super) stage: GenerationStage,
    pub(super) tokens: u32,
    /// When the first token came.
    pub(super) first: Option<Instant>,
    pub(super) steps: Steps,
    pub(super) energy: Energy,
    /// Another one worked while it decoded.
    pub(super) crowded: bool,
}

impl Power {
    /// Whether the last reading is recent enough to say something of the time since.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let age = self.at.map(|at| now.saturating_duration_since(at));
        age.is_some_and(|age| age <= MOST_GAP)
    }
}

impl Count {
    /// Charges the time that has passed to those that decode, in equal shares with all that work. Called before the number
    /// of either changes.
    pub(super) fn charge(&mut self, now: Instant) {
        let from = self.charged.unwrap_or(now).min(now);
        let passed = now.saturating_duration_since(from).as_secs_f64();
        self.charged = self.charged.max(Some(now));
        let working = self.running.values().filter(|one| one.works()).count();
        let share = passed / u32::try_from(working).map_or(f64::INFINITY, f64::from);
        for one in self.running.values_mut() {
            if passed > 0.0 && one.stage == GenerationStage::Decode {
                one.energy.pass(share);
                one.crowded |= working > 1;
            }
        }
    }
}

impl One {
    /// How long the first token took, once it is there.
    pub(super) fn first_ms(&self) -> Option<f64> {
        let took = self.first?.saturating_duration_since(self.began);
        Some(took.as_secs_f64() * 1e3)
    }

    /// One that waits for its turn draws nothing and takes nothing from the others.
    fn works(&self) -> bool {
        self.stage != GenerationStage::Queued
    }

    pub(super) fn at(&self, now: Instant) -> GenerationNow {
        let running = now.saturating_duration_since(self.began);
        GenerationNow {
            asker: self.asker,
            model: self.model.clone(),
            stage: self.stage,
            generated_tokens: self.tokens,
            decode_tokens_per_second: self.steps.rate(now),
            running_ms: u64::try_from(running.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
