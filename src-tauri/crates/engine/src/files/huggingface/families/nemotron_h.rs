//! Nemotron-H, dense and mixtures: each layer is a state space, attention, or a feed-forward.

use super::{Changed, Family, PLAIN, llama};
use crate::files::huggingface::draft::Tensor;
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::{Config, Refusal, common};
use crate::files::source::Change;

pub(super) const DENSE: Family = Family {
    architecture: "nemotron_h",
    names: &[
        ("embeddings", "token_embd"),
        ("norm_f", "output_norm"),
        ("norm", "attn_norm"),
        ("mixer.q_proj", "attn_q"),
        ("mixer.k_proj", "attn_k"),
        ("mixer.v_proj", "attn_v"),
        ("mixer.o_proj", "attn_output"),
        ("mixer.up_proj", "ffn_up"),
        ("mixer.down_proj", "ffn_down"),
        ("mixer.gate", "ffn_gate_inp"),
        ("mixer.gate.e_score_correction_bias", "exp_probs_b.bias"),
        ("mixer.experts.up_proj", "ffn_up_exps"),
        ("mixer.experts.down_proj", "ffn_down_exps"),
        ("mixer.shared_experts.up_proj", "ffn_up_shexp"),
        ("mixer.shared_experts.down_proj", "ffn_down_shexp"),
        ("mixer.fc1_latent_proj", "ffn_latent_down"),
        ("mixer.fc2_latent_proj", "ffn_latent_up"),
        ("mixer.in_proj", "ssm_in"),
        ("mixer.out_proj", "ssm_out"),
        ("mixer.dt_bias", "ssm_dt.bias"),
        ("mixer.conv1d", "ssm_conv1d"),
    ],
    keys,
    change,
    ..PLAIN
};

pub(super) const MIXTURE: Family = Family {
    architecture: "nemotron_h_moe",
    ..DENSE
};

/// Its config.json says how many experts work for a token.
pub(super) fn is_mixture(config: &Config) -> bool {
    config.number(&["num_experts_per_tok"]).is_some()
}

/// What a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Attention,
    FeedForward,
    State,
}

fn kinds(config: &Config) -> Result<Vec<Kind>, Refusal> {
    let letter = |letter: char| match letter {
        '*' => Kind::Attention,
        'E' | '-' => Kind::FeedForward,
        _ => Kind::State,
    };
    let word = |word: &str| match word {
        "attention" | "full_attention" => Kind::Attention,
        "moe" | "mlp" => Kind::FeedForward,
        _ => Kind::State,
    };
    let letters = config.text(&["hybrid_override_pattern"]);
    let words = config.texts("layers_block_type");
    let kinds: Option<Vec<Kind>> = match (letters, words) {
        (Some(letters), _) => Some(letters.chars().map(letter).collect()),
        (None, Some(words)) => Some(words.into_iter().map(word).collect()),
        (None, None) => None,
    };
    let kinds = kinds.filter(|kinds| config.layers().is_ok_and(|layers| layers == kinds.len()));
    kinds.ok_or_else(|| Refusal::Damaged("its config.json does not say what its layers are".into()))
}

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::sizes(config, keys)?;
    common::norms(config, keys);
    common::experts(config, keys)?;
    keys.needed(config, "vocab_size", "vocab_size")?;
    let kinds = kinds(config)?;
    // No position is turned; a longer context than any is llama.cpp's way to say so.
    keys.number("context_length", 1 << 20);
    keys.truth("rope.scaling.finetuned", false);
    let heads = config.size(&["num_attention_heads"])?;
    keys.size(
        "rope.dimension_count",
        config.size(&["hidden_size"])? / heads,
    );
    let of = |kind: Kind, number: u64| {
        let is = move |layer: &Kind| if *layer == kind { number } else { 0 };
        kinds.iter().map(is).collect::<Vec<_>>()
    };
    let kv_heads = config.needed(&["num_key_value_heads"])?;
    keys.numbers("attention.head_count_kv", of(Kind::Attention, kv_heads));
    let width = if is_mixture(config) {
        config.needed(&["moe_intermediate_size"])?
    } else {
        config.needed(&["intermediate_size"])?
    };
    keys.numbers("feed_forward_length", of(Kind::FeedForward, width));
    let head = config.needed(&["head_dim", "attention_head_dim"])?;
    keys.number("attention.key_length", head);
    keys.number("attention.value_length", head);
    state(config, keys)?;
    if is_mixture(config) {
        mixture(config, keys)
    } else {
        Ok(())
    }
}

fn state(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    keys.needed(config, "conv_kernel", "ssm.conv_kernel")?;
    keys.needed(config, "ssm_state_size", "ssm.state_size")?;
    keys.needed(config, "n_groups", "ssm.group_count")?;
    keys.needed(config, "mamba_num_heads", "ssm.time_step_rank")?;
    keys.size("ssm.inner_size", inner(config)?);
    Ok(())
}

fn inner(config: &Config) -> Result<usize, Refusal> {
    Ok(config.size(&["mamba_num_heads"])? * config.size(&["mamba_head_dim"])?)
}

fn mixture(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    for (name, key) in [
        ("moe_intermediate_size", "expert_feed_forward_length"),
        (
            "moe_shared_expert_intermediate_size",
            "expert_shared_feed_forward_length",
        ),
        ("n_shared_experts", "expert_shared_count"),
    ] {
        keys.needed(config, name, key)?;
    }
    keys.number_of(config, &["moe_latent_size"], "moe_latent_size");
    keys.float_of(config, &["routed_scaling_factor"], "expert_weights_scale");
    let normed = config.truth("norm_topk_prob").unwrap_or(true);
    keys.truth("expert_weights_norm", normed);
    Ok(())
}

fn change(config: &Config, tensor: &Tensor) -> Changed {
    let shape = tensor.view.shape();
    let column = |count: usize| vec![count, 1];
    let draft = match (tensor.name, shape.as_slice()) {
        ("norm.weight", _) if tensor.layer.is_none() => tensor.renamed("output_norm.weight"),
        ("mixer.A_log", [count]) => {
            let decays = tensor.renamed("ssm_a").shaped(column(*count));
            decays.changed(Change::NegativeExp)
        }
        ("mixer.D", [count]) => tensor.renamed("ssm_d").shaped(column(*count)),
        ("mixer.conv1d.weight", [channels, 1, taps]) => {
            let taps = vec![*channels, *taps];
            tensor.renamed("ssm_conv1d.weight").shaped(taps)
        }
        ("mixer.norm.weight", [count]) => {
            let groups = config.size(&["n_groups"])?;
            let shape = vec![groups, count / groups];
            tensor.renamed("ssm_norm.weight").shaped(shape)
        }
        ("mixer.A_log" | "mixer.D" | "mixer.conv1d.weight" | "mixer.norm.weight", _) => {
            return Err(tensor.misshapen());
        }
        // Nothing turns here, so that the order within heads is all the same; it is the converted file's.
        _ => return llama::change(config, tensor),
    };
    Ok(Some(vec![draft]))
}
