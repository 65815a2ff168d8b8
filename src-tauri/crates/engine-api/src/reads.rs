//! What decoding a token reads of the KV cache: what a context costs in bandwidth, where [`crate::MemoryPlan`] says what it
//! takes in room.
//!
//! It differs from what is kept: layers with a sliding window read no further back than it reaches, layers that share
//! another's keys and values read them once more, and recurrent layers read their whole state at any length. What is
//! written (one position, one state) is not counted.

use serde::{Deserialize, Serialize};

/// What all layers read to decode one token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KvReads {
    /// Layers with keys and values, put together by how far they look back.
    pub layers: Vec<KvRead>,
    /// Bytes of the states of recurrent layers.
    pub state_bytes: u64,
}

/// Layers that look equally far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvRead {
    /// Positions that they look at, the newest included; `None` for all of them.
    pub window_tokens: Option<u32>,
    /// Bytes that all of these layers together read of each position.
    pub bytes_per_token: u64,
}

impl KvReads {
    /// Bytes that decoding one token reads when its sequence holds `context_tokens` positions.
    pub fn bytes(&self, context_tokens: u32) -> u64 {
        let of = |read: &KvRead| {
            let seen = read.window_tokens.unwrap_or(u32::MAX).min(context_tokens);
            u64::from(seen) * read.bytes_per_token
        };
        self.state_bytes + self.layers.iter().map(of).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_what_is_read_and_states_are_read_whole() {
        let read = |window_tokens, bytes_per_token| KvRead {
            window_tokens,
            bytes_per_token,
        };
        let check = |layers: &[KvRead], state_bytes, context_tokens, expected| {
            let layers = layers.to_vec();
            let reads = KvReads {
                layers,
                state_bytes,
            };
            assert_eq!(reads.bytes(context_tokens), expected, "{reads:?}");
        };
        check(&[], 0, 4096, 0);
        check(&[read(None, 10)], 0, 0, 0);
        check(&[read(None, 10)], 0, 4096, 40_960);
        check(&[read(None, 10), read(Some(512), 100)], 0, 100, 11_000);
        check(&[read(None, 10), read(Some(512), 100)], 0, 4096, 92_160);
        check(&[read(None, 10)], 7, 1, 17);
        check(
            &[read(None, u64::from(u32::MAX))],
            0,
            u32::MAX,
            18_446_744_065_119_617_025,
        );
    }
}
