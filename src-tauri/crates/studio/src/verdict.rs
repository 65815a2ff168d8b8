//! Whether a model fits this machine, and how fast it would be: from what its header takes and what the machine has.
//!
//! It deliberately draws conclusions only; who reads headers and machines is `judge.rs`. Invariant: a verdict says the
//! numbers that it was drawn from.

use crate::guard::usual_reserve_bytes;
use engine_api::{Inspection, MemoryPlan};
use serde::Serialize;

/// Whether it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// With room to spare.
    Fits,
    /// Only if other programs give memory back, or with hardly any room left.
    Tight,
    /// Not on this machine, whatever is closed.
    TooLarge,
    /// The engine does not know how it computes.
    Unsupported,
    /// Its header could not be read.
    Unknown,
}

/// What a variant of a repository is to this machine.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct Verdict {
    /// The variant's.
    pub key: String,
    /// Whether it fits.
    pub fit: Fit,
    /// Why, as a sentence.
    pub reason: String,
    /// The context window that it was planned with.
    pub context_tokens: u32,
    /// Bytes of weights.
    #[specta(type = u32)]
    pub weights_bytes: u64,
    /// Bytes of keys and values at that context window.
    #[specta(type = u32)]
    pub kv_cache_bytes: u64,
    /// Bytes of buffers.
    #[specta(type = u32)]
    pub scratch_bytes: u64,
    /// All of it.
    #[specta(type = u32)]
    pub total_bytes: u64,
    /// What this machine has for a model now.
    #[specta(type = u32)]
    pub memory_bytes: u64,
    /// The rate at which it would write: the memory's bandwidth by the bytes that each token reads. `None` if either is
    /// unknown.
    pub decode_tokens_per_second: Option<f64>,
}

/// What the machine has for a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Now, with the loaded model's memory, which it would take the place of.
    pub(crate) now_bytes: u64,
    /// When all other programs are closed.
    pub(crate) most_bytes: u64,
    /// How much can be read of memory in a second.
    pub(crate) bandwidth: Option<f64>,
}

/// What the kernel and a desktop hold when every other program is closed.
const DESKTOP_BYTES: u64 = 2 << 30;

impl Room {
    /// Of a machine with so much memory, of which so much is to be had and the usual reserve stays free.
    pub fn new(total_bytes: u64, available_bytes: u64, bandwidth: Option<f64>) -> Self {
        let reserve_bytes = usual_reserve_bytes(total_bytes);
        Self::beside(reserve_bytes, total_bytes, available_bytes, bandwidth)
    }

    /// The same beside another reserve.
    pub(crate) fn beside(
        reserve_bytes: u64,
        total_bytes: u64,
        available_bytes: u64,
        bandwidth: Option<f64>,
    ) -> Self {
        let desktop_bytes = DESKTOP_BYTES.min(total_bytes / 8);
        let kept_bytes = reserve_bytes.saturating_add(desktop_bytes);
        Self {
            now_bytes: available_bytes.saturating_sub(reserve_bytes),
            most_bytes: total_bytes.saturating_sub(kept_bytes),
            bandwidth,
        }
    }
}

/// The verdict on a model that could be planned.
pub(crate) fn judge(key: &str, plan: &MemoryPlan, inspection: &Inspection, room: Room) -> Verdict {
    let total = plan.total_bytes();
    let (fit, reason) = match &inspection.refusal {
        Some(refusal) => (Fit::Unsupported, format!("Wick can't run it: {refusal}.")),
        None => fit(total, room),
    };
    Verdict {
        key: key.to_owned(),
        fit,
        reason,
        context_tokens: plan.context_tokens,
        weights_bytes: plan.weights_bytes,
        kv_cache_bytes: plan.kv_cache_bytes,
        scratch_bytes: plan.scratch_bytes + plan.worker_bytes,
        total_bytes: total,
        memory_bytes: room.now_bytes,
        decode_tokens_per_second: rate(inspection.active_bytes, room),
    }
}

/// The verdict on what could not be planned.
pub(crate) fn unjudged(key: &str, fit: Fit, reason: String, room: Room) -> Verdict {
    Verdict {
        key: key.to_owned(),
        fit,
        reason,
        context_tokens: 0,
        weights_bytes: 0,
        kv_cache_bytes: 0,
        scratch_bytes: 0,
        total_bytes: 0,
        memory_bytes: room.now_bytes,
        decode_tokens_per_second: None,
    }
}

/// A tenth of the room is kept: a plan is right within 3 %, and other programs grow.
fn fit(total: u64, room: Room) -> (Fit, String) {
    let spare = |bytes: u64| bytes - bytes / 10;
    if total <= spare(room.now_bytes) {
        return (Fit::Fits, "It fits, with room to spare.".into());
    }
    if total <= room.now_bytes {
        return (
            Fit::Tight,
            "It fits, but hardly any memory is left for other programs.".into(),
        );
    }
    if total <= spare(room.most_bytes) {
        return (
            Fit::Tight,
            "It fits when other programs give memory back.".into(),
        );
    }
    (
        Fit::TooLarge,
        "It takes more memory than this machine has for a model.".into(),
    )
}

#[expect(clippy::cast_precision_loss, reason = "a rate is told with two digits")]
fn rate(active_bytes: u64, room: Room) -> Option<f64> {
    let bandwidth = room.bandwidth.filter(|_| active_bytes > 0)?;
    Some(bandwidth / active_bytes as f64)
}

/// The best that fits: of those up to eight bits a weight, which nobody can tell from more, the largest.
pub(crate) fn recommended<'a>(
    verdicts: impl Iterator<Item = (&'a Verdict, Option<&'a str>)>,
) -> Option<String> {
    let fitting: Vec<_> = verdicts
        .filter(|(verdict, _)| verdict.fit == Fit::Fits)
        .collect();
    let is_float = |quantization: Option<&str>| {
        quantization.is_none_or(|name| matches!(name, "F16" | "BF16" | "F32"))
    };
    let quantized = fitting
        .iter()
        .filter(|(_, quantization)| !is_float(*quantization));
    let best = quantized.max_by_key(|(verdict, _)| verdict.weights_bytes);
    let smallest = || {
        fitting
            .iter()
            .min_by_key(|(verdict, _)| verdict.weights_bytes)
    };
    best.or_else(smallest)
        .map(|(verdict, _)| verdict.key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn room() -> Room {
        Room::new(128 * GIB, 100 * GIB, Some(230e9))
    }

    fn verdict(weights_bytes: u64, key: &str) -> Verdict {
        let plan = MemoryPlan {
            weights_bytes,
            kv_cache_bytes: GIB,
            ..MemoryPlan::default()
        };
        let inspection = Inspection {
            active_bytes: weights_bytes,
            ..crate::tests::inspection()
        };
        judge(key, &plan, &inspection, room())
    }

    #[test]
    fn what_fits_is_told_from_what_does_not() {
        let check = |gib: u64, expected: Fit| {
            let found = verdict(gib * GIB, "k");
            assert_eq!(found.fit, expected, "{gib} GiB: {}", found.reason);
            assert_eq!(found.total_bytes, (gib + 1) * GIB);
        };
        check(5, Fit::Fits);
        check(79, Fit::Fits);
        check(85, Fit::Tight);
        check(100, Fit::Tight);
        check(120, Fit::TooLarge);
        check(1000, Fit::TooLarge);
    }

    #[test]
    fn the_rate_is_bandwidth_by_bytes() {
        let rate = verdict(23_000_000_000, "k").decode_tokens_per_second;
        assert!(
            rate.is_some_and(|rate| (rate - 10.0).abs() < 1e-9),
            "{rate:?}"
        );
    }

    #[test]
    fn the_best_that_fits_is_recommended() {
        let check = |sizes: &[(u64, &str)], expected: Option<&str>| {
            let verdicts: Vec<_> = sizes
                .iter()
                .map(|(gib, name)| (verdict(gib * GIB, name), *name))
                .collect();
            let pairs = verdicts
                .iter()
                .map(|(verdict, name)| (verdict, Some(*name)));
            assert_eq!(recommended(pairs).as_deref(), expected, "{sizes:?}");
        };
        check(&[(4, "Q4_K_M"), (8, "Q8_0"), (16, "BF16")], Some("Q8_0"));
        check(
            &[(40, "Q4_K_M"), (110, "Q8_0"), (160, "BF16")],
            Some("Q4_K_M"),
        );
        check(&[(16, "BF16")], Some("BF16"));
        check(&[(500, "Q4_K_M")], None);
    }
}
