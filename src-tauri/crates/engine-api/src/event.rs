//! What a worker tells of itself and of a running generation.

use crate::{KvReads, KvType, MemoryPlan, ToolCall};
use serde::{Deserialize, Serialize};

/// How far a load has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LoadProgress {
    /// Bytes of weights read so far.
    pub done_bytes: u64,
    /// Bytes of weights in the file.
    pub total_bytes: u64,
}

/// What a worker says of the model that it has loaded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadedModel {
    /// The model's name as its metadata gives it.
    pub name: Option<String>,
    /// `general.architecture` of the file.
    pub architecture: String,
    /// The quantization that most weights have, such as `Q4_1`.
    pub quantization: String,
    /// The context window in force for each sequence, in tokens.
    pub context_tokens: u32,
    /// The context window that the model was trained for.
    pub trained_context_tokens: u32,
    /// Sequences that run together.
    pub parallel: u32,
    /// How keys and values are kept.
    pub kv_type: KvType,
    /// The most bytes of keys and values.
    pub kv_budget_bytes: u64,
    /// What it takes when all sequences are at full length, as far as the budget goes.
    pub plan: MemoryPlan,
    /// Bytes of weights, as they lie in memory, that decoding one token reads: of a mixture the experts that are used, of
    /// an embedding one row, unless it is the output matrix too.
    pub active_bytes: u64,
    /// Bytes that one position takes in the KV cache.
    pub kv_bytes_per_token: u64,
    /// What decoding one token reads of keys, values and recurrent states.
    pub kv_reads: KvReads,
    /// Number of parameters.
    pub parameters: u64,
    /// Size of the vocabulary: the length of a row of logits.
    pub vocabulary_tokens: u32,
    /// The device that computes, in words.
    pub device: String,
    /// Time from the request to the model being ready, in milliseconds.
    pub load_ms: f64,
}

impl LoadedModel {
    /// Bytes of keys, values and recurrent states that one sequence reads to decode one token when it holds
    /// `context_tokens` positions.
    pub fn kv_read_bytes(&self, context_tokens: u32) -> u64 {
        self.kv_reads.bytes(context_tokens)
    }

    /// All bytes that decoding one token of a lone sequence reads: weights and what is in the KV cache. A memory's
    /// bandwidth over it is the most tokens a second that the machine can decode.
    pub fn decode_read_bytes(&self, context_tokens: u32) -> u64 {
        self.active_bytes + self.kv_read_bytes(context_tokens)
    }
}

/// Memory that a worker can name, in bytes. What the process has beyond it is its program, tokenizer and templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Weights, as they lie in memory.
    pub weights_bytes: u64,
    /// Keys and values and recurrent states in memory, also those of conversations that are over and may go on.
    pub kv_cache_bytes: u64,
    /// Buffers for computing, as large as the largest step so far needed them: activations, prepared inputs, logits.
    #[serde(default)]
    pub scratch_bytes: u64,
    /// Tokens of the longest running sequence, or of the one that ended last.
    pub context_used_tokens: u32,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn.
    EndOfTurn,
    /// A stop string of the request was reached.
    StopString,
    /// `max_tokens` of the request was reached.
    MaxTokens,
    /// The context window is full.
    ContextFull,
    /// It was cancelled.
    Cancelled,
}

/// Where the time of one generation went. Times in milliseconds, rates in tokens per second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, specta::Type)]
pub struct Timings {
    /// Length of the whole prompt.
    pub prompt_tokens: u32,
    /// Tokens of the prompt that the KV cache already held.
    pub reused_tokens: u32,
    /// Tokens of the prompt that were computed: `prompt_tokens - reused_tokens`.
    pub prefilled_tokens: u32,
    /// Tokens written.
    pub generated_tokens: u32,
    /// From the arrival of the request to its start.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub queue_ms: f64,
    /// From the start to the logits of the prompt's last token.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub prefill_ms: f64,
    /// From the arrival of the request to the first token.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub ttft_ms: f64,
    /// From the first token to the last.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub decode_ms: f64,
    /// `prefilled_tokens` over `prefill_ms`; absent when nothing was prefilled.
    pub prefill_tokens_per_second: Option<f64>,
    /// Tokens after the first over `decode_ms`; absent for fewer than two tokens.
    pub decode_tokens_per_second: Option<f64>,
    /// From each token to the next; absent for fewer than two tokens, and where an older Wick kept the timings.
    #[serde(default)]
    pub inter_token: Option<InterToken>,
}

/// Inter-token latency: the times from each token of a generation to the next, in milliseconds.
///
/// Median and p95 are by nearest rank: the least time that half, or 95 %, of all do not exceed. Both are exact for the
/// first 512 tokens of a generation; beyond, they are right within 2.5 % of themselves. The worst is always exact.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, specta::Type)]
pub struct InterToken {
    /// Half of them were at most this long.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub median_ms: f64,
    /// 95 % of them were at most this long.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub p95_ms: f64,
    /// The longest.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub worst_ms: f64,
}

/// A token with its log-probability in the model's own distribution, before any penalty, filter or temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token.
    pub id: u32,
    /// Its bytes, which may be part of a character.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability, at least -9999.
    pub logprob: f32,
}

/// A token that was written, beside those that the model held for likeliest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logprobs {
    /// The one that was taken.
    pub token: TokenLogprob,
    /// As many as asked for, likeliest first.
    pub top: Vec<TokenLogprob>,
}

/// One step of a generation. `Queued`, then `Prefill`s, then `Reasoning`, `Token`s and `ToolCall`s, then `Finished`,
/// which is the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GenerationEvent {
    /// The worker has the request and will come to it.
    Queued,
    /// The prompt is accepted and is being read.
    Prefill {
        /// Tokens in the KV cache so far, reused ones included.
        processed_tokens: u32,
        /// Length of the whole prompt.
        total_tokens: u32,
    },
    /// Text to append. Whole characters only; it may stand for several tokens or for none.
    Token {
        /// The text.
        text: String,
        /// Tokens written so far.
        generated_tokens: u32,
        /// Of the tokens since the event before, if the request asked for them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        logprobs: Vec<Logprobs>,
    },
    /// Text of the model's thinking to append, which is no part of the answer.
    Reasoning {
        /// The text.
        text: String,
        /// Tokens written so far.
        generated_tokens: u32,
    },
    /// The model asks for a function to be called. Whole calls only; several may come.
    ToolCall {
        /// What to call.
        call: ToolCall,
        /// Tokens written so far.
        generated_tokens: u32,
    },
    /// The answer is over.
    Finished {
        /// Why.
        reason: FinishReason,
        /// Where the time went.
        timings: Timings,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_of_an_older_wick_are_still_timings() {
        let check = |text: &str, inter_token: Option<InterToken>| {
            let timings: Timings = serde_json::from_str(text).expect("timings");
            assert_eq!((timings.queue_ms, timings.inter_token), (0.5, inter_token));
        };
        let older = r#"{"prompt_tokens":9,"reused_tokens":1,"prefilled_tokens":8,"generated_tokens":3,"queue_ms":0.5,
            "prefill_ms":4.0,"ttft_ms":5.0,"decode_ms":2.0,"prefill_tokens_per_second":2000.0,
            "decode_tokens_per_second":1000.0"#;
        check(&format!("{older}}}"), None);
        let newer = r#""inter_token":{"median_ms":1.0,"p95_ms":1.5,"worst_ms":1.5}"#;
        let expected = InterToken {
            median_ms: 1.0,
            p95_ms: 1.5,
            worst_ms: 1.5,
        };
        check(&format!("{older},{newer}}}"), Some(expected));
    }
}
