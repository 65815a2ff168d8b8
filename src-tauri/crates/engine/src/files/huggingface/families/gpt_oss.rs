//! gpt-oss: experts in MXFP4 as published, or as floats with inputs before outputs; gate and up lie in turns.

use super::{Changed, Family, PLAIN};
use crate::files::huggingface::draft::Tensor;
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const GPT_OSS: Family = Family {
    architecture: "gpt-oss",
    names: &[
        ("post_attention_layernorm", "post_attention_norm"),
        ("mlp.experts.down_proj_bias", "ffn_down_exps.bias"),
    ],
    keys,
    change,
    ..PLAIN
};

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::all(config, keys)?;
    keys.needed(config, "sliding_window", "attention.sliding_window")?;
    keys.needed(config, "intermediate_size", "expert_feed_forward_length")
}

fn change(_: &Config, tensor: &Tensor) -> Changed {
    let in_turns = |names: [&str; 2], axis: usize| {
        let one = |at: usize| {
            let view = tensor.view.clone().every(axis, at, 2)?;
            if axis == 2 {
                view.swap(1, 2)
            } else {
                Some(view)
            }
        };
        Ok(Some(vec![
            tensor.viewed(names[0], one(0))?,
            tensor.viewed(names[1], one(1))?,
        ]))
    };
    match tensor.name {
        "mlp.experts.gate_up_proj_bias" => in_turns(["ffn_gate_exps.bias", "ffn_up_exps.bias"], 1),
        "mlp.experts.gate_up_proj" => in_turns(["ffn_gate_exps.weight", "ffn_up_exps.weight"], 2),
        "mlp.experts.down_proj" => {
            let turned = tensor.view.clone().swap(1, 2);
            let draft = tensor.viewed("ffn_down_exps.weight", turned)?;
            Ok(Some(vec![draft]))
        }
        _ => Ok(None),
    }
}
