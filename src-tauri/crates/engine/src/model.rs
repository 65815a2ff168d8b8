//! A model in memory and the positions that it holds.
//!
//! candle-transformers' quantized llama can append to its KV cache but not shorten it. Its tensors are immutable and
//! shared, though, so a copy of the whole structure is a snapshot of the cache that costs nothing until one of the two
//! goes on. Two states are kept: where the last generation ended, and where its prompt ended but for one token. A next
//! turn goes on from the first, another answer to the same prompt from the second.

use crate::gguf::{self, Header};
use crate::llama::{self, Llama, MAX_SEQ_LEN, Refusal};
use crate::template::{Sources, Templates, unguarded};
use crate::tokenizer::Tokenizer;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use engine_api::{Chat, EngineError, LoadProgress, LoadedModel, MemoryUse};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Tokens that are prefilled between two looks at the cancellation.
pub(crate) const PREFILL_CHUNK: usize = 64;

/// A loaded model.
pub struct Model {
    info: LoadedModel,
    weights_bytes: u64,
    kv_bytes_per_token: u64,
    device: Device,
    pub(crate) tokenizer: Arc<Tokenizer>,
    template: Result<Templates, String>,
    empty: ModelWeights,
    latest: State,
    anchor: Option<State>,
}

/// A KV cache and the tokens whose keys and values it holds.
#[derive(Clone)]
struct State {
    tokens: Vec<u32>,
    weights: ModelWeights,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Loads the GGUF file at `path` with a context window of at most `context_tokens`.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] for a file that is damaged or no GGUF, [`EngineError::UnsupportedModel`] for one
    /// that this engine can't run.
    pub fn load(
        path: &Path,
        context_tokens: Option<u32>,
        on_progress: impl FnMut(LoadProgress),
    ) -> Result<Self, EngineError> {
        let start = Instant::now();
        let header = Header::open(path).map_err(|error| header_error(path, &error))?;
        let llama = Llama::of(&header).map_err(|refusal| refused(path, refusal))?;
        let tokenizer = Tokenizer::of(&header).map_err(|refusal| refused(path, refusal))?;
        let device = Device::Cpu;
        let empty = read_weights(path, &header, &device, on_progress)?;
        let mut model = Self {
            info: describe(&header, &llama, context_tokens),
            weights_bytes: llama.weights_bytes(&header),
            kv_bytes_per_token: llama.kv_bytes_per_token(),
            template: template(&header, &tokenizer),
            latest: State::new(&empty),
            anchor: None,
            device,
            tokenizer: Arc::new(tokenizer),
            empty,
        };
        model.warm_up(path)?;
        model.info.load_ms = crate::timing::elapsed_ms(start);
        Ok(model)
    }

    /// What it is.
    pub fn info(&self) -> &LoadedModel {
        &self.info
    }

    /// What it holds.
    pub fn memory(&self) -> MemoryUse {
        let held = |state: &State| state.tokens.len() as u64 * self.kv_bytes_per_token;
        let anchor = self.anchor.as_ref().map_or(0, held);
        MemoryUse {
            weights_bytes: self.weights_bytes,
            kv_cache_bytes: held(&self.latest) + anchor,
            context_used_tokens: u32::try_from(self.latest.tokens.len()).unwrap_or(u32::MAX),
        }
    }

    /// Forgets all positions.
    pub fn forget_cache(&mut self) {
        self.latest = State::new(&self.empty);
        self.anchor = None;
    }

    /// Token ids of the prompt for this conversation.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] when the model has no chat template or its template refuses the conversation.
    pub fn tokenize_chat(&self, chat: &Chat) -> Result<Vec<u32>, EngineError> {
        let template = self
            .template
            .as_ref()
            .map_err(EngineError::invalid_request)?;
        let prompt = template.render(chat, &unguarded).map_err(|error| {
            EngineError::invalid_request(format!("the model's chat template failed: {error}"))
        })?;
        self.tokenizer
            .encode(&prompt)
            .map_err(EngineError::internal)
    }

    /// Token ids of a text that the model goes on with.
    ///
    /// # Errors
    /// [`EngineError::Internal`] when the tokenizer fails on it.
    pub fn tokenize_text(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.tokenizer.encode(text).map_err(EngineError::internal)
    }

    /// Starts on `prompt` from the longest held state that is a beginning of it, leaving at least one token to
    /// compute. Returns how many tokens are spared.
    pub(crate) fn resume(&mut self, prompt: &[u32]) -> usize {
        let usable =
            |state: &State| state.tokens.len() < prompt.len() && prompt.starts_with(&state.tokens);
        let anchor = self.anchor.take();
        if !usable(&self.latest) {
            self.latest = anchor
                .filter(usable)
                .unwrap_or_else(|| State::new(&self.empty));
        }
        self.latest.tokens.len()
    }

    /// Remembers this position, to come back to it with another continuation.
    pub(crate) fn drop_anchor(&mut self) {
        self.anchor = Some(self.latest.clone());
    }

    /// Computes `tokens` after the held positions; returns the logits after the last of them, one for each entry of
    /// the vocabulary.
    ///
    /// # Errors
    /// [`EngineError::Internal`] for an id outside the vocabulary or a failed computation; the cache is then empty.
    pub fn forward(&mut self, tokens: &[u32]) -> Result<Vec<f32>, EngineError> {
        let logits = self.try_forward(tokens);
        if logits.is_err() {
            self.forget_cache();
        }
        logits.map_err(EngineError::internal)
    }

    fn try_forward(&mut self, tokens: &[u32]) -> candle_core::Result<Vec<f32>> {
        let input = Tensor::new(tokens, &self.device)?.unsqueeze(0)?;
        let position = self.latest.tokens.len();
        let logits = self.latest.weights.forward(&input, position)?;
        self.latest.tokens.extend_from_slice(tokens);
        logits.squeeze(0)?.to_vec1()
    }

    /// The first computation is slow (thread pool, page faults): better now than in the first answer. It also shows
    /// whether the weights are numbers.
    fn warm_up(&mut self, path: &Path) -> Result<(), EngineError> {
        let logits = self.forward(&[0])?;
        if !logits.iter().any(|logit| logit.is_finite()) {
            return Err(EngineError::InvalidModel {
                file: path.display().to_string(),
                reason: "it is damaged: its weights are no numbers".into(),
            });
        }
        self.forget_cache();
        Ok(())
    }
}

impl State {
    fn new(empty: &ModelWeights) -> Self {
        Self {
            tokens: Vec::new(),
            weights: empty.clone(),
        }
    }
}

fn describe(header: &Header, llama: &Llama, wanted_context: Option<u32>) -> LoadedModel {
    let longest = llama.trained_context.min(MAX_SEQ_LEN as u64);
    let longest = u32::try_from(longest).unwrap_or(u32::MAX);
    LoadedModel {
        name: header.text("general.name").map(str::to_owned),
        architecture: "llama".into(),
        quantization: main_quantization(header),
        context_tokens: wanted_context.unwrap_or(longest).clamp(2, longest.max(2)),
        parameters: header
            .tensors
            .values()
            .map(gguf::TensorInfo::elements)
            .sum(),
        vocabulary_tokens: u32::try_from(llama.vocabulary).unwrap_or(u32::MAX),
        device: "CPU".into(),
        load_ms: 0.0,
    }
}

/// The type that most bytes of the repeated layers have.
fn main_quantization(header: &Header) -> String {
    let mut bytes: HashMap<_, u64> = HashMap::new();
    for (name, tensor) in &header.tensors {
        if name.starts_with("blk.") {
            *bytes.entry(tensor.tensor_type).or_default() += tensor.size_bytes();
        }
    }
    let main = bytes
        .into_iter()
        .max_by_key(|(kind, bytes)| (*bytes, kind.0));
    main.map_or_else(|| "unknown".into(), |(kind, _)| kind.name())
}

fn template(header: &Header, tokenizer: &Tokenizer) -> Result<Templates, String> {
    let source = header
        .text("tokenizer.chat_template")
        .ok_or("this model has no chat template: it completes text and does not converse")?;
    let mut sources = Sources::default();
    sources.add("default", source);
    let specials = [
        ("bos_token", &tokenizer.bos_text),
        ("eos_token", &tokenizer.eos_text),
    ];
    let specials = specials.map(|(name, text)| (name.to_owned(), text.clone()));
    Templates::new(&sources, &specials.to_vec())
        .map_err(|error| format!("the model's chat template can't be read: {error}"))
}

fn read_weights(
    path: &Path,
    header: &Header,
    device: &Device,
    on_progress: impl FnMut(LoadProgress),
) -> Result<ModelWeights, EngineError> {
    let file = File::open(path).map_err(|error| header_error(path, &error.into()))?;
    let mut reader = Progress {
        source: BufReader::with_capacity(1 << 20, file),
        report: on_progress,
        now: LoadProgress {
            done_bytes: 0,
            total_bytes: header.weights_bytes(),
        },
        reported_bytes: 0,
    };
    let weights = ModelWeights::from_gguf(llama::for_candle(header), &mut reader, device);
    weights.map_err(|error| EngineError::InvalidModel {
        file: path.display().to_string(),
        reason: error.to_string(),
    })
}

/// A reader that tells how much was read, about a hundred times a file.
struct Progress<R, F> {
    source: R,
    report: F,
    now: LoadProgress,
    reported_bytes: u64,
}

impl<R: Read, F: FnMut(LoadProgress)> Read for Progress<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        let LoadProgress {
            done_bytes,
            total_bytes,
        } = &mut self.now;
        // A tied output layer is read twice.
        *done_bytes = (*done_bytes + count as u64).min(*total_bytes);
        let gained = *done_bytes - self.reported_bytes;
        if gained >= *total_bytes / 100 || gained > 0 && done_bytes == total_bytes {
            self.reported_bytes = *done_bytes;
            (self.report)(self.now);
        }
        Ok(count)
    }
}

impl<R: Seek, F> Seek for Progress<R, F> {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.source.seek(position)
    }
}

fn header_error(path: &Path, error: &gguf::Error) -> EngineError {
    let (file, reason) = (path.display().to_string(), error.to_string());
    match error {
        gguf::Error::UnsupportedType { .. } => EngineError::UnsupportedModel { file, reason },
        _ => EngineError::InvalidModel { file, reason },
    }
}

fn refused(path: &Path, refusal: Refusal) -> EngineError {
    let file = path.display().to_string();
    match refusal {
        Refusal::Damaged(reason) => EngineError::InvalidModel { file, reason },
        Refusal::Unsupported(reason) => EngineError::UnsupportedModel { file, reason },
    }
}
