//! Names: where in the model a tensor is, and what GGUF calls it.
//!
//! Source: gguf-py's `tensor_mapping.py` and the conversions that change names on the way.

/// A name's place in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) layer: Option<usize>,
    /// What follows the layer's number, or the name without the model's.
    pub(super) name: String,
}

impl Place {
    pub(super) fn of(name: &str) -> Self {
        let name = name.replace("language_model.", "");
        let inner = name
            .strip_prefix("model.")
            .or_else(|| name.strip_prefix("backbone."))
            .unwrap_or(&name);
        let layered = inner
            .strip_prefix("layers.")
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        match layered {
            Some((layer, rest)) => Self {
                layer: Some(layer),
                name: rest.into(),
            },
            None => Self {
                layer: None,
                name: inner.into(),
            },
        }
    }

    /// Parts that read pictures or sound, parts that guess several tokens ahead, and what is computed anew.
    pub(super) fn is_left_out(&self, layers: usize) -> bool {
        const BEGINNINGS: [&str; 10] = [
            "mtp.",
            "mlp1.",
            "vit.",
            "vpm.",
            "siglip2.",
            "conformer.",
            "merger.",
            "resampler.",
            "connector.",
            "multi_modal_projector.",
        ];
        const PARTS: [&str; 10] = [
            "visual.",
            "vision.",
            "vision_",
            "audio.",
            "audio_",
            "projector.",
            "image_newline",
            "patch_embed",
            "patch_merger.",
            "rotary_emb.inv_freq",
        ];
        self.layer.is_some_and(|layer| layer >= layers)
            || BEGINNINGS.iter().any(|begin| self.name.starts_with(begin))
            || PARTS.iter().any(|part| self.name.contains(part))
    }
}

/// An expert's number, and the name without it: `mlp.experts.7.up_proj.weight`.
pub(super) fn expert(name: &str) -> Option<(usize, String)> {
    let (before, after) = name.split_once("experts.")?;
    let (number, rest) = after.split_once('.')?;
    Some((number.parse().ok()?, format!("{before}experts.{rest}")))
}

/// GGUF's name by this table: an entry names a tensor, or one with `.weight` and one with `.bias`.
pub(super) fn look_up(table: &[(&str, &str)], name: &str) -> Option<String> {
    let entry = |name: &str| table.iter().find(|(theirs, _)| *theirs == name);
    if let Some((_, ours)) = entry(name) {
        return Some((*ours).to_owned());
    }
    let (base, suffix) = name.rsplit_once('.')?;
    let (_, ours) = entry(base).filter(|_| matches!(suffix, "weight" | "bias"))?;
    Some(format!("{ours}.{suffix}"))
}

/// What most families agree on. A family's own names go before these.
pub(super) const COMMON: &[(&str, &str)] = &[
    ("embed_tokens", "token_embd"),
    ("norm", "output_norm"),
    ("lm_head", "output"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("self_attn.sinks", "attn_sinks.weight"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.gate", "ffn_gate_inp"),
    ("mlp.router", "ffn_gate_inp"),
    ("mlp.gate.e_score_correction_bias", "exp_probs_b.bias"),
    ("mlp.experts.gate_proj", "ffn_gate_exps"),
    ("mlp.experts.up_proj", "ffn_up_exps"),
    ("mlp.experts.down_proj", "ffn_down_exps"),
    ("mlp.shared_experts.gate_proj", "ffn_gate_shexp"),
    ("mlp.shared_experts.up_proj", "ffn_up_shexp"),
    ("mlp.shared_experts.down_proj", "ffn_down_shexp"),
    ("mlp.shared_expert.gate_proj", "ffn_gate_shexp"),
    ("mlp.shared_expert.up_proj", "ffn_up_shexp"),
    ("mlp.shared_expert.down_proj", "ffn_down_shexp"),
    ("mlp.shared_expert_gate", "ffn_gate_inp_shexp"),
    ("block_sparse_moe.gate", "ffn_gate_inp"),
    ("block_sparse_moe.experts.w1", "ffn_gate_exps"),
    ("block_sparse_moe.experts.w2", "ffn_down_exps"),
    ("block_sparse_moe.experts.w3", "ffn_up_exps"),
];
