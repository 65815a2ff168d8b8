//! From what was asked to token ids: a model's tokenizer and chat template.
//!
//! It needs no weights, so that the thread that computes never waits for a long text or a slow template. Invariant: every
//! id that it gives is in the vocabulary.

use crate::files::{Checkpoint, Metadata};
use crate::grammar::{Grammar, Grammars};
use crate::template::{Sources, Templates};
use crate::tokenizer::{Specials, Tokenizer};
use crate::vocabulary::Vocabulary;
use engine_api::{Chat, Constraint, EngineError, GenerateRequest, Input, Prompt, Text};
use std::borrow::Cow;
use std::sync::OnceLock;

/// A model's tokenizer and chat template.
#[derive(Debug)]
pub(crate) struct Prompts {
    pub(crate) tokenizer: Tokenizer,
    /// What each token writes.
    pub(crate) vocabulary: Vocabulary,
    templates: Result<Templates, String>,
    /// Made for the first request that wants one.
    grammars: OnceLock<Result<Grammars, EngineError>>,
    rows: usize,
}

/// A prompt's tokens, and what the answer must be.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) tokens: Vec<u32>,
    pub(crate) grammar: Option<Grammar>,
}

impl Prompts {
    /// Those of this model, whose embedding has so many rows.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] or [`EngineError::UnsupportedModel`] when its tokenizer is damaged or unknown.
    pub(crate) fn of(checkpoint: &Checkpoint, rows: usize) -> Result<Self, EngineError> {
        let tokenizer = Tokenizer::of(checkpoint)?;
        Ok(Self {
            templates: templates(&checkpoint.metadata, &tokenizer),
            vocabulary: vocabulary(&tokenizer),
            tokenizer,
            grammars: OnceLock::new(),
            rows,
        })
    }

    /// All that can be made of a request before it is computed.
    ///
    /// # Errors
    /// As for [`Self::tokens`]; [`EngineError::InvalidRequest`] for a constraint that is none.
    pub(crate) fn prepare(&self, request: &GenerateRequest) -> Result<Prepared, EngineError> {
        let constraint = request.constraint.as_ref();
        Ok(Prepared {
            tokens: self.tokens(&request.prompt)?,
            grammar: constraint
                .map(|constraint| self.grammar(constraint))
                .transpose()?,
        })
    }

    fn grammar(&self, constraint: &Constraint) -> Result<Grammar, EngineError> {
        let grammars = self
            .grammars
            .get_or_init(|| Grammars::new(&self.vocabulary));
        grammars.as_ref().map_err(Clone::clone)?.start(constraint)
    }

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] when the model has no chat template, when that refuses the conversation, or for
    /// an id outside the vocabulary.
    fn tokens(&self, prompt: &Prompt) -> Result<Vec<u32>, EngineError> {
        match prompt {
            Prompt::Chat(chat) => Ok(self.tokenizer.encode_prompt(&self.render(chat)?)),
            Prompt::Text(text) => Ok(self.tokenizer.encode_prompt(text)),
            Prompt::Tokens(ids) => self.known(ids),
        }
    }

    /// The tokens of what a question is about.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for an id outside the vocabulary.
    pub(crate) fn input_tokens(&self, input: &Input) -> Result<Vec<u32>, EngineError> {
        match input {
            Input::Text(text) => Ok(tokenize(&self.tokenizer, text, true, true)),
            Input::Tokens(ids) => self.known(ids),
        }
    }

    /// The token that stands at the beginning of each text, for a model that wants one.
    pub(crate) fn begin(&self) -> Option<u32> {
        self.tokenizer.begin()
    }

    fn render(&self, chat: &Chat) -> Result<String, EngineError> {
        let templates = self
            .templates
            .as_ref()
            .map_err(EngineError::invalid_request)?;
        templates
            .render(chat, &guard(&self.tokenizer))
            .map_err(|error| {
                EngineError::invalid_request(format!("the model's chat template failed: {error}"))
            })
    }

    fn known(&self, ids: &[u32]) -> Result<Vec<u32>, EngineError> {
        let rows = self.rows;
        match ids.iter().find(|id| **id as usize >= rows) {
            Some(id) => Err(EngineError::invalid_request(format!(
                "token {id} is outside the vocabulary of {rows}"
            ))),
            None => Ok(ids.to_vec()),
        }
    }
}

/// The tokens of a text; `specials` written out in it count as such, `ends` adds what the model wants around it. Bytes
/// that are no UTF-8 become U+FFFD, as everywhere in the text world.
pub(crate) fn tokenize(tokenizer: &Tokenizer, text: &Text, specials: bool, ends: bool) -> Vec<u32> {
    let text = match text {
        Text::Text(text) => text.into(),
        Text::Bytes(bytes) => String::from_utf8_lossy(bytes),
    };
    let specials = if specials {
        Specials::Parse
    } else {
        Specials::AsText
    };
    let ids = tokenizer.encode(&text, specials);
    if ends { tokenizer.with_ends(ids) } else { ids }
}

/// What a person typed must not become a special token.
fn guard(tokenizer: &Tokenizer) -> impl Fn(&str) -> Cow<'_, str> {
    |text| tokenizer.guard(text)
}

fn vocabulary(tokenizer: &Tokenizer) -> Vocabulary {
    let count = u32::try_from(tokenizer.len()).unwrap_or(u32::MAX);
    let piece = |id| (tokenizer.piece(id), tokenizer.is_control(id));
    let ends: Vec<_> = tokenizer.ends_of_turn().collect();
    Vocabulary::new(count, piece, &ends)
}

fn templates(metadata: &Metadata, tokenizer: &Tokenizer) -> Result<Templates, String> {
    const KEY: &str = "tokenizer.chat_template";
    let mut sources = Sources::default();
    for (key, value) in &metadata.0 {
        let rest = key.strip_prefix(KEY);
        let name = rest.map(|rest| rest.strip_prefix('.').unwrap_or("default"));
        if let (Some(name), Some(source)) = (name, value.as_text()) {
            sources.add(name, source);
        }
    }
    if sources.default_source().is_none() {
        return Err(
            "this model has no chat template: it completes text and does not converse".into(),
        );
    }
    let specials = [
        ("bos_token", tokenizer.bos_text()),
        ("eos_token", tokenizer.eos_text()),
    ];
    let specials = specials.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Templates::new(&sources, &specials.to_vec())
        .map_err(|error| format!("the model's chat template can't be read: {error}"))
}
