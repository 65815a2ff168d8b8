//! How the next token is chosen.
//!
//! It deliberately only says what is wanted: the engine computes it. Invariant: after [`Sampling::validate`] each field
//! has a value that the engine can compute with.

use crate::EngineError;
use crate::request::first_broken;
use serde::{Deserialize, Serialize};

/// Most entries of [`Sampling::logit_bias`].
const MAX_BIASES: usize = 65_536;
/// Most entries of [`Dry::sequence_breakers`], and the most bytes of one.
const MAX_BREAKERS: usize = 64;

/// How the next token is chosen from the logits. The steps apply in the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Added to the logits of these token ids, from -100 to 100. The last entry of an id counts.
    pub logit_bias: Vec<(u32, f32)>,
    /// Divides the logit of a token (multiplies a negative one) seen in the last `repeat_last_tokens`; 1 is off.
    pub repeat_penalty: f32,
    /// How many of the latest tokens, of prompt and answer, the three repetition penalties look at.
    pub repeat_last_tokens: u32,
    /// Taken from the logit of a token for each time that it stands in the window; 0 is off.
    pub frequency_penalty: f32,
    /// Taken from the logit of each token that stands in the window; 0 is off.
    pub presence_penalty: f32,
    /// Punishes tokens that would go on with a repeated sequence; `None` is off.
    pub dry: Option<Dry>,
    /// Keeps the K most likely tokens; 0 is off.
    pub top_k: u32,
    /// Keeps the tokens whose surprise is nearest to the expected one, until their probabilities add up to this; 1 is
    /// off. Source: Meister et al., Locally Typical Sampling.
    pub typical_p: f32,
    /// Keeps the smallest set of tokens whose probabilities add up to this; 1 is off.
    pub top_p: f32,
    /// Drops tokens less likely than this share of the most likely one; 0 is off.
    pub min_p: f32,
    /// Flattens (>1) or sharpens (<1) the distribution; 0 always takes the most likely token.
    pub temperature: f32,
    /// Same seed, same model, same machine, same prompt: same text. `None` draws one.
    pub seed: Option<u64>,
    /// Tells with each token its log-probability before all of the above, and those of this many likeliest tokens, at
    /// most 20.
    pub logprobs: Option<u8>,
}

/// "Don't repeat yourself": a token that would go on with a sequence of `n` tokens that stood before loses
/// `multiplier * base^(n - allowed_length)` of its logit, if `n` is at least `allowed_length`.
/// Source: <https://github.com/oobabooga/text-generation-webui/pull/5677>.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dry {
    /// Strength; 0 is off.
    pub multiplier: f32,
    /// How fast it grows with the length of the repetition, at least 1.
    pub base: f32,
    /// The longest repetition, in tokens, that costs nothing is one shorter than this.
    pub allowed_length: u32,
    /// How many of the latest tokens are searched; 0 is all.
    pub last_tokens: u32,
    /// A token whose text holds one of these ends a sequence.
    pub sequence_breakers: Vec<String>,
}

impl Default for Dry {
    fn default() -> Self {
        Self {
            multiplier: 0.8,
            base: 1.75,
            allowed_length: 2,
            last_tokens: 0,
            sequence_breakers: ["\n", ":", "\"", "*"].map(Into::into).to_vec(),
        }
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            logit_bias: Vec::new(),
            repeat_penalty: 1.05,
            repeat_last_tokens: 64,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            dry: None,
            top_k: 40,
            typical_p: 1.0,
            top_p: 0.9,
            min_p: 0.05,
            temperature: 0.4,
            seed: None,
            logprobs: None,
        }
    }
}

impl Sampling {
    /// Always the most likely token.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            repeat_penalty: 1.0,
            ..Self::default()
        }
    }

    /// Checks that each field is in its range.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] names the first field that is not.
    pub fn validate(&self) -> Result<(), EngineError> {
        let share = |value: f32| value > 0.0 && value <= 1.0;
        let penalty = |value: f32| (-2.0..=2.0).contains(&value);
        let bias = |(_, value): &(u32, f32)| (-100.0..=100.0).contains(value);
        first_broken(&[
            (
                (0.0..=10.0).contains(&self.temperature),
                "temperature must be from 0 to 10",
            ),
            (share(self.top_p), "top_p must be above 0 and at most 1"),
            (
                share(self.typical_p),
                "typical_p must be above 0 and at most 1",
            ),
            (
                (0.0..1.0).contains(&self.min_p),
                "min_p must be at least 0 and below 1",
            ),
            (
                self.repeat_penalty > 0.0 && self.repeat_penalty <= 10.0,
                "repeat_penalty must be above 0 and at most 10",
            ),
            (
                penalty(self.presence_penalty),
                "presence_penalty must be from -2 to 2",
            ),
            (
                penalty(self.frequency_penalty),
                "frequency_penalty must be from -2 to 2",
            ),
            (
                self.logit_bias.iter().all(bias),
                "logit_bias must be from -100 to 100",
            ),
            (
                self.logit_bias.len() <= MAX_BIASES,
                "logit_bias takes at most 65536 tokens",
            ),
            (
                self.logprobs.is_none_or(|top| top <= 20),
                "logprobs must be at most 20",
            ),
        ])?;
        self.dry.as_ref().map_or(Ok(()), Dry::validate)
    }
}

impl Dry {
    fn validate(&self) -> Result<(), EngineError> {
        let breakers = &self.sequence_breakers;
        first_broken(&[
            (
                (0.0..=100.0).contains(&self.multiplier),
                "dry.multiplier must be from 0 to 100",
            ),
            (
                (1.0..=100.0).contains(&self.base),
                "dry.base must be from 1 to 100",
            ),
            (
                breakers.len() <= MAX_BREAKERS
                    && breakers
                        .iter()
                        .all(|text| (1..=MAX_BREAKERS).contains(&text.len())),
                "dry.sequence_breakers takes at most 64 texts of 1 to 64 bytes",
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_range_fields_are_named() {
        let check = |change: fn(&mut Sampling), word: &str| {
            let mut sampling = Sampling {
                dry: Some(Dry::default()),
                ..Sampling::default()
            };
            assert_eq!(sampling.validate(), Ok(()));
            change(&mut sampling);
            let error = sampling.validate().expect_err(word).to_string();
            assert!(error.contains(word), "{error:?} does not name {word:?}");
        };
        check(|s| s.temperature = f32::NAN, "temperature");
        check(|s| s.temperature = -0.1, "temperature");
        check(|s| s.top_p = 0.0, "top_p");
        check(|s| s.typical_p = 1.1, "typical_p");
        check(|s| s.min_p = 1.0, "min_p");
        check(|s| s.repeat_penalty = 0.0, "repeat_penalty");
        check(|s| s.presence_penalty = f32::NAN, "presence_penalty");
        check(|s| s.frequency_penalty = -2.5, "frequency_penalty");
        check(|s| s.logit_bias = vec![(1, f32::INFINITY)], "logit_bias");
        check(|s| s.logit_bias = vec![(1, 0.0); 65_537], "logit_bias");
        check(|s| s.logprobs = Some(21), "logprobs");
        let dry = |change: fn(&mut Dry)| {
            let mut dry = Dry::default();
            change(&mut dry);
            dry.validate().expect_err("out of range").to_string()
        };
        assert!(dry(|d| d.multiplier = -1.0).contains("dry.multiplier"));
        assert!(dry(|d| d.base = 0.5).contains("dry.base"));
        assert!(dry(|d| d.sequence_breakers = vec![String::new()]).contains("sequence_breakers"));
    }

    #[test]
    fn a_request_of_a_version_before_still_has_all_fields() {
        let old: Sampling = serde_json::from_str(r#"{"top_k":3}"#).expect("reads");
        assert_eq!(
            old,
            Sampling {
                top_k: 3,
                ..Sampling::default()
            }
        );
    }
}
