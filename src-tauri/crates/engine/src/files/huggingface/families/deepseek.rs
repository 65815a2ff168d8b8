//! `DeepSeek` V2 and V3: attention over a compressed state. What expands it is cut into keys and values, and the keys' part
//! is transposed, so that queries can be compressed instead.

use super::{Changed, Family, PLAIN};
use crate::files::huggingface::draft::Tensor;
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::rotation::Rotation;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const DEEPSEEK2: Family = Family {
    architecture: "deepseek2",
    names: &[
        ("self_attn.q_a_proj", "attn_q_a"),
        ("self_attn.q_a_layernorm", "attn_q_a_norm"),
        ("self_attn.q_b_proj", "attn_q_b"),
        ("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"),
        ("self_attn.kv_a_layernorm", "attn_kv_a_norm"),
    ],
    keys,
    change,
    ..PLAIN
};

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    keys.float("attention.layer_norm_rms_epsilon", 1e-6);
    common::all(config, keys)?;
    attention(config, keys)?;
    mixture(config, keys)?;
    keys.needed(config, "vocab_size", "vocab_size")?;
    if let Some(scale) = Rotation::of(config).float("mscale_all_dim") {
        keys.float("rope.scaling.yarn_log_multiplier", 0.1 * scale);
    }
    Ok(())
}

/// One head for all, as wide as the compressed state and the part that turns.
fn attention(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    let rank = config.size(&["kv_lora_rank"])?;
    let turned = config.size(&["qk_rope_head_dim"])?;
    keys.number("attention.head_count_kv", 1);
    keys.number_of(config, &["q_lora_rank"], "attention.q_lora_rank");
    keys.size("attention.kv_lora_rank", rank);
    keys.size("attention.key_length", rank + turned);
    keys.size("attention.value_length", rank);
    let plain = config.size(&["qk_nope_head_dim"])?;
    keys.size("attention.key_length_mla", plain + turned);
    keys.needed(config, "v_head_dim", "attention.value_length_mla")?;
    keys.size("rope.dimension_count", turned);
    Ok(())
}

fn mixture(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    let experts = config.number(&["n_routed_experts"]);
    let dense = config.number(&["first_k_dense_replace"]);
    let all = config.layers()? as u64;
    let usual = if experts.is_some() { 0 } else { all };
    keys.number("leading_dense_block_count", dense.unwrap_or(usual));
    let width = config.needed(&["moe_intermediate_size", "intermediate_size"])?;
    keys.number("expert_feed_forward_length", width);
    keys.number_of(config, &["n_routed_experts"], "expert_count");
    let shared = config.number(&["n_shared_experts"]).unwrap_or(0);
    keys.number("expert_shared_count", shared);
    keys.float_of(config, &["routed_scaling_factor"], "expert_weights_scale");
    if config.truth("norm_topk_prob") == Some(true) {
        keys.truth("expert_weights_norm", true);
    }
    Ok(())
}

fn change(config: &Config, tensor: &Tensor) -> Changed {
    match tensor.name {
        "lm_head.weight" if config.truth("tie_word_embeddings") == Some(true) => {
            Ok(Some(Vec::new()))
        }
        "self_attn.kv_b_proj.weight" => {
            let (plain, value) = (
                config.size(&["qk_nope_head_dim"])?,
                config.size(&["v_head_dim"])?,
            );
            let heads = tensor.view.clone().split(0, plain + value);
            let part = |first, count| heads.clone()?.slice(1, first, count);
            let keys = part(0, plain).and_then(|keys| keys.swap(1, 2));
            Ok(Some(vec![
                tensor.viewed("attn_k_b.weight", keys)?,
                tensor.viewed("attn_v_b.weight", part(plain, value))?,
            ]))
        }
        _ => Ok(None),
    }
}
