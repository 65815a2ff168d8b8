//! Phi-3 and Phi-4: q, k, v in one matrix, gate and up in one, rotation over a part of the head, `LongRoPE`.

use super::common::{attention, dense, layer_count, model, pre_norm_layer, rope};
use super::keys::Keys;
use crate::decoder::description::{
    AttentionDescription, Dense, Description, FeedForward, Gate, RopeStyle,
};
use engine_api::EngineError;

/// `phi3`.
pub(super) fn phi3(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    if keys.count("expert_count")?.unwrap_or(0) > 0 {
        return Err(keys.unsupported("it is a phi3 with experts"));
    }
    let window = keys
        .count("attention.sliding_window")?
        .filter(|window| *window > 0);
    let layer = |at: usize| {
        let attention = AttentionDescription {
            window,
            ..attention(keys, at, layers)?
        };
        let feed_forward = FeedForward::Dense(Dense {
            gate: Gate::Fused,
            ..dense(keys, at, layers)?
        });
        pre_norm_layer(keys, attention, feed_forward)
    };
    let built = (0..layers).map(layer).collect::<Result<_, _>>()?;
    let first = attention(keys, 0, layers)?;
    model(
        keys,
        vec![rope(keys, RopeStyle::Neox, first.key_dim)?],
        built,
    )
}
