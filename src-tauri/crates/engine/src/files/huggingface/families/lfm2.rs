//! LFM2, dense and mixtures: short convolutions with some attention between them.

use super::{Changed, Family, PLAIN};
use crate::files::huggingface::draft::Tensor;
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const LFM2: Family = Family {
    architecture: "lfm2",
    names: &[
        ("embedding_norm", "token_embd_norm"),
        ("operator_norm", "attn_norm"),
        ("ffn_norm", "ffn_norm"),
        ("self_attn.out_proj", "attn_output"),
        ("self_attn.q_layernorm", "attn_q_norm"),
        ("self_attn.k_layernorm", "attn_k_norm"),
        ("feed_forward.w1", "ffn_gate"),
        ("feed_forward.w2", "ffn_down"),
        ("feed_forward.w3", "ffn_up"),
        ("feed_forward.gate", "ffn_gate_inp"),
        ("feed_forward.expert_bias", "exp_probs_b.bias"),
        ("feed_forward.experts.w1", "ffn_gate_exps"),
        ("feed_forward.experts.w2", "ffn_down_exps"),
        ("feed_forward.experts.w3", "ffn_up_exps"),
        ("conv.in_proj", "shortconv.in_proj"),
        ("conv.out_proj", "shortconv.out_proj"),
    ],
    keys,
    change,
    ..PLAIN
};

pub(super) const LFM2MOE: Family = Family {
    architecture: "lfm2moe",
    keys: mixture_keys,
    ..LFM2
};

fn both(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::all(config, keys)?;
    let heads = config.needed(&["num_key_value_heads"])?;
    let missing = || Refusal::Damaged("its config.json has no layer_types".into());
    let kinds = config.texts("layer_types").ok_or_else(missing)?;
    let heads = kinds
        .iter()
        .map(|kind| if *kind == "conv" { 0 } else { heads });
    keys.numbers("attention.head_count_kv", heads);
    keys.needed(config, "vocab_size", "vocab_size")?;
    keys.needed(config, "conv_L_cache", "shortconv.l_cache")
}

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    both(config, keys)?;
    let mut width = config
        .needed(&["block_ff_dim", "intermediate_size"])?
        .min(1 << 28);
    if config.truth("block_auto_adjust_ff_dim") == Some(true) {
        width = 2 * width / 3;
        if let Some(factor) = config.float(&["block_ffn_dim_multiplier"]) {
            width = scaled(width, factor);
        }
        width = width.next_multiple_of(config.size(&["block_multiple_of"])? as u64);
    }
    keys.number("feed_forward_length", width);
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a width of a feed-forward is small"
)]
fn scaled(width: u64, factor: f64) -> u64 {
    (width as f64 * factor) as u64
}

fn mixture_keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    both(config, keys)?;
    keys.needed(
        config,
        "moe_intermediate_size",
        "expert_feed_forward_length",
    )?;
    keys.needed(config, "num_dense_layers", "leading_dense_block_count")?;
    // Sigmoid.
    keys.number("expert_gating_func", 2);
    Ok(())
}

/// The convolution has a dimension of one between channels and taps.
fn change(_: &Config, tensor: &Tensor) -> Changed {
    if tensor.name != "conv.conv.weight" {
        return Ok(None);
    }
    let [channels, 1, taps] = *tensor.view.shape() else {
        return Err(tensor.misshapen());
    };
    let draft = tensor.renamed("shortconv.conv.weight");
    Ok(Some(vec![draft.shaped(vec![channels, taps])]))
}
