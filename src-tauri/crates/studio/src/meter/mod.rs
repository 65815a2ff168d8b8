//! How fast tokens come, over all generations that run and for each of them.

mod steps;

use crate::ConversationId;
use engine_api::Timings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use steps::Steps;
use tokio::sync::Notify;

/// A generation that runs or waits for its turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct GenerationNow {
    /// Where its answer is written.
    pub conversation: ConversationId,
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

#[derive(Debug, Default)]
struct Count {
    /// By the order in which they began.
    running: BTreeMap<u64, One>,
    begun: u64,
    /// All together, since nothing ran.
    together: Steps,
    last: Option<Timings>,
}

#[derive(Debug)]
struct One {
    conversation: ConversationId,
    model: String,
    began: Instant,
    stage: GenerationStage,
    tokens: u32,
    steps: Steps,
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
    pub(crate) fn begin(&self, conversation: ConversationId, model: String) -> Metered {
        let mut count = self.count();
        if count.running.is_empty() {
            count.together = Steps::default();
        }
        count.begun += 1;
        let number = count.begun;
        let one = One {
            conversation,
            model,
            began: Instant::now(),
            stage: GenerationStage::Queued,
            tokens: 0,
            steps: Steps::default(),
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

    /// Timings of the generation that finished last.
    pub(crate) fn last(&self) -> Option<Timings> {
        self.count().last.clone()
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

impl One {
    fn at(&self, now: Instant) -> GenerationNow {
        let running = now.saturating_duration_since(self.began);
        GenerationNow {
            conversation: self.conversation,
            model: self.model.clone(),
            stage: self.stage,
            generated_tokens: self.tokens,
            decode_tokens_per_second: self.steps.rate(now),
            running_ms: u64::try_from(running.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Metered {
    /// So much of the prompt is read.
    pub(crate) fn prefill(&mut self, processed_tokens: u32, total_tokens: u32) {
        if let Some(one) = self.meter.count().running.get_mut(&self.number) {
            one.stage = GenerationStage::Prefill {
                processed_tokens,
                total_tokens,
            };
        }
    }

    /// The generation has come to this many tokens.
    pub(crate) fn tokens(&mut self, generated_tokens: u32, now: Instant) {
        let mut count = self.meter.count();
        let Count {
            running, together, ..
        } = &mut *count;
        let Some(one) = running.get_mut(&self.number) else {
            return;
        };
        let new = generated_tokens.saturating_sub(one.tokens);
        one.stage = GenerationStage::Decode;
        one.tokens = generated_tokens;
        one.steps.take(new, now);
        together.take(new, now);
    }

    /// The generation is over.
    pub(crate) fn finished(&self, timings: Timings) {
        self.meter.count().last = Some(timings);
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.meter.count().running.remove(&self.number);
        self.meter.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn running() -> (Meter, Metered, Instant) {
        let meter = Meter::new(Arc::default());
        let metered = meter.begin(ConversationId(1), "m".into());
        (meter, metered, Instant::now())
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let (meter, mut generation, start) = running();
        // Ten a second for a second, then a hundred a second for another.
        for step in 0..=10_u32 {
            generation.tokens(step + 1, start + ms(100) * step);
        }
        let check = |after: u64, expected: Option<f64>| {
            assert_eq!(meter.rate(start + ms(after)), expected, "after {after} ms");
        };
        check(1000, Some(10.0));
        for step in 1..=100_u32 {
            generation.tokens(11 + step, start + ms(1000) + ms(10) * step);
        }
        check(2000, Some(100.0));
        check(2999, Some(1.0));
        check(3000, Some(0.0));
    }

    #[test]
    fn too_little_time_and_no_generation_have_no_rate() {
        let (meter, mut generation, start) = running();
        assert_eq!(meter.rate(start), None);
        generation.tokens(1, start);
        generation.tokens(2, start + ms(100));
        assert_eq!(meter.rate(start + ms(199)), None);
        generation.tokens(3, start + ms(200));
        assert_eq!(meter.rate(start + ms(200)), Some(10.0));
        drop(generation);
        assert_eq!(meter.rate(start + ms(200)), None);
        let mut next = meter.begin(ConversationId(2), "m".into());
        next.tokens(1, start + ms(300));
        assert_eq!(
            meter.rate(start + ms(500)),
            Some(0.0),
            "the last run's tokens don't count"
        );
    }

    #[test]
    fn one_event_may_stand_for_several_tokens_and_two_generations_add_up() {
        let (meter, mut first, start) = running();
        let mut second = meter.begin(ConversationId(2), "m".into());
        first.tokens(3, start);
        second.tokens(4, start + ms(500));
        first.tokens(7, start + ms(500));
        assert_eq!(meter.rate(start + ms(500)), Some(20.0));
    }

    #[test]
    fn each_generation_is_told_with_its_stage_and_its_rate() {
        let (meter, mut first, start) = running();
        let mut second = meter.begin(ConversationId(2), "n".into());
        let stages = |now| {
            let told = meter.generations(now).into_iter();
            let told =
                told.map(|one| (one.conversation.0, one.stage, one.decode_tokens_per_second));
            told.collect::<Vec<_>>()
        };
        let (queued, decode) = (GenerationStage::Queued, GenerationStage::Decode);
        assert_eq!(stages(start), [(1, queued, None), (2, queued, None)]);
        second.prefill(20, 80);
        first.tokens(1, start);
        first.tokens(6, start + ms(500));
        let prefill = GenerationStage::Prefill {
            processed_tokens: 20,
            total_tokens: 80,
        };
        let expected = [(1, decode, Some(10.0)), (2, prefill, None)];
        assert_eq!(stages(start + ms(500)), expected);
        drop(first);
        assert_eq!(stages(start + ms(500)), [(2, prefill, None)]);
    }
}
