//! `SentencePiece`'s Unigram: the likeliest way to cut a text into tokens, found from its beginning to its end.
//!
//! A character that no token is costs ten more than the unlikeliest token; neighbours of this kind are one unknown token.

use super::Refusal;
use super::charsmap::CharsMap;
use super::prefixes::Prefixes;
use super::vocabulary::{TokenKind, Vocabulary};
use crate::files::Metadata;

const UNKNOWN_COSTS: f32 = 10.0;

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct Unigram {
    pieces: Prefixes,
    /// Tokens that a model's makers added: they are kept as they are.
    added: Prefixes,
    characters: CharsMap,
    space: &'static str,
    add_space_prefix: bool,
    merge_spaces: bool,
    unknown: u32,
    unknown_score: f64,
}

/// The best way to a place: its score, its last token and where that begins.
#[derive(Debug, Clone, Copy)]
struct Best {
    score: f64,
    id: u32,
    start: usize,
}

impl Unigram {
    pub(super) fn of(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self, Refusal> {
        let unknown = vocabulary
            .unknown()
            .ok_or_else(|| Refusal::Damaged("its tokenizer has no unknown token".into()))?;
        let of_kinds = |kinds: &'static [TokenKind]| {
            let texts = (0..).zip(vocabulary.texts());
            let wanted = texts.filter(|(id, _)| kinds.contains(&vocabulary.kind(*id)));
            Prefixes::new(wanted.map(|(id, text)| (text.as_bytes().to_vec(), id)))
        };
        let normal = (0..).zip(vocabulary.texts()).map(|(id, _)| id);
        let normal = normal.filter(|id| vocabulary.kind(*id) == TokenKind::Normal);
        let least = normal
            .map(|id| vocabulary.score(id))
            .fold(f32::MAX, f32::min);
        let wish = |name: &str, otherwise| metadata.truth(name).unwrap_or(otherwise);
        Ok(Self {
            pieces: of_kinds(&[TokenKind::Normal, TokenKind::UserDefined, TokenKind::Unused])?,
            added: of_kinds(&[TokenKind::UserDefined])?,
            characters: CharsMap::of(metadata)?,
            space: if wish("tokenizer.ggml.escape_whitespaces", true) {
                "▁"
            } else {
                " "
            },
            add_space_prefix: wish("tokenizer.ggml.add_space_prefix", false),
            merge_spaces: wish("tokenizer.ggml.remove_extra_whitespaces", false),
            unknown,
            unknown_score: f64::from(least - UNKNOWN_COSTS),
        })
    }

    pub(super) fn encode(&self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        let text = self.normalized(text);
        let best = self.best(vocabulary, &text);
        let (mut at, from) = (text.len(), ids.len());
        while at > 0 {
            let step = best[at];
            // Neighbouring unknown characters are one token.
            if step.id != self.unknown || ids.len() == from || ids.last() != Some(&self.unknown) {
                ids.push(step.id);
            }
            at = step.start;
        }
        ids[from..].reverse();
    }

    /// The best way to each place between two characters.
    fn best(&self, vocabulary: &Vocabulary, text: &str) -> Vec<Best> {
        let nothing = Best {
            score: f64::MIN,
            id: self.unknown,
            start: 0,
        };
        let mut best = vec![nothing; text.len() + 1];
        best[0].score = 0.0;
        for (start, character) in text.char_indices() {
            let score = best[start].score;
            let mut offer = |length: usize, id: u32, gain: f64| {
                let place = &mut best[start + length];
                if score + gain > place.score {
                    *place = Best {
                        score: score + gain,
                        id,
                        start,
                    };
                }
            };
            let mut whole = false;
            for (length, id) in self.pieces.of(&text.as_bytes()[start..]) {
                whole |= length == character.len_utf8();
                offer(length, id, gain(vocabulary, id));
            }
            if !whole {
                offer(character.len_utf8(), self.unknown, self.unknown_score);
            }
        }
        best
    }

    /// The text as the model knows it: characters replaced, blanks merged and written as `▁`.
    fn normalized(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 3);
        let (mut in_word, mut prefixed, mut at) = (false, false, 0);
        while at < text.len() {
            let (length, part) = self.next_part(&text[at..]);
            for character in part.chars() {
                if character == ' ' {
                    in_word = false;
                    if !self.merge_spaces {
                        out.push_str(self.space);
                    }
                    continue;
                }
                if !in_word && (self.merge_spaces || self.add_space_prefix && !prefixed) {
                    out.push_str(self.space);
                    prefixed = true;
                }
                in_word = true;
                out.push(character);
            }
            at += length;
        }
        out
    }

    /// How much of the text's beginning is replaced by what: an added token or a character by itself.
    fn next_part<'t>(&'t self, text: &'t str) -> (usize, &'t str) {
        if let Some((length, _)) = self.added.of(text.as_bytes()).last() {
            return (length, &text[..length]);
        }
        let mapped = self.characters.longest(text.as_bytes());
        // A map that cuts through a character, or makes none of one, is not followed.
        let mapped = mapped.and_then(|(length, part)| {
            let fits = text.is_char_boundary(length);
            Some((length, std::str::from_utf8(part).ok()?)).filter(|_| fits)
        });
        mapped.unwrap_or_else(|| {
            let length = text.chars().next().map_or(1, char::len_utf8);
            (length, &text[..length])
        })
    }
}

/// What a token adds to a cut's score. One that was added by hand costs nothing.
fn gain(vocabulary: &Vocabulary, id: u32) -> f64 {
    match vocabulary.kind(id) {
        TokenKind::UserDefined => 0.0,
        _ => f64::from(vocabulary.score(id)),
    }
}
