//! How much of what was asked for fits: the context window, the pages, and what all of it takes.
//!
//! It computes from the header alone and allocates nothing. Invariant: a lone sequence always has pages for the whole
//! context window that is granted here.

use super::footprint::worker_bytes;
use crate::decoder::plan::state_bytes;
use crate::decoder::{Demand, Description, plan};
use crate::files::{Checkpoint, TensorType};
use crate::kv::{KvType, PAGE_TOKENS};
use crate::scheduler::pages_for;
use engine_api::{EngineError, LoadOptions, MemoryPlan, Quantize};

/// Most tokens of a prompt in one step. More would not be faster, and a step is not interrupted. On a GPU it takes more until each
/// expert of a mixture has enough to do.
pub const MOST_STEP_TOKENS: usize = if cfg!(feature = "cuda") { 1024 } else { 256 };
/// Pages' bytes where nobody says what memory there is.
const BLIND_BUDGET_BYTES: u64 = 2 << 30;

/// What a model gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitted {
    /// What it takes with all sequences at full length, as far as the budget goes.
    pub plan: MemoryPlan,
    /// Bytes of weights that decoding one token reads.
    pub active_bytes: u64,
    /// Most pages.
    pub budget_pages: usize,
    /// Their bytes.
    pub budget_bytes: u64,
    /// The most tokens of one step.
    pub step_tokens: usize,
    /// Most bytes of snapshots of recurrent layers.
    pub snapshot_bytes: u64,
}

/// Fits a model into what the options allow.
///
/// # Errors
/// [`EngineError::OutOfMemory`] with both numbers when the weights, or one page, take more than there is; as for
/// [`plan`] otherwise.
pub fn fit(
    description: &Description,
    checkpoint: &Checkpoint,
    options: &LoadOptions,
) -> Result<Fitted, EngineError> {
    check_kv_type(description, checkpoint, options)?;
    let wanted = options
        .context_tokens
        .map_or(usize::MAX, |tokens| tokens as usize);
    let wanted = wanted.min(description.context).max(2);
    let parallel = options.parallel as usize;
    let demand = |context_tokens| Demand {
        context_tokens,
        parallel,
        kv_type: kv_type(options.kv_type),
        step_tokens: (MOST_STEP_TOKENS + parallel).min(parallel.saturating_mul(context_tokens)),
        step_logits: parallel,
        quantize: quantized(options.quantize),
    };
    let whole = plan(description, checkpoint, &demand(wanted))?;
    let worker_bytes = worker_bytes(checkpoint, description.vocabulary);
    let buffers = scratch_bytes(description, &demand(wanted), whole.scratch_bytes);
    let fixed_bytes = whole.weights_bytes + buffers + whole.state_bytes + worker_bytes;
    let free_bytes = free(fixed_bytes, options)?;
    let page_bytes = description
        .page_shape(kv_type(options.kv_type))
        .page_bytes() as u64;
    let budget_pages = budget_pages(page_bytes, wanted, free_bytes, options)?;
    let context_tokens = wanted.min(budget_pages.saturating_mul(PAGE_TOKENS));
    let fits = plan(description, checkpoint, &demand(context_tokens))?;
    let demand = demand(context_tokens);
    let scratch_bytes = scratch_bytes(description, &demand, fits.scratch_bytes);
    let budget_bytes = budget_pages as u64 * page_bytes;
    let snapshot_bytes = 2 * fits.state_bytes;
    Ok(Fitted {
        plan: MemoryPlan {
            context_tokens: u32::try_from(context_tokens).unwrap_or(u32::MAX),
            parallel: options.parallel,
            kv_type: options.kv_type,
            weights_bytes: fits.weights_bytes,
            kv_cache_bytes: fits.kv_bytes.min(budget_bytes) + fits.state_bytes + snapshot_bytes,
            scratch_bytes: scratch_bytes + state_bytes(description),
            worker_bytes,
        },
        active_bytes: fits.active_bytes,
        budget_pages,
        budget_bytes,
        step_tokens: demand.step_tokens,
        snapshot_bytes,
    })
}

/// Buffers of the largest step: the processor's, or a GPU's where the worker knows one and they are larger. Nobody knows yet which
/// of them computes.
#[cfg(feature = "cuda")]
fn scratch_bytes(description: &Description, demand: &Demand, of_processor: u64) -> u64 {
    let pages = pages_for(demand.context_tokens).saturating_mul(demand.parallel);
    let reserve = crate::decoder::Reserve {
        kv_type: demand.kv_type,
        pages: pages.min(u32::MAX as usize),
        step_tokens: demand.step_tokens,
        step_logits: demand.step_logits,
    };
    crate::gpu::decoder::scratch_bytes(description, &reserve).max(of_processor)
}

/// Buffers of the largest step.
#[cfg(not(feature = "cuda"))]
fn scratch_bytes(_: &Description, _: &Demand, of_processor: u64) -> u64 {
    of_processor
}

/// What the weights and buffers leave; `None` where nobody knows.
fn free(fixed_bytes: u64, options: &LoadOptions) -> Result<Option<u64>, EngineError> {
    let Some(available_bytes) = options.available_bytes else {
        return Ok(None);
    };
    match available_bytes.checked_sub(fixed_bytes) {
        Some(free) => Ok(Some(free)),
        None => Err(out_of_memory(
            "the weights and buffers",
            fixed_bytes,
            available_bytes,
        )),
    }
}

fn out_of_memory(what: &str, wanted_bytes: u64, there_bytes: u64) -> EngineError {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    EngineError::OutOfMemory {
        reason: format!(
            "{what} take {} MiB, and {} MiB are there",
            mib(wanted_bytes),
            there_bytes >> 20
        ),
    }
}

/// As many as all sequences need at full length, as far as the budget goes.
fn budget_pages(
    page_bytes: u64,
    context_tokens: usize,
    free_bytes: Option<u64>,
    options: &LoadOptions,
) -> Result<usize, EngineError> {
    let needed = pages_for(context_tokens).saturating_mul(options.parallel as usize);
    if page_bytes == 0 {
        return Ok(needed);
    }
    let one = pages_for(context_tokens) as u64 * page_bytes;
    let budget_bytes = options.kv_budget_bytes.unwrap_or_else(|| {
        let free = free_bytes.unwrap_or(4 * BLIND_BUDGET_BYTES);
        // Who asks for a context window gets it for one sequence at least, where the memory is there.
        let asked = if options.context_tokens.is_some() {
            one.min(free / 4 * 3)
        } else {
            0
        };
        (free / 4).max(asked)
    });
    let pages = usize::try_from(budget_bytes / page_bytes).unwrap_or(usize::MAX);
    match pages.min(needed) {
        0 => Err(out_of_memory(
            "keys and values of the shortest context",
            page_bytes,
            budget_bytes,
        )),
        pages => Ok(pages),
    }
}

/// Blocks of 32 must fill each head's keys and values.
fn check_kv_type(
    description: &Description,
    checkpoint: &Checkpoint,
    options: &LoadOptions,
) -> Result<(), EngineError> {
    let layers = description.page_shape(kv_type(options.kv_type)).layers;
    let fits = |size: usize| size.is_multiple_of(32);
    let all_fit = layers
        .iter()
        .all(|layer| fits(layer.key_dim) && fits(layer.value_dim));
    if options.kv_type != engine_api::KvType::Q8_0 || all_fit {
        return Ok(());
    }
    Err(EngineError::UnsupportedModel {
        file: checkpoint.path.display().to_string(),
        reason: "its heads are no multiple of 32 wide, so its keys and values can't be kept as Q8_0: take F16".into(),
    })
}

pub(super) fn kv_type(kv_type: engine_api::KvType) -> KvType {
    match kv_type {
        engine_api::KvType::F32 => KvType::F32,
        engine_api::KvType::F16 => KvType::F16,
        engine_api::KvType::Q8_0 => KvType::Q8_0,
    }
}

pub(super) fn quantized(quantize: Option<Quantize>) -> Option<TensorType> {
    quantize.map(|quantize| match quantize {
        Quantize::Q8_0 => TensorType::Q8_0,
        Quantize::Q4K => TensorType::Q4_K,
    })
}
