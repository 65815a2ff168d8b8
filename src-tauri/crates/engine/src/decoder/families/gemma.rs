//! Gemma 2 and 3: norms before and after each part, windows, soft caps, an embedding that is scaled.
//!
//! Its norms multiply by `1 + weight`; files hold the sum.

use super::common::{
    attention, dense, inverse_root, layer_count, model, pre_norm_layer, rms, root, rope, softcap,
    unscaled, window_pattern,
};
use super::keys::Keys;
use crate::decoder::description::{
    Activation, AttentionDescription, Dense, Description, FeedForward, LayerDescription, QkNorm,
    RopeStyle,
};
use engine_api::EngineError;

/// Gemma 2.
pub(super) fn gemma2(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let windowed = window_pattern(keys, 2, layers)?;
    let window = keys.count("attention.sliding_window")?.unwrap_or(4096);
    let cap = softcap(keys, "attn_logit_softcapping")?;
    let scale = attention_scale(keys, 46)?;
    let layer = |at: usize| {
        let attention = AttentionDescription {
            window: windowed[at].then_some(window),
            softcap: cap,
            scale,
            ..attention(keys, at, layers)?
        };
        gemma_layer(keys, attention, at, layers)
    };
    let built = (0..layers).map(layer).collect::<Result<_, _>>()?;
    let first = attention(keys, 0, layers)?;
    let ropes = vec![rope(keys, RopeStyle::Neox, first.key_dim)?];
    Ok(Description {
        embedding_scale: root(keys.number("embedding_length")?),
        logit_softcap: softcap(keys, "final_logit_softcapping")?,
        ..model(keys, ropes, built)?
    })
}

/// Gemma 3: windows turn by another base, without scaling.
pub(super) fn gemma3(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let window = keys
        .count("attention.sliding_window")?
        .filter(|window| *window > 0);
    let windowed = window_pattern(keys, 6, layers)?;
    let scale = attention_scale(keys, 62)?;
    let layer = |at: usize| {
        let window = window.filter(|_| windowed[at]);
        let attention = AttentionDescription {
            window,
            rope: Some(usize::from(window.is_some())),
            qk_norm: QkNorm::PerHead,
            scale,
            ..attention(keys, at, layers)?
        };
        gemma_layer(keys, attention, at, layers)
    };
    let built = (0..layers).map(layer).collect::<Result<_, _>>()?;
    let full = rope(keys, RopeStyle::Neox, attention(keys, 0, layers)?.key_dim)?;
    let local = unscaled(&full, keys.positive("rope.freq_base_swa", 10_000.0)?);
    Ok(Description {
        embedding_scale: root(keys.number("embedding_length")?),
        logit_softcap: softcap(keys, "final_logit_softcapping")?,
        ..model(keys, vec![full, local], built)?
    })
}

/// The 27B models (known by their number of layers) scale by the embedding's share of a head, others by the head.
fn attention_scale(keys: &Keys, layers_of_27b: usize) -> Result<f32, EngineError> {
    let layers = layer_count(keys)?;
    let first = attention(keys, 0, layers)?;
    if keys
        .float("attention.scale")?
        .is_some_and(|scale| scale != 0.0)
    {
        return Ok(first.scale);
    }
    let share = keys.number("embedding_length")? / first.heads;
    let size = if layers == layers_of_27b {
        share
    } else {
        first.key_dim
    };
    Ok(inverse_root(size))
}

fn gemma_layer(
    keys: &Keys,
    attention: AttentionDescription,
    at: usize,
    layers: usize,
) -> Result<LayerDescription, EngineError> {
    let feed_forward = FeedForward::Dense(Dense {
        activation: Activation::Gelu,
        ..dense(keys, at, layers)?
    });
    sandwich(keys, attention, feed_forward)
}

/// Norms before and after each part.
pub(super) fn sandwich(
    keys: &Keys,
    attention: AttentionDescription,
    feed_forward: FeedForward,
) -> Result<LayerDescription, EngineError> {
    Ok(LayerDescription {
        mixer_post_norm: Some(rms(keys, "post_attention_norm")?),
        feed_forward_post_norm: Some(rms(keys, "post_ffw_norm")?),
        ..pre_norm_layer(keys, attention, feed_forward)?
    })
}
