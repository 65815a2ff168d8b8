//! Qwen 2, Qwen 3 and its mixture.

use super::common::{attention, dense, layer_count, model, pre_norm_layer, rope};
use super::keys::Keys;
use super::mixture::softmax_mixture;
use crate::decoder::description::{
    AttentionDescription, Description, FeedForward, QkNorm, RopeStyle,
};
use engine_api::EngineError;

/// Biases on queries, keys and values, which are taken where they are.
pub(super) fn qwen2(keys: &Keys) -> Result<Description, EngineError> {
    build(keys, QkNorm::None, false)
}

/// Norms on queries and keys.
pub(super) fn qwen3(keys: &Keys) -> Result<Description, EngineError> {
    build(keys, QkNorm::PerHead, false)
}

/// The same with a mixture in each layer.
pub(super) fn qwen3moe(keys: &Keys) -> Result<Description, EngineError> {
    build(keys, QkNorm::PerHead, true)
}

fn build(keys: &Keys, qk_norm: QkNorm, sparse: bool) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let layer = |layer| {
        let attention = AttentionDescription {
            qk_norm,
            ..attention(keys, layer, layers)?
        };
        let feed_forward = if sparse {
            softmax_mixture(keys, keys.number("expert_feed_forward_length")?)?
        } else {
            FeedForward::Dense(dense(keys, layer, layers)?)
        };
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
