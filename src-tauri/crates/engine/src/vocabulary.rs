//! What each token of a model writes, as bytes: for grammars, log-probabilities and penalties that look at text.
//!
//! It deliberately can't split text: that is the tokenizer's. Invariant: each id below [`Vocabulary::len`] has bytes, empty for a
//! token that writes nothing.

/// The bytes of all tokens, once for each model.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    is_control: Vec<bool>,
    ends_turn: Vec<u32>,
}

impl Vocabulary {
    /// Of `count` tokens. `piece` gives the bytes that a token writes and whether it is a control token, which never
    /// stands for text; `ends_turn` are those that end an answer.
    pub fn new(
        count: u32,
        mut piece: impl FnMut(u32) -> (Vec<u8>, bool),
        ends_turn: &[u32],
    ) -> Self {
        let mut vocabulary = Self::default();
        for id in 0..count {
            let (bytes, is_control) = piece(id);
            vocabulary.bytes.extend_from_slice(&bytes);
            vocabulary.ends.push(vocabulary.bytes.len());
            vocabulary.is_control.push(is_control);
        }
        let known = ends_turn.iter().copied().filter(|id| *id < count);
        vocabulary.ends_turn = known.collect();
        vocabulary
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What the token writes; nothing for an unknown one.
    pub fn bytes(&self, id: u32) -> &[u8] {
        let at = id as usize;
        let begin = at
            .checked_sub(1)
            .map_or(Some(0), |before| self.ends.get(before).copied());
        let range = begin.zip(self.ends.get(at).copied());
        range.map_or(&[], |(begin, end)| &self.bytes[begin..end])
    }

    /// Whether the token is one for the machine, such as an end of turn.
    pub fn is_control(&self, id: u32) -> bool {
        self.is_control.get(id as usize).copied().unwrap_or(false)
    }

    /// The tokens that end an answer.
    pub fn ends_turn(&self) -> &[u32] {
        &self.ends_turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_its_bytes() {
        let texts = ["a", "", "<end>", "é"];
        let piece = |id: u32| (texts[id as usize].as_bytes().to_vec(), id == 2);
        let vocabulary = Vocabulary::new(4, piece, &[2, 9]);
        let all: Vec<&[u8]> = (0..5).map(|id| vocabulary.bytes(id)).collect();
        assert_eq!(all, [b"a".as_slice(), b"", b"<end>", "é".as_bytes(), b""]);
        assert!(vocabulary.is_control(2) && !vocabulary.is_control(3) && !vocabulary.is_control(9));
        assert_eq!(
            (vocabulary.len(), vocabulary.ends_turn()),
            (4, [2].as_slice())
        );
    }
}
