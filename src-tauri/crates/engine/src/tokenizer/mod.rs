//! Text to token ids and back, with what a model brings along: a vocabulary in GGUF's metadata, or a `tokenizer.json`.
//!
//! It deliberately knows no chat template. Invariant: what is unknown here, a kind of tokenizer or a pre-tokenizer, is
//! refused by name and never guessed; and text that a person typed can't become a special token, if it went through
//! [`Tokenizer::guard`].
//! Source: llama.cpp b11434 (`llama-vocab.cpp`) for what GGUF files mean, Hugging Face's tokenizers for what models were
//! trained with.

mod bpe;
mod bytes;
mod charsmap;
mod decode;
mod ends;
mod json;
mod plamo;
mod pre;
mod prefixes;
#[cfg(test)]
mod reference;
mod rwkv;
mod specials;
mod spm;
#[cfg(test)]
mod tests;
mod unigram;
mod vocabulary;
mod wordpiece;

pub use decode::Decoder;

use crate::files::{Checkpoint, Metadata};
use bpe::Bpe;
use engine_api::EngineError;
use json::Json;
use plamo::Plamo;
use rwkv::Rwkv;
use specials::{Fragment, Guarded as Of, Specials as SpecialTexts};
use spm::Spm;
use std::borrow::Cow;
use std::collections::HashSet;
use unigram::Unigram;
use vocabulary::Vocabulary;
use wordpiece::WordPiece;

/// Stands inside of special tokens' texts that a person typed, so that they are not found. A noncharacter of Unicode.
const GUARD: char = '\u{FDD0}';

/// What the texts of special tokens mean in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specials {
    /// The tokens themselves.
    Parse,
    /// Text like any other; tokens that a model's makers added as plain words are found all the same.
    AsText,
}

/// A model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    kind: Kind,
    vocabulary: Vocabulary,
    specials: SpecialTexts,
    ends_turn: HashSet<u32>,
}

#[derive(Debug)]
enum Kind {
    Bpe(Box<Bpe>),
    Spm(Spm),
    Unigram(Box<Unigram>),
    WordPiece(Box<WordPiece>),
    Rwkv(Rwkv),
    Plamo(Box<Plamo>),
    Json(Box<Json>),
}

impl Tokenizer {
    /// The tokenizer of a model: of the `tokenizer.json` beside it, or of its metadata.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] for a vocabulary that is missing or contradicts itself,
    /// [`EngineError::UnsupportedModel`] for a kind that is unknown here.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, EngineError> {
        let file = checkpoint.path.display().to_string();
        Self::read(checkpoint).map_err(|refusal| match refusal {
            Refusal::Damaged(reason) => EngineError::InvalidModel {
                file,
                reason: format!("it is damaged: {reason}"),
            },
            Refusal::Unknown(reason) => EngineError::UnsupportedModel { file, reason },
        })
    }

    fn read(checkpoint: &Checkpoint) -> Result<Self, Refusal> {
        let beside = checkpoint.path.join("tokenizer.json");
        if beside.is_file() {
            let (json, vocabulary) = Json::open(&beside)?;
            let kind = Kind::Json(Box::new(json));
            return Self::new(kind, vocabulary, &Metadata::default());
        }
        if checkpoint.path.is_dir() {
            return Err(Refusal::Unknown(
                "there is no tokenizer.json in it, and this engine reads no other tokenizer of a folder".into(),
            ));
        }
        let metadata = &checkpoint.metadata;
        let vocabulary = Vocabulary::of(metadata)?;
        if let Some(embedding) = checkpoint.tensor("token_embd.weight")
            && embedding
                .shape
                .first()
                .is_some_and(|rows| *rows < vocabulary.len())
        {
            let count = vocabulary.len();
            return Err(Refusal::Damaged(format!(
                "it has {count} tokens, but an embedding for fewer"
            )));
        }
        let kind = match metadata.text("tokenizer.ggml.model").unwrap_or("none") {
            "gpt2" | "gemma4" | "whitespace" => {
                Kind::Bpe(Box::new(Bpe::of(metadata, &vocabulary)?))
            }
            "llama" => Kind::Spm(Spm::of(metadata, &vocabulary)),
            "t5" => Kind::Unigram(Box::new(Unigram::of(metadata, &vocabulary)?)),
            "bert" => Kind::WordPiece(Box::new(WordPiece::of(metadata, &vocabulary)?)),
            "rwkv" => Kind::Rwkv(Rwkv::of(&vocabulary)?),
            "plamo2" => Kind::Plamo(Box::new(Plamo::of(&vocabulary)?)),
            other => {
                return Err(Refusal::Unknown(format!(
                    "its tokenizer is of kind {other}; this engine knows: gpt2, gemma4 and whitespace (BPE), llama (SentencePiece), t5 (Unigram), bert (WordPiece), rwkv, plamo2"
                )));
            }
        };
        Self::new(kind, vocabulary, metadata)
    }

    fn new(kind: Kind, mut vocabulary: Vocabulary, metadata: &Metadata) -> Result<Self, Refusal> {
        let ends_turn = ends::settle(&mut vocabulary);
        Ok(Self {
            specials: SpecialTexts::of(metadata, &vocabulary)?,
            ends_turn,
            kind,
            vocabulary,
        })
    }

    /// Token ids of a text; no begin or end is added.
    pub fn encode(&self, text: &str, specials: Specials) -> Vec<u32> {
        if let Kind::Json(json) = &self.kind {
            return json.encode(text, specials, |text| {
                self.specials.guard(text, Of::Control).into_owned()
            });
        }
        let mut ids = Vec::new();
        let mut after_special = true;
        for fragment in self.specials.split(text, specials) {
            match fragment {
                Fragment::Special(id) => {
                    ids.push(id);
                    after_special = true;
                }
                Fragment::Text(text) => {
                    self.encode_fragment(&self.unguard(text), after_special, &mut ids);
                    after_special = false;
                }
            }
        }
        ids
    }

    fn encode_fragment(&self, text: &str, after_special: bool, ids: &mut Vec<u32>) {
        match &self.kind {
            Kind::Bpe(bpe) => bpe.encode(&self.vocabulary, text, ids),
            Kind::Spm(spm) => spm.encode(&self.vocabulary, text, after_special, ids),
            Kind::Unigram(unigram) => unigram.encode(&self.vocabulary, text, ids),
            Kind::Rwkv(rwkv) => rwkv.encode(&self.vocabulary, text, ids),
            Kind::Plamo(plamo) => plamo.encode(&self.vocabulary, text, ids),
            Kind::WordPiece(wordpiece) => wordpiece.encode(&self.vocabulary, text, ids),
            Kind::Json(_) => {}
        }
    }

    /// Token ids of a rendered prompt: special tokens in it count as such, guarded ones do not, and the begin token stands
    /// first if the model wants one and the text has none.
    pub fn encode_prompt(&self, text: &str) -> Vec<u32> {
        let mut ids = self.encode(text, Specials::Parse);
        if let Some(begin) = self
            .vocabulary
            .begin()
            .filter(|begin| ids.first() != Some(begin))
        {
            ids.insert(0, begin);
        }
        ids
    }

    /// The begin and end tokens added, as the model wants them around a text.
    pub fn with_ends(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if let Some(begin) = self.vocabulary.begin() {
            ids.insert(0, begin);
        }
        ids.extend(self.vocabulary.end());
        ids
    }

    /// Makes special tokens' texts in something that a person typed unrecognisable, until [`Self::encode_prompt`] has
    /// looked for special tokens.
    pub fn guard<'t>(&self, content: &'t str) -> Cow<'t, str> {
        self.specials.guard(content, Of::All)
    }

    /// The same text without guards.
    pub fn unguard<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.contains(GUARD) {
            text.replace(GUARD, "").into()
        } else {
            text.into()
        }
    }

    /// Turns ids into text as they come.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(matches!(&self.kind, Kind::Spm(spm) if spm.adds_space()))
    }

    /// The bytes that a token stands for; none for control tokens.
    pub fn piece(&self, id: u32) -> Vec<u8> {
        match &self.kind {
            Kind::Bpe(bpe) => bpe.piece(&self.vocabulary, id),
            Kind::Json(json) => json.piece(&self.vocabulary, id),
            Kind::Rwkv(_) if !self.is_control(id) => rwkv::unescaped(self.vocabulary.text(id)),
            _ => self.vocabulary.piece(id),
        }
    }

    /// Whether a token steers the model and is no text.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocabulary.is_control(id)
    }

    /// Whether a token ends the model's turn.
    pub fn ends_turn(&self, id: u32) -> bool {
        self.ends_turn.contains(&id)
    }

    /// Tokens that end the model's turn.
    pub fn ends_of_turn(&self) -> impl Iterator<Item = u32> + '_ {
        self.ends_turn.iter().copied()
    }

    /// A token's text as the vocabulary has it, also of one that steers the model; for parsers of answers.
    pub fn token_text(&self, id: u32) -> &str {
        self.vocabulary.text(id)
    }

    /// The id of a token by its whole text.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.vocabulary.id(text)
    }

    /// The token that stands at the beginning of each text, for a model that wants one.
    pub fn begin(&self) -> Option<u32> {
        self.vocabulary.begin()
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.vocabulary.len() == 0
    }

    /// Text of the begin token, for templates; empty if there is none.
    pub fn bos_text(&self) -> &str {
        self.vocabulary.bos_text()
    }

    /// Text of the end token, for templates; empty if there is none.
    pub fn eos_text(&self) -> &str {
        self.vocabulary.eos_text()
    }
}

/// Why a tokenizer is not taken.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Damaged(String),
    Unknown(String),
}
