//! Sixteen rows and their registers: loads, turns, and what packed numbers are.

#![expect(unsafe_code, reason = "vector loads from rows whose sizes are proven")]

use super::super::panel::PANEL;
use crate::files::TensorType;
use crate::weights::Matrix;
use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_loadu_si256,
    _mm512_add_epi32, _mm512_and_si512, _mm512_castsi128_si512, _mm512_castsi256_si512,
    _mm512_castsi512_ps, _mm512_cmpgt_epu32_mask, _mm512_cvtepi32_epi16, _mm512_cvtph_ps,
    _mm512_inserti32x4, _mm512_inserti64x4, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mask_mov_epi32, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_shuffle_i32x4,
    _mm512_slli_epi32, _mm512_sllv_epi32, _mm512_srai_epi32, _mm512_srli_epi16, _mm512_srli_epi32,
    _mm512_storeu_ps, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

/// How far ahead weights are fetched, in bytes.
const AHEAD: usize = 512;

/// Sixteen rows of a matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    starts: [*const u8; PANEL],
    bytes: usize,
    pub(super) kind: TensorType,
    pub(super) columns: usize,
}

impl Rows {
    /// Row `first` and each `stride`th after it. What is not below `end` is the last row before it: those lanes are
    /// computed and not used.
    pub(super) fn new(matrix: &Matrix, first: usize, stride: usize, end: usize) -> Self {
        Self {
            starts: std::array::from_fn(|row| {
                matrix.row((first + row * stride).min(end - 1)).as_ptr()
            }),
            bytes: matrix.row_bytes(),
            kind: matrix.tensor_type(),
            columns: matrix.columns(),
        }
    }

    /// Where byte `at` of a row is; `size` bytes from there on are the row's.
    #[inline]
    fn place(&self, row: usize, at: usize, size: usize) -> *const u8 {
        debug_assert!(at + size <= self.bytes);
        self.starts[row].wrapping_add(at)
    }

    /// Has the line that is [`AHEAD`] bytes behind byte `at` of a row brought to the cache: sixteen streams side by side
    /// are more than processors read ahead by themselves.
    #[inline]
    fn ahead(&self, row: usize, at: usize) {
        let place = self.starts[row].wrapping_add(at + AHEAD);
        // SAFETY: a wish, which may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }

    /// 64 bytes of each row from byte `at` on, as sixteen registers of which number `d` has each row's dword `d`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn dwords(&self, at: usize) -> [__m512i; PANEL] {
        // SAFETY: the bytes are the row's; the load needs no alignment.
        transpose(std::array::from_fn(|row| unsafe {
            self.ahead(row, at);
            _mm512_loadu_si512(self.place(row, at, 64).cast())
        }))
    }

    /// The same of twice 32 bytes, from two places.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn dwords_of_two(&self, at: [usize; 2]) -> [__m512i; PANEL] {
        // SAFETY: the bytes are the row's; the loads need no alignment.
        transpose(std::array::from_fn(|row| unsafe {
            self.ahead(row, at[0]);
            let [low, high] = at.map(|at| _mm256_loadu_si256(self.place(row, at, 32).cast()));
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        }))
    }

    /// The same of four times 16 bytes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn dwords_of_four(&self, at: [usize; 4]) -> [__m512i; PANEL] {
        transpose(std::array::from_fn(|row| {
            self.ahead(row, at[0]);
            // SAFETY: the bytes are the row's; the loads need no alignment.
            let quarters = at.map(|at| unsafe { _mm_loadu_si128(self.place(row, at, 16).cast()) });
            let v = _mm512_castsi128_si512(quarters[0]);
            let v = _mm512_inserti32x4::<1>(v, quarters[1]);
            let v = _mm512_inserti32x4::<2>(v, quarters[2]);
            _mm512_inserti32x4::<3>(v, quarters[3])
        }))
    }

    /// The four dwords that each row has from byte `at` on.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn heads(&self, at: usize) -> [__m512i; 4] {
        // SAFETY: the bytes are the row's; the load needs no alignment.
        let load = |row| unsafe { _mm_loadu_si128(self.place(row, at, 16).cast()) };
        // Register k has rows k, 4 + k, 8 + k and 12 + k; turning each quarter puts rows in order.
        let [a, b, c, d]: [__m512i; 4] = std::array::from_fn(|k| {
            let v = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(load(k)), load(4 + k));
            let v = _mm512_inserti32x4::<2>(v, load(8 + k));
            _mm512_inserti32x4::<3>(v, load(12 + k))
        });
        let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (low_more, high_more) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        [
            _mm512_unpacklo_epi64(low, low_more),
            _mm512_unpackhi_epi64(low, low_more),
            _mm512_unpacklo_epi64(high, high_more),
            _mm512_unpackhi_epi64(high, high_more),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
#[expect(clippy::large_types_passed_by_value, reason = "registers, inlined")]
fn transpose(rows: [__m512i; PANEL]) -> [__m512i; PANEL] {
    let mut pairs = rows;
    for at in 0..8 {
        pairs[2 * at] = _mm512_unpacklo_epi32(rows[2 * at], rows[2 * at + 1]);
        pairs[2 * at + 1] = _mm512_unpackhi_epi32(rows[2 * at], rows[2 * at + 1]);
    }
    let mut fours = rows;
    for at in 0..4 {
        let [a, b, c, d] = [
            pairs[4 * at],
            pairs[4 * at + 1],
            pairs[4 * at + 2],
            pairs[4 * at + 3],
        ];
        fours[4 * at] = _mm512_unpacklo_epi64(a, c);
        fours[4 * at + 1] = _mm512_unpackhi_epi64(a, c);
        fours[4 * at + 2] = _mm512_unpacklo_epi64(b, d);
        fours[4 * at + 3] = _mm512_unpackhi_epi64(b, d);
    }
    // fours[4·g + k] has, in quarter q, the dwords 4·q + k of rows 4·g to 4·g + 3.
    let mut out = rows;
    for k in 0..4 {
        let low = _mm512_shuffle_i32x4::<0x88>(fours[k], fours[4 + k]);
        let high = _mm512_shuffle_i32x4::<0xdd>(fours[k], fours[4 + k]);
        let low_more = _mm512_shuffle_i32x4::<0x88>(fours[8 + k], fours[12 + k]);
        let high_more = _mm512_shuffle_i32x4::<0xdd>(fours[8 + k], fours[12 + k]);
        out[k] = _mm512_shuffle_i32x4::<0x88>(low, low_more);
        out[8 + k] = _mm512_shuffle_i32x4::<0xdd>(low, low_more);
        out[4 + k] = _mm512_shuffle_i32x4::<0x88>(high, high_more);
        out[12 + k] = _mm512_shuffle_i32x4::<0xdd>(high, high_more);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn low_nibbles(v: __m512i) -> __m512i {
    _mm512_and_si512(v, _mm512_set1_epi8(15))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn high_nibbles(v: __m512i) -> __m512i {
    _mm512_and_si512(_mm512_srli_epi16::<4>(v), _mm512_set1_epi8(15))
}

/// The half-precision numbers in the lower halves of dwords.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn halves(v: __m512i) -> __m512 {
    _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v))
}

/// As [`half_of_power`](crate::cpu::unpack::half_of_power), of the lowest bytes of dwords.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn halves_of_powers(v: __m512i) -> __m512 {
    let exponent = _mm512_and_si512(v, _mm512_set1_epi32(255));
    let one = _mm512_set1_epi32(1);
    let subnormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x0020_0000), exponent);
    let normal = _mm512_slli_epi32::<23>(_mm512_add_epi32(exponent, _mm512_set1_epi32(-1)));
    let is_normal = _mm512_cmpgt_epu32_mask(exponent, one);
    _mm512_castsi512_ps(_mm512_mask_mov_epi32(subnormal, is_normal, normal))
}

/// The four bytes of each dword, as numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn bytes_of(v: __m512i) -> [__m512i; 4] {
    let byte = _mm512_set1_epi32(255);
    [
        _mm512_and_si512(v, byte),
        _mm512_and_si512(_mm512_srli_epi32::<8>(v), byte),
        _mm512_and_si512(_mm512_srli_epi32::<16>(v), byte),
        _mm512_srli_epi32::<24>(v),
    ]
}

/// The same with signs.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn signed_bytes_of(v: __m512i) -> [__m512i; 4] {
    [
        _mm512_srai_epi32::<24>(_mm512_slli_epi32::<24>(v)),
        _mm512_srai_epi32::<24>(_mm512_slli_epi32::<16>(v)),
        _mm512_srai_epi32::<24>(_mm512_slli_epi32::<8>(v)),
        _mm512_srai_epi32::<24>(v),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_f32(place: &mut [f32], values: __m512) {
    let place = &mut place[..PANEL];
    // SAFETY: sixteen floats are there; the store needs no alignment.
    unsafe { _mm512_storeu_ps(place.as_mut_ptr(), values) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_f32(values: &[f32]) -> __m512 {
    assert!(values.len() >= PANEL);
    // SAFETY: sixteen floats are there; the load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}
