//! Queries that look at one page: scores, weights, weighted values, in the steps of an online softmax.
//!
//! Here it is said in plain loops; AVX-512 does the same in registers, to the last bit. A query's result depends on
//! nothing that looks at the page with it.

use super::float::sum_lanes;
use super::norm::exp;
use super::wide::wide;
use crate::kv::PAGE_TOKENS;

/// What is the same for all queries of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "only kernels for AVX-512 ask")
    )]
    pub(super) key_dim: usize,
    pub(super) value_dim: usize,
    /// Factor on the scores.
    pub(super) scale: f32,
    pub(super) softcap: Option<f32>,
}

/// A query and the positions of the page that it sees, from and up to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looker<'a> {
    pub(super) query: &'a [f32],
    pub(super) seen: (usize, usize),
}

/// The softmax of a query so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) largest: f32,
    pub(super) sum: f32,
}

/// Of a query that has seen nothing yet.
pub(super) const NOTHING: Running = Running {
    largest: f32::NEG_INFINITY,
    sum: 0.0,
};

/// A head's page, as it is kept or as floats: keys `[key_dim, PAGE_TOKENS]`, values `[PAGE_TOKENS, value_dim]`.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "only kernels for AVX-512 ask")
)]
pub(super) enum Page<'a> {
    Floats(&'a [f32], &'a [f32]),
    Halves(&'a [u8], &'a [u8]),
    Quants(&'a [u8], &'a [u8]),
}

pub(super) type PageRow = [f32; PAGE_TOKENS];

/// Whether pages can be looked at as they are kept.
pub(super) fn reads_as_kept() -> bool {
    vectors()
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> bool {
    false
}

/// Lets all of them look at the page. `running` has one and `sums` `value_dim` numbers for each.
pub(super) fn look(
    looks: &Looks,
    page: Page,
    lookers: &[Looker],
    running: &mut [Running],
    sums: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    if vectors() {
        return with_vectors::look(looks, page, lookers, running, sums);
    }
    wide!(look_portably; looks: &Looks = looks, page: Page = page, lookers: &[Looker] = lookers,
        running: &mut [Running] = running, sums: &mut [f32] = sums => ());
}

/// The same on any processor, at a page of floats.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
pub(super) fn look_portably(
    looks: &Looks,
    page: Page,
    lookers: &[Looker],
    running: &mut [Running],
    sums: &mut [f32],
) {
    let Page::Floats(keys, values) = page else {
        return;
    };
    let each = running
        .iter_mut()
        .zip(sums.chunks_exact_mut(looks.value_dim));
    for (looker, (running, sums)) in lookers.iter().zip(each) {
        let mut row = scores(looker.query, keys);
        let kept = to_weights(looks, &mut row, looker.seen, running);
        for sum in sums.iter_mut() {
            *sum *= kept;
        }
        for (weight, value) in row.iter().zip(values.chunks_exact(looks.value_dim)) {
            for (sum, value) in sums.iter_mut().zip(value) {
                *sum = weight.mul_add(*value, *sum);
            }
        }
    }
}

/// `Σ query · key` for each position of a page.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn scores(query: &[f32], keys: &[f32]) -> PageRow {
    let mut scores = [0.0; PAGE_TOKENS];
    for (query, keys) in query.iter().zip(keys.as_chunks::<PAGE_TOKENS>().0) {
        for (score, key) in scores.iter_mut().zip(keys) {
            *score = query.mul_add(*key, *score);
        }
    }
    scores
}

/// From scores to weights `e^(score − largest)`, which are added up; returns the factor on what was summed with the
/// largest score before.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn to_weights(
    looks: &Looks,
    scores: &mut PageRow,
    seen: (usize, usize),
    running: &mut Running,
) -> f32 {
    for score in scores.iter_mut() {
        *score *= looks.scale;
        if let Some(cap) = looks.softcap {
            // cap · tanh(score / cap)
            *score = cap * (1.0 - 2.0 / (1.0 + exp(2.0 * (*score / cap))));
        }
    }
    let before = running.largest;
    let largest = scores[seen.0..seen.1]
        .iter()
        .fold(before, |largest, score| largest.max(*score));
    running.largest = largest;
    for (at, score) in scores.iter_mut().enumerate() {
        let weight = exp(*score - largest);
        *score = if at >= seen.0 && at < seen.1 {
            weight
        } else {
            0.0
        };
    }
    let kept = exp(before - largest);
    running.sum = running.sum * kept + sum_lanes(*scores);
    kept
}

#[cfg(target_arch = "x86_64")]
mod with_vectors {
    use super::super::look_avx512::{FLOATS, HALVES, QUANTS, look as look_at};
    use super::{Looker, Looks, PAGE_TOKENS, Page, Running};

    /// A page's bytes, proven to be as many as `KIND` says.
    struct Kept<const KIND: u8>(*const u8, *const u8);

    pub(super) fn look(
        looks: &Looks,
        page: Page,
        lookers: &[Looker],
        running: &mut [Running],
        sums: &mut [f32],
    ) {
        let (keys, values) = (looks.key_dim * PAGE_TOKENS, looks.value_dim * PAGE_TOKENS);
        match page {
            Page::Floats(k, v) => {
                assert!(k.len() >= keys && v.len() >= values);
                let kept = Kept::<FLOATS>(k.as_ptr().cast(), v.as_ptr().cast());
                some_by_some(looks, &kept, lookers, running, sums);
            }
            Page::Halves(k, v) => {
                assert!(k.len() >= 2 * keys && v.len() >= 2 * values);
                let kept = Kept::<HALVES>(k.as_ptr(), v.as_ptr());
                some_by_some(looks, &kept, lookers, running, sums);
            }
            Page::Quants(k, v) => {
                assert!(k.len() >= keys / 32 * 34 && v.len() >= values / 32 * 34);
                assert!(looks.key_dim.is_multiple_of(32) && looks.value_dim.is_multiple_of(32));
                let kept = Kept::<QUANTS>(k.as_ptr(), v.as_ptr());
                some_by_some(looks, &kept, lookers, running, sums);
            }
        }
    }

    fn some_by_some<const KIND: u8>(
        looks: &Looks,
        page: &Kept<KIND>,
        lookers: &[Looker],
        running: &mut [Running],
        sums: &mut [f32],
    ) {
        let mut at = 0;
        while at < lookers.len() {
            let (rest, from) = (&lookers[at..], at * looks.value_dim);
            let (running, sums) = (&mut running[at..], &mut sums[from..]);
            at += match rest.len() {
                8 | 4 | 5 => together::<KIND, 4>(looks, page, rest, running, sums),
                2 | 3 => together::<KIND, 2>(looks, page, rest, running, sums),
                1 => together::<KIND, 1>(looks, page, rest, running, sums),
                _ => together::<KIND, 6>(looks, page, rest, running, sums),
            };
        }
    }

    #[expect(
        unsafe_code,
        reason = "calls vector code that its caller has looked for"
    )]
    fn together<const KIND: u8, const N: usize>(
        looks: &Looks,
        page: &Kept<KIND>,
        lookers: &[Looker],
        running: &mut [Running],
        sums: &mut [f32],
    ) -> usize {
        let Some(lookers) = lookers.first_chunk::<N>() else {
            return lookers.len();
        };
        assert!(
            lookers
                .iter()
                .all(|looker| looker.query.len() >= looks.key_dim)
        );
        assert!(sums.len() >= N * looks.value_dim);
        // SAFETY: the processor has the instructions, and all sizes have just been proven.
        unsafe { look_at::<KIND, N>(looks, page.0, page.1, lookers, running, sums.as_mut_ptr()) };
        N
    }
}
