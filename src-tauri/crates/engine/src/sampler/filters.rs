//! Which tokens may be drawn: top-k, typical, top-p, min-p, in this order, each over what the one before left.
//!
//! It deliberately sorts no vocabulary: a histogram says first how far down one has to look. Invariant: at least one
//! candidate is left, likeliest first.

use super::candidates::{Candidate, likelier, sum_of_weights, top, weight};
use engine_api::Sampling;

/// The histogram's reach below the likeliest token, in nats, and its bins for each.
const REACH: f32 = 32.0;
const BINS_PER_NAT: f32 = 32.0;
const BINS: usize = 1024;

/// Fills `candidates` with what may be drawn. `highest` is the largest logit, a finite one.
pub(super) fn filter(
    settings: &Sampling,
    logits: &[f32],
    highest: f32,
    candidates: &mut Vec<Candidate>,
) {
    let k = settings.top_k as usize;
    // The whole that top-p takes its share of.
    let whole = if k == 0 {
        sum_of_weights(logits, highest, 1.0)
    } else {
        top(logits, k, candidates);
        sum(candidates, highest)
    };
    if settings.typical_p < 1.0 {
        let surprise = if k == 0 {
            let surprise = Surprise::of(logits.iter().copied(), highest, whole);
            let distance = |logit| surprise.distance(logit);
            let within = reach(logits, highest, whole, settings.typical_p, distance);
            gather(logits, candidates, |logit| distance(logit) <= within);
            surprise
        } else {
            Surprise::of(candidates.iter().map(|one| one.logit), highest, whole)
        };
        keep_typical(candidates, &surprise, settings.typical_p);
    } else if k == 0 {
        gather_likeliest(settings, logits, highest, whole, candidates);
    }
    let whole = if settings.typical_p < 1.0 {
        sum(candidates, highest)
    } else {
        whole
    };
    keep_likely(settings, highest, whole, candidates);
}

/// As [`filter`], of a row of which only the likeliest are known, likeliest first, and perhaps its sum of weights; whether they
/// were enough to tell.
pub(super) fn filter_listed(
    settings: &Sampling,
    listed: &[Candidate],
    sum_of_row: Option<f64>,
    candidates: &mut Vec<Candidate>,
) -> bool {
    let k = settings.top_k as usize;
    let Some(highest) = listed.first().map(|best| best.logit) else {
        return false;
    };
    candidates.clear();
    if k > 0 {
        let Some(top) = listed.get(..k) else {
            return false;
        };
        candidates.extend_from_slice(top);
        let mut whole = sum(candidates, highest);
        if settings.typical_p < 1.0 {
            let surprise = Surprise::of(candidates.iter().map(|one| one.logit), highest, whole);
            keep_typical(candidates, &surprise, settings.typical_p);
            whole = sum(candidates, highest);
        }
        keep_likely(settings, highest, whole, candidates);
        return true;
    }
    if settings.typical_p < 1.0 || (settings.top_p < 1.0 && sum_of_row.is_none()) {
        return false;
    }
    candidates.extend_from_slice(listed);
    keep_likely(settings, highest, sum_of_row.unwrap_or(0.0), candidates);
    // What ends within the list ends there in the row.
    candidates.len() < listed.len()
}

/// Top-p's share of the whole, and min-p.
fn keep_likely(settings: &Sampling, highest: f32, whole: f64, candidates: &mut Vec<Candidate>) {
    if settings.top_p < 1.0 {
        let keep = enough(candidates, highest, f64::from(settings.top_p) * whole);
        candidates.truncate(keep.unwrap_or(candidates.len()));
    }
    keep_min_p(candidates, settings.min_p);
}

/// What top-p and min-p may keep, and little more.
fn gather_likeliest(
    settings: &Sampling,
    logits: &[f32],
    highest: f32,
    whole: f64,
    candidates: &mut Vec<Candidate>,
) {
    let mut within = if settings.top_p < 1.0 {
        reach(logits, highest, whole, settings.top_p, |logit| {
            highest - logit
        })
    } else {
        f32::INFINITY
    };
    if settings.min_p > 0.0 {
        // A hair further than what counts in the end.
        within = within.min(0.01 - settings.min_p.ln());
    }
    gather(logits, candidates, |logit| highest - logit <= within);
    candidates.sort_unstable_by(likelier);
}

/// All tokens that have some probability and that `is_kept` takes.
fn gather(logits: &[f32], candidates: &mut Vec<Candidate>, is_kept: impl Fn(f32) -> bool) {
    candidates.clear();
    let possible = (0..)
        .zip(logits.iter().copied())
        .filter(|(_, logit)| *logit > f32::NEG_INFINITY && is_kept(*logit));
    candidates.extend(possible.map(|(id, logit)| Candidate { id, logit }));
}

/// A distance within which the nearest tokens have at least this share of the whole.
fn reach(
    logits: &[f32],
    highest: f32,
    whole: f64,
    share: f32,
    distance: impl Fn(f32) -> f32,
) -> f32 {
    let mut bins = [0.0_f64; BINS];
    for logit in logits {
        let at = (distance(*logit) * BINS_PER_NAT).min(REACH * BINS_PER_NAT - 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a distance is not negative, and NaN becomes 0"
        )]
        let bin = at as usize;
        bins[bin.min(BINS - 1)] += f64::from(weight(logit - highest));
    }
    // A hair more than the share: sums of another order must not need more than what is gathered.
    let wanted = whole * (f64::from(share) + 1e-5);
    let mut sum = 0.0;
    let mut bound = 0.0;
    for bin in bins.iter().take(BINS - 1) {
        sum += bin;
        bound += 1.0 / BINS_PER_NAT;
        if sum >= wanted {
            return bound;
        }
    }
    f32::INFINITY
}

fn sum(candidates: &[Candidate], highest: f32) -> f64 {
    let weights = candidates.iter().map(|one| weight(one.logit - highest));
    weights.map(f64::from).sum()
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

/// How much the tokens of a row surprise.
struct Surprise {
    highest: f32,
    whole: f64,
    expected: f32,
}

impl Surprise {
    fn of(logits: impl Iterator<Item = f32>, highest: f32, whole: f64) -> Self {
        // The surprise of a token is ln(whole) - (logit - highest).
        let below = logits.filter(|logit| *logit > f32::NEG_INFINITY);
        let sum: f64 = below
            .map(|logit| f64::from(weight(logit - highest) * (highest - logit)))
            .sum();
        #[expect(clippy::cast_possible_truncation, reason = "a float of less precision")]
        let expected = (sum / whole) as f32;
        Self {
            highest,
            whole,
            expected,
        }
    }

    /// How far a token's surprise is from the expected one, in nats.
    fn distance(&self, logit: f32) -> f32 {
        (self.highest - logit - self.expected).abs()
    }
}

/// Keeps those whose surprise is nearest to the expected one (Meister et al., Locally Typical Sampling).
fn keep_typical(candidates: &mut Vec<Candidate>, surprise: &Surprise, share: f32) {
    candidates.sort_unstable_by(|a, b| {
        let (one, other) = (surprise.distance(a.logit), surprise.distance(b.logit));
        one.total_cmp(&other).then(a.id.cmp(&b.id))
    });
    let keep = enough(
        candidates,
        surprise.highest,
        f64::from(share) * surprise.whole,
    );
    candidates.truncate(keep.unwrap_or(candidates.len()));
    candidates.sort_unstable_by(likelier);
}
