//! Norms and the exponential function, in forms that the compiler turns into vector code.

use super::Pool;
use super::float::dot;

/// `row ← row / √(mean(row²) + ε) ⊙ weights`, for each run of as many elements as there are weights.
pub fn rms_norm(pool: &Pool, rows: &mut [f32], weights: &[f32], epsilon: f32) {
    let _ = pool;
    for row in rows.chunks_exact_mut(weights.len()) {
        let factor = rms_factor(row, epsilon);
        for (x, weight) in row.iter_mut().zip(weights) {
            *x = *x * factor * weight;
        }
    }
}

/// `1 / √(mean(row²) + ε)`.
pub fn rms_factor(row: &[f32], epsilon: f32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "the width of a row")]
    let mean = dot(row, row) / row.len() as f32;
    1.0 / (mean + epsilon).sqrt()
}

/// `e^x`, to 2 units in the last place; 0 below −87.3, infinite above 88.7.
///
/// `2^n · p(r)` with `x = n·ln 2 + r`; the polynomial is Cephes' `expf`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-104.0, 89.0);
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4_f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 5e-1);
    let p = p.mul_add(r * r, r) + 1.0;
    // In two steps, since 2^128 is no f32 while 2^128 · p may round to one.
    #[expect(clippy::cast_possible_truncation, reason = "between -150 and 129")]
    let n = n as i32;
    let power = |n: i32| f32::from_bits(((n + 127).max(0) << 23).cast_unsigned());
    p * power(n / 2) * power(n - n / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere() {
        for step in -8700..8870_i16 {
            let x = f32::from(step) / 100.0;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(
                (found / expected - 1.0).abs() < 3e-7,
                "exp({x}) = {found}, not {expected}"
            );
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-40);
        assert!((exp(0.0) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn a_normed_row_has_length_one_by_element() {
        let mut rows = vec![3.0, -4.0, 0.0, 0.0, 1e-3, 1e-3, 1e-3, 1e-3];
        rms_norm(&Pool::new(1), &mut rows, &[1.0, 1.0, 2.0, 2.0], 0.0);
        for (found, expected) in rows.iter().zip([1.2, -1.6, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0]) {
            assert!((found - expected).abs() < 1e-6, "{rows:?}");
        }
    }
}
