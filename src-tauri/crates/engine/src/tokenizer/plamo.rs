//! PLaMo-2's tokenizer: the cut with the least cost, found from the text's end to its beginning, in whole ten-thousandths.

use super::Refusal;
use super::prefixes::Prefixes;
use super::vocabulary::{TokenKind, Vocabulary};

/// What a character costs that no token is.
const UNKNOWN: i64 = 10_000_000;
/// A token that costs more is never taken.
const MOST: f32 = 2000.0;

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct Plamo {
    pieces: Prefixes,
    bytes: Vec<u32>,
}

/// The best way from a place to the end: what it costs, and its first token if there is one.
#[derive(Debug, Clone, Copy)]
struct Best {
    cost: i64,
    id: Option<u32>,
    length: usize,
}

impl Plamo {
    pub(super) fn of(vocabulary: &Vocabulary) -> Result<Self, Refusal> {
        let texts = (0..).zip(vocabulary.texts());
        let pieces = texts.filter(|(id, _)| vocabulary.kind(*id) != TokenKind::Byte);
        let pieces = pieces.filter(|(id, _)| vocabulary.score(*id) > -MOST);
        let bytes: Option<Vec<u32>> = (0..=255).map(|byte| vocabulary.byte(byte)).collect();
        Ok(Self {
            pieces: Prefixes::new(pieces.map(|(id, text)| (text.as_bytes().to_vec(), id)))?,
            bytes: bytes.ok_or_else(|| Refusal::Damaged("its tokenizer lacks bytes".into()))?,
        })
    }

    pub(super) fn encode(&self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let best = self.best(vocabulary, text);
        let mut at = 0;
        while let Some(step) = best.get(at).filter(|step| step.length > 0) {
            let bytes = &text.as_bytes()[at..at + step.length];
            match step.id {
                Some(id) => ids.push(id),
                None => ids.extend(bytes.iter().map(|byte| self.bytes[usize::from(*byte)])),
            }
            at += step.length;
        }
    }

    fn best(&self, vocabulary: &Vocabulary, text: &str) -> Vec<Best> {
        let end = Best {
            cost: 0,
            id: None,
            length: 0,
        };
        let mut best = vec![end; text.len() + 1];
        for (start, character) in text.char_indices().rev() {
            let length = character.len_utf8();
            let mut chosen = Best {
                cost: best[start + length].cost + UNKNOWN,
                id: None,
                length,
            };
            for (length, id) in self.pieces.of(&text.as_bytes()[start..]) {
                let cost = best[start + length].cost + cost(vocabulary, id);
                // Of equal ones the longest wins, and a token wins over bytes.
                if cost <= chosen.cost {
                    chosen = Best {
                        cost,
                        id: Some(id),
                        length,
                    };
                }
            }
            best[start] = chosen;
        }
        best
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a score that is out of range costs the most there is"
)]
fn cost(vocabulary: &Vocabulary, id: u32) -> i64 {
    -((vocabulary.score(id).min(MOST) * 1e4).round() as i64)
}
