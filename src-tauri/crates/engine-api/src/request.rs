//! What one asks of a loaded model.

use crate::{Chat, ChatMessage, EngineError, Sampling};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most functions that one request may offer.
const MAX_TOOLS: usize = 1024;

/// Names one generation of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationId(pub u32);

/// What the model reads before it writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Prompt {
    /// A conversation, put into the model's chat template; reasoning and tool calls are parsed out of the answer.
    Chat(Chat),
    /// Text that the model goes on with. Special tokens in it count as such; the answer comes as it is.
    Text(String),
    /// Token ids as they are, for benches and comparisons.
    Tokens(Vec<u32>),
}

impl Prompt {
    /// A conversation without tools.
    pub fn chat(messages: Vec<ChatMessage>) -> Self {
        Self::Chat(messages.into())
    }

    fn validate(&self) -> Result<(), EngineError> {
        let is_empty = match self {
            Self::Chat(chat) => chat.messages.is_empty(),
            Self::Text(text) => text.is_empty(),
            Self::Tokens(ids) => ids.is_empty(),
        };
        first_broken(&[(!is_empty, "the prompt is empty")])?;
        match self {
            Self::Chat(chat) => first_broken(&[
                (
                    chat.tools.len() <= MAX_TOOLS,
                    "at most 1024 tools are taken",
                ),
                (
                    chat.tools.iter().all(|tool| !tool.name.is_empty()),
                    "a tool must have a name",
                ),
                (
                    chat.tools.iter().all(|tool| tool.parameters.is_object()),
                    "a tool's parameters must be a JSON schema, an object",
                ),
            ]),
            Self::Text(_) | Self::Tokens(_) => Ok(()),
        }
    }
}

/// What the answer must be. Tokens that would break it are never chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Constraint {
    /// JSON that fits this schema.
    JsonSchema(Value),
    /// Text that this regular expression matches from beginning to end.
    Regex(String),
    /// Text that this grammar produces, in llguidance's dialect of Lark.
    Lark(String),
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
    /// What the answer must be; `None` is free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Constraint>,
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
            constraint: None,
        }
    }

    /// Checks what can be checked without the model.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] names the first field that is out of its range.
    pub fn validate(&self) -> Result<(), EngineError> {
        self.sampling.validate()?;
        self.prompt.validate()?;
        first_broken(&[
            (self.max_tokens != Some(0), "max_tokens must be at least 1"),
            (
                self.stop.iter().all(|s| !s.is_empty()),
                "a stop string must not be empty",
            ),
            (self.stop.len() <= 16, "at most 16 stop strings are taken"),
        ])
    }
}

pub(crate) fn first_broken(rules: &[(bool, &str)]) -> Result<(), EngineError> {
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, reason)) => Err(EngineError::invalid_request(*reason)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tool;
    use serde_json::json;

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
        check(|r| r.max_tokens = Some(0), "max_tokens");
        check(|r| r.stop = vec![String::new()], "stop string");
        check(|r| r.prompt = Prompt::chat(vec![]), "prompt");
        check(|r| r.prompt = Prompt::Text(String::new()), "prompt");
        let tool = |name: &str, parameters| {
            Prompt::Chat(Chat {
                tools: vec![Tool {
                    name: name.into(),
                    description: None,
                    parameters,
                }],
                ..vec![ChatMessage::user("hi")].into()
            })
        };
        let named = |prompt| {
            let error = GenerateRequest::new(prompt).validate();
            error.expect_err("no such tool").to_string()
        };
        assert!(named(tool("", json!({}))).contains("name"));
        assert!(named(tool("f", json!(1))).contains("parameters"));
        check(|r| r.prompt = Prompt::Tokens(vec![]), "prompt");
    }
}
