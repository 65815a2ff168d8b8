//! The ids that others give for the kinds that are no BPE, written by `tests/reference/tokenizer_kinds.py`.

use super::tests::{decoded, metadata, texts_value, tokenizer};
use super::*;
use crate::files::Value;
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
struct Reference {
    texts: Vec<String>,
    kinds: BTreeMap<String, Reported>,
}

#[derive(serde::Deserialize)]
struct Reported {
    settings: BTreeMap<String, serde_json::Value>,
    tokens: Vec<String>,
    kinds: Vec<i64>,
    #[serde(default)]
    scores: Vec<f64>,
    #[serde(default)]
    charsmap: String,
    /// None for a text that their tool can't be asked.
    ids: Vec<Option<Vec<u32>>>,
}

impl Reported {
    fn tokenizer(&self) -> Tokenizer {
        let mut metadata = metadata(vec![
            ("tokenizer.ggml.tokens", texts_value(&self.tokens)),
            (
                "tokenizer.ggml.token_type",
                list(&self.kinds, Value::Signed),
            ),
        ]);
        let mut add =
            |name: &str, value| metadata.0.insert(format!("tokenizer.ggml.{name}"), value);
        if !self.scores.is_empty() {
            add("scores", list(&self.scores, Value::Float));
        }
        if !self.charsmap.is_empty() {
            let pairs = self.charsmap.as_bytes().as_chunks::<2>().0;
            let byte =
                |pair: &[u8; 2]| u64::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16);
            let bytes: Vec<u64> = pairs.iter().map(|pair| byte(pair).expect("hex")).collect();
            add("precompiled_charsmap", list(&bytes, Value::Unsigned));
        }
        for (name, value) in &self.settings {
            add(name, setting(value));
        }
        tokenizer(metadata).expect("a tokenizer")
    }
}

fn list<T: Copy>(values: &[T], value: fn(T) -> Value) -> Value {
    Value::Array(values.iter().copied().map(value).collect())
}

fn setting(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => Value::Unsigned(number.as_u64().expect("whole")),
        text => Value::Text(text.as_str().expect("a text").to_owned()),
    }
}

#[test]
fn every_kind_gives_the_ids_that_others_give() {
    let json = include_str!("../../../../../tests/reference/tokenizers/kinds.json");
    let reference: Reference = serde_json::from_str(json).expect("the reference");
    let mut compared = 0;
    for (name, kind) in &reference.kinds {
        let tokenizer = kind.tokenizer();
        // These two oracles know no special tokens in a text.
        let specials = match &name[..3] {
            "uni" | "wor" => Specials::AsText,
            _ => Specials::Parse,
        };
        for (text, expected) in reference.texts.iter().zip(&kind.ids) {
            let Some(expected) = expected else { continue };
            let ids = tokenizer.encode(text, specials);
            let shown = |ids: &[u32]| {
                ids.iter()
                    .map(|id| tokenizer.token_text(*id).to_owned())
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                &ids,
                expected,
                "{name}: {text:?}: {:?} {:?}",
                shown(&ids),
                shown(expected)
            );
            compared += 1;
        }
        // What loses nothing gives the text back.
        if matches!(name.as_str(), "rwkv" | "spm-bare") {
            for text in reference.texts.iter().filter(|text| !text.contains('<')) {
                assert_eq!(
                    &decoded(&tokenizer, &tokenizer.encode(text, specials)),
                    text,
                    "{name}"
                );
            }
        }
    }
    assert_eq!(compared, 8 * reference.texts.len() - 2);
}
