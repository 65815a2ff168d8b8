//! Granite, dense and mixtures: as Llama, with factors on embedding, attention, residuals and logits.

use super::{Changed, Family, llama};
use crate::files::huggingface::draft::Tensor;
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::rotation::Rotation;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const GRANITE: Family = Family {
    architecture: "granite",
    names: &[
        ("block_sparse_moe.router.layer", "ffn_gate_inp"),
        ("block_sparse_moe.output_linear", "ffn_down_exps"),
    ],
    keys,
    change,
    ..llama::LLAMA
};

pub(super) const GRANITEMOE: Family = Family {
    architecture: "granitemoe",
    ..GRANITE
};

/// Heads are always the embedding's share.
fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::sizes(config, keys)?;
    common::rotation(&Rotation::of(config), keys)?;
    common::norms(config, keys);
    common::experts(config, keys)?;
    keys.needed(config, "vocab_size", "vocab_size")?;
    let (embedding, heads) = (
        config.size(&["hidden_size"])?,
        config.size(&["num_attention_heads"])?,
    );
    keys.size("rope.dimension_count", embedding / heads);
    for (name, key) in [
        ("attention_multiplier", "attention.scale"),
        ("embedding_multiplier", "embedding_scale"),
        ("residual_multiplier", "residual_scale"),
        ("logits_scaling", "logit_scale"),
    ] {
        keys.float_of(config, &[name], key);
    }
    let shared = "shared_intermediate_size";
    if config.number(&[shared]).is_some_and(|size| size > 0) {
        keys.number_of(config, &[shared], "expert_shared_feed_forward_length");
    }
    Ok(())
}

fn change(config: &Config, tensor: &Tensor) -> Changed {
    let mixture = config
        .number(&["num_local_experts"])
        .is_some_and(|count| count > 0);
    let names = match (tensor.name, mixture) {
        ("block_sparse_moe.input_linear.weight", _) => {
            ["ffn_gate_exps.weight", "ffn_up_exps.weight"]
        }
        ("shared_mlp.input_linear.weight", true) => {
            ["ffn_gate_shexp.weight", "ffn_up_shexp.weight"]
        }
        ("shared_mlp.input_linear.weight", false) => ["ffn_gate.weight", "ffn_up.weight"],
        ("shared_mlp.output_linear.weight", true) => {
            return Ok(Some(vec![tensor.renamed("ffn_down_shexp.weight")]));
        }
        ("shared_mlp.output_linear.weight", false) => {
            return Ok(Some(vec![tensor.renamed("ffn_down.weight")]));
        }
        _ => return llama::change(config, tensor),
    };
    tensor.halves(names).map(Some)
}
