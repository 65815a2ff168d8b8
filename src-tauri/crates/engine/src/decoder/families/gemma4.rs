//! Gemma 4, dense and mixture: two sizes of heads, values normed, layers that read the cache of earlier ones, a
//! mixture beside a dense part, and the E models' second embedding.

use super::common::{
    attention, dense, layer_count, model, rms, root, rope, softcap, unscaled, window_pattern,
};
use super::gemma::sandwich;
use super::keys::Keys;
use super::mixture::{mixture, weights_scale};
use crate::decoder::description::{
    Activation, AttentionDescription, Dense, Description, FeedForward, Gate, KvSource,
    LayerDescription, QkNorm, RopeFactors, RopeStyle, Routing, Score, Shared, SharedNames,
};
use engine_api::EngineError;

/// `gemma4`.
pub(super) fn gemma4(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let windowed = window_pattern(keys, 6, layers)?;
    let layer = |at: usize| layer(keys, at, &windowed);
    let built = (0..layers).map(layer).collect::<Result<_, _>>()?;
    let full = rope(keys, RopeStyle::Neox, keys.number("attention.key_length")?)?;
    let mut local = unscaled(&full, keys.positive("rope.freq_base_swa", 10_000.0)?);
    local.dims = keys.count("rope.dimension_count_swa")?.unwrap_or(full.dims);
    local.factors = RopeFactors::None;
    let per_layer = keys.count("embedding_length_per_layer_input")?;
    Ok(Description {
        embedding_scale: root(keys.number("embedding_length")?),
        logit_softcap: softcap(keys, "final_logit_softcapping")?,
        per_layer_embedding: per_layer.filter(|width| *width > 0),
        ..model(keys, vec![full, local], built)?
    })
}

fn layer(keys: &Keys, at: usize, windowed: &[bool]) -> Result<LayerDescription, EngineError> {
    let attention = attention_of(keys, at, windowed)?;
    let dense = Dense {
        activation: Activation::Gelu,
        ..dense(keys, at, windowed.len())?
    };
    let feed_forward = if keys.has(&format!("blk.{at}.ffn_gate_inp.weight")) {
        mixture_of(keys, dense)?
    } else {
        FeedForward::Dense(dense)
    };
    Ok(LayerDescription {
        output_scale: keys.has(&format!("blk.{at}.layer_output_scale.weight")),
        ..sandwich(keys, attention, feed_forward)?
    })
}

fn attention_of(
    keys: &Keys,
    at: usize,
    windowed: &[bool],
) -> Result<AttentionDescription, EngineError> {
    let window = keys.number("attention.sliding_window")?;
    let local = windowed[at];
    let dim = if local {
        keys.number("attention.key_length_swa")?
    } else {
        keys.number("attention.key_length")?
    };
    Ok(AttentionDescription {
        key_dim: dim,
        value_dim: dim,
        scale: 1.0,
        rope: Some(usize::from(local)),
        qk_norm: QkNorm::PerHead,
        value_norm: true,
        window: local.then_some(window),
        kv: kv_source(keys, at, windowed)?,
        ..attention(keys, at, windowed.len())?
    })
}

/// The last layers read the cache of the last own one of their kind.
fn kv_source(keys: &Keys, at: usize, windowed: &[bool]) -> Result<KvSource, EngineError> {
    let shared = keys.count("attention.shared_kv_layers")?.unwrap_or(0);
    let own = windowed.len().saturating_sub(shared);
    if at < own {
        let values = keys.has(&format!("blk.{at}.attn_v.weight"))
            || keys.has(&format!("blk.{at}.attn_qkv.weight"));
        return Ok(if values {
            KvSource::Own
        } else {
            KvSource::OwnKeysOnly
        });
    }
    let source = (0..own)
        .rev()
        .find(|layer| windowed[*layer] == windowed[at]);
    let missing = || keys.invalid(format!("layer {at} shares keys with no layer"));
    source.map(KvSource::Layer).ok_or_else(missing)
}

fn mixture_of(keys: &Keys, dense: Dense) -> Result<FeedForward, EngineError> {
    let routing = Routing {
        score: Score::Softmax,
        correction: false,
        groups: None,
        normalize: true,
        scale: weights_scale(keys)?,
    };
    let mut mixture = mixture(keys, keys.number("expert_feed_forward_length")?, routing)?;
    mixture.activation = Activation::Gelu;
    mixture.router_norm = Some(keys.rms_epsilon()?);
    mixture.input_norm = Some(rms(keys, "pre_ffw_norm_2")?);
    mixture.output_norm = Some(rms(keys, "post_ffw_norm_2")?);
    mixture.shared = Some(Shared {
        dense: Dense {
            gate: Gate::Separate,
            ..dense
        },
        names: SharedNames::Plain,
        gated: false,
        output_norm: Some(rms(keys, "post_ffw_norm_1")?),
    });
    Ok(FeedForward::Mixture(Box::new(mixture)))
}
