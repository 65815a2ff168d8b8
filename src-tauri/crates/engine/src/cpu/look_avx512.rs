//! One page of attention on AVX-512, bit for bit what [`super::look`] gives.
//!
//! A register has sixteen positions of a page while scores are summed (keys lie element after element), and sixteen
//! elements of a value while values are. `N` queries share each load. Keys and values are read as they are kept, or from
//! floats in scratch where many queries look at the same page.

#![expect(
    unsafe_code,
    reason = "vector instructions on places that `look` has proven"
)]

use super::look::{Looker, Looks, PageRow, Running};
use crate::kv::PAGE_TOKENS;
use std::arch::x86_64::{
    __m512, __mmask16, _mm_loadu_si128, _mm256_loadu_si256, _mm256_maskz_loadu_epi16,
    _mm256_set1_epi16, _mm512_add_epi32, _mm512_add_ps, _mm512_castsi512_ps, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_cvtps_epi32, _mm512_cvtss_f32, _mm512_div_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_mov_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_maskz_mov_ps, _mm512_max_epi32, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_permute_ps, _mm512_reduce_max_ps, _mm512_roundscale_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_shuffle_f32x4, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_srli_epi32,
    _mm512_storeu_ps, _mm512_sub_epi32, _mm512_sub_ps,
};

/// How numbers are kept, as a constant that code is made for.
pub(super) const FLOATS: u8 = 0;
pub(super) const HALVES: u8 = 1;
pub(super) const QUANTS: u8 = 2;

/// Lets `N` queries look at a page.
///
/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL; keys and values are a whole page of a head, kept as `KIND` says; the
/// queries have `key_dim` numbers and the sums `value_dim` each.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn look<const KIND: u8, const N: usize>(
    looks: &Looks,
    keys: *const u8,
    values: *const u8,
    lookers: &[Looker; N],
    running: &mut [Running],
    sums: *mut f32,
) {
    let mut weights: [PageRow; N] = [[0.0; PAGE_TOKENS]; N];
    // SAFETY: as this function's.
    unsafe { scores::<KIND, N>(looks, keys, lookers, &mut weights) };
    let mut kept = [0.0; N];
    for (at, looker) in lookers.iter().enumerate() {
        kept[at] = to_weights(looks, &mut weights[at], looker, &mut running[at]);
    }
    let last = lookers.iter().map(|looker| looker.seen.1).max();
    // SAFETY: as this function's.
    unsafe { add_values::<KIND, N>(looks, values, &weights, kept, last.unwrap_or(0), sums) };
}

/// `Σ query · key` of each query and position.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn scores<const KIND: u8, const N: usize>(
    looks: &Looks,
    keys: *const u8,
    lookers: &[Looker; N],
    scores: &mut [PageRow; N],
) {
    let queries: [*const f32; N] = std::array::from_fn(|at| lookers[at].query.as_ptr());
    let mut sums = [[_mm512_setzero_ps(); 2]; N];
    for at in 0..looks.key_dim {
        // SAFETY: `at` is below `key_dim`.
        let (low, high) = unsafe { key::<KIND>(keys, looks.key_dim, at) };
        for (sum, query) in sums.iter_mut().zip(queries) {
            // SAFETY: as above.
            let query = _mm512_set1_ps(unsafe { *query.add(at) });
            sum[0] = _mm512_fmadd_ps(query, low, sum[0]);
            sum[1] = _mm512_fmadd_ps(query, high, sum[1]);
        }
    }
    for (scores, sum) in scores.iter_mut().zip(sums) {
        store(scores, sum);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn store(row: &mut PageRow, values: [__m512; 2]) {
    // SAFETY: a row has 32 numbers.
    unsafe {
        _mm512_storeu_ps(row.as_mut_ptr(), values[0]);
        _mm512_storeu_ps(row.as_mut_ptr().add(16), values[1]);
    }
}

/// Element `at` of a page's keys.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[expect(clippy::cast_ptr_alignment, reason = "the loads need no alignment")]
unsafe fn key<const KIND: u8>(keys: *const u8, dim: usize, at: usize) -> (__m512, __m512) {
    let first = at * PAGE_TOKENS;
    // SAFETY: a page has `dim` runs of 32 keys' elements, and for quants half-precision scales after them.
    unsafe {
        match KIND {
            FLOATS => {
                let place = keys.cast::<f32>().add(first);
                (_mm512_loadu_ps(place), _mm512_loadu_ps(place.add(16)))
            }
            HALVES => (
                halves(keys.add(2 * first)),
                halves(keys.add(2 * first + 32)),
            ),
            _ => {
                let scales = keys.add((dim + 2 * (at / 32)) * PAGE_TOKENS);
                let (low, high) = (quants(keys.add(first)), quants(keys.add(first + 16)));
                (
                    _mm512_mul_ps(halves(scales), low),
                    _mm512_mul_ps(halves(scales.add(32)), high),
                )
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn halves(place: *const u8) -> __m512 {
    // SAFETY: the caller has 32 bytes there.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(place.cast()) })
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn quants(place: *const u8) -> __m512 {
    // SAFETY: the caller has 16 bytes there.
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(unsafe {
        _mm_loadu_si128(place.cast())
    }))
}

/// Sixteen elements (those of `mask`) from `at` on of the value at `position`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[expect(clippy::cast_ptr_alignment, reason = "the loads need no alignment")]
unsafe fn value<const KIND: u8>(
    values: *const u8,
    dim: usize,
    position: usize,
    at: usize,
    mask: __mmask16,
) -> __m512 {
    let first = position * dim + at;
    // SAFETY: the mask keeps to the value; a page has 32 of them, and for quants half-precision scales after them.
    unsafe {
        match KIND {
            FLOATS => _mm512_maskz_loadu_ps(mask, values.cast::<f32>().add(first)),
            HALVES => _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, values.add(2 * first).cast())),
            _ => {
                let scale = values.add(dim * PAGE_TOKENS + 2 * (position * (dim / 32) + at / 32));
                let scale = _mm256_set1_epi16(scale.cast::<i16>().read_unaligned());
                _mm512_mul_ps(_mm512_cvtph_ps(scale), quants(values.add(first)))
            }
        }
    }
}

/// As [`super::look::to_weights`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn to_weights(looks: &Looks, row: &mut PageRow, looker: &Looker, running: &mut Running) -> f32 {
    let seen = (1_u64 << looker.seen.1) - (1_u64 << looker.seen.0);
    #[expect(clippy::cast_possible_truncation, reason = "halves of the bits")]
    let masks = [seen as __mmask16, (seen >> 16) as __mmask16];
    // SAFETY: a row has 32 numbers.
    let mut scores = unsafe {
        [
            _mm512_loadu_ps(row.as_ptr()),
            _mm512_loadu_ps(row.as_ptr().add(16)),
        ]
    };
    for score in &mut scores {
        *score = _mm512_mul_ps(*score, _mm512_set1_ps(looks.scale));
        if let Some(cap) = looks.softcap {
            *score = capped(*score, cap);
        }
    }
    let before = running.largest;
    let lowest = _mm512_set1_ps(f32::NEG_INFINITY);
    let largest = _mm512_max_ps(
        _mm512_mask_mov_ps(lowest, masks[0], scores[0]),
        _mm512_mask_mov_ps(lowest, masks[1], scores[1]),
    );
    let largest = before.max(_mm512_reduce_max_ps(largest));
    running.largest = largest;
    let weights: [__m512; 2] = std::array::from_fn(|at| {
        let weight = exp(_mm512_sub_ps(scores[at], _mm512_set1_ps(largest)));
        _mm512_maskz_mov_ps(masks[at], weight)
    });
    store(row, weights);
    let kept = super::norm::exp(before - largest);
    // Halves added to halves, as `sum_lanes` does.
    let mut sum = _mm512_add_ps(weights[0], weights[1]);
    sum = _mm512_add_ps(sum, _mm512_shuffle_f32x4::<0x4e>(sum, sum));
    sum = _mm512_add_ps(sum, _mm512_shuffle_f32x4::<0xb1>(sum, sum));
    sum = _mm512_add_ps(sum, _mm512_permute_ps::<0x4e>(sum));
    sum = _mm512_add_ps(sum, _mm512_permute_ps::<0xb1>(sum));
    running.sum = running.sum * kept + _mm512_cvtss_f32(sum);
    kept
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn capped(score: __m512, cap: f32) -> __m512 {
    let (one, two, cap) = (
        _mm512_set1_ps(1.0),
        _mm512_set1_ps(2.0),
        _mm512_set1_ps(cap),
    );
    let power = exp(_mm512_mul_ps(two, _mm512_div_ps(score, cap)));
    let quotient = _mm512_div_ps(two, _mm512_add_ps(one, power));
    _mm512_mul_ps(cap, _mm512_sub_ps(one, quotient))
}

/// As [`super::norm::exp`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn exp(x: __m512) -> __m512 {
    let set = |value: f32| _mm512_set1_ps(value);
    let x = _mm512_min_ps(set(89.0), _mm512_max_ps(set(-104.0), x));
    let n = _mm512_roundscale_ps::<8>(_mm512_mul_ps(x, set(std::f32::consts::LOG2_E)));
    let r = _mm512_fmadd_ps(n, set(-0.693_359_4), x);
    let r = _mm512_fmadd_ps(n, set(2.121_944_4e-4), r);
    let p = _mm512_fmadd_ps(set(1.987_569_1e-4), r, set(1.398_199_9e-3));
    let p = _mm512_fmadd_ps(p, r, set(8.333_452e-3));
    let p = _mm512_fmadd_ps(p, r, set(4.166_579_6e-2));
    let p = _mm512_fmadd_ps(p, r, set(1.666_666_5e-1));
    let p = _mm512_fmadd_ps(p, r, set(5e-1));
    let p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), set(1.0));
    let n = _mm512_cvtps_epi32(n);
    let half = _mm512_srai_epi32::<1>(_mm512_add_epi32(n, _mm512_srli_epi32::<31>(n)));
    let power = |n| {
        let biased = _mm512_max_epi32(
            _mm512_add_epi32(n, _mm512_set1_epi32(127)),
            _mm512_setzero_si512(),
        );
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
    };
    let p = _mm512_mul_ps(p, power(half));
    _mm512_mul_ps(p, power(_mm512_sub_epi32(n, half)))
}

/// `sums = sums · kept + Σ weight · value`, position after position, four registers of elements at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn add_values<const KIND: u8, const N: usize>(
    looks: &Looks,
    values: *const u8,
    weights: &[PageRow; N],
    kept: [f32; N],
    last: usize,
    sums: *mut f32,
) {
    let width = looks.value_dim;
    let mut at = 0;
    // SAFETY: as the caller's, and each part keeps to the width.
    unsafe {
        while at + 64 <= width {
            add_part::<KIND, N, 4>((values, width, at), weights, kept, last, sums, u16::MAX);
            at += 64;
        }
        while at + 16 <= width {
            add_part::<KIND, N, 1>((values, width, at), weights, kept, last, sums, u16::MAX);
            at += 16;
        }
        if at < width {
            let mask = (1_u16 << (width - at)) - 1;
            add_part::<KIND, N, 1>((values, width, at), weights, kept, last, sums, mask);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn add_part<const KIND: u8, const N: usize, const P: usize>(
    (values, width, from): (*const u8, usize, usize),
    weights: &[PageRow; N],
    kept: [f32; N],
    last: usize,
    sums: *mut f32,
    mask: __mmask16,
) {
    let mut parts = [[_mm512_setzero_ps(); P]; N];
    // SAFETY: the caller's places; `P` registers from `from` on are inside of the width, but for what is masked.
    unsafe {
        for (query, parts) in parts.iter_mut().enumerate() {
            let kept = _mm512_set1_ps(kept[query]);
            for (at, part) in parts.iter_mut().enumerate() {
                let place = sums.add(query * width + from + 16 * at);
                *part = _mm512_mul_ps(kept, _mm512_maskz_loadu_ps(mask, place));
            }
        }
        for position in 0..last {
            let value: [__m512; P] = std::array::from_fn(|at| {
                value::<KIND>(values, width, position, from + 16 * at, mask)
            });
            for (parts, weights) in parts.iter_mut().zip(weights) {
                let weight = _mm512_set1_ps(weights[position]);
                for (part, value) in parts.iter_mut().zip(value) {
                    *part = _mm512_fmadd_ps(weight, value, *part);
                }
            }
        }
        for (query, parts) in parts.iter().enumerate() {
            for (at, part) in parts.iter().enumerate() {
                let place = sums.add(query * width + from + 16 * at);
                _mm512_mask_storeu_ps(place, mask, *part);
            }
        }
    }
}
