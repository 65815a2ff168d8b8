//! The families whose checkpoints are read, by the class that config.json names.

mod deepseek;
mod gemma;
mod gemma4;
mod glm;
mod gpt_oss;
mod granite;
mod lfm2;
mod llama;
mod nemotron_h;
mod olmo;
mod phi;
mod qwen;
mod qwen_next;

use super::draft::{Draft, Tensor};
use super::keys::Keys;
use super::names;
use super::{Config, Refusal};
use serde_json::Value;

/// Tensors that are numbers of config.json.
type Extra = Vec<(&'static str, Vec<f32>)>;

/// What becomes of a tensor, if it is not only renamed.
type Changed = Result<Option<Vec<Draft>>, Refusal>;

/// How a family's checkpoints are seen.
#[derive(Debug)]
pub(super) struct Family {
    /// GGUF's name for the architecture.
    pub(super) architecture: &'static str,
    /// Names that differ from [`names::COMMON`].
    names: &'static [(&'static str, &'static str)],
    /// Its metadata.
    pub(super) keys: fn(&Config, &mut Keys) -> Result<(), Refusal>,
    /// Tensors that say again what others say: some tools write an output that is the embedding.
    pub(super) left_out: &'static [&'static str],
    /// What becomes of tensors that are not only renamed; `None` for the others.
    pub(super) change: fn(&Config, &Tensor) -> Changed,
    /// Whether a tensor is a norm around zero, to which one is added.
    pub(super) shifted: fn(&str) -> bool,
    /// Tensors that are in no file.
    pub(super) extra: fn(&Config) -> Result<Extra, Refusal>,
}

/// One without anything of its own.
const PLAIN: Family = Family {
    architecture: "",
    names: &[],
    keys: super::common::all,
    left_out: &[],
    change: |_, _| Ok(None),
    shifted: |_| false,
    extra: |_| Ok(Vec::new()),
};

impl Family {
    /// GGUF's name of a tensor.
    pub(super) fn name(&self, name: &str) -> Option<String> {
        names::look_up(self.names, name).or_else(|| names::look_up(names::COMMON, name))
    }

    /// Whether experts are packed as MXFP4.
    pub(super) fn is_packed(&self, config: &Config) -> bool {
        self.architecture == "gpt-oss" && method(config) == Some("mxfp4")
    }
}

/// Class and family. One class may be two architectures: the first that fits is taken.
type Row = (&'static str, &'static Family, fn(&Config) -> bool);

const ALWAYS: fn(&Config) -> bool = |_| true;

const KNOWN: &[Row] = &[
    ("LlamaForCausalLM", &llama::LLAMA, ALWAYS),
    ("MistralForCausalLM", &llama::LLAMA, ALWAYS),
    ("MixtralForCausalLM", &llama::LLAMA, ALWAYS),
    ("Ministral3ForCausalLM", &llama::MISTRAL3, ALWAYS),
    ("Mistral3ForConditionalGeneration", &llama::MISTRAL3, ALWAYS),
    ("SmolLM3ForCausalLM", &llama::SMOLLM3, ALWAYS),
    ("Qwen2ForCausalLM", &qwen::QWEN2, ALWAYS),
    ("Qwen3ForCausalLM", &qwen::QWEN3, ALWAYS),
    ("Qwen3MoeForCausalLM", &qwen::QWEN3MOE, ALWAYS),
    ("GptOssForCausalLM", &gpt_oss::GPT_OSS, ALWAYS),
    ("Gemma2ForCausalLM", &gemma::GEMMA2, ALWAYS),
    ("Gemma3ForCausalLM", &gemma::GEMMA3, ALWAYS),
    ("Gemma3ForConditionalGeneration", &gemma::GEMMA3, ALWAYS),
    ("Gemma4ForCausalLM", &gemma4::GEMMA4, ALWAYS),
    ("Gemma4ForConditionalGeneration", &gemma4::GEMMA4, ALWAYS),
    ("Phi3ForCausalLM", &phi::PHI3, ALWAYS),
    ("Glm4ForCausalLM", &glm::GLM4, ALWAYS),
    ("Glm4MoeForCausalLM", &glm::GLM4MOE, ALWAYS),
    ("GraniteForCausalLM", &granite::GRANITE, ALWAYS),
    ("GraniteMoeForCausalLM", &granite::GRANITEMOE, ALWAYS),
    ("GraniteMoeSharedForCausalLM", &granite::GRANITEMOE, ALWAYS),
    ("Olmo2ForCausalLM", &olmo::OLMO2, ALWAYS),
    ("Olmo3ForCausalLM", &olmo::OLMO2, ALWAYS),
    ("Lfm2ForCausalLM", &lfm2::LFM2, ALWAYS),
    ("Lfm2MoeForCausalLM", &lfm2::LFM2MOE, ALWAYS),
    ("DeepseekV2ForCausalLM", &deepseek::DEEPSEEK2, ALWAYS),
    ("DeepseekV3ForCausalLM", &deepseek::DEEPSEEK2, ALWAYS),
    ("Qwen3NextForCausalLM", &qwen_next::QWEN3NEXT, ALWAYS),
    ("Qwen3_5ForCausalLM", &qwen_next::QWEN35, ALWAYS),
    (
        "Qwen3_5ForConditionalGeneration",
        &qwen_next::QWEN35,
        ALWAYS,
    ),
    ("Qwen3_5MoeForCausalLM", &qwen_next::QWEN35MOE, ALWAYS),
    (
        "Qwen3_5MoeForConditionalGeneration",
        &qwen_next::QWEN35MOE,
        ALWAYS,
    ),
    (
        "NemotronHForCausalLM",
        &nemotron_h::MIXTURE,
        nemotron_h::is_mixture,
    ),
    ("NemotronHForCausalLM", &nemotron_h::DENSE, ALWAYS),
];

fn method(config: &Config) -> Option<&str> {
    config
        .object(&["quantization_config"])?
        .get("quant_method")?
        .as_str()
}

/// The family of a checkpoint.
pub(super) fn of(config: &Config) -> Result<&'static Family, Refusal> {
    let class = config
        .get(&["architectures"])
        .and_then(|classes| classes[0].as_str());
    let class = class.ok_or_else(|| Refusal::Damaged("it names no architecture".into()))?;
    let row = KNOWN
        .iter()
        .find(|(name, _, fits)| *name == class && fits(config));
    let Some((_, family, _)) = row else {
        let mut names: Vec<&str> = KNOWN.iter().map(|(name, _, _)| *name).collect();
        names.dedup();
        let known = names.join(", ");
        let reason = format!("its architecture is {class}; this engine knows: {known}");
        return Err(Refusal::Unsupported(reason));
    };
    match method(config) {
        Some(method) if !family.is_packed(config) => Err(Refusal::Unsupported(format!(
            "it is quantized with {method}, which this engine does not read from safetensors files"
        ))),
        _ => Ok(family),
    }
}

/// Which layers are of this kind.
fn layers_of(config: &Config, kinds: &[&str]) -> Option<Vec<bool>> {
    let layers = config.texts("layer_types")?;
    Some(layers.iter().map(|layer| kinds.contains(layer)).collect())
}

/// A number as `f32`, as tensors hold it.
#[expect(clippy::cast_possible_truncation, reason = "tensors of F32 hold it")]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// `whole · part`, cut to a whole number, as Python's `int` cuts.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "sizes of heads are small, parts lie between 0 and 1"
)]
fn part_of(whole: usize, part: f64) -> usize {
    (whole as f64 * part.clamp(0.0, 1.0)) as usize
}

/// The values of a list of numbers by layer, or one for all.
fn whole_numbers(value: &Value) -> Option<Vec<u64>> {
    value.as_array()?.iter().map(Value::as_u64).collect()
}
