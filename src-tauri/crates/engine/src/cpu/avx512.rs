//! Panels on AVX-512 with VNNI: filling and multiplying them, bit for bit what the portable code gives.
//!
//! A row of a panel is a lane: `vpdpbusd` adds four products in each, for a register of weights and four inputs of one
//! token. Filling turns sixteen rows of packed dwords by 16 × 16 transposition before nibbles are taken apart, so that half
//! as much is moved.

use super::input::Input;
use super::matmul::Place;
use super::panel::{PANEL, Panel};
use crate::weights::Matrix;

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn fill(_: &mut Panel, _: &Matrix, _: usize, _: usize) -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn multiply(
    _: &Panel,
    _: &Input,
    _: &[Place],
    _: &mut impl FnMut(usize, &[f32; PANEL]),
) -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn dot(_: &[f32], _: &[f32]) -> Option<f32> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn dots(_: &[&[f32]; 4], _: &[&[f32]; 4]) -> Option<[[f32; 4]; 4]> {
    None
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{dot, dots, fill, multiply};

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "vector instructions, behind a look at what the processor has"
)]
mod x86 {
    use super::super::float::{LANES, sum_lanes};
    use super::super::input::GROUP;
    use super::super::panel::group_sum;
    use super::super::unpack::{IQ4, MXFP4, half_of_power};
    use super::{Input, Matrix, PANEL, Panel, Place};
    use crate::files::TensorType;
    use std::arch::x86_64::{
        __m128i, __m256i, __m512, __m512i, _mm_loadu_si128, _mm_set_epi64x, _mm256_loadu_si256,
        _mm512_add_epi32, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_castsi128_si512,
        _mm512_castsi256_si512, _mm512_cvtepi32_epi16, _mm512_cvtepi32_ps, _mm512_cvtph_ps,
        _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_inserti32x4, _mm512_inserti64x4,
        _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi8,
        _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
        _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_slli_epi16, _mm512_slli_epi32,
        _mm512_srai_epi32, _mm512_srl_epi16, _mm512_srli_epi16, _mm512_srli_epi32,
        _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_ps, _mm512_unpackhi_epi32,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
    };

    fn available() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
    }

    /// Fills a panel, if this processor and the type allow; returns whether it did.
    pub(in crate::cpu) fn fill(
        panel: &mut Panel,
        matrix: &Matrix,
        first: usize,
        count: usize,
    ) -> bool {
        let fill: Fill = match matrix.tensor_type() {
            TensorType::Q4_K => fill_q4_k,
            TensorType::Q6_K => fill_q6_k,
            TensorType::Q8_0 => fill_q8_0,
            TensorType::Q4_0 | TensorType::Q4_1 | TensorType::IQ4_NL | TensorType::MXFP4 => fill_q4,
            TensorType::Q5_K => fill_q5_k,
            _ => return false,
        };
        if !available() {
            return false;
        }
        // A last panel with fewer rows repeats its last one: those lanes are computed and not used.
        let rows: [&[u8]; PANEL] =
            std::array::from_fn(|row| matrix.row(first + row.min(count - 1)));
        // SAFETY: the processor has the instructions.
        unsafe { fill(panel, &rows, matrix.tensor_type()) };
        true
    }

    type Rows<'a> = [&'a [u8]; PANEL];
    type Fill = unsafe fn(&mut Panel, &Rows, TensorType);

    /// 64 bytes of each row from byte `at` on, as sixteen registers of which number `d` has each row's dword `d`.
    #[target_feature(enable = "avx512f,avx512bw")]
    fn dwords(rows: &Rows, at: usize) -> [__m512i; PANEL] {
        transpose(std::array::from_fn(|row| load(&rows[row][at..at + 64])))
    }

    #[target_feature(enable = "avx512f")]
    fn load(bytes: &[u8]) -> __m512i {
        assert!(bytes.len() >= 64);
        // SAFETY: 64 bytes are there; the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    fn load_32(bytes: &[u8]) -> __m256i {
        assert!(bytes.len() >= 32);
        // SAFETY: 32 bytes are there; the load needs no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    fn load_16(bytes: &[u8]) -> __m128i {
        assert!(bytes.len() >= 16);
        // SAFETY: 16 bytes are there; the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

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

    /// Stores a register of weights at its place: number `at` of the panel's groups of four columns.
    #[target_feature(enable = "avx512f")]
    fn store(q: &mut [u8], at: usize, weights: __m512i) {
        let place = &mut q[at * 64..at * 64 + 64];
        // SAFETY: 64 bytes are there; the store needs no alignment.
        unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), weights) }
    }

    #[target_feature(enable = "avx512f")]
    fn low_nibbles(v: __m512i) -> __m512i {
        _mm512_and_si512(v, _mm512_set1_epi8(15))
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn high_nibbles(v: __m512i) -> __m512i {
        _mm512_and_si512(_mm512_srli_epi16::<4>(v), _mm512_set1_epi8(15))
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn fill_q4_k(panel: &mut Panel, rows: &Rows, kind: TensorType) {
        let size = kind.block_bytes();
        for block in 0..panel.columns / 256 {
            let from = block * size;
            for half in 0..2 {
                let packed = dwords(rows, from + 16 + 64 * half);
                for (at, v) in packed.into_iter().enumerate() {
                    let place = 64 * block + 16 * (2 * half + at / 8) + at % 8;
                    store(&mut panel.q, place, low_nibbles(v));
                    store(&mut panel.q, place + 8, high_nibbles(v));
                }
            }
            scales_of_k(panel, rows, block, from);
        }
    }

    /// Scales and offsets of a block of `Q4_K` or `Q5_K`: 6 bits each, in three dwords after the two factors.
    #[target_feature(enable = "avx512f,avx512bw")]
    fn scales_of_k(panel: &mut Panel, rows: &Rows, block: usize, from: usize) {
        let [factors, a, b, c] = heads(rows, from);
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
        for half in 0..2 {
            let place = (8 * block + 4 * half) * PANEL;
            for (at, (by, off)) in bytes_of(by[half])
                .into_iter()
                .zip(bytes_of(off[half]))
                .enumerate()
            {
                let (by, off) = (_mm512_cvtepi32_ps(by), _mm512_cvtepi32_ps(off));
                store_f32(
                    &mut panel.scales[place + at * PANEL..],
                    _mm512_mul_ps(d, by),
                );
                store_f32(
                    &mut panel.offsets[place + at * PANEL..],
                    _mm512_mul_ps(least, off),
                );
            }
        }
    }

    /// The four dwords that each row has from byte `at` on.
    #[target_feature(enable = "avx512f")]
    fn heads(rows: &Rows, at: usize) -> [__m512i; 4] {
        // Register k has rows k, 4 + k, 8 + k and 12 + k; turning each quarter puts rows in order.
        let [a, b, c, d]: [__m512i; 4] = std::array::from_fn(|k| {
            let v = _mm512_castsi128_si512(load_16(&rows[k][at..]));
            let v = _mm512_inserti32x4::<1>(v, load_16(&rows[4 + k][at..]));
            let v = _mm512_inserti32x4::<2>(v, load_16(&rows[8 + k][at..]));
            _mm512_inserti32x4::<3>(v, load_16(&rows[12 + k][at..]))
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

    /// The half-precision numbers in the lower halves of dwords.
    #[target_feature(enable = "avx512f")]
    fn halves(v: __m512i) -> __m512 {
        _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v))
    }

    /// The half-precision number that each row has at byte `at`.
    #[target_feature(enable = "avx512f")]
    fn factors(rows: &Rows, at: usize) -> __m512 {
        let bits: [u16; PANEL] =
            std::array::from_fn(|row| u16::from_le_bytes([rows[row][at], rows[row][at + 1]]));
        // SAFETY: 32 bytes are there; the load needs no alignment.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bits.as_ptr().cast()) })
    }

    /// The four bytes of each dword, as numbers.
    #[target_feature(enable = "avx512f")]
    fn bytes_of(v: __m512i) -> [__m512i; 4] {
        let byte = _mm512_set1_epi32(255);
        [
            _mm512_and_si512(v, byte),
            _mm512_and_si512(_mm512_srli_epi32::<8>(v), byte),
            _mm512_and_si512(_mm512_srli_epi32::<16>(v), byte),
            _mm512_srli_epi32::<24>(v),
        ]
    }

    /// The same with signs.
    #[target_feature(enable = "avx512f")]
    fn signed_bytes_of(v: __m512i) -> [__m512i; 4] {
        [
            _mm512_srai_epi32::<24>(_mm512_slli_epi32::<24>(v)),
            _mm512_srai_epi32::<24>(_mm512_slli_epi32::<16>(v)),
            _mm512_srai_epi32::<24>(_mm512_slli_epi32::<8>(v)),
            _mm512_srai_epi32::<24>(v),
        ]
    }

    #[target_feature(enable = "avx512f")]
    fn store_f32(place: &mut [f32], values: __m512) {
        let place = &mut place[..PANEL];
        // SAFETY: sixteen floats are there; the store needs no alignment.
        unsafe { _mm512_storeu_ps(place.as_mut_ptr(), values) }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn fill_q5_k(panel: &mut Panel, rows: &Rows, kind: TensorType) {
        let size = kind.block_bytes();
        let fifth = _mm512_set1_epi8(16);
        for block in 0..panel.columns / 256 {
            let from = block * size;
            // The second half of these is the first part of the nibbles, and not used.
            let bits = dwords(rows, from + 16);
            for half in 0..2 {
                let packed = dwords(rows, from + 48 + 64 * half);
                for (at, v) in packed.into_iter().enumerate() {
                    let part = 2 * half + at / 8;
                    let place = 64 * block + 16 * part + at % 8;
                    let bits = _mm512_srl_epi16(
                        bits[at % 8],
                        _mm_set_epi64x(0, 2 * part.cast_signed() as i64),
                    );
                    let low = _mm512_and_si512(_mm512_slli_epi16::<4>(bits), fifth);
                    let high = _mm512_and_si512(_mm512_slli_epi16::<3>(bits), fifth);
                    store(&mut panel.q, place, _mm512_or_si512(low_nibbles(v), low));
                    store(
                        &mut panel.q,
                        place + 8,
                        _mm512_or_si512(high_nibbles(v), high),
                    );
                }
            }
            scales_of_k(panel, rows, block, from);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn fill_q6_k(panel: &mut Panel, rows: &Rows, kind: TensorType) {
        let size = kind.block_bytes();
        let two = _mm512_set1_epi8(0x30);
        for block in 0..panel.columns / 256 {
            let from = block * size;
            let high = dwords(rows, from + 128);
            for half in 0..2 {
                let low = dwords(rows, from + 64 * half);
                for at in 0..8 {
                    let (a, b, bits) = (low[at], low[8 + at], high[8 * half + at]);
                    let place = 64 * block + 32 * half + at;
                    let first = _mm512_and_si512(_mm512_slli_epi16::<4>(bits), two);
                    let second = _mm512_and_si512(_mm512_slli_epi16::<2>(bits), two);
                    let third = _mm512_and_si512(bits, two);
                    let fourth = _mm512_and_si512(_mm512_srli_epi16::<2>(bits), two);
                    store(&mut panel.q, place, _mm512_or_si512(low_nibbles(a), first));
                    store(
                        &mut panel.q,
                        place + 8,
                        _mm512_or_si512(low_nibbles(b), second),
                    );
                    store(
                        &mut panel.q,
                        place + 16,
                        _mm512_or_si512(high_nibbles(a), third),
                    );
                    store(
                        &mut panel.q,
                        place + 24,
                        _mm512_or_si512(high_nibbles(b), fourth),
                    );
                }
            }
            let d = factors(rows, from + 208);
            for (four, v) in heads(rows, from + 192).into_iter().enumerate() {
                for (at, by) in signed_bytes_of(v).into_iter().enumerate() {
                    let place = (16 * block + 4 * four + at) * PANEL;
                    let scale = _mm512_mul_ps(d, _mm512_cvtepi32_ps(by));
                    store_f32(&mut panel.scales[place..], scale);
                    store_f32(
                        &mut panel.offsets[place..],
                        _mm512_mul_ps(_mm512_set1_ps(32.0), scale),
                    );
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn fill_q8_0(panel: &mut Panel, rows: &Rows, kind: TensorType) {
        let size = kind.block_bytes();
        let blocks = panel.columns / 32;
        let sign = _mm512_set1_epi8(i8::MIN);
        for pair in 0..blocks.div_ceil(2) {
            let second = (2 * pair + 1).min(blocks - 1);
            let quants = transpose(std::array::from_fn(|row| {
                let low = load_32(&rows[row][2 * pair * size + 2..]);
                let high = load_32(&rows[row][second * size + 2..]);
                _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
            }));
            let count = if 2 * pair + 1 < blocks { 16 } else { 8 };
            for (at, v) in quants.into_iter().take(count).enumerate() {
                store(&mut panel.q, 16 * pair + at, _mm512_xor_si512(v, sign));
            }
        }
        for block in 0..blocks {
            let scale = factors(rows, block * size);
            store_f32(&mut panel.scales[block * PANEL..], scale);
            store_f32(
                &mut panel.offsets[block * PANEL..],
                _mm512_mul_ps(_mm512_set1_ps(128.0), scale),
            );
        }
    }

    /// Types with 32 weights of 4 bits, after a head of their own: four blocks at a time.
    #[target_feature(enable = "avx512f,avx512bw")]
    fn fill_q4(panel: &mut Panel, rows: &Rows, kind: TensorType) {
        let size = kind.block_bytes();
        let blocks = panel.columns / 32;
        let values = match kind {
            TensorType::IQ4_NL => Some(table(&IQ4)),
            TensorType::MXFP4 => Some(table(&MXFP4)),
            _ => None,
        };
        let value = |v| values.map_or(v, |values| _mm512_shuffle_epi8(values, v));
        for four in 0..blocks.div_ceil(4) {
            let at = |row: usize, block: usize| {
                let block = (4 * four + block).min(blocks - 1);
                load_16(&rows[row][(block + 1) * size - 16..])
            };
            let packed = transpose(std::array::from_fn(|row| {
                let v = _mm512_castsi128_si512(at(row, 0));
                let v = _mm512_inserti32x4::<1>(v, at(row, 1));
                let v = _mm512_inserti32x4::<2>(v, at(row, 2));
                _mm512_inserti32x4::<3>(v, at(row, 3))
            }));
            let count = 4 * (blocks - 4 * four).min(4);
            for (at, v) in packed.into_iter().take(count).enumerate() {
                let place = 32 * four + 8 * (at / 4) + at % 4;
                store(&mut panel.q, place, value(low_nibbles(v)));
                store(&mut panel.q, place + 4, value(high_nibbles(v)));
            }
        }
        for block in 0..blocks {
            let (scale, offset) = scale_of_q4(rows, kind, block * size);
            store_f32(&mut panel.scales[block * PANEL..], scale);
            store_f32(&mut panel.offsets[block * PANEL..], offset);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn scale_of_q4(rows: &Rows, kind: TensorType, at: usize) -> (__m512, __m512) {
        let scale = match kind {
            TensorType::MXFP4 => {
                let powers: [f32; PANEL] = std::array::from_fn(|row| half_of_power(rows[row][at]));
                load_f32(&powers)
            }
            _ => factors(rows, at),
        };
        let times = |by: f32| _mm512_mul_ps(_mm512_set1_ps(by), scale);
        let offset = match kind {
            TensorType::Q4_1 => _mm512_sub_ps(_mm512_setzero_ps(), factors(rows, at + 2)),
            TensorType::IQ4_NL => times(128.0),
            TensorType::MXFP4 => times(16.0),
            _ => times(8.0),
        };
        (scale, offset)
    }

    #[target_feature(enable = "avx512f")]
    fn table(values: &[u8; 16]) -> __m512i {
        _mm512_broadcast_i32x4(load_16(values))
    }

    /// Multiplies, if this processor allows; returns whether it did.
    pub(in crate::cpu) fn multiply(
        panel: &Panel,
        input: &Input,
        places: &[Place],
        put: &mut impl FnMut(usize, &[f32; PANEL]),
    ) -> bool {
        if !available() {
            return false;
        }
        let mut rest = places;
        while let Some((eight, more)) = rest.split_first_chunk::<8>() {
            // SAFETY: the processor has the instructions.
            unsafe { tile::<8, 1>(panel, input, eight, put) };
            rest = more;
        }
        while let Some((two, more)) = rest.split_first_chunk::<2>() {
            // SAFETY: as above.
            unsafe { tile::<2, 4>(panel, input, two, put) };
            rest = more;
        }
        if let Some((one, _)) = rest.split_first_chunk::<1>() {
            // SAFETY: as above.
            unsafe { tile::<1, 8>(panel, input, one, put) };
        }
        true
    }

    /// The products of `T` tokens. Each token's whole sums run in `C` chains, so that `T · C` additions are under way at
    /// any time; they are exact, so their order means nothing.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn tile<const T: usize, const C: usize>(
        panel: &Panel,
        input: &Input,
        places: &[Place; T],
        put: &mut impl FnMut(usize, &[f32; PANEL]),
    ) {
        let (columns, size) = (panel.columns, panel.group);
        let x: [&[i8]; T] =
            std::array::from_fn(|t| &input.quants[places[t].token * columns..][..columns]);
        let scales: [&[f32]; T] =
            std::array::from_fn(|t| &input.scales[places[t].token * columns / GROUP..]);
        let sums: [&[f32]; T] =
            std::array::from_fn(|t| &input.sums[places[t].token * columns / 16..]);
        let mut sum = [_mm512_setzero_ps(); T];
        let mut offset = [_mm512_setzero_ps(); T];
        for (group, q) in panel.q.chunks_exact(size * PANEL).enumerate() {
            let mut chains = [[_mm512_setzero_si512(); C]; T];
            let dwords: [&[[i8; 4]]; T] =
                std::array::from_fn(|t| x[t][group * size..][..size].as_chunks::<4>().0);
            for (at, q) in q.as_chunks::<64>().0.iter().enumerate() {
                let weights = load(q);
                for t in 0..T {
                    let inputs =
                        _mm512_set1_epi32(i32::from_le_bytes(dwords[t][at].map(i8::cast_unsigned)));
                    chains[t][at % C] = _mm512_dpbusd_epi32(chains[t][at % C], weights, inputs);
                }
            }
            let by = load_f32(&panel.scales[group * PANEL..]);
            let from = load_f32(&panel.offsets[group * PANEL..]);
            for t in 0..T {
                let mut whole = chains[t][0];
                for chain in &chains[t][1..] {
                    whole = _mm512_add_epi32(whole, *chain);
                }
                let scale = _mm512_mul_ps(by, _mm512_set1_ps(scales[t][group * size / GROUP]));
                sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, sum[t]);
                offset[t] = _mm512_fmadd_ps(
                    from,
                    _mm512_set1_ps(group_sum(sums[t], group, size)),
                    offset[t],
                );
            }
        }
        for t in 0..T {
            let mut out = [0.0; PANEL];
            // SAFETY: sixteen floats are there.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_sub_ps(sum[t], offset[t])) };
            put(places[t].out, &out);
        }
    }

    /// `Σ a · b` in lanes, if this processor allows.
    pub(in crate::cpu) fn dot(a: &[f32], b: &[f32]) -> Option<f32> {
        // SAFETY: the processor has the instructions.
        available().then(|| unsafe { dots_of(&[a], &[b]) }[0][0])
    }

    /// The products of four tokens with four rows, token after token, if this processor allows.
    pub(in crate::cpu) fn dots(x: &[&[f32]; 4], rows: &[&[f32]; 4]) -> Option<[[f32; 4]; 4]> {
        // SAFETY: the processor has the instructions.
        available().then(|| unsafe { dots_of(x, rows) })
    }

    /// Each in one register of lanes, from the first element to the last.
    #[target_feature(enable = "avx512f")]
    fn dots_of<const T: usize, const R: usize>(
        x: &[&[f32]; T],
        rows: &[&[f32]; R],
    ) -> [[f32; R]; T] {
        let length = x[0].len().min(rows[0].len());
        let mut sums = [[_mm512_setzero_ps(); R]; T];
        for at in (0..length / LANES * LANES).step_by(LANES) {
            let weights: [__m512; R] = std::array::from_fn(|row| load_f32(&rows[row][at..]));
            for (sums, x) in sums.iter_mut().zip(x) {
                let x = load_f32(&x[at..]);
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm512_fmadd_ps(weights, x, *sum);
                }
            }
        }
        let rest = length / LANES * LANES..length;
        std::array::from_fn(|t| {
            std::array::from_fn(|r| {
                let mut lanes = [0.0; LANES];
                store_f32(&mut lanes, sums[t][r]);
                let rest = rows[r][rest.clone()].iter().zip(&x[t][rest.clone()]);
                for (lane, (weight, x)) in lanes.iter_mut().zip(rest) {
                    *lane = weight.mul_add(*x, *lane);
                }
                sum_lanes(lanes)
            })
        })
    }

    #[target_feature(enable = "avx512f")]
    fn load_f32(values: &[f32]) -> __m512 {
        assert!(values.len() >= PANEL);
        // SAFETY: sixteen floats are there; the load needs no alignment.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }
}
