//! `OLMo` 2 and 3: norms only after each part, and over all query and key heads together; `OLMo` 3 has windows.

use super::common::{
    attention, dense, layer_count, model, pre_norm_layer, rms, rope, unscaled, window_pattern,
};
use super::keys::Keys;
use crate::decoder::description::{
    AttentionDescription, Description, FeedForward, LayerDescription, QkNorm, RopeStyle,
};
use engine_api::EngineError;

/// `olmo2`.
pub(super) fn olmo2(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let window = keys
        .count("attention.sliding_window")?
        .filter(|window| *window > 0);
    let windowed = window_pattern(keys, 4, layers)?;
    let layer = |at: usize| {
        let window = window.filter(|_| windowed[at]);
        let attention = AttentionDescription {
            window,
            rope: Some(usize::from(window.is_some())),
            qk_norm: QkNorm::Whole,
            ..attention(keys, at, layers)?
        };
        let dense = FeedForward::Dense(dense(keys, at, layers)?);
        Ok(LayerDescription {
            mixer_norm: None,
            feed_forward_norm: None,
            mixer_post_norm: Some(rms(keys, "post_attention_norm")?),
            feed_forward_post_norm: Some(rms(keys, "post_ffw_norm")?),
            ..pre_norm_layer(keys, attention, dense)?
        })
    };
    let built = (0..layers).map(layer).collect::<Result<_, EngineError>>()?;
    let full = rope(keys, RopeStyle::Neox, attention(keys, 0, layers)?.key_dim)?;
    let local = unscaled(&full, keys.positive("rope.freq_base_swa", full.base)?);
    model(keys, vec![full, local], built)
}
