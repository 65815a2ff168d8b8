//! Byte-pair encoding: neighbouring symbols of a piece are merged, the earliest merge of the list first.

use super::Refusal;
use super::bytes::{byte_of, char_of};
use super::pre::{PreTokenizer, Writing};
use super::vocabulary::{TokenKind, Vocabulary, texts};
use crate::files::Metadata;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct Bpe {
    pre: PreTokenizer,
    /// Whether only words count and blanks are lost.
    words: Option<Words>,
    /// Symbols that only stand between characters and tokens; their ids follow the vocabulary's.
    between: HashMap<String, u32>,
    /// The symbols of single bytes, where pieces are written in them.
    bytes: Vec<Option<u32>>,
    /// From two symbols to the merge's rank and what it makes.
    merges: HashMap<(u32, u32), (u32, u32)>,
}

/// A tokenizer that takes words only.
#[derive(Debug, Clone, Copy)]
struct Words {
    lowercase: bool,
}

/// A symbol of a piece, in a chain.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    /// None: a character that is no symbol by itself.
    id: Option<u32>,
    /// Where it stands in the piece, in bytes.
    start: usize,
    end: usize,
    previous: usize,
    next: usize,
}

const NONE: usize = usize::MAX;

impl Bpe {
    pub(super) fn of(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self, Refusal> {
        let name = match metadata.text("tokenizer.ggml.model") {
            Some("gemma4") => "gemma4",
            _ => metadata.text("tokenizer.ggml.pre").ok_or_else(|| {
                Refusal::Unknown("it doesn't say what its pre-tokenizer is, and a guess would make it answer nonsense".into())
            })?,
        };
        let words = metadata.text("tokenizer.ggml.model") == Some("whitespace");
        let lowercase = metadata.truth("tokenizer.ggml.normalizer.lowercase");
        let mut bpe = Self {
            pre: PreTokenizer::named(name)?,
            words: words.then(|| Words {
                lowercase: lowercase.unwrap_or(name != "whitespace"),
            }),
            between: HashMap::new(),
            bytes: Vec::new(),
            merges: HashMap::new(),
        };
        for (rank, merge) in (0..).zip(texts(metadata, "tokenizer.ggml.merges")?) {
            bpe.learn(vocabulary, rank, &merge)?;
        }
        let symbol = |byte| bpe.known(vocabulary, char_of(byte).encode_utf8(&mut [0; 4]));
        bpe.bytes = (0..=255).map(symbol).collect();
        Ok(bpe)
    }

    fn learn(&mut self, vocabulary: &Vocabulary, rank: u32, merge: &str) -> Result<(), Refusal> {
        // A symbol may itself begin with a blank, in vocabularies that are not written in bytes.
        let blank = merge
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == ' ')
            .map(|(at, _)| at);
        let Some(blank) = blank else {
            return Err(Refusal::Damaged(format!(
                "{merge:?} is no merge of two pieces"
            )));
        };
        let (left, right) = (&merge[..blank], &merge[blank + 1..]);
        let pair = (
            self.symbol(vocabulary, left),
            self.symbol(vocabulary, right),
        );
        let made = self.symbol(vocabulary, &format!("{left}{right}"));
        self.merges.entry(pair).or_insert((rank, made));
        Ok(())
    }

    fn symbol(&mut self, vocabulary: &Vocabulary, text: &str) -> u32 {
        if let Some(id) = vocabulary.id(text) {
            return id;
        }
        let next = u32::try_from(vocabulary.len() + self.between.len()).unwrap_or(u32::MAX);
        *self.between.entry(text.to_owned()).or_insert(next)
    }

    fn known(&self, vocabulary: &Vocabulary, text: &str) -> Option<u32> {
        vocabulary
            .id(text)
            .or_else(|| self.between.get(text).copied())
    }

    pub(super) fn encode(&self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        match (self.pre.writing, self.words) {
            (_, Some(Words { lowercase })) => {
                for word in text.split_whitespace() {
                    let word = if lowercase {
                        lowered(word)
                    } else {
                        word.into()
                    };
                    self.encode_words(vocabulary, &word, ids);
                }
            }
            (Writing::Blanks, None) => self.encode_words(vocabulary, &text.replace(' ', "▁"), ids),
            _ => self.encode_words(vocabulary, text, ids),
        }
    }

    fn encode_words(&self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        let mut written = String::new();
        for piece in self.pre.split(text) {
            if self.pre.writing == Writing::Bytes {
                if let Some(id) = self.single(vocabulary, &piece) {
                    ids.push(id);
                    continue;
                }
                written.clear();
                written.extend(piece.bytes().map(char_of));
                self.encode_piece(vocabulary, &written, self.pre.ignore_merges, ids);
                continue;
            }
            let lines = self.pre.whole_lines && piece.bytes().all(|byte| byte == b'\n');
            self.encode_piece(vocabulary, &piece, lines || self.pre.ignore_merges, ids);
        }
    }

    /// The token of a piece of one byte: the commonest piece, and there is nothing to merge.
    fn single(&self, vocabulary: &Vocabulary, piece: &str) -> Option<u32> {
        let [byte] = piece.as_bytes() else {
            return None;
        };
        let id = self.bytes.get(usize::from(*byte)).copied().flatten();
        id.filter(|id| (*id as usize) < vocabulary.len())
    }

    /// The symbol of a character.
    fn of_character(&self, vocabulary: &Vocabulary, character: char) -> Option<u32> {
        match byte_of(character).filter(|_| self.pre.writing == Writing::Bytes) {
            Some(byte) => self.bytes.get(usize::from(byte)).copied().flatten(),
            None => self.known(vocabulary, character.encode_utf8(&mut [0; 4])),
        }
    }

    fn encode_piece(&self, vocabulary: &Vocabulary, piece: &str, whole: bool, ids: &mut Vec<u32>) {
        if let Some(id) = vocabulary.id(piece).filter(|_| whole) {
            ids.push(id);
            return;
        }
        let symbols = self.merged(vocabulary, piece);
        let mut at = if symbols.is_empty() { NONE } else { 0 };
        while at != NONE {
            let symbol = symbols[at];
            match symbol.id.filter(|id| (*id as usize) < vocabulary.len()) {
                Some(id) => ids.push(id),
                None => self.fall_back(vocabulary, &piece[symbol.start..symbol.end], ids),
            }
            at = symbol.next;
        }
    }

    /// A symbol that is no token: its characters, or bytes, or what stands for the unknown.
    fn fall_back(&self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        for character in text.chars() {
            let mut buffer = [0; 4];
            let text: &str = character.encode_utf8(&mut buffer);
            if let Some(id) = vocabulary.id(text) {
                ids.push(id);
            } else if self.pre.writing == Writing::Bytes {
                ids.extend(vocabulary.unknown());
            } else {
                ids.extend(
                    text.bytes()
                        .filter_map(|byte| vocabulary.byte(byte).or(vocabulary.unknown())),
                );
            }
        }
    }

    /// The chain of a piece's symbols, merged; it begins with the first.
    fn merged(&self, vocabulary: &Vocabulary, piece: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = piece
            .char_indices()
            .enumerate()
            .map(|(at, (start, character))| {
                let end = start + character.len_utf8();
                let id = self.of_character(vocabulary, character);
                Symbol {
                    id,
                    start,
                    end,
                    previous: at.wrapping_sub(1),
                    next: at + 1,
                }
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        let mut queue = BinaryHeap::new();
        for left in 0..symbols.len().saturating_sub(1) {
            self.consider(&symbols, left, &mut queue);
        }
        while let Some(Reverse((rank, left))) = queue.pop() {
            // Whatever was merged meanwhile is gone, or has another neighbour and another rank; with the same it is due.
            let left = left as usize;
            let right = symbols[left].next;
            if right == NONE {
                continue;
            }
            let Some((_, made)) = self.merge(&symbols, left).filter(|(now, _)| *now == rank) else {
                continue;
            };
            let end = symbols[right].end;
            let next = symbols[right].next;
            symbols[left].id = Some(made);
            symbols[left].end = end;
            symbols[left].next = next;
            symbols[right].id = None;
            if next != NONE {
                symbols[next].previous = left;
                self.consider(&symbols, left, &mut queue);
            }
            if symbols[left].previous != NONE {
                self.consider(&symbols, symbols[left].previous, &mut queue);
            }
        }
        symbols
    }

    /// The merge of a symbol with its next one, if there is one: its rank and what it makes.
    fn merge(&self, symbols: &[Symbol], left: usize) -> Option<(u32, u32)> {
        let right = symbols.get(symbols[left].next)?;
        let pair = symbols[left].id.zip(right.id)?;
        self.merges.get(&pair).copied()
    }

    /// Puts it into the queue, if there is one.
    fn consider(&self, symbols: &[Symbol], left: usize, queue: &mut BinaryHeap<Reverse<Merge>>) {
        if let Some((rank, _)) = self.merge(symbols, left)
            && let Ok(left) = u32::try_from(left)
        {
            queue.push(Reverse((rank, left)));
        }
    }

    /// The bytes of a token.
    pub(super) fn piece(&self, vocabulary: &Vocabulary, id: u32) -> Vec<u8> {
        match self.pre.writing {
            Writing::Bytes => {}
            Writing::Blanks => return vocabulary.piece(id),
            Writing::Plain if vocabulary.is_control(id) => return Vec::new(),
            Writing::Plain => return vocabulary.text(id).as_bytes().to_vec(),
        }
        match vocabulary.kind(id) {
            TokenKind::Control | TokenKind::Unknown => Vec::new(),
            TokenKind::UserDefined => vocabulary.text(id).as_bytes().to_vec(),
            _ => written_bytes(vocabulary.text(id)),
        }
    }
}

/// In small letters, each character for itself.
fn lowered(word: &str) -> String {
    let lowered = |character: char| {
        let mut lower = character.to_lowercase();
        lower
            .next()
            .filter(|_| lower.len() == 0)
            .unwrap_or(character)
    };
    word.chars().map(lowered).collect()
}

/// A merge that could be done: its rank, and where its left symbol stands. Small: a long piece has a queue of millions.
type Merge = (u32, u32);

/// The bytes of a text in GPT-2's characters; other characters stand for themselves.
pub(super) fn written_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}
