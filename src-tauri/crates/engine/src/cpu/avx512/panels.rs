//! Many tokens: sixteen rows are stored in a panel, and two panels are multiplied with six tokens at a time.

#![expect(
    unsafe_code,
    reason = "vector instructions, behind a look at what the processor has"
)]

use super::super::input::{GROUP, Input};
use super::super::matmul::Place;
use super::super::panel::{PANEL, Panel};
use super::registers::{Rows, store_f32};
use super::unpack::{Taker, can_unpack, unpack};
use crate::weights::Matrix;
use std::arch::x86_64::{
    __m512, __m512i, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_ps,
};

/// Fills a panel, if this processor and the type allow; returns whether it did.
pub(in crate::cpu) fn fill(panel: &mut Panel, matrix: &Matrix, first: usize, count: usize) -> bool {
    if !can_unpack(matrix.tensor_type()) || !super::available() {
        return false;
    }
    let groups = panel.columns / panel.group;
    assert!(panel.columns == matrix.columns() && panel.q.len() >= panel.columns * PANEL);
    assert!(panel.scales.len() >= groups * PANEL && panel.offsets.len() >= groups * PANEL);
    // SAFETY: the processor has the instructions.
    unsafe { unpack(&Rows::new(matrix, first, 1, first + count), panel) };
    true
}

impl Taker for Panel {
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
        // SAFETY: the group is one of the matrix's, for which `fill` has proven that there is room.
        unsafe {
            let place = self.q.as_mut_ptr().add(64 * PLACES * group);
            for (at, weights) in weights.into_iter().enumerate() {
                _mm512_storeu_si512(place.add(64 * at).cast(), weights);
            }
            _mm512_storeu_ps(self.scales.as_mut_ptr().add(PANEL * group), scales);
            _mm512_storeu_ps(self.offsets.as_mut_ptr().add(PANEL * group), offsets);
        }
    }
}

/// Multiplies the first `count` panels, if this processor allows; returns whether it did. `put` is told a place of the
/// result, which panel, and the sixteen products.
pub(in crate::cpu) fn multiply(
    panels: &[Panel; 2],
    count: usize,
    input: &Input,
    places: &[Place],
    put: &mut impl FnMut(usize, usize, &[f32; PANEL]),
) -> bool {
    if !super::available() {
        return false;
    }
    let [a, b] = panels;
    prove(a, input, places);
    // SAFETY: the processor has the instructions; sizes are proven.
    unsafe {
        match (count, a.group) {
            (2, 16) => all::<2, 4>([a, proven(b, input, places)], input, places, put),
            (2, _) => all::<2, 8>([a, proven(b, input, places)], input, places, put),
            (_, 16) => all::<1, 4>([a], input, places, put),
            (_, _) => all::<1, 8>([a], input, places, put),
        }
    }
    true
}

fn prove(panel: &Panel, input: &Input, places: &[Place]) {
    let groups = panel.columns / panel.group;
    assert!(panel.q.len() >= panel.columns * PANEL && panel.columns == input.columns);
    assert!(panel.scales.len() >= groups * PANEL && panel.offsets.len() >= groups * PANEL);
    assert!(places.iter().all(|place| place.token < input.count()));
}

fn proven<'a>(panel: &'a Panel, input: &Input, places: &[Place]) -> &'a Panel {
    prove(panel, input, places);
    panel
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn all<const R: usize, const PLACES: usize>(
    panels: [&Panel; R],
    input: &Input,
    places: &[Place],
    put: &mut impl FnMut(usize, usize, &[f32; PANEL]),
) {
    let mut rest = places;
    while !rest.is_empty() {
        // SAFETY: the caller's.
        rest = unsafe {
            match rest.len() {
                1 => tile::<R, 1, PLACES>(panels, input, rest, put),
                2 => tile::<R, 2, PLACES>(panels, input, rest, put),
                3 => tile::<R, 3, PLACES>(panels, input, rest, put),
                4 | 8 => tile::<R, 4, PLACES>(panels, input, rest, put),
                5 | 10 => tile::<R, 5, PLACES>(panels, input, rest, put),
                _ => tile::<R, 6, PLACES>(panels, input, rest, put),
            }
        };
    }
}

/// The products of `T` tokens with `R` panels whose groups have `PLACES` registers of weights; returns the other tokens.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn tile<'a, const R: usize, const T: usize, const PLACES: usize>(
    panels: [&Panel; R],
    input: &Input,
    places: &'a [Place],
    put: &mut impl FnMut(usize, usize, &[f32; PANEL]),
) -> &'a [Place] {
    let Some((places, rest)) = places.split_first_chunk::<T>() else {
        return &[];
    };
    // SAFETY: the caller's.
    let (sums, offsets) = unsafe {
        (
            sums::<R, T, PLACES>(panels, input, places),
            offsets::<R, T, PLACES>(panels, input, places),
        )
    };
    for (t, place) in places.iter().enumerate() {
        for r in 0..R {
            let mut out = [0.0; PANEL];
            store_f32(&mut out, _mm512_sub_ps(sums[t][r], offsets[t][r]));
            put(place.out, r, &out);
        }
    }
    rest
}

/// `Σ_groups (scale · scale_x) · Σ q·x`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn sums<const R: usize, const T: usize, const PLACES: usize>(
    panels: [&Panel; R],
    input: &Input,
    places: &[Place; T],
) -> [[__m512; R]; T] {
    let columns = input.columns;
    let x: [*const i8; T] =
        std::array::from_fn(|t| input.quants[places[t].token * columns..].as_ptr());
    let scales: [*const f32; T] =
        std::array::from_fn(|t| input.scales[places[t].token * columns / GROUP..].as_ptr());
    let q: [*const u8; R] = panels.map(|panel| panel.q.as_ptr());
    let by: [*const f32; R] = panels.map(|panel| panel.scales.as_ptr());
    let mut sums = [[_mm512_setzero_ps(); R]; T];
    for group in 0..columns / (4 * PLACES) {
        let mut whole = [[_mm512_setzero_si512(); R]; T];
        for place in group * PLACES..(group + 1) * PLACES {
            // SAFETY: the place is in all rows of all panels and inputs, as `multiply` has proven.
            unsafe {
                let weights: [__m512i; R] =
                    std::array::from_fn(|r| _mm512_loadu_si512(q[r].add(64 * place).cast()));
                for (whole, x) in whole.iter_mut().zip(x) {
                    let inputs = x.add(4 * place).cast::<i32>().read_unaligned();
                    let inputs = _mm512_set1_epi32(inputs);
                    for (whole, weights) in whole.iter_mut().zip(weights) {
                        *whole = _mm512_dpbusd_epi32(*whole, weights, inputs);
                    }
                }
            }
        }
        // SAFETY: the group is in all panels and inputs.
        unsafe {
            let by: [__m512; R] = std::array::from_fn(|r| _mm512_loadu_ps(by[r].add(16 * group)));
            for ((sums, whole), scales) in sums.iter_mut().zip(whole).zip(scales) {
                let scale = _mm512_set1_ps(*scales.add(group * PLACES * 4 / GROUP));
                for ((sum, whole), by) in sums.iter_mut().zip(whole).zip(by) {
                    let scale = _mm512_mul_ps(by, scale);
                    *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, *sum);
                }
            }
        }
    }
    sums
}

/// `Σ_groups offset · (scale_x · Σ x)`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn offsets<const R: usize, const T: usize, const PLACES: usize>(
    panels: [&Panel; R],
    input: &Input,
    places: &[Place; T],
) -> [[__m512; R]; T] {
    let (columns, size) = (input.columns, 4 * PLACES);
    let sums = if PLACES == 8 {
        &input.sums
    } else {
        &input.half_sums
    };
    let sums: [*const f32; T] =
        std::array::from_fn(|t| sums[places[t].token * columns / size..].as_ptr());
    let from: [*const f32; R] = panels.map(|panel| panel.offsets.as_ptr());
    let mut offsets = [[_mm512_setzero_ps(); R]; T];
    for group in 0..columns / size {
        // SAFETY: the group is in all panels and inputs, as `multiply` has proven.
        unsafe {
            let from: [__m512; R] =
                std::array::from_fn(|r| _mm512_loadu_ps(from[r].add(16 * group)));
            for (offsets, sums) in offsets.iter_mut().zip(sums) {
                let sum = _mm512_set1_ps(*sums.add(group));
                for (offset, from) in offsets.iter_mut().zip(from) {
                    *offset = _mm512_fmadd_ps(from, sum, *offset);
                }
            }
        }
    }
    offsets
}
