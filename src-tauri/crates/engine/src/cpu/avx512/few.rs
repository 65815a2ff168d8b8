//! A few tokens: weights are used in the registers that they are unpacked into, and nothing is stored.
//!
//! That is what decoding does: the time goes to reading weights, and there is none for writing them anywhere.

#![expect(
    unsafe_code,
    reason = "vector instructions, behind a look at what the processor has"
)]

use super::super::input::{GROUP, Input};
use super::super::matmul::Place;
use super::super::panel::PANEL;
use super::super::unpack::group_of;
use super::registers::Rows;
use super::unpack::{Taker, can_unpack, unpack};
use crate::weights::Matrix;
use std::arch::x86_64::{
    __m512, __m512i, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
    _mm512_sub_ps,
};

/// The products of sixteen rows (`first` and each `stride`th after it that is below `end`) with a few tokens, if this
/// processor and the type allow; returns whether it did.
pub(in crate::cpu) fn multiply_few(
    matrix: &Matrix,
    (first, stride, end): (usize, usize, usize),
    input: &Input,
    places: &[Place],
    put: &mut impl FnMut(usize, &[f32; PANEL]),
) -> bool {
    if !can_unpack(matrix.tensor_type()) || !super::available() {
        return false;
    }
    assert!(
        input.columns == matrix.columns() && places.iter().all(|place| place.token < input.count())
    );
    let rows = Rows::new(matrix, first, stride, end);
    let mut rest = places;
    while !rest.is_empty() {
        // SAFETY: the processor has the instructions, and the input has these tokens' columns.
        rest = unsafe {
            match rest.len() {
                1 => some::<1>(&rows, input, rest, put),
                2 => some::<2>(&rows, input, rest, put),
                3 => some::<3>(&rows, input, rest, put),
                _ => some::<4>(&rows, input, rest, put),
            }
        };
    }
    true
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn some<'a, const T: usize>(
    rows: &Rows,
    input: &Input,
    places: &'a [Place],
    put: &mut impl FnMut(usize, &[f32; PANEL]),
) -> &'a [Place] {
    let Some((places, rest)) = places.split_first_chunk::<T>() else {
        return &[];
    };
    // SAFETY: the caller's.
    let products = unsafe {
        if group_of(rows.kind) == 16 {
            products::<T, 4>(rows, input, places)
        } else {
            products::<T, 8>(rows, input, places)
        }
    };
    for (place, products) in places.iter().zip(products) {
        let mut out = [0.0; PANEL];
        // SAFETY: sixteen floats are there.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), products) };
        put(place.out, &out);
    }
    rest
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn products<const T: usize, const PLACES: usize>(
    rows: &Rows,
    input: &Input,
    places: &[Place; T],
) -> [__m512; T] {
    let columns = rows.columns;
    let sums = if PLACES == 8 {
        &input.sums
    } else {
        &input.half_sums
    };
    let mut tokens = Tokens::<T> {
        x: std::array::from_fn(|t| input.quants[places[t].token * columns..].as_ptr()),
        scales: std::array::from_fn(|t| input.scales[places[t].token * columns / GROUP..].as_ptr()),
        sums: std::array::from_fn(|t| sums[places[t].token * columns / (4 * PLACES)..].as_ptr()),
        sum: [_mm512_setzero_ps(); T],
        offset: [_mm512_setzero_ps(); T],
    };
    unpack(rows, &mut tokens);
    std::array::from_fn(|t| _mm512_sub_ps(tokens.sum[t], tokens.offset[t]))
}

/// `T` tokens' sums.
struct Tokens<const T: usize> {
    x: [*const i8; T],
    scales: [*const f32; T],
    sums: [*const f32; T],
    sum: [__m512; T],
    offset: [__m512; T],
}

impl<const T: usize> Taker for Tokens<T> {
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not have the vector registers"
    )]
    unsafe fn take<const PLACES: usize>(
        &mut self,
        group: usize,
        weights: [__m512i; PLACES],
        scales: __m512,
        offsets: __m512,
    ) {
        for t in 0..T {
            // SAFETY: the group is one of the token's; the processor is the caller's care.
            unsafe {
                let mut whole = _mm512_setzero_si512();
                for (at, weights) in weights.into_iter().enumerate() {
                    let inputs = self.x[t].add(4 * (group * PLACES + at)).cast::<[u8; 4]>();
                    let inputs = _mm512_set1_epi32(i32::from_le_bytes(*inputs));
                    whole = _mm512_dpbusd_epi32(whole, weights, inputs);
                }
                let scale = *self.scales[t].add(group * PLACES * 4 / GROUP);
                let scale = _mm512_mul_ps(scales, _mm512_set1_ps(scale));
                self.sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, self.sum[t]);
                let inputs = _mm512_set1_ps(*self.sums[t].add(group));
                self.offset[t] = _mm512_fmadd_ps(offsets, inputs, self.offset[t]);
            }
        }
    }
}
