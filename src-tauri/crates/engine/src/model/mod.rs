//! A loaded model: what computes, what cuts text into tokens, and who waits for what.
//!
//! It deliberately knows neither pipes nor threads (that is [`crate::worker`]'s). Invariant: whatever a file holds,
//! loading it ends in a model or in an error; nothing is read of a file whose model can't be run or doesn't fit.

mod computes;
mod evaluation;
mod fit;
mod footprint;
mod inspection;
mod prompts;

pub(crate) use computes::Logits;
pub(crate) use evaluation::{Evaluation, Kind};
pub use fit::{Fitted, MOST_STEP_TOKENS, fit};
pub use inspection::inspect;
pub(crate) use prompts::{Prepared, Prompts, tokenize};

use crate::decoder::reads::{kv_reads, position_bytes};
use crate::decoder::{self, Description, families};
use crate::files::{Checkpoint, TensorInfo};
use crate::kv::PageStore;
use crate::pulse::Pulse;
use crate::scheduler::{Held, Limits, Pager, Scheduler, SequenceId, Snapshots, Stepped};
use crate::timing::elapsed_ms;
use computes::Computes;
use engine_api::{EngineError, LoadOptions, LoadProgress, LoadedModel, MemoryUse, Row};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// A loaded model.
pub struct Model {
    info: LoadedModel,
    pub(crate) prompts: Arc<Prompts>,
    computes: Computes,
    pub(crate) scheduler: Scheduler,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut model = f.debug_struct("Model");
        model.field("info", &self.info).finish_non_exhaustive()
    }
}

impl Model {
    /// Loads the model at `path`. It ends soon after `cancelled` is set. `on_progress` is called for each piece of a few
    /// MiB.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] for a file that is damaged or no model, [`EngineError::UnsupportedModel`] for one
    /// that this engine can't run, [`EngineError::OutOfMemory`] for one that doesn't fit,
    /// [`EngineError::InvalidRequest`] for an option out of its range, or once it was cancelled.
    pub fn load(
        path: &Path,
        options: &LoadOptions,
        cancelled: &AtomicBool,
        mut on_progress: impl FnMut(LoadProgress),
    ) -> Result<Self, EngineError> {
        let start = Instant::now();
        options.validate()?;
        let checkpoint = Checkpoint::open(path)?;
        let description = families::describe(&checkpoint)?;
        let prompts = Prompts::of(&checkpoint, description.vocabulary)?;
        let fitted = fit(&description, &checkpoint, options)?;
        let decoder_options = decoder::LoadOptions {
            context_tokens: fitted.plan.context_tokens as usize,
            threads: threads(options),
            quantize: fit::quantized(options.quantize),
            cancelled,
        };
        let kind = fit::kv_type(fitted.plan.kv_type);
        let reserve = decoder::Reserve {
            kv_type: kind,
            pages: fitted.budget_pages,
            step_tokens: fitted.step_tokens,
            step_logits: fitted.plan.parallel as usize,
        };
        let computes = Computes::load(&checkpoint, &decoder_options, reserve, &mut on_progress)?;
        let mut info = describe(&checkpoint, computes.description(), &fitted);
        let empty_state = computes.empty_state();
        computes.device().clone_into(&mut info.device);
        let mut model = Self {
            info,
            scheduler: scheduler(computes.page_store(kind), &fitted, empty_state),
            prompts: Arc::new(prompts),
            computes,
        };
        model.warm_up(path)?;
        model.info.load_ms = elapsed_ms(start);
        Ok(model)
    }

    /// Counts what it computes here from now on.
    pub fn count_on(&mut self, pulse: Pulse) {
        self.computes.count_on(pulse);
    }

    /// Whether the GPU that computed it has failed.
    pub(crate) fn is_lost(&self) -> bool {
        self.computes.is_lost()
    }

    /// What it is.
    pub fn info(&self) -> &LoadedModel {
        &self.info
    }

    /// What it holds.
    pub fn memory(&self) -> MemoryUse {
        let used = self.scheduler.context_used_tokens();
        MemoryUse {
            weights_bytes: self.computes.weights_bytes(),
            kv_cache_bytes: self.scheduler.cache_bytes(),
            scratch_bytes: self.computes.scratch_bytes() + self.scheduler.scratch_bytes(),
            context_used_tokens: u32::try_from(used).unwrap_or(u32::MAX),
        }
    }

    /// Forgets what ended generations left behind, and overwrites it.
    ///
    /// # Errors
    /// [`EngineError::Internal`] if a GPU could not overwrite it.
    pub fn forget_cache(&mut self) -> Result<(), EngineError> {
        self.scheduler.forget_cache();
        self.computes.wipe(self.scheduler.store())
    }

    /// The logits after each of these tokens (`all`) or after the last of them, one for each entry of the vocabulary.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for no tokens or an id outside the vocabulary,
    /// [`EngineError::ContextExceeded`] for too many, [`EngineError::OutOfMemory`] while others hold the pages.
    pub fn logits(&mut self, tokens: &[u32], all: bool) -> Result<Vec<Row>, EngineError> {
        let mut evaluation = Evaluation::new(self, tokens.to_vec(), Kind::Logits { all })?;
        let mut rows = Vec::new();
        while !evaluation.is_over() {
            evaluation.step(self, &mut |answer| {
                if let engine_api::Answer::Row(row) = answer {
                    rows.push(row);
                }
            })?;
        }
        evaluation.end(self);
        Ok(rows)
    }

    /// Computes the scheduler's next step.
    pub(crate) fn step(&mut self, token_budget: usize) -> Result<Stepped, EngineError> {
        let Self {
            scheduler,
            computes,
            ..
        } = self;
        scheduler.step(token_budget, |store, chunks| computes.step(store, chunks))
    }

    /// Row `at` of the logits of the latest step, which was for `id`, and the tokens of that sequence.
    pub(crate) fn logits_of(&mut self, at: usize, id: SequenceId) -> (Logits<'_>, &[u32]) {
        (self.computes.logits(at), self.scheduler.tokens(id))
    }

    /// The first computation is slow (threads, page faults): better now than in the first answer. It also shows
    /// whether the weights are numbers.
    fn warm_up(&mut self, path: &Path) -> Result<(), EngineError> {
        let rows = self.logits(&[0], false)?;
        if !rows
            .iter()
            .flat_map(|row| &row.logits)
            .any(|logit| logit.is_finite())
        {
            return Err(EngineError::InvalidModel {
                file: path.display().to_string(),
                reason: "it is damaged: its weights are no numbers".into(),
            });
        }
        self.forget_cache()
    }
}

fn threads(options: &LoadOptions) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    options
        .threads
        .map_or_else(cores, |threads| threads as usize)
}

fn scheduler(
    store: PageStore,
    fitted: &Fitted,
    empty_state: Option<decoder::RecurrentState>,
) -> Scheduler {
    let pager = Pager::new(store, fitted.budget_pages);
    let parallel = fitted.plan.parallel as usize;
    // The end of each prompt and of each answer, for all that run together.
    let snapshots = Snapshots::new(2 * parallel, fitted.snapshot_bytes);
    let limits = Limits {
        parallel,
        context_tokens: fitted.plan.context_tokens as usize,
    };
    Scheduler::new(limits, Held::new(pager, snapshots), empty_state)
}

fn describe(checkpoint: &Checkpoint, description: &Description, fitted: &Fitted) -> LoadedModel {
    let to_u32 = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    LoadedModel {
        name: checkpoint.metadata.text("general.name").map(str::to_owned),
        architecture: description.architecture.clone(),
        quantization: main_quantization(checkpoint),
        context_tokens: fitted.plan.context_tokens,
        trained_context_tokens: to_u32(description.context),
        parallel: fitted.plan.parallel,
        kv_type: fitted.plan.kv_type,
        kv_budget_bytes: fitted.budget_bytes,
        plan: fitted.plan,
        active_bytes: fitted.active_bytes,
        kv_bytes_per_token: kv_bytes_per_token(description, fitted.plan.kv_type),
        kv_reads: kv_reads(description, fit::kv_type(fitted.plan.kv_type)),
        parameters: checkpoint.tensors.values().map(TensorInfo::elements).sum(),
        vocabulary_tokens: to_u32(description.vocabulary),
        device: "CPU".into(),
        load_ms: 0.0,
    }
}

/// Bytes that one position takes in all layers' pages.
fn kv_bytes_per_token(description: &Description, kv_type: engine_api::KvType) -> u64 {
    let kv_type = fit::kv_type(kv_type);
    let layers = description.page_shape(kv_type).layers.into_iter();
    layers.map(|layer| position_bytes(layer, kv_type)).sum()
}

/// The type that most bytes of the repeated layers have.
fn main_quantization(checkpoint: &Checkpoint) -> String {
    let mut bytes: HashMap<_, u64> = HashMap::new();
    for (name, tensor) in &checkpoint.tensors {
        if name.starts_with("blk.") {
            *bytes.entry(tensor.tensor_type).or_default() += tensor.size_bytes();
        }
    }
    let main = bytes
        .into_iter()
        .max_by_key(|(kind, bytes)| (*bytes, kind.id()));
    main.map_or_else(|| "unknown".into(), |(kind, _)| kind.name().into())
}
