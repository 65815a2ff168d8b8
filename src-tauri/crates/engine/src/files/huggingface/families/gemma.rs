//! Gemma 2 and 3: norms around zero, and an embedding that is the output too.

use super::{Family, PLAIN};
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::rotation::Rotation;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const NAMES: &[(&str, &str)] = &[
    ("post_attention_layernorm", "post_attention_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

pub(super) const GEMMA2: Family = Family {
    architecture: "gemma2",
    names: NAMES,
    keys: gemma2_keys,
    left_out: &["lm_head.weight"],
    shifted: |name| name.ends_with("norm.weight"),
    ..PLAIN
};

pub(super) const GEMMA3: Family = Family {
    architecture: "gemma3",
    keys: gemma3_keys,
    ..GEMMA2
};

fn gemma2_keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::sizes(config, keys)?;
    common::norms(config, keys);
    keys.needed(config, "head_dim", "attention.key_length")?;
    keys.needed(config, "head_dim", "attention.value_length")?;
    for name in ["attn_logit_softcapping", "final_logit_softcapping"] {
        keys.float_of(config, &[name], name);
    }
    keys.needed(config, "sliding_window", "attention.sliding_window")
}

/// What config.json leaves out is what its class says: the published ones leave out much.
pub(super) fn gemma3_keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    let usual = [
        ("context_length", 131_072),
        ("attention.head_count", 8),
        ("attention.head_count_kv", 4),
        ("attention.key_length", 256),
        ("attention.value_length", 256),
    ];
    for (key, number) in usual {
        keys.number(key, number);
    }
    keys.float("attention.layer_norm_rms_epsilon", 1e-6);
    keys.float("rope.freq_base", 1e6);
    keys.float("rope.freq_base_swa", 1e4);
    common::sizes(config, keys)?;
    common::rotation(&Rotation::of(config), keys)?;
    common::norms(config, keys);
    common::experts(config, keys)?;
    common::heads(config, keys);
    keys.float_of(
        config,
        &["final_logit_softcapping"],
        "final_logit_softcapping",
    );
    if config.number(&["sliding_window_pattern"]) != Some(1) {
        let window = config.number(&["sliding_window"]).unwrap_or(4096);
        keys.number("attention.sliding_window", window);
    }
    Ok(())
}
