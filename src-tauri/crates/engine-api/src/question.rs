//! What one asks of a model beside an answer: what it is, what it takes, its tokens, its logits.
//!
//! They are how anyone compares this engine with another one. A question about a path needs no loaded model and reads
//! no weights; the others need one.

use crate::{KvType, LoadOptions, MemoryPlan};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Names one question to one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuestionId(pub u32);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Question {
    /// What is this model? One [`Answer::Inspection`].
    Inspect {
        /// The model.
        path: PathBuf,
    },
    /// What would it take, loaded like this? One [`Answer::Plan`], of the header alone.
    Plan {
        /// The model.
        path: PathBuf,
        /// How it would be loaded.
        options: LoadOptions,
    },
    /// Which tokens is this? One [`Answer::Tokens`]. The file may hold nothing but a vocabulary.
    Tokenize {
        /// The model; `None` is the loaded one.
        path: Option<PathBuf>,
        /// What is cut into tokens.
        text: Text,
        /// Whether special tokens that are written out in the text count as such.
        specials: bool,
        /// Whether the tokens that the model wants at the beginning and the end are added.
        ends: bool,
    },
    /// The logits after the tokens of a text: one [`Answer::Row`] for each row, the last of them marked as such.
    Logits {
        /// What the model reads.
        input: Input,
        /// For all positions; otherwise for the last one.
        all: bool,
    },
    /// How surprised is the model by this text? An [`Answer::Perplexity`] after each window; the last one counts all.
    /// Windows and scoring are those of llama.cpp's llama-perplexity: each window begins anew (with the begin token, if
    /// the model wants one), and only its second half is scored.
    Perplexity {
        /// The text.
        text: Text,
        /// Tokens of a window.
        context_tokens: u32,
    },
}

/// Text, or bytes that may be none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Text {
    /// Well-formed.
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
}

/// What the model reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Input {
    /// Text, whose tokens get what the model wants at the beginning and the end.
    Text(Text),
    /// Tokens as they are.
    Tokens(Vec<u32>),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// What the model is.
    Inspection(Box<Inspection>),
    /// What it would take.
    Plan(MemoryPlan),
    /// The tokens of a text.
    Tokens {
        /// Their ids.
        ids: Vec<u32>,
    },
    /// The logits after one token.
    Row(Row),
    /// The windows so far.
    Perplexity(Perplexity),
}

/// What a model is, from its header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// `general.name`.
    pub name: Option<String>,
    /// `general.architecture`.
    pub architecture: String,
    /// Why this engine can't run it; `None` if it can.
    pub refusal: Option<String>,
    /// Bytes of all tensors in the file.
    pub file_bytes: u64,
    /// Number of parameters.
    pub parameters: u64,
    /// Parameters that compute each token: fewer for a mixture of experts.
    pub active_parameters: u64,
    /// Bytes of weights that are read for each token; what divides a memory's bandwidth into tokens a second.
    #[serde(default)]
    pub active_bytes: u64,
    /// The types of its tensors, the one with most bytes first.
    pub tensor_types: Vec<TensorShare>,
    /// Positions that it was trained for.
    pub context_tokens: Option<u64>,
    /// Layers.
    pub layers: Option<u64>,
    /// Size of the vocabulary.
    pub vocabulary_tokens: Option<u64>,
    /// The kind of tokenizer and, if it has one, the name of its pre-tokenizer.
    pub tokenizer: Option<String>,
    /// The chat template.
    pub chat_template: Option<String>,
    /// Its licence, as it says itself.
    pub licence: Option<String>,
    /// Bytes of keys and values for one token, by how they are kept; empty for a model that can't be run.
    pub kv_bytes_per_token: Vec<(KvType, u64)>,
}

/// How much of a model has one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorShare {
    /// The type's name, such as `Q4_K`.
    pub tensor_type: String,
    /// Tensors.
    pub tensors: u32,
    /// Parameters in them.
    pub parameters: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The logits after one token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The token's position.
    pub position: u32,
    /// Whether no other row follows.
    pub is_last: bool,
    /// One for each entry of the vocabulary. On the pipe: eight hexadecimal digits each, since JSON has no infinity and
    /// its numbers are longer.
    #[serde(with = "hexadecimal")]
    pub logits: Vec<f32>,
}

/// How surprised the model is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Perplexity {
    /// Windows computed.
    pub windows: u32,
    /// Windows in the text.
    pub total_windows: u32,
    /// Tokens scored.
    pub tokens: u64,
    /// `exp` of the mean negative log-likelihood.
    pub perplexity: f64,
    /// The standard error of it.
    pub error: f64,
}

impl Answer {
    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Row(row) => row.is_last,
            Self::Perplexity(now) => now.windows >= now.total_windows,
            Self::Inspection(_) | Self::Plan(_) | Self::Tokens { .. } => true,
        }
    }
}

mod hexadecimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::fmt::Write;

    pub(super) fn serialize<S: Serializer>(
        numbers: &[f32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(numbers.len() * 8);
        for number in numbers {
            write!(text, "{:08x}", number.to_bits()).map_err(serde::ser::Error::custom)?;
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f32>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).map_err(D::Error::custom)?;
            let bits = u32::from_str_radix(digits, 16).map_err(D::Error::custom)?;
            Ok(f32::from_bits(bits))
        };
        text.as_bytes().chunks(8).map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_cross_the_pipe_to_the_bit() {
        let logits = vec![0.1, -0.0, f32::INFINITY, f32::MIN_POSITIVE, -1234.567];
        let row = Row {
            position: 7,
            is_last: true,
            logits,
        };
        let line = serde_json::to_string(&Answer::Row(row.clone())).expect("a form");
        assert!(line.len() < 120, "{line}");
        let back: Answer = serde_json::from_str(&line).expect("an answer");
        assert_eq!(back, Answer::Row(row));
        assert!(
            serde_json::from_str::<Row>(r#"{"position":1,"is_last":true,"logits":"xyz"}"#).is_err()
        );
    }
}
