//! GLM-4 and GLM-4.5: half of each head turns; the dense one has norms around each part, the mixture sigmoid routing.

use super::common::{attention, dense, layer_count, model, pre_norm_layer, rms, rope};
use super::gemma::sandwich;
use super::keys::Keys;
use super::mixture::{mixture, named_routing, shared};
use crate::decoder::description::{
    AttentionDescription, Dense, Description, FeedForward, Gate, LayerDescription, QkNorm,
    RopeStyle, Routing, Score,
};
use engine_api::EngineError;

/// `glm4`.
pub(super) fn glm4(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let layer = |at: usize| {
        let feed_forward = FeedForward::Dense(Dense {
            gate: Gate::Fused,
            ..dense(keys, at, layers)?
        });
        sandwich(keys, attention(keys, at, layers)?, feed_forward)
    };
    let built = (0..layers).map(layer).collect::<Result<_, _>>()?;
    let style = if has_sections(keys)? {
        RopeStyle::Neox
    } else {
        RopeStyle::Interleaved
    };
    let first = attention(keys, 0, layers)?;
    model(keys, vec![rope(keys, style, first.key_dim)?], built)
}

/// `glm4moe`.
pub(super) fn glm4moe(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let leading = keys.count("leading_dense_block_count")?.unwrap_or(0);
    let layer = |at: usize| {
        let feed_forward = if at < leading {
            FeedForward::Dense(dense(keys, at, layers)?)
        } else {
            sparse(keys)?
        };
        let normed = keys.has(&format!("blk.{at}.attn_q_norm.weight"));
        let attention = AttentionDescription {
            qk_norm: if normed {
                QkNorm::PerHead
            } else {
                QkNorm::None
            },
            ..attention(keys, at, layers)?
        };
        Ok(LayerDescription {
            feed_forward_norm: Some(rms(keys, "post_attention_norm")?),
            ..pre_norm_layer(keys, attention, feed_forward)?
        })
    };
    let built = (0..layers).map(layer).collect::<Result<_, EngineError>>()?;
    let first = attention(keys, 0, layers)?;
    model(
        keys,
        vec![rope(keys, RopeStyle::Neox, first.key_dim)?],
        built,
    )
}

/// Files made of models that also see carry sections of the rotation; text has one position for all of them.
fn has_sections(keys: &Keys) -> Result<bool, EngineError> {
    let name = keys.name("rope.dimension_sections");
    let Some(sections) = keys.checkpoint.metadata.array(&name) else {
        return Ok(false);
    };
    let positive = |value: &crate::files::Value| value.as_unsigned().is_some_and(|size| size > 0);
    match sections {
        [first, second, ..] => Ok(positive(first) && positive(second)),
        _ => Err(keys.invalid(format!("{name} has too few values"))),
    }
}

fn sparse(keys: &Keys) -> Result<FeedForward, EngineError> {
    let routing = Routing {
        correction: true,
        ..named_routing(keys, Score::Sigmoid)?
    };
    let size = keys.number("expert_feed_forward_length")?;
    let mut mixture = mixture(keys, size, routing)?;
    let count = keys.number("expert_shared_count")?;
    mixture.shared = Some(shared(size * count));
    Ok(FeedForward::Mixture(Box::new(mixture)))
}
