//! Nemotron-H: each layer is one thing alone, a state space, attention without positions, or a feed-forward part.

use super::common::{attention, layer_count, model, pre_norm_layer, rms};
use super::keys::Keys;
use super::mixture::{mixture, named_routing, shared};
use crate::cpu::selective_scan::ScanShape;
use crate::decoder::description::{
    Activation, AttentionDescription, Dense, Description, FeedForward, Gate, LayerDescription,
    MixerDescription, Routing, Score, Shared,
};
use crate::decoder::mixers::Mamba2Description;
use engine_api::EngineError;

/// `nemotron_h` and `nemotron_h_moe`.
pub(super) fn nemotron_h(keys: &Keys) -> Result<Description, EngineError> {
    let layers = layer_count(keys)?;
    let sizes = keys.per_layer("feed_forward_length", layers)?;
    let kv_heads = keys.per_layer("attention.head_count_kv", layers)?;
    let attends = |at: usize| sizes[at] == 0 && kv_heads[at] > 0;
    let first = (0..layers).find(|at| attends(*at));
    let first = first.ok_or_else(|| keys.invalid("it has no layer with attention"))?;
    let layer = |at: usize| {
        let plain = AttentionDescription {
            rope: None,
            ..attention(keys, if attends(at) { at } else { first }, layers)?
        };
        let alone = LayerDescription {
            feed_forward_norm: None,
            ..pre_norm_layer(keys, plain, FeedForward::None)?
        };
        if attends(at) {
            return Ok(alone);
        }
        if sizes[at] == 0 {
            return Ok(LayerDescription {
                mixer: MixerDescription::Mamba2(mamba2(keys)?),
                ..alone
            });
        }
        Ok(LayerDescription {
            mixer: MixerDescription::None,
            mixer_norm: None,
            feed_forward_norm: Some(rms(keys, "attn_norm")?),
            feed_forward: feed_forward(keys, at, layers, sizes[at])?,
            ..alone
        })
    };
    let built = (0..layers).map(layer).collect::<Result<_, EngineError>>()?;
    model(keys, Vec::new(), built)
}

fn mamba2(keys: &Keys) -> Result<Mamba2Description, EngineError> {
    let heads = keys.number("ssm.time_step_rank")?;
    Ok(Mamba2Description {
        shape: ScanShape {
            heads,
            head_dim: keys.number("ssm.inner_size")? / heads,
            groups: keys.number("ssm.group_count")?,
            state_dim: keys.number("ssm.state_size")?,
        },
        kernel: keys.number("ssm.conv_kernel")?,
        epsilon: keys.rms_epsilon()?,
    })
}

fn feed_forward(
    keys: &Keys,
    at: usize,
    layers: usize,
    size: usize,
) -> Result<FeedForward, EngineError> {
    let plain = |size| Dense {
        size,
        activation: Activation::Relu2,
        gate: Gate::None,
    };
    if keys.count("expert_count")?.unwrap_or(0) == 0 {
        return Ok(FeedForward::Dense(plain(size)));
    }
    let routing = Routing {
        score: Score::Sigmoid,
        correction: true,
        ..named_routing(keys, Score::Sigmoid)?
    };
    let size = keys.per_layer("expert_feed_forward_length", layers)?[at];
    let mut built = mixture(keys, size, routing)?;
    built.activation = Activation::Relu2;
    built.gate = Gate::None;
    built.used = keys.per_layer("expert_used_count", layers)?[at];
    built.latent = keys.count("moe_latent_size")?.filter(|width| *width > 0);
    let width = keys.number("expert_shared_feed_forward_length")?;
    built.shared = Some(Shared {
        dense: plain(width),
        ..shared(width)
    });
    Ok(FeedForward::Mixture(Box::new(built)))
}
