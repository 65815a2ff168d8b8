//! gpt-oss: sinks, every other layer over a window, `YaRN` without rounding, a mixture with clamped `SwiGLU` and biases.

use super::common::{attention, layer_count, model, pre_norm_layer, rms, rope, window_pattern};
use super::keys::Keys;
use super::mixture::{mixture, weights_scale};
use crate::decoder::description::{
    Activation, AttentionDescription, Description, FeedForward, LayerDescription, RopeScaling,
    RopeStyle, Routing, Score, Yarn,
};
use engine_api::EngineError;

/// `gpt-oss`.
pub(super) fn gpt_oss(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let windowed = window_pattern(keys, 2, layers)?;
    let first = attention(keys, 0, layers)?;
    let mut rope = rope(keys, RopeStyle::Neox, first.key_dim)?;
    // Its own code doesn't round the ramp's ends (`truncate: false`), which GGUF has no key for.
    if let RopeScaling::Yarn(yarn) = rope.scaling {
        rope.scaling = RopeScaling::Yarn(Yarn {
            truncate: false,
            ..yarn
        });
    }
    let layer = |at: usize| layer(keys, &attention(keys, at, layers)?, windowed[at]);
    let built = (0..layers).map(layer).collect::<Result<_, _>>()?;
    model(keys, vec![rope], built)
}

fn layer(
    keys: &Keys,
    attention: &AttentionDescription,
    windowed: bool,
) -> Result<LayerDescription, EngineError> {
    let window = keys.number("attention.sliding_window")?;
    let attention = AttentionDescription {
        sinks: true,
        window: windowed.then_some(window),
        ..attention.clone()
    };
    let feed_forward = feed_forward(keys)?;
    Ok(LayerDescription {
        feed_forward_norm: Some(rms(keys, "post_attention_norm")?),
        ..pre_norm_layer(keys, attention, feed_forward)?
    })
}

fn feed_forward(keys: &Keys) -> Result<FeedForward, EngineError> {
    let routing = Routing {
        score: Score::SoftmaxOfChosen,
        correction: false,
        groups: None,
        normalize: false,
        scale: weights_scale(keys)?,
    };
    let mut mixture = mixture(keys, keys.number("expert_feed_forward_length")?, routing)?;
    mixture.activation = Activation::ClampedSwiglu {
        alpha: 1.702,
        limit: 7.0,
    };
    Ok(FeedForward::Mixture(Box::new(mixture)))
}
