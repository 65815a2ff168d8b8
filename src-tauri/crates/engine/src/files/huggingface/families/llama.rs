//! Llama and its kin (Mistral, Mixtral, Ministral 3, `SmolLM3`): queries and keys turn in neighbouring pairs in GGUF files,
//! and in halves in Hugging Face's.

use super::{Changed, Extra, Family, PLAIN, narrow};
use crate::files::huggingface::draft::Tensor;
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::rotation::Rotation;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const LLAMA: Family = Family {
    architecture: "llama",
    keys,
    change,
    extra,
    ..PLAIN
};

pub(super) const SMOLLM3: Family = Family {
    architecture: "smollm3",
    ..LLAMA
};

pub(super) const MISTRAL3: Family = Family {
    architecture: "mistral3",
    keys: mistral3_keys,
    ..LLAMA
};

pub(super) fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::all(config, keys)?;
    keys.needed(config, "vocab_size", "vocab_size")?;
    keys.size("rope.dimension_count", config.head_dim()?);
    Ok(())
}

fn mistral3_keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    self::keys(config, keys)?;
    if config.text(&["model_type"]) != Some("ministral3") {
        return Ok(());
    }
    let rotation = Rotation::of(config);
    let needed = |name: &str| {
        let missing = || Refusal::Damaged(format!("its rope_parameters have no {name}"));
        rotation.float(name).ok_or_else(missing)
    };
    keys.float(
        "rope.scaling.yarn_log_multiplier",
        needed("mscale_all_dim")?,
    );
    keys.float(
        "attention.temperature_scale",
        needed("llama_4_scaling_beta")?,
    );
    Ok(())
}

pub(super) fn change(config: &Config, tensor: &Tensor) -> Changed {
    let (name, heads) = match tensor.name {
        "self_attn.q_proj.weight" | "mixer.q_proj.weight" => ("attn_q.weight", false),
        "self_attn.q_proj.bias" => ("attn_q.bias", false),
        "self_attn.k_proj.weight" | "mixer.k_proj.weight" => ("attn_k.weight", true),
        "self_attn.k_proj.bias" => ("attn_k.bias", true),
        _ => return Ok(None),
    };
    let all = config.size(&["num_attention_heads"])?;
    let heads = match config.number(&["num_key_value_heads"]) {
        Some(_) if heads => config.size(&["num_key_value_heads"])?,
        _ => all,
    };
    let shape = tensor.view.shape();
    let head = shape.first().map_or(0, |rows| rows / heads);
    let view = tensor.view.clone().split(0, head);
    let view = view.and_then(|view| view.split(1, head / 2)?.swap(1, 2));
    let view = view.ok_or_else(|| tensor.misshapen())?;
    Ok(Some(vec![tensor.made(name, shape, vec![view])]))
}

/// The factors of Llama 3.1's longer rotations, as a tensor.
pub(super) fn extra(config: &Config) -> Result<Extra, Refusal> {
    let rotation = Rotation::of(config);
    if rotation.kind() != "llama3" {
        return Ok(Vec::new());
    }
    let number = |name: &str, usual: f64| rotation.float(name).unwrap_or(usual);
    let factor = number("factor", 8.0);
    let (low, high) = (
        number("low_freq_factor", 1.0),
        number("high_freq_factor", 4.0),
    );
    let original = number("original_max_position_embeddings", 8192.0);
    let (base, dim) = (number("rope_theta", 10000.0), config.head_dim()?);
    let factors = (0..dim / 2).map(|pair| {
        #[expect(clippy::cast_precision_loss, reason = "heads are small")]
        let frequency = base.powf(-((2 * pair) as f64) / dim as f64);
        let wave = 2.0 * std::f64::consts::PI / frequency;
        if wave < original / high {
            return 1.0;
        }
        if wave > original / low {
            return narrow(factor);
        }
        let smooth = (original / wave - low) / (high - low);
        narrow(1.0 / ((1.0 - smooth) / factor + smooth))
    });
    Ok(vec![("rope_freqs.weight", factors.collect())])
}
