//! What the hub says of a model, in our words.
//!
//! The answers are parsed by hf-hub's [`ModelInfo`]; the requests are ours. hf-hub 1.0.0's own would take an access token
//! from wherever it finds one when it is given none (`client.rs`), hold whole answers of any length, and ask again at once
//! after a 429 (`retry.rs`). Invariant: nothing that the hub leaves out or writes strangely here is an error.

use super::Gate;
use crate::Format;
use hf_hub::repository::ModelInfo;
use serde_json::Value;

/// What is asked for with `expand`, which leaves out everything else.
pub(crate) const FACTS: [&str; 11] = [
    "cardData",
    "downloads",
    "gated",
    "gguf",
    "lastModified",
    "library_name",
    "likes",
    "pipeline_tag",
    "private",
    "safetensors",
    "tags",
];

/// Whether anybody may have it: `false`, `"auto"` or `"manual"`.
pub(crate) fn gate(model: &ModelInfo) -> Gate {
    match model.gated.as_ref().and_then(Value::as_str) {
        Some("auto") => Gate::Automatic,
        Some(_) => Gate::Manual,
        None => Gate::Open,
    }
}

/// Its licence: what its card says, or else its tag `license:…`. `other` is one that the card names itself.
pub(crate) fn licence(model: &ModelInfo) -> Option<String> {
    let card = model.card_data.as_ref();
    let said = |key: &str| first_text(card?.get(key)?);
    let tag = || {
        let mut tags = model.tags.iter().flatten();
        tags.find_map(|tag| tag.strip_prefix("license:"))
            .map(str::to_owned)
    };
    let licence = said("license").or_else(tag)?;
    let name = (licence == "other").then(|| said("license_name")).flatten();
    Some(name.unwrap_or(licence))
}

fn first_text(value: &Value) -> Option<String> {
    let text = value.as_str().or_else(|| value.get(0)?.as_str())?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Number of parameters, as its files say.
pub(crate) fn parameters(model: &ModelInfo) -> Option<u64> {
    let gguf = model.gguf.as_ref().and_then(|gguf| gguf.get("total"));
    let safetensors = model.safetensors.as_ref().map(|weights| weights.total);
    gguf.and_then(Value::as_u64)
        .or(safetensors)
        .filter(|&total| total > 0)
}

/// How its weights are kept.
pub(crate) fn formats(model: &ModelInfo) -> Vec<Format> {
    let tag = |wanted: &str| {
        let mut tags = model.tags.iter().flatten().chain(&model.library_name);
        tags.any(|tag| tag == wanted)
    };
    let mut formats = Vec::new();
    if model.gguf.is_some() || tag("gguf") {
        formats.push(Format::Gguf);
    }
    if model.safetensors.is_some() || tag("safetensors") {
        formats.push(Format::Safetensors);
    }
    formats
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn model(mut fields: Value) -> ModelInfo {
        fields["id"] = json!("a/b");
        serde_json::from_value(fields).expect("a model")
    }

    #[test]
    fn a_licence_is_the_cards_or_the_tags() {
        let check = |fields: Value, expected: Option<&str>| {
            let text = fields.to_string();
            assert_eq!(licence(&model(fields)).as_deref(), expected, "{text}");
        };
        check(
            json!({"cardData": {"license": "mit"}, "tags": ["license:x"]}),
            Some("mit"),
        );
        check(
            json!({"cardData": {"license": ["mit", "bsd"]}}),
            Some("mit"),
        );
        check(
            json!({"cardData": {"license": "other", "license_name": "gemma"}}),
            Some("gemma"),
        );
        check(json!({"cardData": {"license": "other"}}), Some("other"));
        check(
            json!({"cardData": {"license": 3}, "tags": ["a", "license:llama3.1"]}),
            Some("llama3.1"),
        );
        check(json!({"cardData": null, "tags": ["a"]}), None);
        check(json!({}), None);
    }

    #[test]
    fn parameters_are_those_of_the_files() {
        let check = |fields: Value, expected: Option<u64>| {
            let text = fields.to_string();
            assert_eq!(parameters(&model(fields)), expected, "{text}");
        };
        check(
            json!({"gguf": {"total": 20_914_757_184_u64, "architecture": "gpt-oss"}}),
            Some(20_914_757_184),
        );
        check(
            json!({"safetensors": {"parameters": {"BF16": 7}, "total": 7}}),
            Some(7),
        );
        check(json!({"gguf": {"total": "many"}}), None);
        check(json!({"gguf": {"total": 0}}), None);
        check(json!({}), None);
    }

    #[test]
    fn gates_and_formats() {
        let check = |fields: Value, gate_expected: Gate, expected: &[Format]| {
            let model = model(fields);
            assert_eq!(gate(&model), gate_expected);
            assert_eq!(formats(&model), expected);
        };
        check(
            json!({"gated": false, "tags": ["gguf"]}),
            Gate::Open,
            &[Format::Gguf],
        );
        check(
            json!({"gated": "auto", "library_name": "gguf"}),
            Gate::Automatic,
            &[Format::Gguf],
        );
        check(
            json!({"gated": "manual", "tags": ["safetensors", "gguf"]}),
            Gate::Manual,
            &[Format::Gguf, Format::Safetensors],
        );
        check(json!({"tags": ["onnx"]}), Gate::Open, &[]);
    }
}
