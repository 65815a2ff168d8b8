//! What most families share: sizes, rotations, windows, and a plain pre-norm layer to start from.

use super::keys::{Keys, narrow};
use crate::decoder::description::{
    Activation, AttentionDescription, Dense, Description, FeedForward, Gate, KvSource,
    LayerDescription, MixerDescription, Norm, NormKind, QkNorm, RopeDescription, RopeFactors,
    RopeScaling, RopeStyle, Yarn,
};
use engine_api::EngineError;

/// The layers of a file that a token passes: block count, less those that only predict further tokens.
///
/// # Errors
/// [`EngineError::InvalidModel`] if there are none.
pub(super) fn layer_count(keys: &Keys) -> Result<usize, EngineError> {
    let all = keys.number("block_count")?;
    let further = keys.count("nextn_predict_layers")?.unwrap_or(0);
    match all.checked_sub(further) {
        Some(layers @ 1..=4096) => Ok(layers),
        _ => Err(keys.invalid(format!(
            "it has {all} layers, of which {further} predict further tokens"
        ))),
    }
}

/// An RMS norm with this tensor.
///
/// # Errors
/// [`EngineError::InvalidModel`] if the file has no ε.
pub(super) fn rms(keys: &Keys, tensor: &'static str) -> Result<Norm, EngineError> {
    Ok(Norm {
        tensor,
        kind: NormKind::Rms,
        epsilon: keys.rms_epsilon()?,
    })
}

/// A rotation as GGUF's common keys describe it.
///
/// # Errors
/// [`EngineError::InvalidModel`] for numbers that make no sense, [`EngineError::UnsupportedModel`] for a kind of scaling
/// that is unknown here.
pub(super) fn rope(
    keys: &Keys,
    style: RopeStyle,
    head: usize,
) -> Result<RopeDescription, EngineError> {
    let dims = keys.count("rope.dimension_count")?.unwrap_or(head);
    let scaling = rope_scaling(keys)?;
    let attention = keys.positive("rope.scaling.attn_factor", 1.0)?;
    let named = keys.float("rope.scaling.yarn_attn_factor")?;
    let yarn = named.filter(|factor| *factor > 0.0 && matches!(scaling, RopeScaling::Yarn(_)));
    let yarn = yarn.unwrap_or_else(|| yarn_magnitude(&scaling, None));
    Ok(RopeDescription {
        style,
        dims,
        base: keys.positive("rope.freq_base", 10_000.0)?,
        scaling,
        factors: rope_factors(keys)?,
        magnitude: attention * yarn,
    })
}

/// The same without scaling and factors, for layers that look only at their window.
pub(super) fn unscaled(rope: &RopeDescription, base: f64) -> RopeDescription {
    RopeDescription {
        base,
        scaling: RopeScaling::None,
        factors: RopeFactors::None,
        magnitude: 1.0,
        ..rope.clone()
    }
}

fn rope_scaling(keys: &Keys) -> Result<RopeScaling, EngineError> {
    let old = keys.positive("rope.scale_linear", 1.0)?;
    let factor = keys.positive("rope.scaling.factor", old)?;
    match keys.text("rope.scaling.type").unwrap_or("linear") {
        "none" | "longrope" => Ok(RopeScaling::None),
        "linear" if (factor - 1.0).abs() < f64::EPSILON => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear { factor }),
        "yarn" => Ok(RopeScaling::Yarn(yarn(keys, factor)?)),
        other => Err(keys.unsupported(format!("its rotation is scaled by {other}"))),
    }
}

fn yarn(keys: &Keys, factor: f64) -> Result<Yarn, EngineError> {
    let context = keys.positive("context_length", 4096.0)?;
    Ok(Yarn {
        factor,
        original_context: keys.positive("rope.scaling.original_context_length", context)?,
        beta_fast: keys.positive("rope.scaling.yarn_beta_fast", 32.0)?,
        beta_slow: keys.positive("rope.scaling.yarn_beta_slow", 1.0)?,
        truncate: true,
    })
}

/// `YaRN`'s factor on sines and cosines: `m(factor, 1) / m(factor, all)` with `m(f, s) = 0.1 · s · ln f + 1`, the divisor
/// where the model names `all` (`mscale_all_dim`).
pub(super) fn yarn_magnitude(scaling: &RopeScaling, all: Option<f64>) -> f64 {
    let RopeScaling::Yarn(Yarn { factor, .. }) = scaling else {
        return 1.0;
    };
    let m = |scale: f64| {
        if *factor <= 1.0 {
            1.0
        } else {
            0.1 * scale * factor.ln() + 1.0
        }
    };
    m(1.0) / all.map_or(1.0, m)
}

fn rope_factors(keys: &Keys) -> Result<RopeFactors, EngineError> {
    if keys.has("rope_freqs.weight") {
        return Ok(RopeFactors::Tensor("rope_freqs.weight".into()));
    }
    if !keys.has("rope_factors_long.weight") {
        return Ok(RopeFactors::None);
    }
    Ok(RopeFactors::ByContext {
        short: "rope_factors_short.weight".into(),
        long: "rope_factors_long.weight".into(),
        original: keys.number("rope.scaling.original_context_length")?,
    })
}

/// Attention with the common keys: full, rotated, scaled by `1/√key_dim` unless the file says otherwise.
///
/// # Errors
/// [`EngineError::InvalidModel`] for missing keys or heads that don't divide.
pub(super) fn attention(
    keys: &Keys,
    layer: usize,
    layers: usize,
) -> Result<AttentionDescription, EngineError> {
    let embedding = keys.number("embedding_length")?;
    let heads = keys.per_layer("attention.head_count", layers)?[layer];
    let kv_heads = match keys.count("attention.head_count_kv") {
        Ok(None) => heads,
        _ => keys.per_layer("attention.head_count_kv", layers)?[layer],
    };
    if heads == 0 || kv_heads == 0 {
        return Err(keys.invalid(format!(
            "layer {layer} has {heads} heads and {kv_heads} KV heads"
        )));
    }
    let key_dim = keys
        .count("attention.key_length")?
        .unwrap_or(embedding / heads);
    let value_dim = keys
        .count("attention.value_length")?
        .unwrap_or(embedding / heads);
    Ok(AttentionDescription {
        heads,
        kv_heads,
        key_dim,
        value_dim,
        scale: attention_scale(keys, key_dim)?,
        rope: Some(0),
        qk_norm: QkNorm::None,
        epsilon: keys.rms_epsilon()?,
        value_norm: false,
        window: None,
        softcap: None,
        sinks: false,
        temperature: None,
        output_gate: false,
        kv: KvSource::Own,
    })
}

fn attention_scale(keys: &Keys, key_dim: usize) -> Result<f32, EngineError> {
    let named = keys.float("attention.scale")?.unwrap_or(0.0);
    Ok(if named == 0.0 {
        inverse_root(key_dim)
    } else {
        narrow(named)
    })
}

/// `1/√size`.
#[expect(clippy::cast_precision_loss, reason = "sizes of heads")]
pub fn inverse_root(size: usize) -> f32 {
    narrow(1.0 / (size.max(1) as f64).sqrt())
}

/// `√size`.
#[expect(clippy::cast_precision_loss, reason = "sizes of embeddings")]
pub fn root(size: usize) -> f32 {
    narrow((size as f64).sqrt())
}

/// A gated feed-forward part with `SiLU`.
///
/// # Errors
/// [`EngineError::InvalidModel`] if its width is missing.
pub(super) fn dense(keys: &Keys, layer: usize, layers: usize) -> Result<Dense, EngineError> {
    Ok(Dense {
        size: keys.per_layer("feed_forward_length", layers)?[layer],
        activation: Activation::Silu,
        gate: Gate::Separate,
    })
}

/// A layer with a norm before each part.
///
/// # Errors
/// [`EngineError::InvalidModel`] if the file has no ε.
pub(super) fn pre_norm_layer(
    keys: &Keys,
    attention: AttentionDescription,
    feed_forward: FeedForward,
) -> Result<LayerDescription, EngineError> {
    Ok(LayerDescription {
        mixer: MixerDescription::Attention(attention),
        feed_forward,
        mixer_norm: Some(rms(keys, "attn_norm")?),
        mixer_post_norm: None,
        feed_forward_norm: Some(rms(keys, "ffn_norm")?),
        feed_forward_post_norm: None,
        residual_scale: 1.0,
        output_scale: false,
    })
}

/// A model of these layers and rotations, with nothing special around them.
///
/// # Errors
/// [`EngineError::InvalidModel`] for missing keys.
pub(super) fn model(
    keys: &Keys,
    ropes: Vec<RopeDescription>,
    layers: Vec<LayerDescription>,
) -> Result<Description, EngineError> {
    Ok(Description {
        architecture: keys.architecture.to_owned(),
        vocabulary: keys.vocabulary()?,
        embedding: keys.number("embedding_length")?,
        embedding_scale: 1.0,
        context: keys.number("context_length")?,
        layers,
        ropes,
        output_norm: rms(keys, "output_norm")?,
        logit_scale: 1.0,
        logit_softcap: None,
        per_layer_embedding: None,
    })
}

/// Which layers look only at a window: an array in the file, or all but each `period`-th one.
///
/// # Errors
/// [`EngineError::InvalidModel`] if the array is too short.
pub(super) fn window_pattern(
    keys: &Keys,
    period: usize,
    layers: usize,
) -> Result<Vec<bool>, EngineError> {
    let key = "attention.sliding_window_pattern";
    if let Some(pattern) = keys.pattern(key, layers)? {
        return Ok(pattern);
    }
    let period = keys.count(key)?.unwrap_or(period);
    let windowed = |layer: usize| period == 0 || layer % period < period - 1;
    Ok((0..layers).map(windowed).collect())
}

/// The cap under `key`, where there is one that is not zero.
///
/// # Errors
/// [`EngineError::InvalidModel`] for a cap that is not finite.
pub(super) fn softcap(keys: &Keys, key: &str) -> Result<Option<f32>, EngineError> {
    Ok(keys.float(key)?.filter(|cap| *cap > 0.0).map(narrow))
}
