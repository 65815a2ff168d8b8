//! LFM2: most layers are short convolutions, some are attention; the mixture has sigmoid routing.

use super::common::{attention, dense, layer_count, model, pre_norm_layer, rms, rope};
use super::keys::Keys;
use super::mixture::{mixture, named_routing};
use crate::decoder::description::{
    AttentionDescription, Description, FeedForward, LayerDescription, MixerDescription, QkNorm,
    RopeStyle, Routing, Score,
};
use crate::decoder::mixers::ShortConvDescription;
use engine_api::EngineError;

/// `lfm2` and `lfm2moe`.
pub(super) fn lfm2(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let kv_heads = keys.per_layer("attention.head_count_kv", layers)?;
    let attends = |at: &usize| kv_heads[*at] > 0;
    let first = (0..layers)
        .find(attends)
        .ok_or_else(|| keys.invalid("it has no layer with attention"))?;
    let layer = |at: usize| {
        let plain = AttentionDescription {
            qk_norm: QkNorm::PerHead,
            window: keys
                .count("attention.sliding_window")?
                .filter(|window| *window > 0),
            ..attention(keys, if attends(&at) { at } else { first }, layers)?
        };
        let built = pre_norm_layer(keys, plain, feed_forward(keys, at, layers)?)?;
        if attends(&at) {
            return Ok(built);
        }
        let mixer = MixerDescription::ShortConv(ShortConvDescription {
            channels: keys.number("embedding_length")?,
            kernel: keys.number("shortconv.l_cache")?,
        });
        Ok(LayerDescription { mixer, ..built })
    };
    let built = (0..layers).map(layer).collect::<Result<_, EngineError>>()?;
    let head = attention(keys, first, layers)?.key_dim;
    Ok(Description {
        // The files name the norm at the end as if it stood at the beginning.
        output_norm: rms(keys, "token_embd_norm")?,
        ..model(keys, vec![rope(keys, RopeStyle::Neox, head)?], built)?
    })
}

fn feed_forward(keys: &Keys, at: usize, layers: usize) -> Result<FeedForward, EngineError> {
    let leading = keys.count("leading_dense_block_count")?.unwrap_or(layers);
    if keys.architecture == "lfm2" || at < leading {
        return Ok(FeedForward::Dense(dense(keys, at, layers)?));
    }
    let routing = Routing {
        correction: true,
        normalize: true,
        ..named_routing(keys, Score::Sigmoid)?
    };
    let size = keys.number("expert_feed_forward_length")?;
    Ok(FeedForward::Mixture(Box::new(mixture(
        keys, size, routing,
    )?)))
}
