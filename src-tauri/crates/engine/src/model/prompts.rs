//! From what was asked to token ids, and from token ids back to text.
//!
//! It needs no weights, so that the thread that computes never waits for a long text or a slow template.

use crate::files::{Checkpoint, Metadata};
use crate::template::{Sources, Templates};
use crate::tokenizer::{Decoder, Specials, Tokenizer};
use engine_api::{Chat, EngineError, Input, Prompt, Text};
use std::sync::Arc;

/// A model's tokenizer and chat template.
#[derive(Debug)]
pub(crate) struct Prompts {
    pub(crate) tokenizer: Tokenizer,
    templates: Result<Templates, String>,
    vocabulary: usize,
}

impl Prompts {
    /// Those of this file, whose embedding has so many rows.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] or [`EngineError::UnsupportedModel`] when its tokenizer is damaged or unknown.
    pub(crate) fn of(checkpoint: &Checkpoint, vocabulary: usize) -> Result<Self, EngineError> {
        let tokenizer = Tokenizer::of(checkpoint)?;
        Ok(Self {
            templates: templates(&checkpoint.metadata, &tokenizer),
            tokenizer,
            vocabulary,
        })
    }

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] when the model has no chat template, when that refuses the conversation, or for
    /// an id outside the vocabulary.
    pub(crate) fn tokens(&self, prompt: &Prompt) -> Result<Vec<u32>, EngineError> {
        match prompt {
            Prompt::Chat(chat) => self.text_tokens(&self.render(chat)?),
            Prompt::Text(text) => self.text_tokens(text),
            Prompt::Tokens(ids) => self.known(ids),
        }
    }

    /// The tokens of what a question is about.
    ///
    /// # Errors
    /// As for [`Self::tokens`].
    pub(crate) fn input_tokens(&self, input: &Input) -> Result<Vec<u32>, EngineError> {
        match input {
            Input::Text(text) => self.tokenize(text, true, true),
            Input::Tokens(ids) => self.known(ids),
        }
    }

    /// The tokens of a text; `specials` written out in it count as such, `ends` adds what the model wants around it.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for bytes that are no text.
    pub(crate) fn tokenize(
        &self,
        text: &Text,
        specials: bool,
        ends: bool,
    ) -> Result<Vec<u32>, EngineError> {
        let lossy;
        let text = match text {
            Text::Text(text) => text.as_str(),
            Text::Bytes(bytes) => {
                lossy = String::from_utf8_lossy(bytes);
                &lossy
            }
        };
        let meaning = if specials {
            Specials::Parse
        } else {
            Specials::AsText
        };
        let ids = self.tokenizer.encode(text, meaning);
        Ok(if ends {
            self.tokenizer.with_ends(ids)
        } else {
            ids
        })
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
        let guarded = templates.render(chat, &|content| self.tokenizer.guard(content));
        guarded.map_err(|error| {
            EngineError::invalid_request(format!("the model's chat template failed: {error}"))
        })
    }

    fn text_tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        Ok(self.tokenizer.encode_prompt(text))
    }

    fn known(&self, ids: &[u32]) -> Result<Vec<u32>, EngineError> {
        let vocabulary = self.vocabulary;
        match ids.iter().find(|id| **id as usize >= vocabulary) {
            Some(id) => Err(EngineError::invalid_request(format!(
                "token {id} is outside the vocabulary of {vocabulary}"
            ))),
            None => Ok(ids.to_vec()),
        }
    }
}

fn templates(metadata: &Metadata, tokenizer: &Tokenizer) -> Result<Templates, String> {
    const KEY: &str = "tokenizer.chat_template";
    let mut sources = Sources::default();
    for (key, value) in &metadata.0 {
        let name = key
            .strip_prefix(KEY)
            .map(|rest| rest.strip_prefix('.').unwrap_or("default"));
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

/// Turns ids into text as they come: whole characters only.
#[derive(Debug)]
pub(crate) struct TextDecoder {
    prompts: Arc<Prompts>,
    decoder: Decoder,
}

impl TextDecoder {
    pub(crate) fn new(prompts: Arc<Prompts>) -> Self {
        // A blank at the beginning of an answer is the model's own.
        let decoder = prompts.tokenizer.decoder().keeping_the_first_blank();
        Self { prompts, decoder }
    }

    /// The text that this token completes; control tokens are silent.
    pub(crate) fn push(&mut self, id: u32) -> String {
        self.decoder.push(&self.prompts.tokenizer.piece(id))
    }
}
