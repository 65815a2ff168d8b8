//! How fast this machine reads its memory, measured once and kept, and the decode rate that it allows.
//!
//! A figure is kept only if nothing of ours ran while it was taken: what disturbs makes it smaller, and a limit that is too
//! small would be a lie for ever. It deliberately says nothing of what else the machine does meanwhile; the measurement
//! itself (`telemetry::read_bandwidth`) takes the best of several rounds.

use crate::slot::SlotState;
use crate::status::Gauges;
use crate::store::Store;
use crate::{Error, ErrorCode, GenerationNow, GenerationStage, Studio};
use engine_api::{LoadedModel, Timings};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Where the store keeps the measured bandwidth, in bytes a second. What `memory_bandwidth` holds was measured several times
/// too small.
const BANDWIDTH: &str = "memory_bandwidth_2";

/// What this machine's memory gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, specta::Type)]
pub struct MemoryBandwidth {
    /// Read by all cores together.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub bytes_per_second: f64,
}

/// The most that the memory allows the loaded model to decode.
///
/// Every token of a lone sequence reads all weights that are active and all that the KV cache holds for it, so the rate is
/// at most bandwidth ÷ bytes per token. A model that fits into a processor's cache may do better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct DecodeLimit {
    /// As measured on this machine.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub bandwidth_bytes_per_second: f64,
    /// What decoding the next token reads, at the context that is used now.
    #[specta(type = u32)]
    pub bytes_per_token: u64,
    /// The one over the other.
    #[specta(type = u32)]
    // A float, but never NaN: in TypeScript a `number`, not a `number | null`.
    pub tokens_per_second: f64,
    /// How much of it is reached now, 1 for all; absent unless a single generation works, and it decodes.
    pub live_share: Option<f64>,
}

impl DecodeLimit {
    /// For a model whose sequence holds `context_tokens`. `None` for one that says nothing of what it reads.
    fn of(bandwidth: f64, model: &LoadedModel, context_tokens: u32) -> Option<Self> {
        let bytes_per_token = model.decode_read_bytes(context_tokens);
        #[expect(clippy::cast_precision_loss, reason = "three digits are enough")]
        let tokens_per_second = bandwidth / bytes_per_token as f64;
        (bytes_per_token > 0).then_some(Self {
            bandwidth_bytes_per_second: bandwidth,
            bytes_per_token,
            tokens_per_second,
            live_share: None,
        })
    }

    /// With what these generations reach of it.
    fn with(self, generations: &[GenerationNow]) -> Self {
        let mut working = generations
            .iter()
            .filter(|one| one.stage != GenerationStage::Queued);
        let alone = working.next().filter(|_| working.next().is_none());
        let decoding = alone.filter(|one| one.stage == GenerationStage::Decode);
        let rate = decoding.and_then(|one| one.decode_tokens_per_second);
        Self {
            live_share: rate.map(|rate| rate / self.tokens_per_second),
            ..self
        }
    }
}

/// The handle to the figure. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Bandwidth {
    store: Arc<OnceLock<Store>>,
    gauges: Gauges,
    known: Arc<Mutex<Option<f64>>>,
    measuring: Arc<tokio::sync::Mutex<()>>,
    /// Whether it was measured since the start, kept or not.
    tried: Arc<AtomicBool>,
}

impl Bandwidth {
    pub(crate) fn new(store: Arc<OnceLock<Store>>, gauges: Gauges) -> Self {
        Self {
            store,
            gauges,
            known: Arc::default(),
            measuring: Arc::default(),
            tried: Arc::default(),
        }
    }

    /// Bytes a second, known or kept; else measured now, whatever runs.
    pub(crate) async fn get(&self) -> Option<f64> {
        match self.kept().await {
            Some(kept) => Some(kept),
            None => self.measure().await.map(|(measured, _)| measured),
        }
    }

    /// Bytes a second, if they were ever measured.
    pub(crate) async fn kept(&self) -> Option<f64> {
        let known = *self.known();
        if known.is_some() {
            return known;
        }
        let kept = self.store.get()?.meta(BANDWIDTH).await.ok().flatten();
        let kept = kept.and_then(|text| text.parse().ok());
        let kept = kept.filter(|kept: &f64| kept.is_finite() && *kept > 0.0)?;
        *self.known() = Some(kept);
        Some(kept)
    }

    /// Has the figure before this model writes: looks it up, or measures it if nothing runs, which delays the first answer
    /// that is ever written on a machine by a third of a second. Costs nothing once it is known, or was tried in vain.
    pub(crate) async fn want(&self, model: &LoadedModel) {
        if model.decode_read_bytes(0) == 0 || self.kept().await.is_some() || self.gauges.is_busy() {
            return;
        }
        if !self.tried.swap(true, Ordering::Relaxed) {
            self.measure().await;
        }
    }

    /// The most tokens a second that the memory allows at the mean length that a generation's context had, if the
    /// bandwidth is known.
    pub(crate) fn limit(&self, model: &LoadedModel, timings: &Timings) -> Option<f64> {
        let context = timings
            .prompt_tokens
            .saturating_add(timings.generated_tokens / 2);
        let limit = DecodeLimit::of((*self.known())?, model, context);
        limit.map(|limit| limit.tokens_per_second)
    }

    /// Measures it, and whether nothing of ours ran meanwhile. Only then it is kept.
    async fn measure(&self) -> Option<(f64, bool)> {
        let _one_at_a_time = self.measuring.lock().await;
        let (begun, was_busy) = (self.gauges.meter.begun(), self.gauges.is_busy());
        let measuring = tokio::task::spawn_blocking(telemetry::read_bandwidth);
        let measured = measuring.await.ok()??;
        let is_busy = self.gauges.is_busy() || self.gauges.meter.begun() != begun;
        let undisturbed = !was_busy && !is_busy;
        if undisturbed {
            self.keep(measured);
        }
        Some((measured, undisturbed))
    }

    fn keep(&self, measured: f64) {
        *self.known() = Some(measured);
        if let Some(store) = self.store.get() {
            store.set_meta(BANDWIDTH, format!("{measured:.0}"));
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<f64>> {
        // A number is whole whatever its last user did.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bandwidth {
    /// What the memory allows the loaded model at its present context, and what these generations reach of it; `None`
    /// without a model, and until the bandwidth is known, which is then seen to.
    pub(crate) fn decode_limit(&self, generations: &[GenerationNow]) -> Option<DecodeLimit> {
        let SlotState::Loaded(engine) = self.gauges.slot.state() else {
            return None;
        };
        let context = self.gauges.memory_use().context_used_tokens;
        let known = *self.known();
        let Some(known) = known else {
            let bandwidth = self.clone();
            tokio::spawn(async move { bandwidth.want(&engine.loaded).await });
            return None;
        };
        Some(DecodeLimit::of(known, &engine.loaded, context)?.with(generations))
    }
}

impl Studio {
    /// Measures anew how fast this machine reads its memory, which takes about a third of a second of all cores, and keeps
    /// that for all figures that follow. Answers that are over keep what was said of them.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`] while an answer is written or a model loads, or when one began meanwhile;
    /// [`ErrorCode::Internal`] when the system gives no threads or memory. The last figure then stays.
    pub async fn measure_bandwidth(&self) -> Result<MemoryBandwidth, Error> {
        let bandwidth = &self.inner.bandwidth;
        if bandwidth.gauges.is_busy() {
            return Err(disturbed());
        }
        let measured = bandwidth.measure().await.ok_or_else(|| {
            Error::internal("The memory could not be measured. The last figure is kept.")
        })?;
        match measured {
            (bytes_per_second, true) => Ok(MemoryBandwidth { bytes_per_second }),
            (_, false) => Err(disturbed()),
        }
    }
}

fn disturbed() -> Error {
    let message = "The memory can only be measured while nothing runs. The last figure is kept.";
    Error::new(ErrorCode::Busy, message).hint("Measure again when the answer is over.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Asker;
    use engine_api::{KvRead, KvReads};
    use proptest::prelude::*;

    fn model(active_bytes: u64, bytes_per_token: u64) -> LoadedModel {
        let read = KvRead {
            window_tokens: None,
            bytes_per_token,
        };
        let kv_reads = KvReads {
            layers: vec![read],
            state_bytes: 0,
        };
        LoadedModel {
            active_bytes,
            kv_reads,
            ..LoadedModel::default()
        }
    }

    #[test]
    fn the_limit_is_bandwidth_over_what_a_token_reads() {
        let check = |active, per_token, context, expected: Option<(u64, f64)>| {
            let limit = DecodeLimit::of(1000.0, &model(active, per_token), context);
            let found = limit.map(|limit| (limit.bytes_per_token, limit.tokens_per_second));
            assert_eq!(found, expected);
        };
        check(10, 0, 0, Some((10, 100.0)));
        check(10, 2, 0, Some((10, 100.0)));
        check(10, 2, 5, Some((20, 50.0)));
        check(0, 0, 5, None);
    }

    proptest! {
        #[test]
        fn any_longer_context_allows_at_most_as_much(
            active in 1_u64..1 << 40,
            per_token in 0_u64..1 << 20,
            shorter in 0_u32..1 << 20,
            more in 0_u32..1 << 20,
        ) {
            let limit = |context| {
                let limit = DecodeLimit::of(1e11, &model(active, per_token), context);
                limit.expect("it reads something").tokens_per_second
            };
            prop_assert!(limit(shorter) >= limit(shorter + more));
            prop_assert!(limit(shorter).is_finite() && limit(shorter) > 0.0);
        }
    }

    #[test]
    fn a_share_is_told_of_one_that_decodes_alone() {
        let one = |stage, decode_tokens_per_second| GenerationNow {
            asker: Asker::Kiosk,
            model: "m".into(),
            stage,
            generated_tokens: 5,
            decode_tokens_per_second,
            running_ms: 1000,
        };
        let decodes = |rate| one(GenerationStage::Decode, Some(rate));
        let queued = || one(GenerationStage::Queued, None);
        let prefills = || {
            let stage = GenerationStage::Prefill {
                processed_tokens: 1,
                total_tokens: 2,
            };
            one(stage, None)
        };
        let limit = DecodeLimit::of(1000.0, &model(10, 0), 0).expect("a limit");
        let check = |generations: &[GenerationNow], expected| {
            assert_eq!(limit.with(generations).live_share, expected);
        };
        check(&[], None);
        check(&[decodes(50.0)], Some(0.5));
        check(&[decodes(50.0), queued()], Some(0.5));
        check(&[decodes(50.0), decodes(50.0)], None);
        check(&[decodes(50.0), prefills()], None);
        check(&[prefills()], None);
        check(&[queued()], None);
        check(&[one(GenerationStage::Decode, None)], None);
    }
}
