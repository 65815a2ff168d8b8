//! `DeepSeek` V2 and V3: compressed attention, and a mixture after the first layers. (Also what was made like them: Kimi K2,
//! `GigaChat` 3, GLM 4.7 Flash.)

use super::common::{dense, inverse_root, layer_count, model, pre_norm_layer, rms, rope};
use super::keys::{Keys, narrow};
use super::mixture::{mixture, named_routing, shared};
use crate::decoder::description::{
    AttentionDescription, Description, FeedForward, LayerDescription, MixerDescription,
    RopeScaling, RopeStyle, Routing, Score,
};
use crate::decoder::mixers::MlaDescription;
use engine_api::EngineError;

/// `deepseek2`.
pub(super) fn deepseek2(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    if keys.count("attention.key_length_mla")?.is_none() {
        return Err(keys.unsupported(
            "it was converted before 2025, without the matrices that compressed attention computes with; a newer file of the same model works",
        ));
    }
    let turned_dim = keys.number("rope.dimension_count")?;
    let mut rotation = rope(keys, RopeStyle::Interleaved, turned_dim)?;
    let mla = mla(keys, turned_dim, &rotation.scaling)?;
    // Both of YaRN's factors are the same in these models and cancel in the rotation; in the scores they stay.
    rotation.magnitude = 1.0;
    let leading = keys.count("leading_dense_block_count")?.unwrap_or(0);
    let layer = |at: usize| {
        let feed_forward = if at < leading {
            FeedForward::Dense(dense(keys, at, layers)?)
        } else {
            sparse(keys, at)?
        };
        let built = pre_norm_layer(keys, plain(keys)?, feed_forward)?;
        Ok(LayerDescription {
            mixer: MixerDescription::Mla(mla.clone()),
            mixer_norm: Some(rms(keys, "attn_norm")?),
            ..built
        })
    };
    let built = (0..layers).map(layer).collect::<Result<_, EngineError>>()?;
    model(keys, vec![rotation], built)
}

/// What the common layer is built with before its mixer is replaced.
fn plain(keys: &Keys) -> Result<AttentionDescription, EngineError> {
    super::common::attention(keys, 0, 1)
}

fn mla(
    keys: &Keys,
    turned_dim: usize,
    scaling: &RopeScaling,
) -> Result<MlaDescription, EngineError> {
    let key_dim = keys.number("attention.key_length_mla")?;
    let still_dim = key_dim.checked_sub(turned_dim).filter(|dim| *dim > 0);
    let still_dim = still_dim
        .ok_or_else(|| keys.invalid(format!("its keys of {key_dim} turn {turned_dim} elements")))?;
    // llama.cpp's conversion writes a tenth of the model's `mscale_all_dim`.
    let tenth = keys
        .float("rope.scaling.yarn_log_multiplier")?
        .unwrap_or(0.0);
    let growth = match scaling {
        RopeScaling::Yarn(yarn) if yarn.factor > 1.0 => 1.0 + tenth * yarn.factor.ln(),
        _ => 1.0,
    };
    Ok(MlaDescription {
        heads: keys.number("attention.head_count")?,
        query_rank: keys
            .count("attention.q_lora_rank")?
            .filter(|rank| *rank > 0),
        kv_rank: keys.number("attention.kv_lora_rank")?,
        still_dim,
        turned_dim,
        value_dim: keys.number("attention.value_length_mla")?,
        scale: inverse_root(key_dim) * narrow(growth * growth),
        rope: 0,
        epsilon: keys.rms_epsilon()?,
    })
}

fn sparse(keys: &Keys, at: usize) -> Result<FeedForward, EngineError> {
    // Only V3 and its like correct the choice, and they score by σ, whether or not the file says so.
    let correction = keys.has(&format!("blk.{at}.exp_probs_b.bias"));
    let otherwise = if correction {
        Score::Sigmoid
    } else {
        Score::Softmax
    };
    let routing = Routing {
        correction,
        ..named_routing(keys, otherwise)?
    };
    let size = keys.number("expert_feed_forward_length")?;
    let mut built = mixture(keys, size, routing)?;
    let count = keys.count("expert_shared_count")?.unwrap_or(0);
    built.shared = (count > 0).then(|| shared(size * count));
    Ok(FeedForward::Mixture(Box::new(built)))
}
