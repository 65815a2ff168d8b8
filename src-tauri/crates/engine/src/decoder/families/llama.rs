//! Llama and what is built like it: Llama 2 and 3, Mistral, Mixtral, `SmolLM2` (`llama`), Ministral (`mistral3`), `SmolLM3`.

use super::common::{attention, dense, layer_count, model, pre_norm_layer, rope, yarn_magnitude};
use super::keys::{Keys, narrow};
use super::mixture::softmax_mixture;
use crate::decoder::description::{
    AttentionDescription, Description, FeedForward, RopeDescription, RopeStyle, Temperature,
};
use engine_api::EngineError;

/// `llama`.
pub(super) fn llama(keys: &Keys) -> Result<Description, EngineError> {
    build(keys, rope_of(keys)?, |_, attention| attention)
}

/// Ministral 3: `YaRN`, and queries that grow with their position.
pub(super) fn mistral3(keys: &Keys) -> Result<Description, EngineError> {
    let mut rope = rope_of(keys)?;
    let all = keys.float("rope.scaling.yarn_log_multiplier")?;
    let named = keys.positive("rope.scaling.attn_factor", 1.0)?;
    rope.magnitude = named * yarn_magnitude(&rope.scaling, all.filter(|all| *all != 0.0));
    let temperature = temperature(keys)?;
    build(keys, rope, |_, attention| AttentionDescription {
        temperature,
        ..attention
    })
}

/// `SmolLM3`: each fourth layer has no positions.
pub(super) fn smollm3(keys: &Keys) -> Result<Description, EngineError> {
    build(keys, rope_of(keys)?, |layer, attention| {
        AttentionDescription {
            rope: ((layer + 1) % 4 != 0).then_some(0),
            ..attention
        }
    })
}

fn rope_of(keys: &Keys) -> Result<RopeDescription, EngineError> {
    let first = attention(keys, 0, layer_count(keys)?)?;
    rope(keys, RopeStyle::Interleaved, first.key_dim)
}

fn temperature(keys: &Keys) -> Result<Option<Temperature>, EngineError> {
    let scale = keys.float("attention.temperature_scale")?.unwrap_or(0.0);
    if scale == 0.0 {
        return Ok(None);
    }
    Ok(Some(Temperature {
        scale: narrow(scale),
        length: keys.number("rope.scaling.original_context_length")?,
        offset: 0.0,
    }))
}

fn build(
    keys: &Keys,
    rope: RopeDescription,
    change: impl Fn(usize, AttentionDescription) -> AttentionDescription,
) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let experts = keys.count("expert_count")?.unwrap_or(0);
    let layer = |layer| {
        let feed_forward = match experts {
            0 => FeedForward::Dense(dense(keys, layer, layers)?),
            _ => softmax_mixture(keys, dense(keys, layer, layers)?.size)?,
        };
        pre_norm_layer(
            keys,
            change(layer, attention(keys, layer, layers)?),
            feed_forward,
        )
    };
    let built = (0..layers).map(layer).collect::<Result<_, _>>()?;
    model(keys, vec![rope], built)
}
