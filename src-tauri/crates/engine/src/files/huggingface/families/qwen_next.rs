//! Qwen3-Next and Qwen 3.5: gated delta nets with some attention between them.
//!
//! Qwen3-Next has queries, keys, values and gates of a key head together; they are sorted by kind. Qwen 3.5 has them apart,
//! with the value heads of a key head together; they are put in turns, so that keys repeat as a whole.

use super::{Changed, Family, PLAIN, layers_of, part_of, qwen, whole_numbers};
use crate::files::huggingface::draft::{Draft, Tensor};
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::rotation::Rotation;
use crate::files::huggingface::{Config, Refusal};
use crate::files::source::Change;
use crate::files::view::View;

pub(super) const QWEN3NEXT: Family = Family {
    architecture: "qwen3next",
    names: &[
        ("post_attention_layernorm", "post_attention_norm"),
        ("linear_attn.in_proj_ba", "ssm_ba"),
        ("linear_attn.in_proj_a", "ssm_alpha"),
        ("linear_attn.in_proj_b", "ssm_beta"),
        ("linear_attn.in_proj_qkv", "attn_qkv"),
        ("linear_attn.in_proj_z", "attn_gate"),
        ("linear_attn.out_proj", "ssm_out"),
        ("linear_attn.norm", "ssm_norm"),
    ],
    keys,
    change: next_change,
    shifted: |name| name.ends_with("norm.weight") && name != "linear_attn.norm.weight",
    ..PLAIN
};

pub(super) const QWEN35: Family = Family {
    architecture: "qwen35",
    keys: qwen35_keys,
    change: qwen35_change,
    ..QWEN3NEXT
};

pub(super) const QWEN35MOE: Family = Family {
    architecture: "qwen35moe",
    ..QWEN35
};

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    qwen::mixture_keys(config, keys)?;
    let heads = Heads::of(config)?;
    keys.needed(config, "linear_conv_kernel_dim", "ssm.conv_kernel")?;
    keys.size("ssm.state_size", heads.key_dim);
    keys.size("ssm.group_count", heads.keys);
    keys.size("ssm.time_step_rank", heads.values);
    keys.size("ssm.inner_size", heads.value_dim * heads.values);
    if let Some(recurrent) = layers_of(config, &["linear_attention"]) {
        keys.truths("attention.recurrent_layers", recurrent);
    }
    let interval = config.number(&["full_attention_interval"]);
    keys.number("full_attention_interval", interval.unwrap_or(4));
    let part = Rotation::of(config).float("partial_rotary_factor");
    let turned = part_of(config.head_dim()?, part.unwrap_or(0.25));
    keys.size("rope.dimension_count", turned);
    Ok(())
}

fn qwen35_keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    self::keys(config, keys)?;
    let rotation = Rotation::of(config);
    let sections = rotation.get("mrope_section").and_then(whole_numbers);
    let mut sections = sections.unwrap_or_else(|| vec![11, 11, 10]);
    sections.resize(4, 0);
    keys.numbers("rope.dimension_sections", sections);
    Ok(())
}

/// The heads of a delta net.
struct Heads {
    keys: usize,
    values: usize,
    key_dim: usize,
    value_dim: usize,
}

impl Heads {
    fn of(config: &Config) -> Result<Self, Refusal> {
        let heads = Self {
            keys: config.size(&["linear_num_key_heads"])?,
            values: config.size(&["linear_num_value_heads"])?,
            key_dim: config.size(&["linear_key_head_dim"])?,
            value_dim: config.size(&["linear_value_head_dim"])?,
        };
        if heads.values.is_multiple_of(heads.keys) {
            return Ok(heads);
        }
        let reason = "the key heads of its delta nets do not divide the value heads";
        Err(Refusal::Damaged(reason.into()))
    }

    /// Value heads in turns along the dimension `axis`, whose heads are `dim` wide.
    fn in_turns(&self, view: View, axis: usize, dim: usize) -> Option<View> {
        let of_one_key = self.values / self.keys;
        let heads = view.split(axis, dim)?.split(axis, of_one_key)?;
        heads.swap(axis, axis + 1)
    }
}

/// What both have: decays, and a convolution with a dimension of one.
fn state(tensor: &Tensor) -> Result<Option<Draft>, Refusal> {
    Ok(Some(match tensor.name {
        "linear_attn.A_log" => tensor.renamed("ssm_a").changed(Change::NegativeExp),
        "linear_attn.dt_bias" => tensor.renamed("ssm_dt.bias"),
        "linear_attn.conv1d.weight" => {
            let [channels, 1, taps] = *tensor.view.shape() else {
                return Err(tensor.misshapen());
            };
            tensor
                .renamed("ssm_conv1d.weight")
                .shaped(vec![channels, taps])
        }
        _ => return Ok(None),
    }))
}

fn next_change(config: &Config, tensor: &Tensor) -> Changed {
    if tensor.name != "linear_attn.in_proj_qkvz.weight" {
        let state = state(tensor)?;
        return match state {
            Some(draft) => Ok(Some(vec![draft])),
            None => qwen::fused_experts(config, tensor),
        };
    }
    let heads = Heads::of(config)?;
    let (key, value) = (heads.key_dim, heads.values / heads.keys * heads.value_dim);
    let part = |first: usize, count: usize| {
        let view = tensor.view.clone().split(0, 2 * key + 2 * value)?;
        view.slice(1, first, count)
    };
    let parts = [part(0, key), part(key, key), part(2 * key, value)];
    let joined: Option<Vec<View>> = parts.into_iter().collect();
    let joined = joined.ok_or_else(|| tensor.misshapen())?;
    let gate = part(2 * key + value, value).ok_or_else(|| tensor.misshapen())?;
    let inputs = tensor.view.shape().last().copied().unwrap_or(1);
    let rows = heads.keys * (2 * key + value);
    Ok(Some(vec![
        tensor.made("attn_qkv.weight", vec![rows, inputs], joined),
        tensor.made(
            "attn_gate.weight",
            vec![heads.keys * value, inputs],
            vec![gate],
        ),
    ]))
}

fn qwen35_change(config: &Config, tensor: &Tensor) -> Changed {
    if !tensor.name.starts_with("linear_attn.") {
        return qwen::fused_experts(config, tensor);
    }
    let heads = Heads::of(config)?;
    let draft = state(tensor)?;
    let views = reordered(tensor, &heads)?;
    if views.is_empty() {
        return Ok(draft.map(|draft| vec![draft]));
    }
    let name = QWEN35.name(tensor.name);
    let (name, shape, decays) = match draft {
        Some(draft) => (draft.name, draft.shape, tensor.name == "linear_attn.A_log"),
        None => (
            name.ok_or_else(|| tensor.misshapen())?,
            tensor.view.shape(),
            false,
        ),
    };
    let made = tensor.made(&name, shape, views);
    let change = if decays {
        Change::NegativeExp
    } else {
        Change::Keep
    };
    Ok(Some(vec![made.changed(change)]))
}

/// The views of a tensor with value heads in turns; none for one without value heads.
fn reordered(tensor: &Tensor, heads: &Heads) -> Result<Vec<View>, Refusal> {
    let whole = || tensor.view.clone();
    let views = match tensor.name {
        "linear_attn.in_proj_qkv.weight" | "linear_attn.conv1d.weight" => {
            values_behind(tensor, heads)
        }
        "linear_attn.in_proj_z.weight" => each(heads.in_turns(whole(), 0, heads.value_dim)),
        "linear_attn.out_proj.weight" => each(heads.in_turns(whole(), 1, heads.value_dim)),
        "linear_attn.in_proj_a.weight"
        | "linear_attn.in_proj_b.weight"
        | "linear_attn.A_log"
        | "linear_attn.dt_bias" => each(heads.in_turns(whole(), 0, 1)),
        _ => Some(Vec::new()),
    };
    views.ok_or_else(|| tensor.misshapen())
}

fn each(view: Option<View>) -> Option<Vec<View>> {
    Some(vec![view?])
}

/// Queries and keys as they are, then the values.
fn values_behind(tensor: &Tensor, heads: &Heads) -> Option<Vec<View>> {
    let of_keys = 2 * heads.keys * heads.key_dim;
    let values = tensor.view.shape().first()?.checked_sub(of_keys)?;
    let values = tensor.view.clone().slice(0, of_keys, values)?;
    let values = heads.in_turns(values, 0, heads.value_dim)?;
    Some(vec![tensor.view.clone().slice(0, 0, of_keys)?, values])
}
