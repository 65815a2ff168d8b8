//! A `tokenizer.json` of Hugging Face, read by their own library.
//!
//! What a person typed is guarded here too: the library looks for added tokens in a text first, and its normalizer, which
//! comes after, takes the guards away. Added tokens that it would look for after the normalizer are moved before it, in
//! the twin that reads guarded texts.

use super::bpe::written_bytes;
use super::vocabulary::{TokenKind, Vocabulary};
use super::{GUARD, Refusal, Specials};
use crate::files::huggingface::{read_json, read_text};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tokenizers::{DecoderWrapper, Tokenizer as Inner};

/// Several times what the largest vocabularies take.
const MAX_BYTES: u64 = 256 << 20;
/// More than any vocabulary has.
const MAX_TOKENS: u32 = 1 << 22;
/// The largest id for each token, and for a file of few.
const MAX_GAPS: usize = 8;
const FEW_TOKENS: usize = 1 << 16;
/// What real ones do to a text: a blank becomes three bytes, and the like.
const MAX_GROWTH: f64 = 4096.0;

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct Json {
    inner: Inner,
    guarding: Inner,
    as_bytes: bool,
}

impl Json {
    /// Reads the file and what stands beside it.
    pub(super) fn open(path: &Path) -> Result<(Self, Vocabulary), Refusal> {
        let damaged = |error: &dyn std::fmt::Display| {
            Refusal::Damaged(format!("tokenizer.json can't be read: {error}"))
        };
        let text = read_text(path, MAX_BYTES).map_err(|reason| damaged(&reason))?;
        let file: Value = serde_json::from_str(&text).map_err(|error| damaged(&error))?;
        if growth(&file["normalizer"]) > MAX_GROWTH {
            return Err(damaged(&"its normalizer makes texts too long"));
        }
        let inner = read(file.clone()).map_err(|reason| damaged(&reason))?;
        let guarding = read(with_guards(file)).map_err(|reason| damaged(&reason))?;
        let mut vocabulary = vocabulary(&inner)?;
        let tried = caught(|| set_ends(&mut vocabulary, &inner, path));
        tried.ok_or_else(|| damaged(&"it fails on a text of one letter"))?;
        let as_bytes = matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let json = Self {
            inner,
            guarding,
            as_bytes,
        };
        Ok((json, vocabulary))
    }

    pub(super) fn encode(
        &self,
        text: &str,
        specials: Specials,
        guard: impl Fn(&str) -> String,
    ) -> Vec<u32> {
        match specials {
            Specials::AsText => ids(&self.guarding, &guard(text), false),
            Specials::Parse if text.contains(GUARD) => ids(&self.guarding, text, false),
            Specials::Parse => ids(&self.inner, text, false),
        }
    }

    /// The bytes of a token.
    pub(super) fn piece(&self, vocabulary: &Vocabulary, id: u32) -> Vec<u8> {
        if !self.as_bytes {
            return vocabulary.piece(id);
        }
        match vocabulary.kind(id) {
            TokenKind::Control => Vec::new(),
            TokenKind::UserDefined => vocabulary.text(id).as_bytes().to_vec(),
            _ => written_bytes(vocabulary.text(id)),
        }
    }
}

/// Runs something of their library, which panics on some files that nobody has written in good faith.
fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Their tokenizer, without what lengthens or shortens its answers to a size that the file wants.
fn read(mut file: Value) -> Result<Inner, String> {
    if let Some(file) = file.as_object_mut() {
        file.insert("padding".into(), Value::Null);
        file.insert("truncation".into(), Value::Null);
    }
    let bytes = serde_json::to_vec(&file).map_err(|error| error.to_string())?;
    let read = caught(|| Inner::from_bytes(&bytes));
    let read = read.ok_or("it is not understood")?;
    read.map_err(|error| error.to_string())
}

/// How many times longer a normalizer may make a text, at most.
fn growth(normalizer: &Value) -> f64 {
    let parts = normalizer["normalizers"].as_array().into_iter().flatten();
    let content = normalizer["content"].as_str().map_or(0, str::len);
    #[expect(clippy::cast_precision_loss, reason = "a rough figure")]
    let own = content.max(1) as f64;
    parts.map(growth).fold(own, |product, part| product * part)
}

/// The file of a tokenizer that loses guards after it has looked for added tokens.
fn with_guards(mut file: Value) -> Value {
    let unguard = json!({"type": "Replace", "pattern": {"String": GUARD}, "content": ""});
    let mut normalizers = vec![unguard];
    if !file["normalizer"].is_null() {
        normalizers.push(file["normalizer"].take());
    }
    file["normalizer"] = json!({"type": "Sequence", "normalizers": normalizers});
    for token in file["added_tokens"].as_array_mut().into_iter().flatten() {
        token["normalized"] = false.into();
    }
    file
}

fn ids(inner: &Inner, text: &str, ends: bool) -> Vec<u32> {
    let encoding = caught(|| inner.encode_fast(text, ends).ok());
    encoding
        .flatten()
        .map_or_else(Vec::new, |encoding| encoding.get_ids().to_vec())
}

fn vocabulary(inner: &Inner) -> Result<Vocabulary, Refusal> {
    let last = inner.get_vocab(true).into_values().max();
    // Each id that no token has takes memory too.
    let most = inner.get_vocab_size(true).saturating_mul(MAX_GAPS) + FEW_TOKENS;
    if last.is_some_and(|last| last >= MAX_TOKENS || last as usize >= most) {
        return Err(Refusal::Damaged(
            "tokenizer.json has ids that are too large".into(),
        ));
    }
    let texts: Vec<String> = (0..last.map_or(0, |last| last + 1))
        .map(|id| inner.id_to_token(id).unwrap_or_default())
        .collect();
    let added = inner.get_added_tokens_decoder();
    let kind = |(id, text): (u32, &String)| match added.get(&id) {
        Some(token) if token.special => TokenKind::Control,
        Some(_) => TokenKind::UserDefined,
        None if super::vocabulary::byte_in(text).is_some() => TokenKind::Byte,
        None => TokenKind::Normal,
    };
    let kinds = (0..).zip(&texts).map(kind).collect();
    Ok(Vocabulary::new(texts, kinds))
}

/// Begin and end tokens out of `tokenizer_config.json` and `generation_config.json`, and whether a text gets them: as the
/// configuration says, or as the tokenizer itself does it.
fn set_ends(vocabulary: &mut Vocabulary, inner: &Inner, path: &Path) {
    // What can't be read counts as absent: the tokenizer works without it.
    let read = |name: &str| read_json(&path.with_file_name(name)).unwrap_or_default();
    let config = Value::Object(read("tokenizer_config.json"));
    let id = |name: &str| {
        let text = config[name]
            .as_str()
            .or_else(|| config[name]["content"].as_str());
        text.and_then(|text| vocabulary.id(text))
    };
    let (bare, wrapped) = (ids(inner, "a", false), ids(inner, "a", true));
    let first = wrapped.first().filter(|id| bare.first() != Some(*id));
    let last = wrapped.last().filter(|id| bare.last() != Some(*id));
    let bos = first.copied().or_else(|| id("bos_token"));
    let mut eos: Vec<u32> = last.copied().into_iter().chain(id("eos_token")).collect();
    let listed = Value::Object(read("generation_config.json"));
    let listed = &listed["eos_token_id"];
    let listed = listed
        .as_array()
        .map_or(std::slice::from_ref(listed), Vec::as_slice);
    let known = listed.iter().filter_map(Value::as_u64);
    eos.extend(known.filter_map(|id| u32::try_from(id).ok()));
    let wish = |name: &str| config[name].as_bool();
    let added = (
        wish("add_bos_token").unwrap_or(first.is_some()),
        wish("add_eos_token").unwrap_or(last.is_some()),
    );
    vocabulary.set_ends(bos, &eos, added);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_stands_beside_it_and_never_ends_counts_as_absent() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let model = json!({"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"});
        let file = json!({"version": "1.0", "model": model, "added_tokens": []});
        fs::write(at("tokenizer.json"), file.to_string()).expect("a file");
        let ends = || {
            let read = Json::open(&at("tokenizer.json"));
            read.expect("it is whole").1.listed_ends().to_vec()
        };
        fs::write(at("tokenizer_config.json"), r#"{"eos_token": "b"}"#).expect("a file");
        assert_eq!(ends(), [1]);
        fs::remove_file(at("tokenizer_config.json")).expect("it is there");
        symlink("/dev/zero", at("tokenizer_config.json")).expect("a link");
        let pipe = std::process::Command::new("mkfifo")
            .arg(at("generation_config.json"))
            .status();
        assert!(pipe.expect("mkfifo starts").success());
        assert!(ends().is_empty());
    }
}
