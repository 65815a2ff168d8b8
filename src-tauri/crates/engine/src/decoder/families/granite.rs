//! Granite 3 and 4 without state spaces, dense and mixture: factors on the embedding, the residual, the logits.

use super::common::{attention, dense, layer_count, model, pre_norm_layer, rope};
use super::keys::{Keys, narrow};
use super::mixture::{shared, softmax_mixture};
use crate::decoder::description::{
    AttentionDescription, Description, FeedForward, LayerDescription, RopeStyle,
};
use engine_api::EngineError;

/// `granite` and `granitemoe`.
pub(super) fn granite(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let built = (0..layers).map(|at| layer(keys, at, layers));
    let built = built.collect::<Result<_, _>>()?;
    let first = attention(keys, 0, layers)?;
    let rope = rope(keys, RopeStyle::Interleaved, first.key_dim)?;
    Ok(Description {
        embedding_scale: factor(keys, "embedding_scale")?,
        logit_scale: 1.0 / factor(keys, "logit_scale")?,
        ..model(keys, vec![rope], built)?
    })
}

fn layer(keys: &Keys, at: usize, layers: usize) -> Result<LayerDescription, EngineError> {
    // A file without positions says so where others say that their scaling was trained.
    let turns = keys.truth("rope.scaling.finetuned").unwrap_or(true);
    let attention = AttentionDescription {
        rope: turns.then_some(0),
        ..attention(keys, at, layers)?
    };
    Ok(LayerDescription {
        residual_scale: factor(keys, "residual_scale")?,
        ..pre_norm_layer(keys, attention, feed_forward(keys, at, layers)?)?
    })
}

fn feed_forward(keys: &Keys, at: usize, layers: usize) -> Result<FeedForward, EngineError> {
    let dense = dense(keys, at, layers)?;
    if keys.count("expert_count")?.unwrap_or(0) == 0 {
        return Ok(FeedForward::Dense(dense));
    }
    let mut feed_forward = softmax_mixture(keys, dense.size)?;
    if let FeedForward::Mixture(mixture) = &mut feed_forward {
        let size = keys.count("expert_shared_feed_forward_length")?;
        mixture.shared = size.filter(|size| *size > 0).map(shared);
    }
    Ok(feed_forward)
}

/// A factor; 0 in a file means none.
fn factor(keys: &Keys, key: &str) -> Result<f32, EngineError> {
    let factor = keys.float(key)?.unwrap_or(0.0);
    Ok(if factor == 0.0 { 1.0 } else { narrow(factor) })
}
