//! GLM 4, dense, and GLM 4.5 and later, mixtures. Layers that guess further tokens are left out.

use super::{Family, PLAIN, part_of};
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::rotation::Rotation;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const GLM4: Family = Family {
    architecture: "glm4",
    names: &[
        ("post_self_attn_layernorm", "post_attention_norm"),
        ("post_mlp_layernorm", "post_ffw_norm"),
    ],
    keys,
    ..PLAIN
};

pub(super) const GLM4MOE: Family = Family {
    architecture: "glm4moe",
    names: &[("post_attention_layernorm", "post_attention_norm")],
    keys: mixture_keys,
    ..PLAIN
};

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::all(config, keys)?;
    let part = Rotation::of(config).float("partial_rotary_factor");
    let turned = part_of(config.head_dim()?, part.unwrap_or(0.5));
    keys.size("rope.dimension_count", turned);
    Ok(())
}

fn mixture_keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    self::keys(config, keys)?;
    for (name, key) in [
        ("n_routed_experts", "expert_count"),
        ("moe_intermediate_size", "expert_feed_forward_length"),
        ("n_shared_experts", "expert_shared_count"),
        ("first_k_dense_replace", "leading_dense_block_count"),
    ] {
        keys.number_of(config, &[name], key);
    }
    // Sigmoid.
    keys.number("expert_gating_func", 2);
    keys.float_of(config, &["routed_scaling_factor"], "expert_weights_scale");
    if let Some(normed) = config.truth("norm_topk_prob") {
        keys.truth("expert_weights_norm", normed);
    }
    Ok(())
}
