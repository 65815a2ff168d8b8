//! `SentencePiece`'s Unigram: the likeliest way to cut a text into tokens. The cutting is Hugging Face's.

use super::Refusal;
use super::vocabulary::{TokenKind, Vocabulary};
use crate::files::Metadata;
use tokenizers::normalizers::{Precompiled, Replace};
use tokenizers::{Model, NormalizedString, Normalizer};

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct Unigram {
    model: tokenizers::models::unigram::Unigram,
    characters: Option<Precompiled>,
    add_space_prefix: bool,
    merge_spaces: bool,
    unknown: Option<u32>,
}

impl Unigram {
    pub(super) fn of(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self, Refusal> {
        let damaged = |what: &str| Refusal::Damaged(format!("its tokenizer: {what}"));
        let pieces = (0..).zip(vocabulary.texts()).map(|(id, text)| {
            // What was added by hand is preferred; what steers the model is never found in a text.
            let score = match vocabulary.kind(id) {
                TokenKind::UserDefined => 0.0,
                TokenKind::Control | TokenKind::Unknown | TokenKind::Byte => -1e9,
                _ => f64::from(vocabulary.score(id)),
            };
            (text.clone(), score)
        });
        let unknown = vocabulary.unknown();
        let model = tokenizers::models::unigram::Unigram::from(
            pieces.collect(),
            unknown.map(|id| id as usize),
            false,
        );
        Ok(Self {
            model: model.map_err(|error| damaged(&error.to_string()))?,
            characters: characters(metadata)?,
            add_space_prefix: metadata
                .truth("tokenizer.ggml.add_space_prefix")
                .unwrap_or(false),
            merge_spaces: metadata
                .truth("tokenizer.ggml.remove_extra_whitespaces")
                .unwrap_or(false),
            unknown,
        })
    }

    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        let mut normalized = NormalizedString::from(text);
        if let Some(characters) = &self.characters {
            // A map that fails on a text leaves it as it is.
            let _ = characters.normalize(&mut normalized);
        }
        let mut text = normalized.get().to_owned();
        if self.merge_spaces {
            text = text
                .split(' ')
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(" ");
        }
        if text.is_empty() {
            return;
        }
        if self.add_space_prefix || self.merge_spaces {
            text.insert(0, ' ');
        }
        let mut normalized = NormalizedString::from(text);
        if let Ok(escape) = Replace::new(" ", "▁") {
            let _ = escape.normalize(&mut normalized);
        }
        match self.model.tokenize(normalized.get()) {
            Ok(tokens) => ids.extend(tokens.into_iter().map(|token| token.id)),
            Err(_) => ids.extend(self.unknown),
        }
    }
}

fn characters(metadata: &Metadata) -> Result<Option<Precompiled>, Refusal> {
    let Some(values) = metadata.array("tokenizer.ggml.precompiled_charsmap") else {
        return Ok(None);
    };
    let byte = |value: &crate::files::Value| match value {
        crate::files::Value::Signed(byte) => i8::try_from(*byte).ok().map(i8::cast_unsigned),
        value => value.as_unsigned().and_then(|byte| u8::try_from(byte).ok()),
    };
    let bytes: Option<Vec<u8>> = values.iter().map(byte).collect();
    let damaged = || Refusal::Damaged("its map of characters can't be read".into());
    Precompiled::from(&bytes.ok_or_else(damaged)?)
        .map(Some)
        .map_err(|_| damaged())
}
