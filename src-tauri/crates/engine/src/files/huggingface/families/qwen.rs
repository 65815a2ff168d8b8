//! Qwen 2 and 3, dense and mixtures.

use super::{Changed, Family, PLAIN};
use crate::files::huggingface::draft::Tensor;
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const QWEN2: Family = Family {
    architecture: "qwen2",
    ..PLAIN
};

pub(super) const QWEN3: Family = Family {
    architecture: "qwen3",
    ..PLAIN
};

pub(super) const QWEN3MOE: Family = Family {
    architecture: "qwen3moe",
    keys: mixture_keys,
    change: fused_experts,
    ..PLAIN
};

pub(super) fn mixture_keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::all(config, keys)?;
    let (own, shared) = ("moe_intermediate_size", "shared_expert_intermediate_size");
    keys.number_of(config, &[own], "expert_feed_forward_length");
    keys.number_of(config, &[shared], "expert_shared_feed_forward_length");
    Ok(())
}

/// Newer checkpoints have all experts of a layer in one tensor, gate and up one behind the other.
pub(super) fn fused_experts(_: &Config, tensor: &Tensor) -> Changed {
    match tensor.name.strip_suffix(".weight").unwrap_or(tensor.name) {
        "mlp.experts.gate_up_proj" => {
            let names = ["ffn_gate_exps.weight", "ffn_up_exps.weight"];
            tensor.halves(names).map(Some)
        }
        "mlp.experts.down_proj" => Ok(Some(vec![tensor.renamed("ffn_down_exps.weight")])),
        _ => Ok(None),
    }
}
