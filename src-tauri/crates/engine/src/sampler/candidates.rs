//! Tokens that may still be chosen, and how the likeliest are found without sorting a vocabulary.
//!
//! It deliberately knows no setting. Invariant: of equal logits the lower id comes first, so that one row always gives the
//! same order.

use std::cmp::Ordering;

/// A token that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) id: u32,
    pub(super) logit: f32,
}

/// The likelier one first.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape that sorting wants"
)]
pub(super) fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

/// `exp(x)` for `x` of at most 0, right within 3e-7 of itself; 0 below -87 and for NaN. Without a branch, so that a row
/// of a vocabulary takes a tenth of a millisecond. Method: `2^n` by the exponent's bits, Taylor's series on the rest.
pub(super) fn weight(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.max(-87.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts: the first product is exact.
    let rest = (clamped - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let power = 1.0 / 120.0 + rest * (1.0 / 720.0);
    let power = 0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest * power));
    let power = 1.0 + rest * (1.0 + rest * power);
    let exponent = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    let scaled = power * f32::from_bits(exponent);
    if x >= -87.0 { scaled } else { 0.0 }
}

/// The sum of `exp((logit - highest) * sharpness)` over a row: in the same order each time, many at once.
pub(super) fn sum_of_weights(logits: &[f32], highest: f32, sharpness: f32) -> f64 {
    let mut sum = 0.0;
    for block in logits.chunks(512) {
        let mut lanes = [0.0_f32; 16];
        let (chunks, rest) = block.as_chunks::<16>();
        for chunk in chunks {
            for (lane, logit) in lanes.iter_mut().zip(chunk) {
                *lane += weight((logit - highest) * sharpness);
            }
        }
        let rest = rest
            .iter()
            .map(|logit| weight((logit - highest) * sharpness));
        sum += lanes.into_iter().chain(rest).map(f64::from).sum::<f64>();
    }
    sum
}

/// The first of the largest; 0 for an empty row. NaN is never it.
pub(super) fn most_likely(logits: &[f32]) -> u32 {
    // The value first, eight at a time: then the row is searched once for where it stands.
    let mut best = [f32::NEG_INFINITY; 8];
    let (chunks, rest) = logits.as_chunks::<8>();
    for chunk in chunks {
        for (best, logit) in best.iter_mut().zip(chunk) {
            *best = if *logit > *best { *logit } else { *best };
        }
    }
    let all = best.iter().chain(rest).copied();
    let highest = all.fold(f32::NEG_INFINITY, f32::max);
    let at = logits.iter().position(|logit| *logit >= highest);
    // Nothing but NaN: any will do.
    u32::try_from(at.unwrap_or(0)).unwrap_or(0)
}

/// Fills `found` with the `count` likeliest tokens, likeliest first, those of no probability left out.
pub(super) fn top(logits: &[f32], count: usize, found: &mut Vec<Candidate>) {
    found.clear();
    if count == 0 {
        return;
    }
    // Twice as many and some at most, then the better half stays and tells what is worth looking at.
    let room = count
        .saturating_mul(2)
        .saturating_add(1024)
        .min(logits.len());
    let mut least = f32::NEG_INFINITY;
    let mut first_id = 0;
    for chunk in logits.chunks(64) {
        // Most chunks hold nothing of interest, which this finds out without a branch for each.
        let interesting: u32 = chunk.iter().map(|logit| u32::from(*logit > least)).sum();
        if interesting > 0 {
            for (id, logit) in (first_id..).zip(chunk) {
                if *logit > least {
                    found.push(Candidate { id, logit: *logit });
                }
            }
            if found.len() >= room && found.len() > count {
                keep_best(found, count);
                least = found.get(count - 1).map_or(least, |worst| worst.logit);
            }
        }
        first_id += 64;
    }
    keep_best(found, count);
    found.sort_unstable_by(likelier);
}

/// Keeps the `count` likeliest; the last of them is the least likely.
fn keep_best(found: &mut Vec<Candidate>, count: usize) {
    if count < found.len() {
        found.select_nth_unstable_by(count - 1, likelier);
        found.truncate(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_are_exponentials() {
        for step in 0..8700_u16 {
            let x = -f32::from(step) / 100.0;
            let (ours, exact) = (f64::from(weight(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 3e-7, "{x}: {ours} {exact}");
        }
        let odd = [0.0, -88.0, f32::NEG_INFINITY, f32::NAN].map(weight);
        assert_eq!(
            odd.map(f32::to_bits),
            [1.0, 0.0, 0.0, 0.0_f32].map(f32::to_bits)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_row_gives_the_same_top_as_sorting(
            row in prop::collection::vec(prop_oneof![
                (-40_i16..40).prop_map(|n| f32::from(n) / 8.0),
                Just(f32::NEG_INFINITY),
                Just(f32::NAN),
            ], 0..4000),
            count in 0_usize..600,
        ) {
            let mut all: Vec<Candidate> = (0..)
                .zip(row.iter().copied())
                .filter(|(_, logit)| *logit > f32::NEG_INFINITY)
                .map(|(id, logit)| Candidate { id, logit })
                .collect();
            all.sort_by(likelier);
            let best = all.first().map_or(0, |best| best.id);
            if !all.is_empty() {
                prop_assert_eq!(most_likely(&row), best);
            }
            all.truncate(count);
            let mut found = Vec::new();
            top(&row, count, &mut found);
            prop_assert_eq!(found, all);
        }
    }
}
