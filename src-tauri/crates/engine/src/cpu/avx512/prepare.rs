//! Activations into 8-bit numbers on AVX-512.

#![expect(
    unsafe_code,
    reason = "vector instructions, behind a look at what the processor has"
)]

use super::super::input::{GROUP, Group};
use std::arch::x86_64::{
    __m512, _CMP_ORD_Q, _mm_storeu_si128, _mm512_abs_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi8,
    _mm512_cvtps_epi32, _mm512_loadu_ps, _mm512_maskz_mov_epi32, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_reduce_max_ps, _mm512_set1_ps,
    _mm512_setzero_ps,
};

/// As the portable code, if this processor allows; returns whether it did.
pub(in crate::cpu) fn quantize(group: &[f32], into: &mut Group) -> bool {
    let Some(group) = group.first_chunk::<GROUP>() else {
        return false;
    };
    // SAFETY: the processor has the instructions.
    super::available() && unsafe { quantize_group(group, into) }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn quantize_group(group: &[f32; GROUP], into: &mut Group) -> bool {
    // SAFETY: 32 floats are there.
    let x: [__m512; 2] =
        std::array::from_fn(|half| unsafe { _mm512_loadu_ps(group.as_ptr().add(16 * half)) });
    // A comparison with what is no number gives the second, which is one.
    let largest = _mm512_max_ps(_mm512_abs_ps(x[0]), _mm512_setzero_ps());
    let largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(x[1]), largest));
    let inverse = into.scale_of(largest);
    for (half, x) in x.into_iter().enumerate() {
        let scaled = _mm512_mul_ps(x, _mm512_set1_ps(inverse));
        let is_number = _mm512_cmp_ps_mask::<_CMP_ORD_Q>(scaled, scaled);
        let bounded = _mm512_max_ps(
            _mm512_min_ps(scaled, _mm512_set1_ps(127.0)),
            _mm512_set1_ps(-128.0),
        );
        let whole = _mm512_maskz_mov_epi32(is_number, _mm512_cvtps_epi32(bounded));
        let quants = &mut into.quants[16 * half..16 * half + 16];
        // SAFETY: sixteen bytes are there.
        unsafe { _mm_storeu_si128(quants.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(whole)) };
        into.whole[half] = _mm512_reduce_add_epi32(whole);
    }
    true
}
