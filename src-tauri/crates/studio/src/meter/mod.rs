//! How fast tokens come, over all generations that run and for each of them, and what they cost.
//!
//! It reads no clock but for the beginning and the end of a generation, and no power at all: both are told.

mod count;
mod energy;
mod measured;
mod steps;
#[cfg(test)]
mod tests;

pub use measured::Measured;

use crate::ConversationId;
use count::{Count, One, Power};
use energy::Energy;
use engine_api::Timings;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use steps::Steps;
use tokio::sync::Notify;

/// A generation that runs or waits for its turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct GenerationNow {
    /// For whom it is.
    pub asker: Asker,
    /// The name of the model that writes it.
    pub model: String,
    /// How far it is.
    pub stage: GenerationStage,
    /// Tokens generated so far.
    pub generated_tokens: u32,
    /// Over the last second, while tokens come.
    pub decode_tokens_per_second: Option<f64>,
    /// Since it was sent to the engine, in milliseconds.
    #[specta(type = u32)]
    pub running_ms: u64,
}

/// For whom something is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Asker {
    /// For an answer in a conversation.
    Conversation {
        /// Which.
        id: ConversationId,
    },
    /// For a visitor, or a scene, of the kiosk: what it says is nobody else's business.
    Kiosk,
}

/// How far a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GenerationStage {
    /// It waits for its turn.
    Queued,
    /// Its prompt is being read.
    Prefill {
        /// Tokens of it that are read.
        processed_tokens: u32,
        /// All of them.
        total_tokens: u32,
    },
    /// It is being written.
    Decode,
}

/// Counts tokens. Clones share the count.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    count: Arc<Mutex<Count>>,
    changed: Arc<Notify>,
}

/// A running generation, until it is dropped.
#[derive(Debug)]
pub(crate) struct Metered {
    meter: Meter,
    number: u64,
}

impl Meter {
    /// `changed` is notified when a generation begins or ends.
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self {
            count: Arc::default(),
            changed,
        }
    }

    /// A generation begins.
    pub(crate) fn begin(&self, asker: Asker, model: String) -> Metered {
        let mut count = self.count();
        if count.running.is_empty() {
            count.together = Steps::default();
            count.busy_since = Some(Instant::now());
        }
        count.begun += 1;
        let number = count.begun;
        let one = One {
            asker,
            model,
            began: Instant::now(),
            stage: GenerationStage::Queued,
            tokens: 0,
            first: None,
            steps: Steps::default(),
            energy: Energy::default(),
            crowded: false,
        };
        count.running.insert(number, one);
        self.changed.notify_one();
        Metered {
            meter: self.clone(),
            number,
        }
    }

    /// Whether anything runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.count().running.is_empty()
    }

    /// Since when something has been running without a pause.
    pub(crate) fn busy_since(&self) -> Option<Instant> {
        self.count().busy_since
    }

    /// How many have begun so far: who sees the same number twice, and nothing running, was alone in between.
    pub(crate) fn begun(&self) -> u64 {
        self.count().begun
    }

    /// Timings of the generation that finished last.
    pub(crate) fn last(&self) -> Option<Timings> {
        let count = self.count();
        count.last.as_ref().map(|(timings, _)| timings.clone())
    }

    /// How long the first token of the generation that began last took; `None` until it is there.
    pub(crate) fn first_token_ms(&self) -> Option<f64> {
        let count = self.count();
        let (_, newest) = count.running.last_key_value()?;
        newest.first_ms()
    }

    /// What was measured of the generation that finished last.
    pub(crate) fn last_measured(&self) -> Option<Measured> {
        self.count()
            .last
            .as_ref()
            .and_then(|(_, measured)| *measured)
    }

    /// The machine draws this many watts, on the mean since the last reading; `None` where nothing tells.
    pub(crate) fn power(&self, watts: Option<f64>, now: Instant) {
        let mut count = self.count();
        count.charge(now);
        let watts = watts.filter(|watts| watts.is_finite() && *watts >= 0.0);
        let watts_since = watts.filter(|_| count.power.is_fresh(now));
        for one in count.running.values_mut() {
            one.energy.power(watts_since);
        }
        count.power = Power {
            watts,
            at: Some(now),
        };
    }

    /// Tokens a second of all together over the last second, or since the first token if that is less; `None` until
    /// that says something and when nothing runs.
    pub(crate) fn rate(&self, now: Instant) -> Option<f64> {
        let count = self.count();
        (!count.running.is_empty()).then(|| count.together.rate(now))?
    }

    /// Those that run, in the order in which they began.
    pub(crate) fn generations(&self, now: Instant) -> Vec<GenerationNow> {
        let count = self.count();
        count.running.values().map(|one| one.at(now)).collect()
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        // Numbers are whole whatever their last user did.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metered {
    /// So much of the prompt is read.
    pub(crate) fn prefill(&mut self, processed_tokens: u32, total_tokens: u32, now: Instant) {
        let mut count = self.meter.count();
        count.charge(now);
        if let Some(one) = count.running.get_mut(&self.number) {
            one.stage = GenerationStage::Prefill {
                processed_tokens,
                total_tokens,
            };
        }
    }

    /// The generation has come to this many tokens.
    pub(crate) fn tokens(&mut self, generated_tokens: u32, now: Instant) {
        let mut count = self.meter.count();
        count.charge(now);
        let Count {
            running, together, ..
        } = &mut *count;
        let Some(one) = running.get_mut(&self.number) else {
            return;
        };
        let new = generated_tokens.saturating_sub(one.tokens);
        one.stage = GenerationStage::Decode;
        one.tokens = generated_tokens;
        if new > 0 {
            one.first.get_or_insert(now);
        }
        one.steps.take(new, now);
        together.take(new, now);
    }

    /// The generation is over; what was measured of it. `limit` is the most tokens a second that the machine could have
    /// decoded.
    pub(crate) fn finished(
        &self,
        timings: &Timings,
        limit: Option<f64>,
        now: Instant,
    ) -> Option<Measured> {
        let mut count = self.meter.count();
        count.charge(now);
        let power = count.power.watts.filter(|_| count.power.is_fresh(now));
        let measured = count.running.get(&self.number).and_then(|one| {
            let limit = limit.filter(|_| !one.crowded);
            Measured::of(timings, one.energy.joules(power), limit)
        });
        count.last = Some((timings.clone(), measured));
        measured
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let mut count = self.meter.count();
        count.charge(Instant::now());
        count.running.remove(&self.number);
        if count.running.is_empty() {
            count.busy_since = None;
        }
        drop(count);
        self.meter.changed.notify_one();
    }
}
