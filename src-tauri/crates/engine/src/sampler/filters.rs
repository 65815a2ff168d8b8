//! Which tokens may be drawn: top-k, typical, top-p, min-p, in this order, each over what the one before left.
//!
//! It deliberately sorts no vocabulary: the likeliest few are taken, and more of them while they don't suffice. Invariant:
//! at least one candidate is left, likeliest first.

use super::candidates::{Candidate, likelier, top, weight};
use engine_api::Sampling;

/// How many are looked at first where no top-k says how many.
const FIRST_LOOK: usize = 256;

/// Fills `candidates` with what may be drawn. `highest` is the largest logit, a finite one.
pub(super) fn filter(
    settings: &Sampling,
    logits: &[f32],
    highest: f32,
    candidates: &mut Vec<Candidate>,
) {
    let k = settings.top_k as usize;
    if k == 0 && settings.typical_p >= 1.0 {
        return without_k(settings, logits, highest, candidates);
    }
    top(logits, if k == 0 { logits.len() } else { k }, candidates);
    if settings.typical_p < 1.0 {
        keep_typical(candidates, highest, settings.typical_p);
    }
    if settings.top_p < 1.0 {
        let total = sum(candidates.iter().map(|one| one.logit), highest);
        let keep = enough(candidates, highest, f64::from(settings.top_p) * total);
        candidates.truncate(keep.unwrap_or(candidates.len()));
    }
    keep_min_p(candidates, settings.min_p);
}

/// Top-p and min-p keep a beginning of the sorted vocabulary: as much of it is sorted as that takes.
fn without_k(settings: &Sampling, logits: &[f32], highest: f32, candidates: &mut Vec<Candidate>) {
    let share = (settings.top_p < 1.0)
        .then(|| f64::from(settings.top_p) * sum(logits.iter().copied(), highest));
    let mut look = FIRST_LOOK;
    loop {
        top(logits, look, candidates);
        let looked = candidates.len();
        let by_share = share.and_then(|share| enough(candidates, highest, share));
        candidates.truncate(by_share.unwrap_or(looked));
        keep_min_p(candidates, settings.min_p);
        let is_enough = by_share.is_some() || candidates.len() < looked;
        if is_enough || looked < look {
            return;
        }
        look = look.saturating_mul(8);
    }
}

fn sum(logits: impl Iterator<Item = f32>, highest: f32) -> f64 {
    logits.map(|logit| f64::from(weight(logit - highest))).sum()
}

/// How many of the first it takes to reach `share`; `None` if all are not enough.
fn enough(candidates: &[Candidate], highest: f32, share: f64) -> Option<usize> {
    let mut sum = 0.0;
    let last = candidates.iter().position(|one| {
        sum += f64::from(weight(one.logit - highest));
        sum >= share
    });
    last.map(|last| last + 1)
}

/// Drops what is less likely than this share of the likeliest, which stays in any case.
fn keep_min_p(candidates: &mut Vec<Candidate>, min_p: f32) {
    let Some(best) = candidates.first().map(|best| best.logit) else {
        return;
    };
    if min_p > 0.0 {
        let least = best + min_p.ln();
        let keep = candidates.partition_point(|one| one.logit >= least);
        candidates.truncate(keep.max(1));
    }
}

/// Keeps those whose surprise is nearest to the expected one (Meister et al., Locally Typical Sampling).
fn keep_typical(candidates: &mut Vec<Candidate>, highest: f32, share: f32) {
    let total = sum(candidates.iter().map(|one| one.logit), highest);
    let surprise = |one: &Candidate| total.ln() - f64::from(one.logit - highest);
    let probability = |one: &Candidate| f64::from(weight(one.logit - highest)) / total;
    let expected: f64 = candidates
        .iter()
        .map(|one| probability(one) * surprise(one))
        .sum();
    let distance = |one: &Candidate| (surprise(one) - expected).abs();
    candidates.sort_unstable_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.id.cmp(&b.id)));
    let mut sum = 0.0;
    let last = candidates.iter().position(|one| {
        sum += probability(one);
        sum >= f64::from(share)
    });
    candidates.truncate(last.map_or(candidates.len(), |last| last + 1));
    candidates.sort_unstable_by(likelier);
}
