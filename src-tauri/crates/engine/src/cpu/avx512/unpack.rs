//! From the blocks of sixteen rows to registers of weights, whoever takes them.
//!
//! The same numbers as [`crate::cpu::unpack`], in another order: within a block first weights, then, group after group,
//! scales and offsets.

#![expect(unsafe_code, reason = "calls the taker's vector code")]

use super::super::panel::PANEL;
use super::super::unpack::{IQ4, MXFP4};
use super::registers::{
    Rows, bytes_of, halves, halves_of_powers, high_nibbles, low_nibbles, signed_bytes_of,
};
use crate::files::TensorType;
use std::arch::x86_64::{
    __m512, __m512i, _mm_loadu_si128, _mm_set_epi64x, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_cvtepi32_ps, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi8, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_shuffle_epi8, _mm512_slli_epi16, _mm512_slli_epi32, _mm512_srl_epi16,
    _mm512_srli_epi16, _mm512_srli_epi32, _mm512_sub_ps, _mm512_xor_si512,
};

/// Who takes weights.
pub(super) trait Taker {
    /// Takes the four columns from `4 · place` on, of sixteen rows.
    ///
    /// # Safety
    /// The processor has AVX-512 and VNNI, and the place is one of the matrix.
    unsafe fn weights(&mut self, place: usize, weights: __m512i);

    /// Takes the scales and offsets of a group of columns, whose weights it has.
    ///
    /// # Safety
    /// As above; groups come one after the other.
    unsafe fn close(&mut self, group: usize, scales: __m512, offsets: __m512);
}

/// Whether [`unpack`] knows the type.
pub(super) fn can_unpack(kind: TensorType) -> bool {
    use TensorType as T;
    matches!(
        kind,
        T::Q4_0 | T::Q4_1 | T::Q8_0 | T::IQ4_NL | T::MXFP4 | T::Q4_K | T::Q5_K | T::Q6_K
    )
}

/// Gives all of these rows to the taker.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn unpack<const AHEAD: bool>(rows: &Rows, taker: &mut impl Taker) {
    match rows.kind {
        TensorType::Q4_K => q4_k::<AHEAD>(rows, taker),
        TensorType::Q5_K => q5_k::<AHEAD>(rows, taker),
        TensorType::Q6_K => q6_k::<AHEAD>(rows, taker),
        TensorType::Q8_0 => q8_0::<AHEAD>(rows, taker),
        TensorType::Q4_0 => q4::<AHEAD, { TensorType::Q4_0 as u8 }>(rows, taker),
        TensorType::Q4_1 => q4::<AHEAD, { TensorType::Q4_1 as u8 }>(rows, taker),
        TensorType::IQ4_NL => q4::<AHEAD, { TensorType::IQ4_NL as u8 }>(rows, taker),
        TensorType::MXFP4 => q4::<AHEAD, { TensorType::MXFP4 as u8 }>(rows, taker),
        _ => {}
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4_k<const AHEAD: bool>(rows: &Rows, taker: &mut impl Taker) {
    let size = rows.kind.block_bytes();
    for block in 0..rows.columns / 256 {
        if AHEAD {
            rows.prefetch(block, size);
        }
        q4_k_half::<0>(rows, taker, block);
        q4_k_half::<1>(rows, taker, block);
        scales_of_k(rows, taker, block, block * size);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4_k_half<const HALF: usize>(rows: &Rows, taker: &mut impl Taker, block: usize) {
    let packed = rows.dwords(block * rows.kind.block_bytes() + 16 + 64 * HALF);
    for (at, v) in packed.into_iter().enumerate() {
        let place = 64 * block + 32 * HALF + 16 * (at / 8) + at % 8;
        // SAFETY: the place is in this block.
        unsafe {
            taker.weights(place, low_nibbles(v));
            taker.weights(place + 8, high_nibbles(v));
        }
    }
}

/// Scales and offsets of a block of `Q4_K` or `Q5_K`: 6 bits each, in three dwords after the two factors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn scales_of_k(rows: &Rows, taker: &mut impl Taker, block: usize, from: usize) {
    let [factors, a, b, c] = rows.heads(from);
    let d = halves(factors);
    let least = halves(_mm512_srli_epi32::<16>(factors));
    let (six, four, two) = (
        _mm512_set1_epi8(0x3f),
        _mm512_set1_epi8(0x0f),
        _mm512_set1_epi8(0x03),
    );
    let upper = |v| _mm512_slli_epi32::<4>(_mm512_and_si512(_mm512_srli_epi32::<6>(v), two));
    let by = [
        _mm512_and_si512(a, six),
        _mm512_or_si512(_mm512_and_si512(c, four), upper(a)),
    ];
    let off = [
        _mm512_and_si512(b, six),
        _mm512_or_si512(
            _mm512_and_si512(_mm512_srli_epi32::<4>(c), four),
            upper(b),
        ),
    ];
    for half in 0..2 {
        let numbers = bytes_of(by[half]).into_iter().zip(bytes_of(off[half]));
        for (at, (by, off)) in numbers.enumerate() {
            let scales = _mm512_mul_ps(d, _mm512_cvtepi32_ps(by));
            let offsets = _mm512_mul_ps(least, _mm512_cvtepi32_ps(off));
            // SAFETY: one of this block's eight groups.
            unsafe { taker.close(8 * block + 4 * half + at, scales, offsets) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q5_k<const AHEAD: bool>(rows: &Rows, taker: &mut impl Taker) {
    let size = rows.kind.block_bytes();
    for block in 0..rows.columns / 256 {
        if AHEAD {
            rows.prefetch(block, size);
        }
        // The second half of these is the first part of the nibbles, and not used.
        let bits = rows.dwords(block * size + 16);
        q5_k_half::<0>(rows, taker, block, &bits);
        q5_k_half::<1>(rows, taker, block, &bits);
        scales_of_k(rows, taker, block, block * size);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q5_k_half<const HALF: usize>(
    rows: &Rows,
    taker: &mut impl Taker,
    block: usize,
    bits: &[__m512i; PANEL],
) {
    let fifth = _mm512_set1_epi8(16);
    let packed = rows.dwords(block * rows.kind.block_bytes() + 48 + 64 * HALF);
    for (at, v) in packed.into_iter().enumerate() {
        let part = 2 * HALF + at / 8;
        let place = 64 * block + 16 * part + at % 8;
        let shift = _mm_set_epi64x(0, 2 * part.cast_signed() as i64);
        let bits = _mm512_srl_epi16(bits[at % 8], shift);
        let low = _mm512_and_si512(_mm512_slli_epi16::<4>(bits), fifth);
        let high = _mm512_and_si512(_mm512_slli_epi16::<3>(bits), fifth);
        // SAFETY: the place is in this block.
        unsafe {
            taker.weights(place, _mm512_or_si512(low_nibbles(v), low));
            taker.weights(place + 8, _mm512_or_si512(high_nibbles(v), high));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q6_k<const AHEAD: bool>(rows: &Rows, taker: &mut impl Taker) {
    let size = rows.kind.block_bytes();
    for block in 0..rows.columns / 256 {
        if AHEAD {
            rows.prefetch(block, size);
        }
        let from = block * size;
        let high = rows.dwords(from + 128);
        q6_k_half::<0>(rows, taker, block, &high);
        q6_k_half::<1>(rows, taker, block, &high);
        // The factor is the block's last two bytes.
        let [.., last] = rows.heads(from + 194);
        let d = halves(_mm512_srli_epi32::<16>(last));
        for (four, v) in rows.heads(from + 192).into_iter().enumerate() {
            for (at, by) in signed_bytes_of(v).into_iter().enumerate() {
                let scales = _mm512_mul_ps(d, _mm512_cvtepi32_ps(by));
                let offsets = _mm512_mul_ps(_mm512_set1_ps(32.0), scales);
                // SAFETY: one of this block's sixteen groups.
                unsafe { taker.close(16 * block + 4 * four + at, scales, offsets) };
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q6_k_half<const HALF: usize>(
    rows: &Rows,
    taker: &mut impl Taker,
    block: usize,
    high: &[__m512i; PANEL],
) {
    let two = _mm512_set1_epi8(0x30);
    let low = rows.dwords(block * rows.kind.block_bytes() + 64 * HALF);
    for at in 0..8 {
        let (a, b, bits) = (low[at], low[8 + at], high[8 * HALF + at]);
        let place = 64 * block + 32 * HALF + at;
        let first = _mm512_and_si512(_mm512_slli_epi16::<4>(bits), two);
        let second = _mm512_and_si512(_mm512_slli_epi16::<2>(bits), two);
        let third = _mm512_and_si512(bits, two);
        let fourth = _mm512_and_si512(_mm512_srli_epi16::<2>(bits), two);
        // SAFETY: the places are in this block.
        unsafe {
            taker.weights(place, _mm512_or_si512(low_nibbles(a), first));
            taker.weights(place + 8, _mm512_or_si512(low_nibbles(b), second));
            taker.weights(place + 16, _mm512_or_si512(high_nibbles(a), third));
            taker.weights(place + 24, _mm512_or_si512(high_nibbles(b), fourth));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q8_0<const AHEAD: bool>(rows: &Rows, taker: &mut impl Taker) {
    let size = rows.kind.block_bytes();
    let blocks = rows.columns / 32;
    for pair in 0..blocks / 2 {
        if AHEAD {
            rows.prefetch(2 * pair, 2 * size);
        }
        q8_0_pair::<2>(rows, taker, 2 * pair);
    }
    if !blocks.is_multiple_of(2) {
        q8_0_pair::<1>(rows, taker, blocks - 1);
    }
}

/// `COUNT` blocks, one or two.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q8_0_pair<const COUNT: usize>(rows: &Rows, taker: &mut impl Taker, block: usize) {
    let size = rows.kind.block_bytes();
    let sign = _mm512_set1_epi8(i8::MIN);
    let quants = rows.dwords_of_two([block * size + 2, (block + COUNT - 1) * size + 2]);
    for (at, v) in quants.into_iter().enumerate().take(8 * COUNT) {
        // SAFETY: the place is in one of the blocks.
        unsafe { taker.weights(8 * block + at, _mm512_xor_si512(v, sign)) };
    }
    for block in block..block + COUNT {
        let [head, ..] = rows.heads(block * size);
        let scales = halves(head);
        let offsets = _mm512_mul_ps(_mm512_set1_ps(128.0), scales);
        // SAFETY: a block is a group.
        unsafe { taker.close(block, scales, offsets) };
    }
}

/// Types with 32 weights of 4 bits, after a head of their own: four blocks at a time. `KIND` is the type.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4<const AHEAD: bool, const KIND: u8>(rows: &Rows, taker: &mut impl Taker) {
    let blocks = rows.columns / 32;
    for four in 0..blocks / 4 {
        if AHEAD {
            rows.prefetch(4 * four, 4 * rows.kind.block_bytes());
        }
        q4_blocks::<KIND, 4>(rows, taker, 4 * four);
    }
    let rest = blocks / 4 * 4;
    match blocks % 4 {
        1 => q4_blocks::<KIND, 1>(rows, taker, rest),
        2 => q4_blocks::<KIND, 2>(rows, taker, rest),
        3 => q4_blocks::<KIND, 3>(rows, taker, rest),
        _ => {}
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4_blocks<const KIND: u8, const COUNT: usize>(
    rows: &Rows,
    taker: &mut impl Taker,
    block: usize,
) {
    let size = rows.kind.block_bytes();
    let packed = rows.dwords_of_four(std::array::from_fn(|at| {
        (block + at.min(COUNT - 1) + 1) * size - 16
    }));
    for (at, v) in packed.into_iter().enumerate().take(4 * COUNT) {
        let place = 8 * (block + at / 4) + at % 4;
        // SAFETY: the places are in one of the blocks.
        unsafe {
            taker.weights(place, value::<KIND>(low_nibbles(v)));
            taker.weights(place + 4, value::<KIND>(high_nibbles(v)));
        }
    }
    for block in block..block + COUNT {
        let (scales, offsets) = scales_of_q4::<KIND>(rows, block * size);
        // SAFETY: a block is a group.
        unsafe { taker.close(block, scales, offsets) };
    }
}

const Q4_1_KIND: u8 = TensorType::Q4_1 as u8;
const IQ4_NL_KIND: u8 = TensorType::IQ4_NL as u8;
const MXFP4_KIND: u8 = TensorType::MXFP4 as u8;

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn value<const KIND: u8>(v: __m512i) -> __m512i {
    match KIND {
        IQ4_NL_KIND => _mm512_shuffle_epi8(table(&IQ4), v),
        MXFP4_KIND => _mm512_shuffle_epi8(table(&MXFP4), v),
        _ => v,
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn table(values: &[u8; 16]) -> __m512i {
    // SAFETY: sixteen bytes are there.
    _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn scales_of_q4<const KIND: u8>(rows: &Rows, at: usize) -> (__m512, __m512) {
    let [head, ..] = rows.heads(at);
    let scales = match KIND {
        MXFP4_KIND => halves_of_powers(head),
        _ => halves(head),
    };
    let times = |by: f32| _mm512_mul_ps(_mm512_set1_ps(by), scales);
    let offsets = match KIND {
        Q4_1_KIND => _mm512_sub_ps(_mm512_setzero_ps(), halves(_mm512_srli_epi32::<16>(head))),
        IQ4_NL_KIND => times(128.0),
        MXFP4_KIND => times(16.0),
        _ => times(8.0),
    };
    (scales, offsets)
}
