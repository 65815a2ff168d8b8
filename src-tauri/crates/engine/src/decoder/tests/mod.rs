//! Properties of the decoder as a whole. That it computes what others compute is in the workspace's `tests/`.

mod batched;
pub(crate) mod conformance;
mod hostile;
mod noise;
mod planned;
mod quantized;
mod reads;
mod separate;
mod tiny;

use super::{Chunk, Decoder, LoadOptions, LogitsWanted, RecurrentState};
use crate::files::Checkpoint;
use crate::kv::{KvType, PageId, PageStore};
use engine_api::EngineError;
use std::sync::atomic::AtomicBool;

fn load(checkpoint: &Checkpoint) -> Result<Decoder, EngineError> {
    let options = LoadOptions {
        context_tokens: 128,
        threads: 2,
        quantize: None,
        cancelled: &AtomicBool::new(false),
    };
    Decoder::load(checkpoint, &options, &mut |_| ())
}

/// A sequence that is being computed.
struct Running {
    tokens: Vec<u32>,
    done: usize,
    pages: Vec<PageId>,
    state: Option<RecurrentState>,
    logits: Vec<f32>,
}

impl Running {
    fn new(tokens: &[u32], decoder: &Decoder, store: &mut PageStore) -> Self {
        Self {
            tokens: tokens.to_vec(),
            done: 0,
            pages: (0..tokens.len().div_ceil(32))
                .map(|_| store.grow())
                .collect(),
            state: decoder.empty_state(),
            logits: Vec::new(),
        }
    }

    /// At most so many of its next tokens.
    fn chunk(&mut self, count: usize) -> Chunk<'_> {
        let start = self.done;
        self.done = (start + count).min(self.tokens.len());
        Chunk {
            tokens: &self.tokens[start..self.done],
            start,
            pages: &self.pages,
            state: self.state.as_mut(),
            logits: LogitsWanted::All,
        }
    }
}

/// All rows of logits of a sequence that is alone, in one step.
fn alone(decoder: &mut Decoder, tokens: &[u32], kv_type: KvType) -> Vec<f32> {
    let mut store = PageStore::new(decoder.page_shape(kv_type));
    let mut running = Running::new(tokens, decoder, &mut store);
    let chunk = running.chunk(tokens.len());
    decoder
        .step(&mut store, &mut [chunk])
        .expect("a tiny model works")
        .to_vec()
}
