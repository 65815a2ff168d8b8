//! The shape of a llama-family model, proven before candle sees it.
//!
//! candle divides by head counts and indexes by sizes that it finds in the metadata; a file that lies there must end in
//! an error here and not in a panic there.

use crate::gguf::{Header, Value};
use candle_core::quantized::gguf_file;
use std::collections::HashMap;
use std::fmt::Display;

/// Positions for which candle-transformers' quantized llama prepares rotations.
pub(crate) use candle_transformers::models::quantized_llama::MAX_SEQ_LEN;

/// Sizes of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Llama {
    pub(crate) layers: u64,
    pub(crate) embedding: u64,
    pub(crate) feed_forward: u64,
    pub(crate) heads: u64,
    pub(crate) kv_heads: u64,
    pub(crate) head_dim: u64,
    pub(crate) vocabulary: u64,
    pub(crate) trained_context: u64,
}

/// Why a model is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Unsupported(String),
}

fn damaged(reason: impl Display) -> Refusal {
    Refusal::Damaged(format!("it is damaged: {reason}"))
}

impl Llama {
    pub(crate) fn of(header: &Header) -> Result<Self, Refusal> {
        let architecture = header
            .text("general.architecture")
            .ok_or_else(|| damaged("it names no architecture"))?;
        if architecture != "llama" {
            return Err(Refusal::Unsupported(format!(
                "its architecture is {architecture}; this engine knows: llama"
            )));
        }
        if header.unsigned("split.count").unwrap_or(1) > 1 {
            return Err(Refusal::Unsupported(
                "it is one part of a model that is split over several files, which this engine can't read yet".into(),
            ));
        }
        let llama = Self::read(header)?;
        llama.check_divisions(header)?;
        llama.check_shapes(header)?;
        Ok(llama)
    }

    fn read(header: &Header) -> Result<Self, Refusal> {
        let number = |key: &str| positive(header, key);
        let (embedding, heads) = (
            number("llama.embedding_length")?,
            number("llama.attention.head_count")?,
        );
        if header.unsigned("llama.expert_count").unwrap_or(0) > 1 {
            return Err(Refusal::Unsupported(
                "it is a mixture of experts, which this engine can't run yet".into(),
            ));
        }
        Ok(Self {
            layers: number("llama.block_count")?,
            embedding,
            feed_forward: number("llama.feed_forward_length")?,
            heads,
            kv_heads: number("llama.attention.head_count_kv")?,
            head_dim: embedding / heads,
            vocabulary: row_count(header, "token_embd.weight")?,
            trained_context: number("llama.context_length")?,
        })
    }

    fn check_divisions(&self, header: &Header) -> Result<(), Refusal> {
        let rope = positive(header, "llama.rope.dimension_count")?;
        let epsilon = header
            .metadata
            .get("llama.attention.layer_norm_rms_epsilon")
            .and_then(Value::as_float);
        let rules = [
            (
                self.embedding.is_multiple_of(self.heads),
                "its heads do not divide its embedding",
            ),
            (
                self.heads.is_multiple_of(self.kv_heads),
                "its KV heads do not divide its heads",
            ),
            (
                rope == self.head_dim && rope.is_multiple_of(2),
                "its rotation is not as wide as a head",
            ),
            (
                epsilon.is_some_and(|epsilon| epsilon.is_finite() && epsilon > 0.0),
                "its norm has no epsilon",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(damaged(reason)),
            None => Ok(()),
        }
    }

    fn check_shapes(&self, header: &Header) -> Result<(), Refusal> {
        let kv = self.kv_heads * self.head_dim;
        let expect = |name: &str, shape: &[u64]| expect_shape(header, name, shape);
        expect("token_embd.weight", &[self.vocabulary, self.embedding])?;
        expect("output_norm.weight", &[self.embedding])?;
        if header.tensors.contains_key("output.weight") {
            expect("output.weight", &[self.vocabulary, self.embedding])?;
        }
        for layer in 0..self.layers {
            let expect = |name: &str, shape: &[u64]| {
                expect_shape(header, &format!("blk.{layer}.{name}.weight"), shape)
            };
            expect("attn_norm", &[self.embedding])?;
            expect("ffn_norm", &[self.embedding])?;
            expect("attn_q", &[self.embedding, self.embedding])?;
            expect("attn_k", &[kv, self.embedding])?;
            expect("attn_v", &[kv, self.embedding])?;
            expect("attn_output", &[self.embedding, self.embedding])?;
            expect("ffn_gate", &[self.feed_forward, self.embedding])?;
            expect("ffn_up", &[self.feed_forward, self.embedding])?;
            expect("ffn_down", &[self.embedding, self.feed_forward])?;
        }
        Ok(())
    }

    /// Bytes of keys and values for one token: candle holds them as F32.
    pub(crate) fn kv_bytes_per_token(&self) -> u64 {
        let per_layer = 2 * self.kv_heads * self.head_dim;
        self.layers * per_layer * size_of::<f32>() as u64
    }

    /// Bytes of the weights in memory. candle keeps the quantized tensors and, beside them, the token embedding as
    /// F32. (For some types it also repacks on the first use; that is not counted.)
    pub(crate) fn weights_bytes(&self, header: &Header) -> u64 {
        let embedding = self.vocabulary * self.embedding * size_of::<f32>() as u64;
        header.weights_bytes() + embedding
    }
}

fn positive(header: &Header, key: &str) -> Result<u64, Refusal> {
    match header.unsigned(key) {
        Some(number @ 1..=0xFFFF_FFFF) => Ok(number),
        Some(number) => Err(damaged(format!("{key} is {number}"))),
        None => Err(damaged(format!("{key} is missing"))),
    }
}

fn row_count(header: &Header, name: &str) -> Result<u64, Refusal> {
    let tensor = header.tensors.get(name);
    let rows = tensor.and_then(|tensor| tensor.shape.first());
    rows.map(|rows| *rows as u64)
        .ok_or_else(|| damaged(format!("tensor {name} is missing")))
}

fn expect_shape(header: &Header, name: &str, expected: &[u64]) -> Result<(), Refusal> {
    let tensor = header
        .tensors
        .get(name)
        .ok_or_else(|| damaged(format!("tensor {name} is missing")))?;
    let fits = tensor.shape.len() == expected.len()
        && tensor
            .shape
            .iter()
            .zip(expected)
            .all(|(found, expected)| *found as u64 == *expected);
    if fits {
        return Ok(());
    }
    Err(damaged(format!(
        "tensor {name} has shape {:?}, its metadata says {expected:?}",
        tensor.shape
    )))
}

/// The proven header in candle's words.
pub(crate) fn for_candle(header: &Header) -> gguf_file::Content {
    let metadata = header
        .metadata
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), scalar_for_candle(value)?)))
        .collect();
    let tensor_infos: HashMap<_, _> = header
        .tensors
        .iter()
        .filter_map(|(name, tensor)| {
            let info = gguf_file::TensorInfo {
                ggml_dtype: tensor.tensor_type.candle()?,
                shape: tensor.shape.clone().into(),
                offset: tensor.offset,
            };
            Some((name.clone(), info))
        })
        .collect();
    gguf_file::Content {
        magic: gguf_file::VersionedMagic::GgufV3,
        metadata,
        tensor_infos,
        tensor_data_offset: header.data_offset,
    }
}

/// candle reads only numbers and texts; its numbers are 32 bits wide.
fn scalar_for_candle(value: &Value) -> Option<gguf_file::Value> {
    Some(match value {
        Value::Unsigned(number) => gguf_file::Value::U32(u32::try_from(*number).ok()?),
        Value::Signed(number) => gguf_file::Value::U32(u32::try_from(*number).ok()?),
        #[expect(clippy::cast_possible_truncation, reason = "it was an F32 in the file")]
        Value::Float(number) => gguf_file::Value::F32(*number as f32),
        Value::Text(text) => gguf_file::Value::String(text.clone()),
        Value::Bool(_) | Value::Array(_) => return None,
    })
}
