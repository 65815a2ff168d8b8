//! What one asks of a loaded model.

use crate::EngineError;
use serde::{Deserialize, Serialize};

/// Names one generation of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationId(pub u32);

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The rules of the conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name that chat templates and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl ChatMessage {
    /// A turn of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
        }
    }

    /// A turn of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            content: content.into(),
        }
    }
}

/// What the model reads before it writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Prompt {
    /// A conversation, put into the model's chat template. When its last turn is the assistant's, the model goes on
    /// with that turn instead of beginning a new one.
    Chat(Vec<ChatMessage>),
    /// Token ids as they are, for benches and comparisons.
    Tokens(Vec<u32>),
}

/// How the next token is chosen from the logits. Filters apply in the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Divides the logit of a token (multiplies a negative one) seen in the last `repeat_last_tokens`; 1 is off.
    pub repeat_penalty: f32,
    /// How many of the latest tokens the repeat penalty looks at.
    pub repeat_last_tokens: u32,
    /// Keeps the K most likely tokens; 0 is off.
    pub top_k: u32,
    /// Keeps the smallest set of tokens whose probabilities add up to this; 1 is off.
    pub top_p: f32,
    /// Drops tokens less likely than this share of the most likely one; 0 is off.
    pub min_p: f32,
    /// Flattens (>1) or sharpens (<1) the distribution; 0 always takes the most likely token.
    pub temperature: f32,
    /// Same seed, same model, same machine, same prompt: same text. `None` draws one.
    pub seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            repeat_penalty: 1.05,
            repeat_last_tokens: 64,
            top_k: 40,
            top_p: 0.9,
            min_p: 0.05,
            temperature: 0.4,
            seed: None,
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

    fn validate(&self) -> Result<(), EngineError> {
        let rules = [
            (
                self.temperature.is_finite() && (0.0..=10.0).contains(&self.temperature),
                "temperature must be from 0 to 10",
            ),
            (
                self.top_p > 0.0 && self.top_p <= 1.0,
                "top_p must be above 0 and at most 1",
            ),
            (
                (0.0..1.0).contains(&self.min_p),
                "min_p must be at least 0 and below 1",
            ),
            (
                self.repeat_penalty > 0.0 && self.repeat_penalty <= 10.0,
                "repeat_penalty must be above 0 and at most 10",
            ),
        ];
        first_broken(&rules)
    }
}

/// One generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// What the model reads.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The most tokens to write; `None` is what the context window leaves.
    pub max_tokens: Option<u32>,
    /// The answer ends before the first of these, which is not part of it.
    pub stop: Vec<String>,
    /// Whether the model may end its turn. Benches say no, to get as many tokens as they asked for.
    pub stop_at_end_of_turn: bool,
}

impl GenerateRequest {
    /// A request with everything but the prompt left to the defaults.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            max_tokens: None,
            stop: Vec::new(),
            stop_at_end_of_turn: true,
        }
    }

    /// Checks what can be checked without the model.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] names the first field that is out of its range.
    pub fn validate(&self) -> Result<(), EngineError> {
        self.sampling.validate()?;
        let prompt_is_empty = match &self.prompt {
            Prompt::Chat(messages) => messages.is_empty(),
            Prompt::Tokens(ids) => ids.is_empty(),
        };
        first_broken(&[
            (!prompt_is_empty, "the prompt is empty"),
            (self.max_tokens != Some(0), "max_tokens must be at least 1"),
            (
                self.stop.iter().all(|s| !s.is_empty()),
                "a stop string must not be empty",
            ),
            (self.stop.len() <= 16, "at most 16 stop strings are taken"),
        ])
    }
}

fn first_broken(rules: &[(bool, &str)]) -> Result<(), EngineError> {
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, reason)) => Err(EngineError::invalid_request(*reason)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_range_fields_are_named() {
        let check = |change: fn(&mut GenerateRequest), word: &str| {
            let mut request = GenerateRequest::new(Prompt::Tokens(vec![1]));
            assert_eq!(request.validate(), Ok(()));
            change(&mut request);
            let error = request.validate().expect_err(word).to_string();
            assert!(error.contains(word), "{error:?} does not name {word:?}");
        };
        check(|r| r.sampling.temperature = f32::NAN, "temperature");
        check(|r| r.sampling.temperature = -0.1, "temperature");
        check(|r| r.sampling.top_p = 0.0, "top_p");
        check(|r| r.sampling.min_p = 1.0, "min_p");
        check(|r| r.sampling.repeat_penalty = 0.0, "repeat_penalty");
        check(|r| r.max_tokens = Some(0), "max_tokens");
        check(|r| r.stop = vec![String::new()], "stop string");
        check(|r| r.prompt = Prompt::Chat(vec![]), "prompt");
        check(|r| r.prompt = Prompt::Tokens(vec![]), "prompt");
    }
}
