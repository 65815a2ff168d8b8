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

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{fill, multiply};

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "vector instructions, behind a look at what the processor has"
)]
mod x86 {
    use super::super::input::GROUP;
    use super::super::panel::group_sum;
    use super::super::unpack::{half_at, six_bits};
    use super::{Input, Matrix, PANEL, Panel, Place};
    use crate::files::TensorType;
    use std::arch::x86_64::*;

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
        let fill = match matrix.tensor_type() {
            TensorType::Q4_K => fill_q4_k,
            TensorType::Q6_K => fill_q6_k,
            TensorType::Q8_0 => fill_q8_0,
            TensorType::Q4_0 | TensorType::Q4_1 => fill_q4,
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
    const _: Fill = fill_q4_k;

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
            for (row, bytes) in rows.iter().enumerate() {
                let bytes = &bytes[from..from + 16];
                let (d, least) = (half_at(bytes, 0), half_at(bytes, 2));
                for group in 0..8 {
                    let (by, off) = six_bits(&bytes[4..16], group);
                    let place = (8 * block + group) * PANEL + row;
                    panel.scales[place] = d * f32::from(by);
                    panel.offsets[place] = least * f32::from(off);
                }
            }
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
            for (row, bytes) in rows.iter().enumerate() {
                let bytes = &bytes[from + 192..from + size];
                let d = half_at(bytes, 16);
                for group in 0..16 {
                    let place = (16 * block + group) * PANEL + row;
                    let scale = d * f32::from(i8::from_le_bytes([bytes[group]]));
                    panel.scales[place] = scale;
                    panel.offsets[place] = 32.0 * scale;
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
        for (row, bytes) in rows.iter().enumerate() {
            for (block, bytes) in bytes.chunks_exact(size).enumerate() {
                let scale = half_at(bytes, 0);
                panel.scales[block * PANEL + row] = scale;
                panel.offsets[block * PANEL + row] = 128.0 * scale;
            }
        }
    }

    /// `Q4_0` and `Q4_1`: four blocks at a time.
    #[target_feature(enable = "avx512f,avx512bw")]
    fn fill_q4(panel: &mut Panel, rows: &Rows, kind: TensorType) {
        let size = kind.block_bytes();
        let head = size - 16;
        let blocks = panel.columns / 32;
        for four in 0..blocks.div_ceil(4) {
            let at = |row: usize, block: usize| {
                let block = (4 * four + block).min(blocks - 1);
                load_16(&rows[row][block * size + head..])
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
                store(&mut panel.q, place, low_nibbles(v));
                store(&mut panel.q, place + 4, high_nibbles(v));
            }
        }
        for (row, bytes) in rows.iter().enumerate() {
            for (block, bytes) in bytes.chunks_exact(size).enumerate() {
                let scale = half_at(bytes, 0);
                let offset = if head == 2 {
                    8.0 * scale
                } else {
                    -half_at(bytes, 2)
                };
                panel.scales[block * PANEL + row] = scale;
                panel.offsets[block * PANEL + row] = offset;
            }
        }
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

    #[target_feature(enable = "avx512f")]
    fn load_f32(values: &[f32]) -> __m512 {
        assert!(values.len() >= PANEL);
        // SAFETY: sixteen floats are there; the load needs no alignment.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }
}
