//! BERT's `WordPiece`: words cut greedily into the longest tokens. GGUF writes a word's first token with `▁` before it.

use super::Refusal;
use super::prefixes::Prefixes;
use super::vocabulary::Vocabulary;
use crate::files::Metadata;
use fancy_regex::Regex;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{NormalizedString, Normalizer};

/// A longer word is unknown, as it is to the models' own tokenizers; in characters.
const LONGEST_WORD: usize = 100;
/// The same with the mark before it, in bytes.
const LONGEST_WORD_BYTES: usize = 4 * LONGEST_WORD + 3;

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct WordPiece {
    normalizer: BertNormalizer,
    marks: Regex,
    pieces: Prefixes,
}

impl WordPiece {
    pub(super) fn of(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self, Refusal> {
        let wish = |name: &str, otherwise| metadata.truth(name).unwrap_or(otherwise);
        let lowercase = wish("tokenizer.ggml.normalizer.lowercase", true);
        let strip = wish("tokenizer.ggml.normalizer.strip_accents", lowercase);
        // ASCII's symbols are punctuation here, others are not.
        // What is longer than a word can't be a part of one.
        let texts = vocabulary
            .texts()
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .zip(0..);
        let texts = texts.filter(|(text, _)| text.len() <= LONGEST_WORD_BYTES);
        let marks = Regex::new(r"[\p{P}$+<=>^`|~]");
        Ok(Self {
            normalizer: BertNormalizer::new(true, true, Some(strip), lowercase),
            marks: marks.map_err(|error| Refusal::Unknown(error.to_string()))?,
            pieces: Prefixes::new(texts)?,
        })
    }

    pub(super) fn encode(&self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        let mut normalized = NormalizedString::from(text);
        // The normalizer has no way to fail on a text; were there one, the text stays as it is.
        let _ = self.normalizer.normalize(&mut normalized);
        for run in normalized.get().split_whitespace() {
            let mut from = 0;
            for mark in self.marks.find_iter(run).map_while(Result::ok) {
                self.encode_word(vocabulary, &run[from..mark.start()], ids);
                self.encode_word(vocabulary, mark.as_str(), ids);
                from = mark.end();
            }
            self.encode_word(vocabulary, &run[from..], ids);
        }
    }

    fn encode_word(&self, vocabulary: &Vocabulary, word: &str, ids: &mut Vec<u32>) {
        if word.is_empty() {
            return;
        }
        if word.chars().nth(LONGEST_WORD).is_some() {
            ids.extend(vocabulary.unknown());
            return;
        }
        let marked = format!("▁{word}");
        let before = ids.len();
        let mut rest = marked.as_str();
        while !rest.is_empty() {
            let Some((length, id)) = self.pieces.of(rest.as_bytes()).last() else {
                // One part that is no token makes the whole word unknown.
                ids.truncate(before);
                ids.extend(vocabulary.unknown());
                return;
            };
            ids.push(id);
            rest = &rest[length..];
        }
    }
}
