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

/// The same for each of these numbers, as constants: what is chosen by them is chosen by the compiler.
macro_rules! each {
    ($at:ident in [$($number:literal)*] $body:block) => {
        $({
            const $at: usize = $number;
            $body
        })*
    };
}

/// Who takes weights.
pub(super) trait Taker {
    /// Takes a group of columns of sixteen rows: registers of four columns each, scales and offsets.
    ///
    /// # Safety
    /// The processor has AVX-512 and VNNI; the group is one of the matrix, and comes after the one before it.
    unsafe fn take<const PLACES: usize>(
        &mut self,
        group: usize,
        weights: [__m512i; PLACES],
        scales: __m512,
        offsets: __m512,
    );
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
pub(super) fn unpack(rows: &Rows, taker: &mut impl Taker) {
    match rows.kind {
        TensorType::Q4_K => q4_k(rows, taker),
        TensorType::Q5_K => q5_k(rows, taker),
        TensorType::Q6_K => q6_k(rows, taker),
        TensorType::Q8_0 => q8_0(rows, taker),
        TensorType::Q4_0 => q4::<{ TensorType::Q4_0 as u8 }>(rows, taker),
        TensorType::Q4_1 => q4::<{ TensorType::Q4_1 as u8 }>(rows, taker),
        TensorType::IQ4_NL => q4::<{ TensorType::IQ4_NL as u8 }>(rows, taker),
        TensorType::MXFP4 => q4::<{ TensorType::MXFP4 as u8 }>(rows, taker),
        _ => {}
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4_k(rows: &Rows, taker: &mut impl Taker) {
    let size = rows.kind.block_bytes();
    for block in 0..rows.columns / 256 {
        let numbers = scales_of_k(rows, block * size);
        q4_k_half::<0>(rows, taker, block, &numbers);
        q4_k_half::<1>(rows, taker, block, &numbers);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4_k_half<const HALF: usize>(
    rows: &Rows,
    taker: &mut impl Taker,
    block: usize,
    numbers: &[(__m512, __m512); 8],
) {
    let packed = rows.dwords(block * rows.kind.block_bytes() + 16 + 64 * HALF);
    each!(PART in [0 1] {
        let packed: [__m512i; 8] = std::array::from_fn(|at| packed[8 * PART + at]);
        let (low, high) = (packed.map(|v| low_nibbles(v)), packed.map(|v| high_nibbles(v)));
        let group = 4 * HALF + 2 * PART;
        // SAFETY: two of this block's eight groups.
        unsafe {
            taker.take(8 * block + group, low, numbers[group].0, numbers[group].1);
            taker.take(8 * block + group + 1, high, numbers[group + 1].0, numbers[group + 1].1);
        }
    });
}

/// Scales and offsets of a block of `Q4_K` or `Q5_K`: 6 bits each, in three dwords after the two factors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn scales_of_k(rows: &Rows, from: usize) -> [(__m512, __m512); 8] {
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
        _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32::<4>(c), four), upper(b)),
    ];
    let (by, off) = (by.map(|v| bytes_of(v)), off.map(|v| bytes_of(v)));
    std::array::from_fn(|at| {
        let scales = _mm512_mul_ps(d, _mm512_cvtepi32_ps(by[at / 4][at % 4]));
        let offsets = _mm512_mul_ps(least, _mm512_cvtepi32_ps(off[at / 4][at % 4]));
        (scales, offsets)
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q5_k(rows: &Rows, taker: &mut impl Taker) {
    let size = rows.kind.block_bytes();
    for block in 0..rows.columns / 256 {
        let numbers = scales_of_k(rows, block * size);
        // The second half of these is the first part of the nibbles, and not used.
        let bits = rows.dwords(block * size + 16);
        q5_k_half::<0>(rows, taker, block, (&bits, &numbers));
        q5_k_half::<1>(rows, taker, block, (&bits, &numbers));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q5_k_half<const HALF: usize>(
    rows: &Rows,
    taker: &mut impl Taker,
    block: usize,
    (bits, numbers): (&[__m512i; PANEL], &[(__m512, __m512); 8]),
) {
    let fifth = _mm512_set1_epi8(16);
    let packed = rows.dwords(block * rows.kind.block_bytes() + 48 + 64 * HALF);
    each!(PART in [0 1] {
        let shift = _mm_set_epi64x(0, (4 * HALF + 2 * PART).cast_signed() as i64);
        let bits: [__m512i; 8] = std::array::from_fn(|at| _mm512_srl_epi16(bits[at], shift));
        let low = std::array::from_fn(|at| {
            let fifth = _mm512_and_si512(_mm512_slli_epi16::<4>(bits[at]), fifth);
            _mm512_or_si512(low_nibbles(packed[8 * PART + at]), fifth)
        });
        let high = std::array::from_fn(|at| {
            let fifth = _mm512_and_si512(_mm512_slli_epi16::<3>(bits[at]), fifth);
            _mm512_or_si512(high_nibbles(packed[8 * PART + at]), fifth)
        });
        let group = 4 * HALF + 2 * PART;
        // SAFETY: two of this block's eight groups.
        unsafe {
            taker.take::<8>(8 * block + group, low, numbers[group].0, numbers[group].1);
            taker.take::<8>(8 * block + group + 1, high, numbers[group + 1].0, numbers[group + 1].1);
        }
    });
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q6_k(rows: &Rows, taker: &mut impl Taker) {
    let size = rows.kind.block_bytes();
    for block in 0..rows.columns / 256 {
        let from = block * size;
        // Bytes are read from the first to the last, which is what processors read ahead best.
        let low = [rows.dwords(from), rows.dwords(from + 64)];
        let high = rows.dwords(from + 128);
        let by = rows.heads(from + 192).map(|v| signed_bytes_of(v));
        // The factor is the block's last two bytes.
        let [.., last] = rows.heads(from + 194);
        let d = halves(_mm512_srli_epi32::<16>(last));
        let scales: [__m512; 16] =
            std::array::from_fn(|at| _mm512_mul_ps(d, _mm512_cvtepi32_ps(by[at / 4][at % 4])));
        q6_k_half::<0>(&low[0], taker, block, (&high, &scales));
        q6_k_half::<1>(&low[1], taker, block, (&high, &scales));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q6_k_half<const HALF: usize>(
    low: &[__m512i; PANEL],
    taker: &mut impl Taker,
    block: usize,
    (high, scales): (&[__m512i; PANEL], &[__m512; 16]),
) {
    let two = _mm512_set1_epi8(0x30);
    // Group after group: first the low nibbles of both runs of dwords, then the high ones.
    each!(AT in [0 1 2 3 4 5 6 7] {
        let weights = std::array::from_fn(|at| {
            let (bits, packed) = (high[8 * HALF + AT % 2 * 4 + at], low[AT % 4 * 4 + at]);
            let (bits, nibbles) = match AT / 2 {
                0 => (_mm512_slli_epi16::<4>(bits), low_nibbles(packed)),
                1 => (_mm512_slli_epi16::<2>(bits), low_nibbles(packed)),
                2 => (bits, high_nibbles(packed)),
                _ => (_mm512_srli_epi16::<2>(bits), high_nibbles(packed)),
            };
            _mm512_or_si512(nibbles, _mm512_and_si512(bits, two))
        });
        let scales = scales[8 * HALF + AT];
        let offsets = _mm512_mul_ps(_mm512_set1_ps(32.0), scales);
        // SAFETY: one of this block's sixteen groups.
        unsafe { taker.take::<4>(16 * block + 8 * HALF + AT, weights, scales, offsets) };
    });
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q8_0(rows: &Rows, taker: &mut impl Taker) {
    let blocks = rows.columns / 32;
    for pair in 0..blocks / 2 {
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
    each!(AT in [0 1] {
        if AT < COUNT {
            let weights = std::array::from_fn(|at| _mm512_xor_si512(quants[8 * AT + at], sign));
            let [head, ..] = rows.heads((block + AT) * size);
            let scales = halves(head);
            let offsets = _mm512_mul_ps(_mm512_set1_ps(128.0), scales);
            // SAFETY: a block is a group.
            unsafe { taker.take::<8>(block + AT, weights, scales, offsets) };
        }
    });
}

/// Types with 32 weights of 4 bits, after a head of their own: four blocks at a time. `KIND` is the type.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4<const KIND: u8>(rows: &Rows, taker: &mut impl Taker) {
    let blocks = rows.columns / 32;
    for four in 0..blocks / 4 {
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
    each!(AT in [0 1 2 3] {
        if AT < COUNT {
            let weights = std::array::from_fn(|at| {
                let packed = packed[4 * AT + at % 4];
                value::<KIND>(if at < 4 { low_nibbles(packed) } else { high_nibbles(packed) })
            });
            let (scales, offsets) = scales_of_q4::<KIND>(rows, (block + AT) * size);
            // SAFETY: a block is a group.
            unsafe { taker.take::<8>(block + AT, weights, scales, offsets) };
        }
    });
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
