//! The metadata that most families share, as llama.cpp's `TextModel.set_gguf_parameters` writes it.

use super::Refusal;
use super::config::Config;
use super::keys::Keys;
use super::rotation::Rotation;

/// All of it.
pub(super) fn all(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    sizes(config, keys)?;
    rotation(&Rotation::of(config), keys)?;
    norms(config, keys);
    experts(config, keys)?;
    heads(config, keys);
    Ok(())
}

/// Layers, context, embedding, feed-forward, heads.
pub(super) fn sizes(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    keys.size("block_count", config.layers()?);
    let named: [(&[&str], &str); 5] = [
        (
            &["max_position_embeddings", "n_ctx", "n_positions"],
            "context_length",
        ),
        (&["hidden_size", "n_embd", "dim"], "embedding_length"),
        (
            &["intermediate_size", "n_inner", "hidden_dim"],
            "feed_forward_length",
        ),
        (
            &["num_attention_heads", "n_head", "n_heads"],
            "attention.head_count",
        ),
        (
            &["num_key_value_heads", "n_kv_heads"],
            "attention.head_count_kv",
        ),
    ];
    for (names, key) in named {
        keys.number_of(config, names, key);
    }
    Ok(())
}

/// Base and scaling.
pub(super) fn rotation(rotation: &Rotation, keys: &mut Keys) -> Result<(), Refusal> {
    match (rotation.kind(), rotation.float("factor")) {
        ("linear", Some(factor)) => {
            keys.text("rope.scaling.type", "linear");
            keys.float("rope.scaling.factor", factor);
        }
        ("yarn", Some(factor)) => yarn(rotation, factor, keys)?,
        ("su" | "longrope", _) => keys.text("rope.scaling.type", "longrope"),
        // The factors of llama3 and gemma4 (proportional) become a tensor.
        ("default" | "mrope" | "llama3" | "proportional", _) | ("linear" | "yarn", None) => {}
        (other, _) => {
            let reason = format!("its rotation is scaled in a way that is unknown here: {other}");
            return Err(Refusal::Unsupported(reason));
        }
    }
    if let Some(theta) = rotation.float("rope_theta") {
        keys.float("rope.freq_base", theta);
    }
    if let Some(theta) = rotation.sliding_theta {
        keys.float("rope.freq_base_swa", theta);
    }
    Ok(())
}

fn yarn(rotation: &Rotation, factor: f64, keys: &mut Keys) -> Result<(), Refusal> {
    let original = rotation.number("original_max_position_embeddings");
    let missing = || Refusal::Damaged("its YaRN has no original context".into());
    keys.text("rope.scaling.type", "yarn");
    keys.float("rope.scaling.factor", factor);
    keys.number(
        "rope.scaling.original_context_length",
        original.ok_or_else(missing)?,
    );
    let attention = rotation
        .float("attention_factor")
        .or(rotation.float("attn_factor"));
    let numbers = [
        ("yarn_ext_factor", rotation.float("extrapolation_factor")),
        ("yarn_attn_factor", attention),
        ("yarn_beta_fast", rotation.float("beta_fast")),
        ("yarn_beta_slow", rotation.float("beta_slow")),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            keys.float(&format!("rope.scaling.{key}"), number);
        }
    }
    Ok(())
}

/// The epsilons of norms.
pub(super) fn norms(config: &Config, keys: &mut Keys) {
    let root = ["rms_norm_eps", "norm_eps"];
    keys.float_of(config, &root, "attention.layer_norm_rms_epsilon");
    let mean = ["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"];
    keys.float_of(config, &mean, "attention.layer_norm_epsilon");
}

/// How many experts, how many of them work, and how they are chosen.
pub(super) fn experts(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    let named: [(&[&str], &str); 4] = [
        (
            &["num_local_experts", "num_experts", "n_routed_experts"],
            "expert_count",
        ),
        (
            &[
                "num_experts_per_tok",
                "num_experts_per_token",
                "top_k_experts",
            ],
            "expert_used_count",
        ),
        (&["n_group"], "expert_group_count"),
        (&["topk_group"], "expert_group_used_count"),
    ];
    for (names, key) in named {
        keys.number_of(config, names, key);
    }
    match config.text(&["score_function", "scoring_func", "score_func"]) {
        None => {}
        Some("softmax") => keys.number("expert_gating_func", 1),
        Some("sigmoid") => keys.number("expert_gating_func", 2),
        Some(other) => {
            let reason = format!("its experts are chosen in a way that is unknown here: {other}");
            return Err(Refusal::Unsupported(reason));
        }
    }
    Ok(())
}

/// The size of heads, if it says so.
pub(super) fn heads(config: &Config, keys: &mut Keys) {
    keys.number_of(config, &["head_dim"], "attention.key_length");
    keys.number_of(config, &["head_dim"], "attention.value_length");
}
