//! Qwen3-Next and Qwen3.5: three layers of four are gated delta rules, the fourth is gated attention.

use super::common::{attention, dense, layer_count, model, pre_norm_layer, rms, rope};
use super::keys::Keys;
use super::mixture::{shared, softmax_mixture};
use crate::cpu::gated_delta::{DeltaShape, KeySharing};
use crate::decoder::description::{
    AttentionDescription, Description, FeedForward, LayerDescription, MixerDescription, QkNorm,
    RopeStyle, Shared,
};
use crate::decoder::mixers::{DeltaNetDescription, RateNames};
use engine_api::EngineError;

/// `qwen3next`, a mixture.
pub(super) fn qwen3next(keys: &Keys) -> Result<Description, EngineError> {
    build(keys, KeySharing::Neighbours, RateNames::Joint, true)
}

/// `qwen35`, dense.
pub(super) fn qwen35(keys: &Keys) -> Result<Description, EngineError> {
    build(keys, KeySharing::Turns, RateNames::Apart, false)
}

/// `qwen35moe`.
pub(super) fn qwen35moe(keys: &Keys) -> Result<Description, EngineError> {
    build(keys, KeySharing::Turns, RateNames::Apart, true)
}

fn build(
    keys: &Keys,
    sharing: KeySharing,
    rates: RateNames,
    sparse: bool,
) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let recurrent = recurrent(keys, layers)?;
    let layer = |at: usize| {
        let feed_forward = if sparse {
            mixture(keys)?
        } else {
            FeedForward::Dense(dense(keys, at, layers)?)
        };
        let attention = AttentionDescription {
            qk_norm: QkNorm::PerHead,
            output_gate: true,
            ..attention(keys, at, layers)?
        };
        let mut built = LayerDescription {
            feed_forward_norm: Some(rms(keys, "post_attention_norm")?),
            ..pre_norm_layer(keys, attention, feed_forward)?
        };
        if recurrent[at] {
            built.mixer = MixerDescription::DeltaNet(delta_net(keys, sharing, rates)?);
        }
        Ok(built)
    };
    let built = (0..layers).map(layer).collect::<Result<_, EngineError>>()?;
    let head = attention(keys, 0, layers)?.key_dim;
    model(keys, vec![rope(keys, RopeStyle::Neox, head)?], built)
}

/// Which layers are delta rules: an array in the file, or all but each `full_attention_interval`-th.
fn recurrent(keys: &Keys, layers: usize) -> Result<Vec<bool>, EngineError> {
    if let Some(pattern) = keys.pattern("attention.recurrent_layers", layers)? {
        return Ok(pattern);
    }
    let interval = keys.count("full_attention_interval")?.unwrap_or(4).max(1);
    Ok((1..=layers)
        .map(|at| !at.is_multiple_of(interval))
        .collect())
}

fn delta_net(
    keys: &Keys,
    sharing: KeySharing,
    rates: RateNames,
) -> Result<DeltaNetDescription, EngineError> {
    let value_heads = keys.number("ssm.time_step_rank")?;
    Ok(DeltaNetDescription {
        shape: DeltaShape {
            key_heads: keys.number("ssm.group_count")?,
            value_heads,
            key_dim: keys.number("ssm.state_size")?,
            value_dim: keys.number("ssm.inner_size")? / value_heads,
            sharing,
        },
        kernel: keys.number("ssm.conv_kernel")?,
        epsilon: keys.rms_epsilon()?,
        rates,
    })
}

fn mixture(keys: &Keys) -> Result<FeedForward, EngineError> {
    let mut built = softmax_mixture(keys, keys.number("expert_feed_forward_length")?)?;
    if let FeedForward::Mixture(mixture) = &mut built {
        let size = keys.number("expert_shared_feed_forward_length")?;
        mixture.shared = Some(Shared {
            gated: true,
            ..shared(size)
        });
    }
    Ok(built)
}
