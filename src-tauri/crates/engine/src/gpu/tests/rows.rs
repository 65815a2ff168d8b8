//! The norm, with what stands before and behind it.

use super::super::rows::{Norm, Quants, add_norm};
use super::{in_each_order, noise};

const EPSILON: f32 = 1e-5;

fn expected(residual: &[f32], given: Option<&[f32]>, weights: &[f32]) -> Vec<f64> {
    let row: Vec<f64> = residual
        .iter()
        .enumerate()
        .map(|(at, x)| f64::from(*x) + given.map_or(0.0, |given| 0.5 * f64::from(given[at])))
        .collect();
    let mean = row.iter().map(|x| x * x).sum::<f64>()
        / f64::from(u32::try_from(row.len()).expect("small"));
    let size = (mean + f64::from(EPSILON)).sqrt();
    row.iter()
        .zip(weights)
        .map(|(x, w)| x / size * f64::from(*w))
        .collect()
}

#[test]
fn a_row_is_added_normed_and_quantized() {
    // Fewer, as many and more columns than threads, and no whole number of rounds.
    for columns in [32, 96, 1024, 1056, 2080] {
        for with_given in [false, true] {
            let rows = 3;
            let (residual, given) = (noise(rows * columns, 1), noise(rows * columns, 2));
            let weights = noise(columns, 3);
            let found = in_each_order(|device| {
                let residual = device.upload(&residual).expect("room");
                let given = device.upload(&given).expect("room");
                let norm = Norm {
                    weights: &device.upload(&weights).expect("room"),
                    epsilon: EPSILON,
                };
                let out = device.zeroed(rows * columns * 4).expect("room");
                let quants = Quants::room(device, rows, columns).expect("room");
                let given = with_given.then_some((&given, 0.5));
                add_norm(
                    device,
                    &residual,
                    given,
                    norm,
                    Some(&out),
                    Some(&quants),
                    [rows, columns],
                )
                .expect("computed");
                let floats = device.floats(&out).expect("read");
                let scales = device.floats(quants.scales()).expect("read");
                let mut numbers = vec![0; rows * columns];
                device
                    .read(quants.numbers(), 0, &mut numbers)
                    .expect("read");
                check_quants(&floats, &numbers, &scales);
                floats
            });
            for row in 0..rows {
                let of = row * columns..(row + 1) * columns;
                let given = with_given.then_some(&given[of.clone()]);
                let expected = expected(&residual[of.clone()], given, &weights);
                for (found, expected) in found[of].iter().zip(&expected) {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error < 1e-5, "{columns}: {found} and {expected}");
                }
            }
        }
    }
}

/// Each number is the nearest to its quant, and the sums are those of the quants.
fn check_quants(floats: &[f32], numbers: &[u8], scales: &[f32]) {
    let groups = floats.chunks_exact(32).zip(numbers.chunks_exact(32));
    for ((floats, numbers), scale) in groups.zip(scales.chunks_exact(4)) {
        let numbers: Vec<f32> = numbers.iter().map(|x| f32::from(x.cast_signed())).collect();
        for (float, number) in floats.iter().zip(&numbers) {
            assert!((float - scale[0] * number).abs() <= scale[0] * 0.5001);
        }
        for (half, sum) in numbers.chunks_exact(16).zip(&scale[1..3]) {
            let expected = scale[0] * half.iter().sum::<f32>();
            assert!((sum - expected).abs() <= expected.abs() * 1e-6);
        }
    }
}
