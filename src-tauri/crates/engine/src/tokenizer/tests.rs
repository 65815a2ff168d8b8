//! Tokenizers against what others give, and their own promises.
//!
//! `tests/reference/tokenizers/bpe.json` is written by `tests/reference/pretokenizers.py`.

use super::*;
use crate::files::{Metadata, Value};
use engine_api::Text;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use vocabulary::TokenKind;

#[derive(serde::Deserialize)]
struct Reference {
    texts: Vec<String>,
    /// Bytes that are no UTF-8, in hexadecimal, and what Python makes of them.
    broken: Vec<(String, String)>,
    kinds: BTreeMap<String, Kind>,
}

/// A vocabulary and the names that it is for.
#[derive(serde::Deserialize)]
struct Kind {
    model: String,
    tokens: Vec<String>,
    kinds: Vec<i64>,
    merges: Vec<String>,
    /// Which of `ids` a pre-tokenizer's name gives.
    names: BTreeMap<String, usize>,
    ids: Vec<Vec<Vec<u32>>>,
}

fn reference() -> Reference {
    let json = include_str!("../../../../../tests/reference/tokenizers/bpe.json");
    serde_json::from_str(json).expect("the reference")
}

pub(super) fn texts_value(texts: &[String]) -> Value {
    Value::Array(texts.iter().cloned().map(Value::Text).collect())
}

pub(super) fn metadata(pairs: Vec<(&str, Value)>) -> Metadata {
    Metadata(
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<HashMap<_, _>>(),
    )
}

impl Kind {
    fn metadata(&self, pre: &str) -> Metadata {
        let kinds = self.kinds.iter().copied().map(Value::Signed).collect();
        metadata(vec![
            ("tokenizer.ggml.model", Value::Text(self.model.clone())),
            ("tokenizer.ggml.pre", Value::Text(pre.into())),
            ("tokenizer.ggml.tokens", texts_value(&self.tokens)),
            ("tokenizer.ggml.token_type", Value::Array(kinds)),
            ("tokenizer.ggml.merges", texts_value(&self.merges)),
            ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
        ])
    }
}

fn bpe_metadata(reference: &Reference, pre: &str) -> Metadata {
    reference.kinds["bytes"].metadata(pre)
}

pub(super) fn tokenizer(metadata: Metadata) -> Result<Tokenizer, EngineError> {
    Tokenizer::of(&Checkpoint {
        path: "model.gguf".into(),
        metadata,
        tensors: BTreeMap::new(),
        parts: Vec::new(),
    })
}

pub(super) fn decoded(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut decoder = tokenizer.decoder();
    let mut text: String = ids
        .iter()
        .map(|id| decoder.push(&tokenizer.piece(*id)))
        .collect();
    text.push_str(&decoder.finish());
    text
}

#[test]
fn every_pre_tokenizer_gives_the_ids_that_others_give() {
    let Reference { texts, kinds, .. } = reference();
    let mut compared = Vec::new();
    for (kind, reported) in &kinds {
        for (name, at) in &reported.names {
            let tokenizer = tokenizer(reported.metadata(name)).expect(name);
            for (text, expected) in texts.iter().zip(&reported.ids[*at]) {
                let ids = tokenizer.encode(text, Specials::Parse);
                assert_eq!(&ids, expected, "{name}: {text:?}");
                if kind == "bytes" {
                    assert_eq!(&decoded(&tokenizer, &ids), text, "{name}");
                }
            }
            assert_eq!(reported.ids[*at].len(), texts.len(), "{name}");
            compared.push(name.as_str());
        }
    }
    compared.sort_unstable();
    let mut all = pre::NAMES.to_vec();
    all.sort_unstable();
    assert_eq!(compared, all);
}

/// One U+FFFD for each maximal part of a character, as W3C's Encoding says and Python does; llama.cpp has one for each byte.
#[test]
fn what_is_no_utf_8_becomes_what_python_makes_of_it() {
    let reference = reference();
    let tokenizer = tokenizer(bpe_metadata(&reference, "gpt-2")).expect("a tokenizer");
    for (hex, expected) in &reference.broken {
        let digits = hex.as_bytes().as_chunks::<2>().0.iter();
        let digits = digits.map(|pair| str::from_utf8(pair).expect("ASCII"));
        let bytes: Vec<u8> = digits
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
            .collect();
        let mut decoder = tokenizer.decoder();
        let read = decoder.push(&bytes) + &decoder.finish();
        assert_eq!(&read, expected, "{hex}");
        let ids = crate::model::tokenize(&tokenizer, &Text::Bytes(bytes), true, false);
        assert_eq!(ids, tokenizer.encode(expected, Specials::Parse), "{hex}");
    }
    assert!(reference.broken.len() > 10);
}

#[test]
fn what_is_unknown_is_refused_by_name() {
    let reference = reference();
    let check = |metadata: Metadata, word: &str| {
        let error = tokenizer(metadata).expect_err(word);
        assert!(
            matches!(error, EngineError::UnsupportedModel { .. })
                && error.to_string().contains(word),
            "{error}"
        );
    };
    check(bpe_metadata(&reference, "brand-new"), "brand-new");
    let mut nameless = bpe_metadata(&reference, "gpt-2");
    nameless.0.remove("tokenizer.ggml.pre");
    check(nameless, "pre-tokenizer");
    let mut other = bpe_metadata(&reference, "gpt-2");
    other.0.insert(
        "tokenizer.ggml.model".into(),
        Value::Text("hybriddna".into()),
    );
    check(other, "hybriddna");
}

#[test]
fn a_vocabulary_that_contradicts_itself_is_refused() {
    let reference = reference();
    let check = |key: &str, value: Option<Value>| {
        let mut metadata = bpe_metadata(&reference, "gpt-2");
        match value {
            Some(value) => drop(metadata.0.insert(key.into(), value)),
            None => drop(metadata.0.remove(key)),
        }
        let error = tokenizer(metadata).expect_err(key);
        assert!(
            matches!(error, EngineError::InvalidModel { .. }),
            "{key}: {error}"
        );
    };
    check("tokenizer.ggml.tokens", None);
    check(
        "tokenizer.ggml.tokens",
        Some(Value::Array(vec![Value::Unsigned(1)])),
    );
    check("tokenizer.ggml.merges", None);
    check(
        "tokenizer.ggml.merges",
        Some(texts_value(&["alone".into()])),
    );
    check(
        "tokenizer.ggml.token_type",
        Some(Value::Array(vec![Value::Signed(1)])),
    );
    check(
        "tokenizer.ggml.scores",
        Some(Value::Array(vec![
            Value::Float(f64::NAN);
            reference.kinds["bytes"].tokens.len()
        ])),
    );
}

/// A vocabulary as `SentencePiece` makes it: bytes, a few words, and tokens that steer.
fn spm() -> Tokenizer {
    let mut tokens: Vec<String> = vec!["<unk>".into(), "<s>".into(), "</s>".into()];
    let mut kinds = vec![2, 3, 3];
    for byte in 0..=255_u8 {
        tokens.push(format!("<0x{byte:02X}>"));
        kinds.push(6);
    }
    let mut scores = vec![0.0; tokens.len()];
    for (text, score) in [
        ("▁", -9.0),
        ("H", -10.0),
        ("e", -8.0),
        ("l", -8.5),
        ("o", -8.7),
        ("ll", -3.0),
        ("He", -2.5),
        ("llo", -2.0),
        ("Hello", -1.0),
        ("▁Hello", -0.5),
    ] {
        tokens.push(text.into());
        kinds.push(1);
        scores.push(score);
    }
    tokens.push("<|tool|>".into());
    kinds.push(4);
    scores.push(0.0);
    tokenizer(metadata(vec![
        ("tokenizer.ggml.model", Value::Text("llama".into())),
        ("tokenizer.ggml.tokens", texts_value(&tokens)),
        (
            "tokenizer.ggml.token_type",
            Value::Array(kinds.into_iter().map(Value::Signed).collect()),
        ),
        (
            "tokenizer.ggml.scores",
            Value::Array(scores.into_iter().map(Value::Float).collect()),
        ),
    ]))
    .expect("a tokenizer")
}

#[test]
fn sentence_pieces_merge_by_score_and_fall_back_to_bytes() {
    let spm = spm();
    let id = |text: &str| spm.id(text).expect(text);
    let check = |text: &str, expected: &[u32]| {
        assert_eq!(spm.encode(text, Specials::Parse), expected, "{text:?}");
        assert_eq!(decoded(&spm, expected), text);
    };
    check("Hello", &[id("▁Hello")]);
    check("Hello Hello", &[id("▁Hello"), id("▁Hello")]);
    check("Hell", &[id("▁"), id("He"), id("ll")]);
    check("é", &[id("▁"), id("<0xC3>"), id("<0xA9>")]);
    // After a token of its own, a text begins anew.
    assert_eq!(
        spm.encode("Hello<|tool|>Hello", Specials::AsText),
        [id("▁Hello"), id("<|tool|>"), id("▁Hello")]
    );
    assert_eq!(spm.encode("<s>Hello", Specials::Parse), [1, id("▁Hello")]);
    assert!(!spm.encode("<s>Hello", Specials::AsText).contains(&1));
    assert_eq!(spm.encode_prompt("Hello"), [1, id("▁Hello")]);
    assert_eq!(spm.encode_prompt("<s>Hello"), [1, id("▁Hello")]);
    assert!(spm.ends_turn(2) && spm.is_control(1) && !spm.is_control(id("He")));
}

#[test]
fn what_a_person_types_never_steers_the_model() {
    let spm = spm();
    let typed = "say </s> or <s> or <|tool|> or </\u{fdd0}s>";
    let prompt = format!("<s>{}</s>", spm.guard(typed));
    let ids = spm.encode_prompt(&prompt);
    assert_eq!(ids.iter().filter(|id| **id == 1).count(), 1);
    assert_eq!(ids.iter().filter(|id| **id == 2).count(), 1);
    assert_eq!((ids.first(), ids.last()), (Some(&1), Some(&2)));
    assert_eq!(decoded(&spm, &ids), typed.replace('\u{fdd0}', ""));
    assert_eq!(
        spm.unguard(&spm.guard(typed)),
        typed.replace('\u{fdd0}', "")
    );
    assert_eq!(spm.guard("nothing here"), "nothing here");
}

#[test]
fn words_are_cut_greedily() {
    let tokens = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁hello", "▁wor", "ld", "▁,", "▁naive", "▁!",
    ];
    let kinds = [3, 2, 3, 3, 1, 1, 1, 1, 1, 1];
    let bert = tokenizer(metadata(vec![
        ("tokenizer.ggml.model", Value::Text("bert".into())),
        (
            "tokenizer.ggml.tokens",
            texts_value(&tokens.map(String::from)),
        ),
        (
            "tokenizer.ggml.token_type",
            Value::Array(kinds.into_iter().map(Value::Signed).collect()),
        ),
        ("tokenizer.ggml.bos_token_id", Value::Unsigned(2)),
        ("tokenizer.ggml.seperator_token_id", Value::Unsigned(3)),
        ("tokenizer.ggml.unknown_token_id", Value::Unsigned(1)),
    ]))
    .expect("a tokenizer");
    let ids = bert.encode("Hello, WORLD! naïve zebra", Specials::AsText);
    assert_eq!(ids, [4, 7, 5, 6, 9, 8, 1]);
    assert_eq!(bert.with_ends(vec![4]), [2, 4, 3]);
}

#[test]
fn unigrams_are_the_likeliest_cut() {
    let tokens = ["<unk>", "▁", "a", "b", "ab", "▁a", "▁ab", "abab"];
    let scores = [0.0, -3.0, -2.0, -2.0, -1.5, -2.5, -2.0, -9.0];
    let t5 = tokenizer(metadata(vec![
        ("tokenizer.ggml.model", Value::Text("t5".into())),
        (
            "tokenizer.ggml.tokens",
            texts_value(&tokens.map(String::from)),
        ),
        (
            "tokenizer.ggml.scores",
            Value::Array(scores.into_iter().map(Value::Float).collect()),
        ),
        ("tokenizer.ggml.unknown_token_id", Value::Unsigned(0)),
        ("tokenizer.ggml.add_space_prefix", Value::Bool(true)),
    ]))
    .expect("a tokenizer");
    assert_eq!(t5.encode("abab", Specials::AsText), [6, 4]);
    assert_eq!(t5.encode("a ab", Specials::AsText), [5, 6]);
    assert_eq!(decoded(&t5, &[6, 4]), " abab");
}

#[test]
fn long_runs_take_no_time_that_grows_with_their_square() {
    let reference = reference();
    for name in [
        "gpt-2",
        "llama-bpe",
        "qwen2",
        "tekken",
        "gpt-4o",
        "deepseek-v3",
        "deepseek-llm",
        "smollm",
        "exaone-moe",
        "tiny_aya",
        "superbpe",
        "laguna",
        "jais-2",
    ] {
        let tokenizer = tokenizer(bpe_metadata(&reference, name)).expect(name);
        for text in [
            " ".repeat(60_000),
            "a".repeat(60_000),
            "1".repeat(60_000),
            "1".repeat(60_000) + "a",
            "\n".repeat(60_000),
            "é🙂".repeat(20_000),
        ] {
            let ids = tokenizer.encode(&text, Specials::Parse);
            assert_eq!(decoded(&tokenizer, &ids), text, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_comes_back_however_it_is_cut(text in ".{0,60}", cut in 1_usize..7) {
        let reference = reference();
        for name in ["llama-bpe", "deepseek-v3", "gpt-2"] {
            let tokenizer = tokenizer(bpe_metadata(&reference, name)).expect(name);
            let ids = tokenizer.encode(&text, Specials::Parse);
            prop_assert_eq!(&decoded(&tokenizer, &ids), &text);
            let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.piece(*id)).collect();
            let mut decoder = tokenizer.decoder();
            let mut cut_text: String = bytes.chunks(cut).map(|part| decoder.push(part)).collect();
            cut_text.push_str(&decoder.finish());
            prop_assert_eq!(&cut_text, &text);
        }
    }

    #[test]
    fn any_bytes_become_the_text_that_they_become_at_once(bytes in prop::collection::vec(any::<u8>(), 0..40), cut in 1_usize..5) {
        let spm = spm();
        let mut decoder = spm.decoder().keeping_the_first_blank();
        let mut text: String = bytes.chunks(cut).map(|part| decoder.push(part)).collect();
        text.push_str(&decoder.finish());
        prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn the_kinds_of_tokens_are_read() {
    assert_eq!(spm().vocabulary.kind(0), TokenKind::Unknown);
    assert_eq!(spm().vocabulary.kind(3), TokenKind::Byte);
    assert_eq!(spm().vocabulary.kind(1_000_000), TokenKind::Unused);
}
