//! RWKV's tokenizer: the longest token that the rest of the text begins with, again and again. Tokens are bytes, which
//! their file writes with escapes.

use super::Refusal;
use super::prefixes::Prefixes;
use super::vocabulary::Vocabulary;

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct Rwkv {
    pieces: Prefixes,
}

impl Rwkv {
    pub(super) fn of(vocabulary: &Vocabulary) -> Result<Self, Refusal> {
        let texts = vocabulary.texts().iter().map(|text| unescaped(text));
        Ok(Self {
            pieces: Prefixes::new(texts.zip(0..))?,
        })
    }

    pub(super) fn encode(&self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let longest = self.pieces.of(rest).last();
            ids.extend(longest.map(|(_, id)| id).or(vocabulary.unknown()));
            rest = &rest[longest.map_or(1, |(length, _)| length)..];
        }
    }
}

/// The bytes that a text with `\n`, `\x0a` and the like stands for.
pub(super) fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let [escape, others @ ..] = rest else {
            break;
        };
        rest = others;
        bytes.push(match escape {
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'x' => {
                let (digits, others) = rest.split_at(rest.len().min(2));
                rest = others;
                let digits = std::str::from_utf8(digits).unwrap_or_default();
                u8::from_str_radix(digits, 16).unwrap_or_default()
            }
            other => *other,
        });
    }
    bytes
}
