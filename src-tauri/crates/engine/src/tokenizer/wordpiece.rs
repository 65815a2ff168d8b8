//! BERT's `WordPiece`: words cut greedily into the longest tokens. GGUF writes a word's first token with `▁` before it.

use super::vocabulary::Vocabulary;
use crate::files::Metadata;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{NormalizedString, Normalizer};

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct WordPiece {
    normalizer: BertNormalizer,
}

impl WordPiece {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let lowercase = metadata
            .truth("tokenizer.ggml.normalizer.lowercase")
            .unwrap_or(true);
        let strip = metadata
            .truth("tokenizer.ggml.normalizer.strip_accents")
            .unwrap_or(lowercase);
        Self {
            normalizer: BertNormalizer::new(true, true, Some(strip), lowercase),
        }
    }

    pub(super) fn encode(&self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        let mut normalized = NormalizedString::from(text);
        // The normalizer has no way to fail on a text; were there one, the text stays as it is.
        let _ = self.normalizer.normalize(&mut normalized);
        for word in words(normalized.get()) {
            encode_word(vocabulary, word, ids);
        }
    }
}

/// Words and punctuation marks, without blanks.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().flat_map(|run| {
        let mut words = Vec::new();
        let mut from = 0;
        for (at, character) in run.char_indices() {
            if is_punctuation(character) {
                words.push(&run[from..at]);
                from = at + character.len_utf8();
                words.push(&run[at..from]);
            }
        }
        words.push(&run[from..]);
        words.into_iter().filter(|word| !word.is_empty())
    })
}

/// BERT's idea of punctuation: all of ASCII's marks, and Unicode's class P, most of which is in these blocks.
fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || matches!(
            character,
            '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
        )
        || matches!(character, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}')
        || matches!(character, '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{ff01}'..='\u{ff0f}')
        || matches!(character, '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff3d}' | '\u{ff5f}'..='\u{ff65}')
}

fn encode_word(vocabulary: &Vocabulary, word: &str, ids: &mut Vec<u32>) {
    let marked = format!("▁{word}");
    let before = ids.len();
    let mut from = 0;
    while from < marked.len() {
        let ends = marked[from..]
            .char_indices()
            .map(|(at, c)| from + at + c.len_utf8());
        let found = ends
            .rev()
            .find_map(|end| vocabulary.id(&marked[from..end]).map(|id| (id, end)));
        let Some((id, end)) = found else {
            // One part that is no token makes the whole word unknown.
            ids.truncate(before);
            break;
        };
        ids.push(id);
        from = end;
    }
    if ids.len() == before {
        ids.extend(vocabulary.unknown());
    }
}
