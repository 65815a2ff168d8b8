//! Whether a model may be loaded as somebody wishes, and what would help where it may not: plain values.
//!
//! They cross the IPC as they are. It deliberately computes nothing; `mod.rs` and `offers.rs` do.

use engine_api::{KvType, LoadOptions, MemoryPlan, Quantize};
use serde::{Deserialize, Serialize};

/// How somebody wishes a model to be loaded. The default leaves everything to Wick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, specta::Type)]
pub struct LoadWish {
    /// The context window of each sequence, in tokens; `None` is what the model was trained for, as far as memory goes.
    pub context_tokens: Option<u32>,
    /// Sequences that run together at full length; `None` is one, with more as far as memory goes.
    pub parallel: Option<u32>,
    /// How keys and values are kept; `None` is F16.
    pub kv_type: Option<KvType>,
    /// What float weights are turned into; `None` leaves them.
    pub quantize: Option<Quantize>,
    /// Even if it does not fit.
    pub anyway: bool,
}

/// Whether it may be loaded.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Admission {
    /// It may.
    Admitted {
        /// What it takes; `None` where it plainly fits or can't be told, and nothing was planned.
        plan: Option<LoadPlan>,
    },
    /// It may not.
    Refused {
        /// Why, and what would help.
        refusal: LoadRefusal,
    },
}

/// What a load takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
pub struct LoadPlan {
    /// The context window that was planned with, in tokens.
    pub context_tokens: u32,
    /// Weights, as they lie in memory.
    #[specta(type = u32)]
    pub weights_bytes: u64,
    /// Keys and values at that context window.
    #[specta(type = u32)]
    pub kv_cache_bytes: u64,
    /// Buffers, and the worker itself with its tokenizer.
    #[specta(type = u32)]
    pub scratch_bytes: u64,
    /// All of it.
    #[specta(type = u32)]
    pub total_bytes: u64,
}

/// Why a load was refused, and what would help.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct LoadRefusal {
    /// The model's name.
    pub name: String,
    /// What it takes.
    pub plan: LoadPlan,
    /// What there is for it: available memory, with that of `replaces`, less the reserve.
    #[specta(type = u32)]
    pub room_bytes: u64,
    /// What is missing.
    #[specta(type = u32)]
    pub missing_bytes: u64,
    /// What stays free for the desktop.
    #[specta(type = u32)]
    pub reserve_bytes: u64,
    /// The model that would make place for it, and still is loaded.
    pub replaces: Option<String>,
    /// What would help, each planned and found to fit, the best first; `Anyway` is always the last.
    pub offers: Vec<Offer>,
}

/// A way to load it all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Offer {
    /// What is different.
    pub change: OfferedChange,
    /// What to ask for.
    pub wish: LoadWish,
    /// What it takes then.
    pub plan: LoadPlan,
}

/// What an offer changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum OfferedChange {
    /// The context window is smaller.
    Context,
    /// Keys and values are kept in half the bytes.
    KvType,
    /// Float weights are quantized while they are loaded.
    Quantize,
    /// Several of these.
    Several,
    /// Nothing: it does not fit, and is loaded.
    Anyway,
}

impl From<MemoryPlan> for LoadPlan {
    fn from(plan: MemoryPlan) -> Self {
        Self {
            context_tokens: plan.context_tokens,
            weights_bytes: plan.weights_bytes,
            kv_cache_bytes: plan.kv_cache_bytes,
            scratch_bytes: plan.scratch_bytes + plan.worker_bytes,
            total_bytes: plan.total_bytes(),
        }
    }
}

impl LoadWish {
    /// The same wish, as far as the loaded model is concerned: how it was come by is no difference.
    pub(crate) fn is_met_by(&self, other: &Self) -> bool {
        let modest = |wish: &Self| Self {
            anyway: false,
            ..*wish
        };
        modest(self) == modest(other)
    }

    /// Whether nothing is asked for that would take a known amount of memory.
    pub(super) fn is_modest(&self) -> bool {
        self.context_tokens.is_none() && self.parallel.is_none()
    }

    /// The options that have this planned whole: all sequences with the whole context window.
    pub(super) fn to_be_planned(self, context_tokens: u32) -> LoadOptions {
        LoadOptions {
            context_tokens: Some(context_tokens),
            parallel: self.parallel.unwrap_or(1),
            kv_budget_bytes: Some(u64::MAX),
            ..self.as_wished()
        }
    }

    /// The options that it is loaded with where nothing was planned.
    pub(crate) fn as_wished(self) -> LoadOptions {
        let usual = LoadOptions::default();
        LoadOptions {
            context_tokens: self.context_tokens,
            parallel: self.parallel.unwrap_or(usual.parallel),
            kv_type: self.kv_type.unwrap_or(usual.kv_type),
            quantize: self.quantize,
            ..usual
        }
    }
}
