//! How a model is loaded, and what it takes in memory.

use crate::EngineError;
use serde::{Deserialize, Serialize};

/// How keys and values are kept.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, specta::Type,
)]
#[serde(rename_all = "snake_case")]
pub enum KvType {
    /// 4 bytes an element; for comparisons.
    F32,
    /// 2 bytes an element.
    #[default]
    F16,
    /// 34 bytes for 32 elements: about half of F16, and a little less exact.
    Q8_0,
}

/// What float weights are turned into while a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Quantize {
    /// 34 bytes for 32 weights.
    Q8_0,
    /// 144 bytes for 256 weights.
    Q4K,
}

/// How a model is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadOptions {
    /// The context window wanted, for each sequence; `None` is what the model was trained for, as far as the KV budget
    /// goes.
    pub context_tokens: Option<u32>,
    /// Sequences that run together.
    pub parallel: u32,
    /// How keys and values are kept.
    pub kv_type: KvType,
    /// Threads that compute; `None` is one for each core.
    pub threads: Option<u32>,
    /// What float weights are turned into; `None` leaves them.
    pub quantize: Option<Quantize>,
    /// The most bytes of keys and values. `None` is what all sequences need at full length, but at most a quarter of
    /// what the weights leave of `available_bytes`.
    pub kv_budget_bytes: Option<u64>,
    /// Memory that the machine has to give, as the app has read it; a model whose weights are larger is refused
    /// unread. `None` is unknown.
    pub available_bytes: Option<u64>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            context_tokens: None,
            parallel: 4,
            kv_type: KvType::default(),
            threads: None,
            quantize: None,
            kv_budget_bytes: None,
            available_bytes: None,
        }
    }
}

impl LoadOptions {
    /// Checks what can be checked without the model.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] names the first field that is out of its range.
    pub fn validate(&self) -> Result<(), EngineError> {
        let rules = [
            (
                (1..=256).contains(&self.parallel),
                "parallel must be from 1 to 256",
            ),
            (
                self.threads
                    .is_none_or(|threads| (1..=1024).contains(&threads)),
                "threads must be from 1 to 1024",
            ),
            (
                self.context_tokens != Some(0),
                "context_tokens must be at least 1",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(EngineError::invalid_request(*reason)),
            None => Ok(()),
        }
    }
}

/// What a model takes in memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryPlan {
    /// The context window of each sequence, in tokens.
    pub context_tokens: u32,
    /// Sequences that run together.
    pub parallel: u32,
    /// How keys and values are kept.
    pub kv_type: KvType,
    /// Weights, as they lie in memory.
    pub weights_bytes: u64,
    /// Keys and values of all sequences at full length, their recurrent states, and those that are kept to come back to.
    pub kv_cache_bytes: u64,
    /// Buffers of the largest step.
    pub scratch_bytes: u64,
    /// What the worker holds beside them: its tokenizer, and the process itself. Pages of its program file are not
    /// counted: they are page cache.
    #[serde(default)]
    pub worker_bytes: u64,
}

impl MemoryPlan {
    /// All of it.
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes + self.kv_cache_bytes + self.scratch_bytes + self.worker_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let check = |text: &str, expected: LoadOptions| {
            let found: LoadOptions = serde_json::from_str(text).expect("options");
            assert_eq!(found, expected);
            assert_eq!(found.validate(), Ok(()));
        };
        check("{}", LoadOptions::default());
        check(
            r#"{"kv_type":"q8_0","quantize":"q4_k","parallel":1}"#,
            LoadOptions {
                kv_type: KvType::Q8_0,
                quantize: Some(Quantize::Q4K),
                parallel: 1,
                ..LoadOptions::default()
            },
        );
    }

    #[test]
    fn out_of_range_fields_are_named() {
        let check = |change: fn(&mut LoadOptions), word: &str| {
            let mut options = LoadOptions::default();
            change(&mut options);
            let error = options.validate().expect_err(word).to_string();
            assert!(error.contains(word), "{error:?} does not name {word:?}");
        };
        check(|options| options.parallel = 0, "parallel");
        check(|options| options.threads = Some(0), "threads");
        check(|options| options.context_tokens = Some(0), "context_tokens");
    }
}
