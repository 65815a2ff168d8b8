//! `SentencePiece`'s map of characters: what a text's beginnings become before it is cut into tokens.
//!
//! It lies in the file as four bytes of length, a double array of 32-bit units that is a trie over the texts to be
//! replaced, and the replacements, each ended by a zero. Source: Kanda, "Space- and Time-Efficient String Dictionaries";
//! the layout is that of the darts-clone library. Invariant: nothing in it leads outside of it.

use super::Refusal;
use crate::files::{Metadata, Value};

/// Longest text that is replaced, and longest replacement, in bytes: Unicode's normal forms have none over 36. A map can lead
/// in a circle, and a replacement be as long as the file.
const MAX_BYTES: usize = 64;

/// The map.
#[derive(Debug, Default)]
pub(super) struct CharsMap {
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl CharsMap {
    pub(super) fn of(metadata: &Metadata) -> Result<Self, Refusal> {
        let Some(values) = metadata.array("tokenizer.ggml.precompiled_charsmap") else {
            return Ok(Self::default());
        };
        let bytes: Option<Vec<u8>> = values.iter().map(byte).collect();
        bytes
            .and_then(|bytes| Self::read(&bytes))
            .ok_or_else(|| Refusal::Damaged("its map of characters can't be read".into()))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (array, replacements) = rest.split_at_checked(length)?;
        let unit = |unit: &[u8; 4]| u32::from_le_bytes(*unit);
        Some(Self {
            units: array.as_chunks::<4>().0.iter().map(unit).collect(),
            replacements: replacements.to_vec(),
        })
    }

    /// The longest beginning of `text` that the map knows: its length, and what takes its place.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(usize, &[u8])> {
        let mut found = None;
        let mut at = base(*self.units.first()?);
        for (index, byte) in text.iter().enumerate().take(MAX_BYTES) {
            at ^= u32::from(*byte);
            let unit = self.unit(at)?;
            if *byte == 0 || unit & (1 << 31 | 0xff) != u32::from(*byte) {
                break;
            }
            at ^= base(unit);
            if unit >> 8 & 1 == 1 {
                found = Some((index + 1, self.unit(at)? & !(1 << 31)));
            }
        }
        let (length, at) = found?;
        let replacement = self.replacements.get(usize::try_from(at).ok()?..)?;
        let mut bytes = replacement.iter().take(MAX_BYTES + 1);
        let end = bytes.position(|byte| *byte == 0)?;
        Some((length, &replacement[..end]))
    }

    fn unit(&self, at: u32) -> Option<u32> {
        self.units.get(usize::try_from(at).ok()?).copied()
    }
}

/// Where a node's children begin.
fn base(unit: u32) -> u32 {
    (unit >> 10) << ((unit & 1 << 9) >> 6)
}

fn byte(value: &Value) -> Option<u8> {
    match value {
        Value::Signed(byte) => i8::try_from(*byte).ok().map(i8::cast_unsigned),
        value => value.as_unsigned().and_then(|byte| u8::try_from(byte).ok()),
    }
}
