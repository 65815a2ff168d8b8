//! A `tokenizer.json` of Hugging Face, read by their own library.

use super::bpe::written_bytes;
use super::vocabulary::{TokenKind, Vocabulary};
use super::{GUARD, Refusal, Specials};
use serde_json::Value;
use std::path::Path;
use tokenizers::{DecoderWrapper, Tokenizer as Inner};

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct Json {
    parsing: Inner,
    as_text: Inner,
    as_bytes: bool,
}

impl Json {
    /// Reads the file and what stands beside it.
    pub(super) fn open(path: &Path) -> Result<(Self, Vocabulary), Refusal> {
        let parsing = Inner::from_file(path)
            .map_err(|error| Refusal::Damaged(format!("tokenizer.json can't be read: {error}")))?;
        let mut as_text = parsing.clone();
        as_text.set_encode_special_tokens(true);
        let mut vocabulary = vocabulary(&parsing);
        set_ends(&mut vocabulary, path);
        let as_bytes = matches!(parsing.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        Ok((
            Self {
                parsing,
                as_text,
                as_bytes,
            },
            vocabulary,
        ))
    }

    pub(super) fn encode(&self, text: &str, specials: Specials) -> Vec<u32> {
        let inner = match specials {
            Specials::Parse => &self.parsing,
            Specials::AsText => &self.as_text,
        };
        if !text.contains(GUARD) {
            return ids(inner, text);
        }
        // What stands between guards is cut there, so that no special token is found across one; the cuts are rare.
        let mut all = Vec::new();
        for part in guarded_parts(text) {
            let inner = if part.guarded { &self.as_text } else { inner };
            all.extend(ids(inner, &part.text));
        }
        all
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

fn ids(inner: &Inner, text: &str) -> Vec<u32> {
    inner
        .encode_fast(text, false)
        .map(|encoding| encoding.get_ids().to_vec())
        .unwrap_or_default()
}

struct Part {
    text: String,
    guarded: bool,
}

/// Words with a guard in them, and what stands between: a guarded special text has no blank, or is cut at it, which can't
/// make a special token of it either.
fn guarded_parts(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let guarded = word.contains(GUARD);
        let word = word.replace(GUARD, "");
        match parts.last_mut() {
            Some(last) if last.guarded == guarded => last.text.push_str(&word),
            _ => parts.push(Part {
                text: word,
                guarded,
            }),
        }
    }
    parts
}

fn vocabulary(inner: &Inner) -> Vocabulary {
    let count = inner
        .get_vocab(true)
        .values()
        .max()
        .map_or(0, |last| last + 1);
    let texts: Vec<String> = (0..count)
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
    Vocabulary::new(texts, kinds)
}

/// Begin and end tokens out of `tokenizer_config.json` and `generation_config.json`.
fn set_ends(vocabulary: &mut Vocabulary, path: &Path) {
    let read = |name: &str| {
        let text = std::fs::read_to_string(path.with_file_name(name)).ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    let config = read("tokenizer_config.json").unwrap_or(Value::Null);
    let text = |name: &str| match &config[name] {
        Value::String(text) => Some(text.clone()),
        Value::Object(token) => token
            .get("content")
            .and_then(Value::as_str)
            .map(str::to_owned),
        _ => None,
    };
    let id = |name: &str| text(name).and_then(|text| vocabulary.id(&text));
    let (bos, mut eos) = (id("bos_token"), Vec::from_iter(id("eos_token")));
    let add_bos = config["add_bos_token"].as_bool().unwrap_or(false);
    match &read("generation_config.json").unwrap_or(Value::Null)["eos_token_id"] {
        Value::Array(ids) => eos.extend(
            ids.iter()
                .filter_map(Value::as_u64)
                .filter_map(|id| u32::try_from(id).ok()),
        ),
        one => eos.extend(one.as_u64().and_then(|id| u32::try_from(id).ok())),
    }
    vocabulary.set_ends(bos, &eos, add_bos);
}
