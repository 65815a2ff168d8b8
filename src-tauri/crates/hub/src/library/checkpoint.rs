//! Models that are folders: config.json and safetensors as Hugging Face lays them out.
//!
//! It reads of config.json and of the index only what tells whether all is there, and how the weights are packed.
//! Invariant: a folder whose weights are not all there is no model.

use crate::small_file::small_file;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

const CONFIG: &str = "config.json";
const ONE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Longer ones are no indexes.
const MAX_INDEX_BYTES: u64 = 32 << 20;
/// Longer ones are no configurations.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// Bytes of the weights in a folder, or why it is no model.
pub(crate) fn weights_bytes(folder: &Path) -> io::Result<Result<u64, String>> {
    if !folder.join(CONFIG).is_file() {
        return Ok(Err(
            "it is a folder without config.json and safetensors".into()
        ));
    }
    let names = match weights(folder) {
        Ok(names) => names,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut sum = 0;
    for name in names {
        match folder.join(&name).metadata() {
            Ok(file) if file.is_file() => sum += file.len(),
            // In the cache, a link whose blob is not there yet.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(Err(format!("its file {name} is missing"))),
        }
    }
    Ok(Ok(sum))
}

/// The files that its weights should be in: those that the index names, or the only one.
pub(crate) fn weights(folder: &Path) -> Result<BTreeSet<String>, String> {
    let index = folder.join(INDEX);
    if !index.is_file() {
        return if folder.join(ONE).is_file() {
            Ok(BTreeSet::from([ONE.to_owned()]))
        } else {
            Err(format!("it is a folder without {ONE} and without {INDEX}"))
        };
    }
    let read = json(&index, MAX_INDEX_BYTES).and_then(|read| {
        let names = read.get("weight_map")?.as_object()?.values();
        names
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<BTreeSet<_>>>()
    });
    read.filter(|names| !names.is_empty())
        .ok_or_else(|| format!("its {INDEX} is damaged"))
}

/// Whether weights that it names are not there yet.
pub(crate) fn is_unfinished(folder: &Path) -> bool {
    let names = weights(folder).unwrap_or_default();
    names.iter().any(|name| !folder.join(name).exists())
}

/// How config.json says that the weights are packed: `FP8`, `BF16`.
pub(crate) fn quantization(folder: &Path) -> Option<String> {
    let config = json(&folder.join(CONFIG), MAX_CONFIG_BYTES)?;
    // What sees keeps the numbers of its language model apart.
    [Some(&config), config.get("text_config")]
        .into_iter()
        .flatten()
        .find_map(packing)
}

/// Whether a file of this name in a folder belongs to the model that the folder is.
pub(crate) fn is_part(name: &str) -> bool {
    const OTHERS: [&str; 20] = [
        INDEX,
        CONFIG,
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "chat_template.jinja",
        "chat_template.json",
        "preprocessor_config.json",
        "processor_config.json",
        "video_preprocessor_config.json",
        "README.md",
        "LICENSE",
        "LICENSE.txt",
        ".gitattributes",
    ];
    let is_weights = Path::new(name).extension() == Some("safetensors".as_ref());
    is_weights || OTHERS.contains(&name)
}

fn packing(config: &Value) -> Option<String> {
    let method = config
        .get("quantization_config")
        .and_then(|packed| packed.get("quant_method")?.as_str());
    if let Some(method) = method.filter(|method| is_word(method)) {
        return Some(method.to_ascii_uppercase());
    }
    // `torch_dtype` until transformers 4, `dtype` since.
    let dtype = config.get("dtype").or_else(|| config.get("torch_dtype"))?;
    let name = match dtype.as_str()?.trim_start_matches("torch.") {
        "bfloat16" => "BF16",
        "float16" => "F16",
        "float32" => "F32",
        "float64" => "F64",
        name if name.starts_with("float8") => "FP8",
        _ => return None,
    };
    Some(name.to_owned())
}

fn is_word(method: &str) -> bool {
    let letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
    (1..=32).contains(&method.len()) && method.bytes().all(letter)
}

fn json(path: &Path, max_bytes: u64) -> Option<Value> {
    serde_json::from_slice(&small_file(path, max_bytes)?).ok()
}

/// Whether it claims to be a model, so that something is to be said if it is none.
pub(crate) fn is_meant(folder: &Path) -> bool {
    let there = |name: &str| folder.join(name).is_file();
    there(CONFIG) && (there(ONE) || there(INDEX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_tells_how_weights_are_packed() {
        let temp = tempfile::tempdir().expect("a folder");
        let check = |config: &str, expected: Option<&str>| {
            std::fs::write(temp.path().join(CONFIG), config).expect("a file");
            assert_eq!(quantization(temp.path()).as_deref(), expected, "{config}");
        };
        check(r#"{"torch_dtype": "bfloat16"}"#, Some("BF16"));
        check(
            r#"{"dtype": "float16", "torch_dtype": "float32"}"#,
            Some("F16"),
        );
        check(r#"{"dtype": "torch.float32"}"#, Some("F32"));
        check(r#"{"text_config": {"dtype": "bfloat16"}}"#, Some("BF16"));
        let packed = r#"{"dtype": "bfloat16", "quantization_config": {"quant_method": "fp8"}}"#;
        check(packed, Some("FP8"));
        let hostile =
            r#"{"dtype": "float16", "quantization_config": {"quant_method": "\u001b[2J"}}"#;
        check(hostile, Some("F16"));
        check(r#"{"dtype": 7}"#, None);
        check(r#"{"dtype": "int3"}"#, None);
        check("[", None);
    }
}
