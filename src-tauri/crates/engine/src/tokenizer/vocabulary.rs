//! The list of tokens that a file carries: texts, kinds, scores, and the ones with a role.

use super::Refusal;
use crate::files::{Metadata, Value};
use std::collections::HashMap;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// The list.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    texts: Vec<String>,
    kinds: Vec<TokenKind>,
    scores: Vec<f32>,
    ids: HashMap<String, u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    unknown: Option<u32>,
    separator: Option<u32>,
    add_bos: bool,
    add_eos: bool,
    add_separator: bool,
    listed_ends: Vec<u32>,
    /// The tokens of the 256 bytes, where there are such.
    bytes: Vec<Option<u32>>,
}

impl Vocabulary {
    pub(super) fn of(metadata: &Metadata) -> Result<Self, Refusal> {
        let texts = texts(metadata, "tokenizer.ggml.tokens")?;
        let count = texts.len();
        let mut vocabulary = Self::new(texts, kinds(metadata, count)?);
        vocabulary.scores = scores(metadata, count)?;
        let model = metadata.text("tokenizer.ggml.model").unwrap_or_default();
        let pre = metadata.text("tokenizer.ggml.pre").unwrap_or_default();
        let (bos, eos, unknown, separator) = default_roles(model, pre);
        let id = |name: &str, otherwise: Option<u32>| {
            let named = metadata.unsigned(&format!("tokenizer.ggml.{name}_token_id"));
            let named = named.and_then(|id| u32::try_from(id).ok());
            named.or(otherwise).filter(|id| (*id as usize) < count)
        };
        vocabulary.bos = id("bos", bos);
        vocabulary.eos = id("eos", eos);
        vocabulary.unknown = id("unknown", unknown);
        vocabulary.separator = id("seperator", id("separator", separator));
        let wish = |name: &str, otherwise: bool| {
            metadata
                .truth(&format!("tokenizer.ggml.{name}"))
                .unwrap_or(otherwise)
        };
        // llama.cpp doesn't ask what the files of these say: some say it wrongly.
        let always = model == "bert"
            || matches!(
                (model, pre),
                ("gemma4", _) | (_, "gemma4" | "granite-embed-multi-311m")
            );
        let never = model == "rwkv";
        vocabulary.add_bos = !never
            && (always
                || wish(
                    "add_bos_token",
                    model == "llama" || super::pre::adds_bos(pre),
                ));
        vocabulary.add_eos = !never && model != "bert" && wish("add_eos_token", model == "t5");
        vocabulary.add_separator = model == "bert";
        vocabulary.listed_ends = ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"]
            .iter()
            .filter_map(|name| id(name, None))
            .collect();
        vocabulary.listed_ends.extend(vocabulary.eos);
        Ok(vocabulary)
    }

    /// Tokens without scores and roles.
    pub(super) fn new(texts: Vec<String>, kinds: Vec<TokenKind>) -> Self {
        let ids: HashMap<String, u32> = (0..)
            .zip(&texts)
            .map(|(id, text)| (text.clone(), id))
            .collect();
        let byte = |byte: u8| ids.get(&format!("<0x{byte:02X}>")).copied();
        Self {
            bytes: (0..=255).map(byte).collect(),
            scores: vec![0.0; texts.len()],
            texts,
            kinds,
            ids,
            ..Self::default()
        }
    }

    /// Gives the begin and end tokens, where another file than GGUF's metadata names them.
    pub(super) fn set_ends(&mut self, bos: Option<u32>, eos: &[u32], add: (bool, bool)) {
        self.bos = bos;
        self.eos = eos.first().copied();
        self.listed_ends = eos.to_vec();
        (self.add_bos, self.add_eos) = add;
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    pub(super) fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", String::as_str)
    }

    pub(super) fn kind(&self, id: u32) -> TokenKind {
        self.kinds
            .get(id as usize)
            .copied()
            .unwrap_or(TokenKind::Unused)
    }

    pub(super) fn score(&self, id: u32) -> f32 {
        self.scores.get(id as usize).copied().unwrap_or(0.0)
    }

    /// The longest text of a token, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.texts.iter().map(String::len).max().unwrap_or(0)
    }

    pub(super) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(super) fn is_control(&self, id: u32) -> bool {
        matches!(self.kind(id), TokenKind::Control | TokenKind::Unknown)
    }

    /// The token of a byte, where a vocabulary writes bytes as `<0x0A>`.
    pub(super) fn byte(&self, byte: u8) -> Option<u32> {
        self.bytes.get(usize::from(byte)).copied().flatten()
    }

    pub(super) fn begin(&self) -> Option<u32> {
        self.bos.filter(|_| self.add_bos)
    }

    pub(super) fn end(&self) -> Option<u32> {
        let separator = self.separator.filter(|_| self.add_separator);
        self.eos.filter(|_| self.add_eos).or(separator)
    }

    pub(super) fn bos_text(&self) -> &str {
        self.bos.map_or("", |id| self.text(id))
    }

    pub(super) fn eos_text(&self) -> &str {
        self.eos.map_or("", |id| self.text(id))
    }

    /// Tokens that the metadata names as ends.
    pub(super) fn listed_ends(&self) -> &[u32] {
        &self.listed_ends
    }

    /// Makes a token what its text says that it is, where the file's maker forgot to.
    pub(super) fn set_kind(&mut self, id: u32, kind: TokenKind) {
        if let Some(known) = self.kinds.get_mut(id as usize) {
            *known = kind;
        }
    }

    /// The bytes of a token in a vocabulary that writes blanks as `▁` and bytes as `<0x0A>`.
    pub(super) fn piece(&self, id: u32) -> Vec<u8> {
        match self.kind(id) {
            TokenKind::Control | TokenKind::Unknown => Vec::new(),
            TokenKind::Byte => byte_in(self.text(id)).map_or_else(Vec::new, |byte| vec![byte]),
            _ => self.text(id).replace('▁', " ").into_bytes(),
        }
    }
}

/// The byte that `<0x0A>` names.
pub(super) fn byte_in(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

type Roles = (Option<u32>, Option<u32>, Option<u32>, Option<u32>);

/// Begin, end, unknown and separator, where the metadata does not say.
fn default_roles(model: &str, pre: &str) -> Roles {
    match model {
        "llama" | "plamo2" => (Some(1), Some(2), Some(0), None),
        "bert" => (Some(101), None, Some(100), Some(102)),
        "gpt2" if matches!(pre, "chatglm-bpe" | "glm4" | "glm5") => (None, Some(11), None, None),
        "gpt2" | "whitespace" => (Some(11), Some(11), None, None),
        "t5" => (None, Some(1), Some(2), None),
        _ => (None, None, None, None),
    }
}

/// The list of texts under `key`.
pub(super) fn texts(metadata: &Metadata, key: &str) -> Result<Vec<String>, Refusal> {
    let values = metadata.array(key);
    let texts = values.and_then(|values| {
        values
            .iter()
            .map(|value| value.as_text().map(str::to_owned))
            .collect()
    });
    let texts: Vec<String> =
        texts.ok_or_else(|| Refusal::Damaged(format!("{key} is no list of texts")))?;
    if u32::try_from(texts.len()).is_err() {
        return Err(Refusal::Damaged(format!("{key} is too long")));
    }
    Ok(texts)
}

fn kinds(metadata: &Metadata, count: usize) -> Result<Vec<TokenKind>, Refusal> {
    let Some(values) = metadata.array("tokenizer.ggml.token_type") else {
        return Ok(vec![TokenKind::Normal; count]);
    };
    expect_enough("tokenizer.ggml.token_type", values, count)?;
    let kind = |value: &Value| match value.as_unsigned() {
        Some(2) => TokenKind::Unknown,
        Some(3) => TokenKind::Control,
        Some(4) => TokenKind::UserDefined,
        Some(5) => TokenKind::Unused,
        Some(6) => TokenKind::Byte,
        _ => TokenKind::Normal,
    };
    Ok(values[..count].iter().map(kind).collect())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "scores are F32 in the file"
)]
fn scores(metadata: &Metadata, count: usize) -> Result<Vec<f32>, Refusal> {
    let Some(values) = metadata.array("tokenizer.ggml.scores") else {
        return Ok(vec![0.0; count]);
    };
    expect_enough("tokenizer.ggml.scores", values, count)?;
    let score = |value: &Value| match value {
        Value::Float(score) if !score.is_nan() => Some(*score as f32),
        Value::Signed(score) => i16::try_from(*score).ok().map(f32::from),
        Value::Unsigned(score) => u16::try_from(*score).ok().map(f32::from),
        _ => None,
    };
    let scores: Option<Vec<f32>> = values[..count].iter().map(score).collect();
    scores.ok_or_else(|| Refusal::Damaged("tokenizer.ggml.scores are no numbers".into()))
}

fn expect_enough(key: &str, values: &[Value], count: usize) -> Result<(), Refusal> {
    if values.len() >= count {
        return Ok(());
    }
    let found = values.len();
    Err(Refusal::Damaged(format!(
        "{key} has {found} values for {count} tokens"
    )))
}
