//! From what was asked to token ids, and from token ids back to text.
//!
//! It needs no weights, so that the thread that computes never waits for a long text or a slow template.

use crate::files::{Checkpoint, Metadata};
use crate::gguf::Header;
use crate::llama::Refusal;
use crate::template::{Sources, Templates, unguarded};
use crate::tokenizer::Tokenizer;
use engine_api::{Chat, EngineError, Input, Prompt, Text};
use std::path::Path;
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
        let path = &checkpoint.path;
        let header = Header::open(path).map_err(|error| EngineError::InvalidModel {
            file: path.display().to_string(),
            reason: error.to_string(),
        })?;
        let tokenizer = Tokenizer::of(&header).map_err(|refusal| refused(path, refusal))?;
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
        _specials: bool,
        _ends: bool,
    ) -> Result<Vec<u32>, EngineError> {
        match text {
            Text::Text(text) => self.text_tokens(text),
            Text::Bytes(bytes) => self.text_tokens(&String::from_utf8_lossy(bytes)),
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
        templates.render(chat, &unguarded).map_err(|error| {
            EngineError::invalid_request(format!("the model's chat template failed: {error}"))
        })
    }

    fn text_tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.tokenizer.encode(text).map_err(EngineError::internal)
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
        ("bos_token", &tokenizer.bos_text),
        ("eos_token", &tokenizer.eos_text),
    ];
    let specials = specials.map(|(name, text)| (name.to_owned(), text.clone()));
    Templates::new(&sources, &specials.to_vec())
        .map_err(|error| format!("the model's chat template can't be read: {error}"))
}

fn refused(path: &Path, refusal: Refusal) -> EngineError {
    let file = path.display().to_string();
    match refusal {
        Refusal::Damaged(reason) => EngineError::InvalidModel { file, reason },
        Refusal::Unsupported(reason) => EngineError::UnsupportedModel { file, reason },
    }
}

/// Turns ids into text as they come: whole characters only.
#[derive(Debug)]
pub(crate) struct TextDecoder {
    prompts: Arc<Prompts>,
    state: crate::tokenizer::StreamState,
}

impl TextDecoder {
    pub(crate) fn new(prompts: Arc<Prompts>) -> Self {
        Self {
            prompts,
            state: crate::tokenizer::StreamState::default(),
        }
    }

    pub(crate) fn push(&mut self, id: u32) -> Result<String, EngineError> {
        let text = self.prompts.tokenizer.decode_next(&mut self.state, id);
        Ok(text.map_err(EngineError::internal)?.unwrap_or_default())
    }
}
