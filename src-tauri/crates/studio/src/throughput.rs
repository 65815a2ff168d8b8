//! How fast all answers came that are kept: one row for each, and the medians of each model.
//!
//! What the top strip shows while tokens come is `status.rs`'s; how it is written into a file is `export.rs`'s. Invariant: a
//! figure that was not measured is absent and takes part in no median.

use crate::{ConversationId, Error, Measured, MessageId, MessageState, Studio, Timings};
use serde::Serialize;
use std::collections::BTreeMap;

/// One answer and how fast it came. Holds nothing of what was said but the conversation's title.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerThroughput {
    /// Where it stands.
    pub conversation: ConversationId,
    /// What that is called.
    pub title: String,
    /// The answer.
    pub message: MessageId,
    /// When it was begun, in milliseconds since 1970.
    pub at_ms: u64,
    /// The name of the model that wrote it.
    pub model: Option<String>,
    /// How it ended.
    pub state: MessageState,
    /// Why the engine says that it ended, in its word.
    pub finish_reason: Option<String>,
    /// Where the time of its last generation went; absent when the engine did not come to tell.
    pub timings: Option<Timings>,
    /// What else was measured of it.
    pub measured: Option<Measured>,
}

/// What is usual for a model: medians, by nearest rank, over its answers that have the figure.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct ThroughputByModel {
    /// Its name.
    pub model: String,
    /// Its answers that have timings.
    pub answers: u32,
    /// Tokens a second after the first.
    pub decode_tokens_per_second: Option<f64>,
    /// From the arrival of the request to the first token.
    pub ttft_ms: Option<f64>,
    /// Tokens of the prompt a second.
    pub prefill_tokens_per_second: Option<f64>,
    /// Energy for each token, in joules.
    pub energy_joules_per_token: Option<f64>,
    /// Share of the most that the memory allows, 1 for all.
    pub limit_share: Option<f64>,
}

impl Studio {
    /// Every answer that is over, of every branch of every conversation, the oldest first.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`](crate::ErrorCode::Internal) when the database is not open or fails.
    pub async fn throughput(&self) -> Result<Vec<AnswerThroughput>, Error> {
        Ok(self.store()?.answers().await?)
    }

    /// What is usual for each model, the one with the most answers first.
    ///
    /// # Errors
    /// As for [`Studio::throughput`].
    pub async fn throughput_by_model(&self) -> Result<Vec<ThroughputByModel>, Error> {
        Ok(by_model(&self.throughput().await?))
    }
}

/// Answers of a model that have timings.
type Timed<'a> = Vec<(&'a Timings, Measured)>;

fn by_model(answers: &[AnswerThroughput]) -> Vec<ThroughputByModel> {
    let mut models: BTreeMap<&str, Timed<'_>> = BTreeMap::new();
    for answer in answers {
        if let (Some(model), Some(timings)) = (&answer.model, &answer.timings) {
            let measured = answer.measured.unwrap_or_default();
            models.entry(model).or_default().push((timings, measured));
        }
    }
    let mut usual: Vec<_> = models
        .iter()
        .map(|(name, timed)| usual(name, timed))
        .collect();
    usual.sort_by_key(|model| std::cmp::Reverse(model.answers));
    usual
}

fn usual(model: &str, timed: &Timed<'_>) -> ThroughputByModel {
    let timings = |figure: fn(&Timings) -> Option<f64>| {
        median(timed.iter().filter_map(|(timings, _)| figure(timings)))
    };
    let measured = |figure: fn(&Measured) -> Option<f64>| {
        median(timed.iter().filter_map(|(_, measured)| figure(measured)))
    };
    ThroughputByModel {
        model: model.to_owned(),
        answers: u32::try_from(timed.len()).unwrap_or(u32::MAX),
        decode_tokens_per_second: timings(|timings| timings.decode_tokens_per_second),
        // An answer of no token has no first one.
        ttft_ms: timings(|timings| (timings.generated_tokens > 0).then_some(timings.ttft_ms)),
        prefill_tokens_per_second: timings(|timings| timings.prefill_tokens_per_second),
        energy_joules_per_token: measured(|measured| measured.energy_joules_per_token),
        limit_share: measured(|measured| measured.limit_share),
    }
}

/// The least value that half of all do not exceed.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    values.get(middle).copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer of a model at a rate, if it has one.
    pub(crate) fn answer(model: Option<&str>, rate: Option<f64>) -> AnswerThroughput {
        let timings = rate.map(|rate| Timings {
            generated_tokens: 2,
            ttft_ms: 100.0,
            decode_tokens_per_second: Some(rate),
            ..Timings::default()
        });
        AnswerThroughput {
            conversation: ConversationId(1),
            title: "A talk".into(),
            message: MessageId(2),
            at_ms: 0,
            model: model.map(Into::into),
            state: MessageState::Complete,
            finish_reason: None,
            timings,
            measured: None,
        }
    }

    #[test]
    fn each_model_has_the_medians_of_what_was_measured() {
        let (a, b) = (Some("a"), Some("b"));
        let answers = [
            answer(b, Some(5.0)),
            answer(a, Some(30.0)),
            answer(a, Some(10.0)),
            answer(a, Some(20.0)),
            answer(a, None),
            answer(None, Some(99.0)),
        ];
        let found = by_model(&answers);
        let found = found.iter().map(|model| {
            let name = model.model.as_str();
            (name, model.answers, model.decode_tokens_per_second)
        });
        let expected = [("a", 3, Some(20.0)), ("b", 1, Some(5.0))];
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let first = &by_model(&answers)[0];
        assert_eq!((first.ttft_ms, first.limit_share), (Some(100.0), None));
    }

    proptest! {
        #[test]
        fn any_median_is_a_value_with_half_at_most_as_large(
            values in prop::collection::vec(0.0_f64..1e6, 1..40),
        ) {
            let found = median(values.iter().copied()).expect("a median");
            prop_assert!(values.contains(&found));
            let at_most = values.iter().filter(|value| **value <= found).count();
            let below = values.iter().filter(|value| **value < found).count();
            prop_assert!(at_most * 2 >= values.len() && below * 2 < values.len() + 1);
        }
    }
}
