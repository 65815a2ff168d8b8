//! What a model is, from its header alone. A model that this engine can't run is described all the same, with the reason.

use super::prompts::Prompts;
use crate::decoder::active::Active;
use crate::decoder::{Description, families};
use crate::files::{Checkpoint, TensorInfo, TensorType};
use engine_api::{EngineError, Inspection, KvType, TensorShare};
use std::collections::BTreeMap;
use std::path::Path;

/// Describes the model at `path`.
///
/// # Errors
/// As for [`Checkpoint::open`].
pub fn inspect(path: &Path) -> Result<Inspection, EngineError> {
    let checkpoint = Checkpoint::open(path)?;
    let metadata = &checkpoint.metadata;
    let description = families::describe(&checkpoint);
    let refusal = match &description {
        Ok(description) => Prompts::of(&checkpoint, description.vocabulary).err(),
        Err(error) => Some(error.clone()),
    };
    let description = description.ok();
    let architecture = metadata.architecture().unwrap_or("none");
    let own = |key: &str| metadata.unsigned(&format!("{architecture}.{key}"));
    let text = |key: &str| metadata.text(key).map(str::to_owned);
    Ok(Inspection {
        name: text("general.name"),
        refusal: refusal.map(|error| error.to_string()),
        file_bytes: checkpoint
            .tensors
            .values()
            .map(TensorInfo::size_bytes)
            .sum(),
        parameters: checkpoint.tensors.values().map(TensorInfo::elements).sum(),
        active_parameters: active_parameters(&checkpoint),
        active_bytes: active_bytes(&checkpoint),
        tensor_types: tensor_types(&checkpoint),
        context_tokens: own("context_length"),
        layers: own("block_count"),
        vocabulary_tokens: vocabulary(&checkpoint),
        tokenizer: tokenizer(&checkpoint),
        chat_template: text("tokenizer.chat_template"),
        licence: text("general.license"),
        kv_bytes_per_token: description
            .as_ref()
            .map_or_else(Vec::new, kv_bytes_per_token),
        architecture: architecture.into(),
    })
}

/// All but the experts that sit out a token.
fn active_parameters(checkpoint: &Checkpoint) -> u64 {
    let active = Active::of(checkpoint);
    let tensors = checkpoint.tensors.iter();
    let of =
        |(name, tensor): (&String, &TensorInfo)| active.computes(name, tensor, tensor.elements());
    tensors.map(of).sum()
}

/// What a token reads of the tensors as they are in the file.
fn active_bytes(checkpoint: &Checkpoint) -> u64 {
    let active = Active::of(checkpoint);
    let tensors = checkpoint.tensors.iter();
    let of =
        |(name, tensor): (&String, &TensorInfo)| active.reads(name, tensor, tensor.size_bytes());
    tensors.map(of).sum()
}

fn tensor_types(checkpoint: &Checkpoint) -> Vec<TensorShare> {
    let mut shares = BTreeMap::<TensorType, TensorShare>::new();
    for tensor in checkpoint.tensors.values() {
        let share = shares
            .entry(tensor.tensor_type)
            .or_insert_with(|| TensorShare {
                tensor_type: tensor.tensor_type.name().into(),
                tensors: 0,
                parameters: 0,
                bytes: 0,
            });
        share.tensors += 1;
        share.parameters += tensor.elements();
        share.bytes += tensor.size_bytes();
    }
    let mut shares: Vec<_> = shares.into_values().collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

fn vocabulary(checkpoint: &Checkpoint) -> Option<u64> {
    let tokens = checkpoint.metadata.array("tokenizer.ggml.tokens");
    let rows = checkpoint
        .tensor("token_embd.weight")
        .and_then(|tensor| tensor.shape.first());
    rows.map(|rows| *rows as u64)
        .or(tokens.map(|tokens| tokens.len() as u64))
}

fn tokenizer(checkpoint: &Checkpoint) -> Option<String> {
    if checkpoint.companions().tokenizer.is_some() {
        return Some("tokenizer.json".into());
    }
    let kind = checkpoint.metadata.text("tokenizer.ggml.model")?;
    Some(match checkpoint.metadata.text("tokenizer.ggml.pre") {
        Some(pre) => format!("{kind} ({pre})"),
        None => kind.into(),
    })
}

fn kv_bytes_per_token(description: &Description) -> Vec<(KvType, u64)> {
    let of = |kv_type| (kv_type, super::kv_bytes_per_token(description, kv_type));
    [KvType::F16, KvType::Q8_0].map(of).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Each family's file, and its folder as Hugging Face lays it out where there is one.
    fn references() -> Vec<(PathBuf, Option<PathBuf>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/reference/models");
        let folders = std::fs::read_dir(folder).expect("the folder of models");
        let of = |folder: PathBuf| {
            let other = folder.join("huggingface");
            (folder.join("model.gguf"), other.is_dir().then_some(other))
        };
        folders.flatten().map(|entry| of(entry.path())).collect()
    }

    #[test]
    fn every_family_is_described_and_a_folder_as_its_converted_file_is() {
        let mut folders = 0;
        for (file, folder) in references() {
            let what = file.display();
            let file = inspect(&file).expect("a model");
            assert!(file.parameters >= file.active_parameters, "{what}");
            assert!(file.active_parameters > 0, "{what}");
            assert!(
                file.layers > Some(0) && file.context_tokens > Some(0),
                "{what}"
            );
            assert_eq!(file.vocabulary_tokens, Some(128), "{what}");
            assert_eq!(file.kv_bytes_per_token.len(), 2, "{what}");
            let types = file.tensor_types.iter();
            assert_eq!(types.map(|kind| kind.bytes).sum::<u64>(), file.file_bytes);
            let Some(folder) = folder else { continue };
            let folder = inspect(&folder).expect("a model");
            assert_eq!(folder.name.as_deref(), Some("huggingface"));
            let facts = |inspection: Inspection| {
                let numbers = [
                    inspection.context_tokens,
                    inspection.layers,
                    inspection.vocabulary_tokens,
                    Some(inspection.parameters),
                    Some(inspection.active_parameters),
                ];
                (
                    inspection.architecture,
                    numbers,
                    inspection.kv_bytes_per_token,
                )
            };
            assert_eq!(facts(folder), facts(file), "{what}");
            folders += 1;
        }
        assert!(folders >= 7, "some were not described");
    }
}
