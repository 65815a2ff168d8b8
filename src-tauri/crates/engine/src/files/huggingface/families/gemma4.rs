//! Gemma 4: dense, with embeddings for each layer, or with experts beside the feed-forward. Norms are as they are.

use super::{Extra, Family, PLAIN, gemma, layers_of, part_of};
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::rotation::Rotation;
use crate::files::huggingface::{Config, Refusal};

pub(super) const GEMMA4: Family = Family {
    architecture: "gemma4",
    names: &[
        ("post_attention_layernorm", "post_attention_norm"),
        ("pre_feedforward_layernorm", "ffn_norm"),
        ("pre_feedforward_layernorm_2", "pre_ffw_norm_2"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
        ("post_feedforward_layernorm_1", "post_ffw_norm_1"),
        ("post_feedforward_layernorm_2", "post_ffw_norm_2"),
        ("layer_scalar", "layer_output_scale.weight"),
        ("experts.gate_up_proj", "ffn_gate_up_exps.weight"),
        ("experts.down_proj", "ffn_down_exps.weight"),
        ("router.proj", "ffn_gate_inp"),
        ("router.scale", "ffn_gate_inp.scale"),
        ("router.per_expert_scale", "ffn_down_exps.scale"),
        ("per_layer_input_gate", "inp_gate"),
        ("per_layer_projection", "proj"),
        ("post_per_layer_input_norm", "post_norm"),
        ("embed_tokens_per_layer", "per_layer_token_embd"),
        ("per_layer_model_projection", "per_layer_model_proj"),
        ("per_layer_projection_norm", "per_layer_proj_norm"),
    ],
    keys,
    extra,
    ..PLAIN
};

/// A number of the layers that attend to everything: under a name of its own, or in the settings of such a layer.
fn of_full_layers(config: &Config, own: &str, inner: &str) -> Option<u64> {
    if let Some(number) = config.number(&[own]) {
        return Some(number);
    }
    let kinds = config.texts("layer_types")?;
    let layers = config.object(&["per_layer_config"])?;
    let mut full = kinds
        .iter()
        .enumerate()
        .filter(|(_, kind)| **kind == "full_attention");
    full.find_map(|(layer, _)| layers.get(&layer.to_string())?[inner].as_u64())
}

fn full_head(config: &Config) -> Result<usize, Refusal> {
    let head = of_full_layers(config, "global_head_dim", "head_dim");
    let head = head.and_then(|head| usize::try_from(head).ok());
    head.filter(|head| (1..1 << 20).contains(head))
        .ok_or_else(|| Refusal::Damaged("its config.json has no global_head_dim".into()))
}

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    gemma::gemma3_keys(config, keys)?;
    let layers = config.layers()?;
    let shared = config.number(&["num_kv_shared_layers"]).unwrap_or(0);
    keys.number("attention.shared_kv_layers", shared);
    let per_layer = config.number(&["hidden_size_per_layer_input"]).unwrap_or(0);
    keys.number("embedding_length_per_layer_input", per_layer);
    let missing = || Refusal::Damaged("its config.json has no layer_types".into());
    let windows = layers_of(config, &["sliding_attention"]).ok_or_else(missing)?;
    heads(config, &windows, keys)?;
    keys.truths("attention.sliding_window_pattern", windows);
    let experts = ["expert_intermediate_size", "moe_intermediate_size"];
    keys.number_of(config, &experts, "expert_feed_forward_length");
    if config.truth("use_double_wide_mlp") == Some(true) {
        let width = config.needed(&["intermediate_size"])?;
        let first = (layers as u64).saturating_sub(shared);
        let widths = (0..layers as u64).map(|layer| width << u32::from(layer >= first));
        keys.numbers("feed_forward_length", widths);
    }
    Ok(())
}

fn heads(config: &Config, windows: &[bool], keys: &mut Keys) -> Result<(), Refusal> {
    let (full, window) = (full_head(config)?, config.size(&["head_dim"])?);
    for (key, size) in [
        ("attention.key_length", full),
        ("attention.value_length", full),
        ("attention.key_length_swa", window),
        ("attention.value_length_swa", window),
        ("rope.dimension_count", full),
        ("rope.dimension_count_swa", window),
    ] {
        keys.size(key, size);
    }
    let of_full = of_full_layers(config, "num_global_key_value_heads", "num_key_value_heads");
    if let (Some(full), Some(window)) = (of_full, config.number(&["num_key_value_heads"])) {
        let heads = windows.iter().map(|is| if *is { window } else { full });
        keys.numbers("attention.head_count_kv", heads);
    }
    Ok(())
}

/// Layers that attend to everything turn a part of each head only; the rest is slowed down to nothing.
fn extra(config: &Config) -> Result<Extra, Refusal> {
    let (rotation, head) = (Rotation::of(config), full_head(config)?);
    if rotation.kind() != "proportional" {
        let reason = format!("its rotation is {}, not proportional", rotation.kind());
        return Err(Refusal::Unsupported(reason));
    }
    let part = rotation.float("partial_rotary_factor").unwrap_or(1.0);
    let turned = part_of(head, part / 2.0);
    let factors = (0..head / 2).map(|pair| if pair < turned { 1.0 } else { 1e30 });
    Ok(vec![("rope_freqs.weight", factors.collect())])
}
