//! Mixtures as GGUF's common keys describe them.

use super::keys::{Keys, narrow};
use crate::decoder::description::{
    Activation, Dense, FeedForward, Gate, Groups, Mixture, Routing, Score, Shared, SharedNames,
};
use engine_api::EngineError;

/// A mixture whose weights are a softmax over all experts, divided by the sum of the chosen ones.
///
/// # Errors
/// [`EngineError::InvalidModel`] for missing keys.
pub(super) fn softmax_mixture(keys: &Keys, size: usize) -> Result<FeedForward, EngineError> {
    let routing = Routing {
        score: Score::Softmax,
        correction: false,
        groups: None,
        normalize: true,
        scale: weights_scale(keys)?,
    };
    Ok(FeedForward::Mixture(Box::new(mixture(
        keys, size, routing,
    )?)))
}

/// A mixture with this routing, `SiLU` and separate gates.
///
/// # Errors
/// [`EngineError::InvalidModel`] for missing keys.
pub(super) fn mixture(keys: &Keys, size: usize, routing: Routing) -> Result<Mixture, EngineError> {
    Ok(Mixture {
        experts: keys.number("expert_count")?,
        used: keys.number("expert_used_count")?,
        size,
        activation: Activation::Silu,
        gate: expert_gate(keys),
        routing,
        shared: None,
        router_norm: None,
        input_norm: None,
        output_norm: None,
        latent: None,
    })
}

/// Some files hold gate and up in one tensor.
fn expert_gate(keys: &Keys) -> Gate {
    let tensors = &keys.checkpoint.tensors;
    if tensors
        .keys()
        .any(|name| name.ends_with("ffn_gate_up_exps.weight"))
    {
        Gate::Fused
    } else {
        Gate::Separate
    }
}

/// Factor on the weights; 0 in a file means none.
///
/// # Errors
/// [`EngineError::InvalidModel`] if it is not finite.
pub(super) fn weights_scale(keys: &Keys) -> Result<f32, EngineError> {
    let scale = keys.float("expert_weights_scale")?.unwrap_or(0.0);
    Ok(if scale == 0.0 { 1.0 } else { narrow(scale) })
}

/// Routing as `DeepSeek` V3's and GLM 4.5's keys say it.
///
/// # Errors
/// [`EngineError::UnsupportedModel`] for a kind of scores that is unknown here.
pub(super) fn named_routing(keys: &Keys, otherwise: Score) -> Result<Routing, EngineError> {
    let score = match keys.count("expert_gating_func")?.unwrap_or(0) {
        0 => otherwise,
        1 => Score::Softmax,
        2 => Score::Sigmoid,
        3 => Score::SoftmaxOfChosen,
        other => {
            return Err(keys.unsupported(format!("its experts are weighted by function {other}")));
        }
    };
    let groups = keys.count("expert_group_count")?.filter(|count| *count > 1);
    let groups = match groups {
        Some(count) => Some(Groups {
            count,
            used: keys.number("expert_group_used_count")?,
            best: 2,
        }),
        None => None,
    };
    Ok(Routing {
        score,
        correction: false,
        groups,
        normalize: keys.truth("expert_weights_norm").unwrap_or(false),
        scale: weights_scale(keys)?,
    })
}

/// A shared expert of this width, with `SiLU`.
pub(super) fn shared(size: usize) -> Shared {
    Shared {
        dense: Dense {
            size,
            activation: Activation::Silu,
            gate: Gate::Separate,
        },
        names: SharedNames::Shared,
        gated: false,
        output_norm: None,
    }
}
