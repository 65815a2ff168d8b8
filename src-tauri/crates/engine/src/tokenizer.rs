//! The tokenizer that a GGUF file carries.
//!
//! It knows byte-level BPE (`tokenizer.ggml.model = gpt2`) with the pre-tokenizers of [`pre_tokenizer`]. Everything else
//! is refused by name: a guessed pre-tokenizer splits text wrongly without a word.

use crate::gguf::{Header, Value};
use crate::llama::Refusal;
use std::collections::HashSet;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer as Inner};

const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;
/// Names of tokens that end a turn, where the metadata does not list them.
const END_OF_TURN: [&str; 7] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<end_of_turn>",
];
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Text to token ids and back.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    inner: Inner,
    end_of_turn: HashSet<u32>,
    begin: Option<u32>,
    pub(crate) bos_text: String,
    pub(crate) eos_text: String,
}

impl Tokenizer {
    pub(crate) fn of(header: &Header) -> Result<Self, Refusal> {
        let model = header.text("tokenizer.ggml.model").unwrap_or("none");
        if model != "gpt2" {
            return Err(Refusal::Unsupported(format!(
                "its tokenizer is of kind {model}; this engine knows: gpt2 (byte-level BPE)"
            )));
        }
        let pieces = texts(header, "tokenizer.ggml.tokens")?;
        expect_rows(header, pieces.len())?;
        let mut inner = Inner::new(bpe(header, &pieces)?);
        inner.with_pre_tokenizer(Some(pre_tokenizer(header)?));
        inner.with_decoder(Some(ByteLevel::default()));
        add_special_tokens(&mut inner, header, &pieces).map_err(|error| {
            Refusal::Damaged(format!("it is damaged: its special tokens: {error}"))
        })?;
        let token_text = |key: &str| {
            let id = header.unsigned(key).and_then(|id| usize::try_from(id).ok());
            id.and_then(|id| pieces.get(id))
                .map(|text| (*text).to_owned())
        };
        Ok(Self {
            end_of_turn: end_of_turn(&inner, header),
            begin: begin(header),
            bos_text: token_text("tokenizer.ggml.bos_token_id").unwrap_or_default(),
            eos_text: token_text("tokenizer.ggml.eos_token_id").unwrap_or_default(),
            inner,
        })
    }

    /// Token ids of a rendered prompt. Special tokens in it count as such; the begin token stands first if the model
    /// wants one and the text has none.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, tokenizers::Error> {
        let mut ids = self.inner.encode_fast(text, false)?.get_ids().to_vec();
        if let Some(begin) = self.begin
            && ids.first() != Some(&begin)
        {
            ids.insert(0, begin);
        }
        Ok(ids)
    }

    pub(crate) fn ends_turn(&self, id: u32) -> bool {
        self.end_of_turn.contains(&id)
    }

    pub(crate) fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// The text that `id` completes: whole characters only, special tokens silent.
    pub(crate) fn decode_next(
        &self,
        state: &mut StreamState,
        id: u32,
    ) -> Result<Option<String>, tokenizers::Error> {
        let StreamState {
            ids,
            prefix,
            prefix_index,
        } = state;
        tokenizers::step_decode_stream(&self.inner, vec![id], true, ids, prefix, prefix_index)
    }
}

/// Where a stream of ids is.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    ids: Vec<u32>,
    prefix: String,
    prefix_index: usize,
}

/// Each token needs a row of the embedding; spare rows are common and harmless.
fn expect_rows(header: &Header, pieces: usize) -> Result<(), Refusal> {
    let embedding = header.tensors.get("token_embd.weight");
    let rows = embedding.and_then(|tensor| tensor.shape.first());
    if rows.is_some_and(|rows| *rows < pieces) {
        return Err(Refusal::Damaged(format!(
            "it is damaged: it has {pieces} tokens, but an embedding for fewer"
        )));
    }
    Ok(())
}

fn texts<'a>(header: &'a Header, key: &str) -> Result<Vec<&'a str>, Refusal> {
    let values = header.metadata.get(key).and_then(Value::as_array);
    let texts = values.and_then(|values| values.iter().map(Value::as_text).collect());
    texts.ok_or_else(|| Refusal::Damaged(format!("it is damaged: {key} is no list of texts")))
}

fn bpe(header: &Header, pieces: &[&str]) -> Result<BPE, Refusal> {
    let count = u32::try_from(pieces.len())
        .map_err(|_| Refusal::Damaged("it is damaged: its vocabulary is too long".into()))?;
    let vocabulary = pieces
        .iter()
        .map(|piece| (*piece).to_owned())
        .zip(0..count)
        .collect::<tokenizers::models::bpe::Vocab>();
    let merges = texts(header, "tokenizer.ggml.merges")?
        .into_iter()
        .map(|merge| {
            let (left, right) = merge.split_once(' ').ok_or_else(|| {
                Refusal::Damaged(format!(
                    "it is damaged: {merge:?} is no merge of two pieces"
                ))
            })?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect::<Result<Vec<_>, Refusal>>()?;
    BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .ignore_merges(header.text("tokenizer.ggml.pre") == Some("llama-bpe"))
        .build()
        .map_err(|error| Refusal::Damaged(format!("it is damaged: its tokenizer: {error}")))
}

/// The split before BPE, as llama.cpp's table has it for the same name.
fn pre_tokenizer(header: &Header) -> Result<PreTokenizerWrapper, Refusal> {
    let name = header.text("tokenizer.ggml.pre").unwrap_or("none");
    let gpt2 = ByteLevel::new(false, true, true);
    let bytes_only = ByteLevel::new(false, true, false);
    Ok(match name {
        "gpt-2" => gpt2.into(),
        "smollm" => Sequence::new(vec![Digits::new(true).into(), gpt2.into()]).into(),
        "llama-bpe" => {
            let pattern = SplitPattern::Regex(LLAMA_3.into());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                .map_err(|error| Refusal::Unsupported(format!("its pre-tokenizer: {error}")))?;
            Sequence::new(vec![split.into(), bytes_only.into()]).into()
        }
        _ => {
            return Err(Refusal::Unsupported(format!(
                "its pre-tokenizer is {name}; this engine knows: gpt-2, llama-bpe, smollm"
            )));
        }
    })
}

fn add_special_tokens(
    inner: &mut Inner,
    header: &Header,
    pieces: &[&str],
) -> Result<(), tokenizers::Error> {
    let types = header.metadata.get("tokenizer.ggml.token_type");
    let types = types.and_then(Value::as_array).unwrap_or_default();
    let of_type = |wanted: u64, special: bool| {
        pieces
            .iter()
            .zip(types)
            .filter(|(_, kind)| kind.as_unsigned() == Some(wanted))
            .map(|(piece, _)| AddedToken::from(*piece, special).normalized(false))
            .collect::<Vec<_>>()
    };
    inner.add_special_tokens(of_type(CONTROL, true))?;
    inner.add_tokens(of_type(USER_DEFINED, false))?;
    Ok(())
}

fn end_of_turn(inner: &Inner, header: &Header) -> HashSet<u32> {
    let listed = [
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.eom_token_id",
    ];
    let listed = listed
        .iter()
        .filter_map(|key| u32::try_from(header.unsigned(key)?).ok());
    let named = END_OF_TURN
        .iter()
        .filter_map(|name| inner.token_to_id(name));
    listed.chain(named).collect()
}

fn begin(header: &Header) -> Option<u32> {
    let wanted = header.metadata.get("tokenizer.ggml.add_bos_token")?;
    if wanted.as_bool() != Some(true) {
        return None;
    }
    u32::try_from(header.unsigned("tokenizer.ggml.bos_token_id")?).ok()
}
