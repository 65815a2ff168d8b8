//! Phi 3 and 4: fused projections, and rotations with factors for short and for long texts.

use super::{Extra, Family, PLAIN, narrow, part_of};
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::rotation::Rotation;
use crate::files::huggingface::{Config, Refusal, common};

/// What its class says where config.json says nothing.
const ORIGINAL_CONTEXT: u64 = 4096;

pub(super) const PHI3: Family = Family {
    architecture: "phi3",
    keys,
    extra,
    ..PLAIN
};

fn turned(config: &Config, rotation: &Rotation) -> Result<usize, Refusal> {
    let part = rotation.float("partial_rotary_factor").unwrap_or(1.0);
    let embedding = part_of(config.size(&["hidden_size"])?, part);
    Ok(embedding / config.size(&["num_attention_heads"])?)
}

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    let rotation = Rotation::of(config);
    common::sizes(config, keys)?;
    common::norms(config, keys);
    let original = rotation.number("original_max_position_embeddings");
    let original = original.unwrap_or(ORIGINAL_CONTEXT);
    keys.number("rope.scaling.original_context_length", original);
    keys.size("rope.dimension_count", turned(config, &rotation)?);
    keys.float(
        "rope.freq_base",
        rotation.float("rope_theta").unwrap_or(10000.0),
    );
    // Zero tells Phi 4, which has no window, from the others.
    let window = config.number(&["sliding_window"]).unwrap_or(0);
    keys.number("attention.sliding_window", window);
    if rotation.get("long_factor").is_some() {
        let factor = attention_factor(config, &rotation, original)?;
        keys.float("rope.scaling.attn_factor", factor);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "contexts are small")]
fn attention_factor(config: &Config, rotation: &Rotation, original: u64) -> Result<f64, Refusal> {
    let longest = config.needed(&["max_position_embeddings"])? as f64;
    let original = original as f64;
    let scale = longest / original;
    match rotation.kind() {
        "su" | "longrope" if scale > 1.0 => Ok((1.0 + scale.ln() / original.ln()).sqrt()),
        "yarn" if scale > 1.0 => Ok(0.1 * scale.ln() + 1.0),
        "su" | "longrope" | "yarn" => Ok(1.0),
        other => Err(Refusal::Unsupported(format!(
            "its rotation is scaled in a way that is unknown here: {other}"
        ))),
    }
}

fn extra(config: &Config) -> Result<Extra, Refusal> {
    let rotation = Rotation::of(config);
    if rotation.get("long_factor").is_none() {
        return Ok(Vec::new());
    }
    let pairs = turned(config, &rotation)? / 2;
    let factors = |name: &str| {
        let factors = rotation
            .floats(name)
            .filter(|factors| factors.len() == pairs);
        let wrong = || Refusal::Damaged(format!("its {name} has not {pairs} numbers"));
        Ok(factors.ok_or_else(wrong)?.into_iter().map(narrow).collect())
    };
    Ok(vec![
        ("rope_factors_long.weight", factors("long_factor")?),
        ("rope_factors_short.weight", factors("short_factor")?),
    ])
}
