//! What lies beside the weights in such a folder: tokenizer, chat templates, settings for generating, the model card.

use super::config::{read_json, read_text};
use super::keys::Keys;
use crate::files::Value;
use std::path::{Path, PathBuf};

/// Longer templates are no templates.
const MAX_TEMPLATE_BYTES: u64 = 1 << 20;
const MAX_CARD_BYTES: u64 = 4 << 20;

/// The files beside the weights, those that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Companions {
    /// `tokenizer.json`
    pub tokenizer: Option<PathBuf>,
    /// `tokenizer_config.json`: special tokens, often the chat template.
    pub tokenizer_config: Option<PathBuf>,
    /// `chat_template.jinja`
    pub chat_template: Option<PathBuf>,
    /// `generation_config.json`: tokens that end a turn, sampling.
    pub generation_config: Option<PathBuf>,
    /// `README.md`: the model card.
    pub card: Option<PathBuf>,
}

impl Companions {
    /// Those in `folder`.
    pub fn of(folder: &Path) -> Self {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        Self {
            tokenizer: there("tokenizer.json"),
            tokenizer_config: there("tokenizer_config.json"),
            chat_template: there("chat_template.jinja"),
            generation_config: there("generation_config.json"),
            card: there("README.md"),
        }
    }

    /// Adds the licence and the chat templates to the metadata. What can't be read is left out: the weights compute
    /// without it.
    pub(super) fn describe(&self, keys: &mut Keys) {
        if let Some(licence) = self.licence() {
            keys.general("license", Value::Text(licence));
        }
        for (name, template) in self.templates() {
            let key = match name.as_str() {
                "default" => "tokenizer.chat_template".to_owned(),
                name => format!("tokenizer.chat_template.{name}"),
            };
            keys.whole(&key, Value::Text(template));
        }
    }

    /// Of the model card's first lines, between `---` and `---`.
    fn licence(&self) -> Option<String> {
        let card = read_text(self.card.as_ref()?, MAX_CARD_BYTES).ok()?;
        let mut lines = card.lines();
        lines.next().filter(|first| *first == "---")?;
        let mut lines = lines.take_while(|line| *line != "---");
        let licence = lines.find_map(|line| line.strip_prefix("license:"))?;
        let licence = licence.trim().trim_matches(['"', '\'']);
        (!licence.is_empty()).then(|| licence.to_owned())
    }

    /// By name. The file of its own goes before what `tokenizer_config.json` says.
    fn templates(&self) -> Vec<(String, String)> {
        let mut templates = self.configured();
        let own = self.chat_template.as_ref();
        if let Some(own) = own.and_then(|path| read_text(path, MAX_TEMPLATE_BYTES).ok()) {
            templates.push(("default".into(), own));
        }
        templates
    }

    fn configured(&self) -> Vec<(String, String)> {
        let config = self.tokenizer_config.as_ref();
        let Some(config) = config.and_then(|path| read_json(path).ok()) else {
            return Vec::new();
        };
        let named = |one: &serde_json::Value| {
            let text = |name: &str| one[name].as_str().map(str::to_owned);
            Some((text("name")?, text("template")?))
        };
        match config.get("chat_template") {
            Some(serde_json::Value::String(template)) => vec![("default".into(), template.clone())],
            Some(serde_json::Value::Array(list)) => list.iter().filter_map(named).collect(),
            _ => Vec::new(),
        }
    }
}
