//! The norm, with what stands before and behind it.

use super::super::device::Buffer;
use super::super::rows::{Given, Inner, Norm, Quants, activate, add_norm};
use super::{Device, in_each_order, noise};
use crate::decoder::description::Activation;

const EPSILON: f32 = 1e-5;

/// The stream with what is added to it.
fn stream(residual: &[f32], given: Option<&[f32]>) -> Vec<f64> {
    let residual = residual.iter().enumerate();
    residual
        .map(|(at, x)| {
            let x = f64::from(*x);
            given.map_or(x, |given| (x + 0.5 * f64::from(given[at])) * 1.5)
        })
        .collect()
}

fn normed(row: &[f64], weights: &[f32]) -> Vec<f64> {
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
                let given = with_given.then_some(Given {
                    floats: &given,
                    factor: 0.5,
                    scale: 1.5,
                });
                add_norm(
                    device,
                    &residual,
                    given,
                    Some(norm),
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
                [floats, device.floats(&residual).expect("read")].concat()
            });
            for row in 0..rows {
                let of = row * columns..(row + 1) * columns;
                let given = with_given.then_some(&given[of.clone()]);
                let stream = stream(&residual[of.clone()], given);
                let (floats, kept) = found.split_at(rows * columns);
                assert_near(&floats[of.clone()], &normed(&stream, &weights));
                assert_near(&kept[of], &stream);
            }
        }
    }
}

fn assert_near(found: &[f32], expected: &[f64]) {
    for (found, expected) in found.iter().zip(expected) {
        let error = (f64::from(*found) - expected).abs();
        assert!(error < 1e-5, "{found} and {expected}");
    }
}

#[test]
fn a_row_goes_on_as_it_is_where_there_is_no_norm() {
    let (rows, columns) = (2, 64);
    let values = noise(rows * columns, 1);
    let found = in_each_order(|device| {
        let residual = device.upload(&values).expect("room");
        let out = device.zeroed(rows * columns * 4).expect("room");
        add_norm(
            device,
            &residual,
            None,
            None,
            Some(&out),
            None,
            [rows, columns],
        )
        .expect("computed");
        device.floats(&out).expect("read")
    });
    assert_eq!(found, values);
}

#[test]
fn gates_lie_beside_or_before_what_they_gate_or_are_it() {
    let (rows, columns) = (3, 96);
    let (gates, ups) = (noise(rows * columns, 1), noise(rows * columns, 2));
    let silu = |x: f32| x / (1.0 + (-x).exp());
    let expected: Vec<f64> = gates
        .iter()
        .zip(&ups)
        .map(|(gate, up)| f64::from(silu(*gate) * up))
        .collect();
    let plain: Vec<f64> = ups.iter().map(|up| f64::from(silu(*up))).collect();
    let both: Vec<f32> = gates
        .chunks_exact(columns)
        .zip(ups.chunks_exact(columns))
        .flat_map(|(gate, up)| [gate, up].concat())
        .collect();
    let device = Device::on_host(1);
    let [gates, ups, both] = [gates, ups, both].map(|one| device.upload(&one).expect("room"));
    for (inner, wanted) in [
        (Inner::Gated(&gates, &ups), &expected),
        (Inner::Fused(&both), &expected),
        (Inner::Plain(&ups), &plain),
    ] {
        let out = device.zeroed(rows * columns * 4).expect("room");
        let quants = Quants::room(&device, rows, columns).expect("room");
        let (floats, shape) = (Some(&out), [rows, columns]);
        activate(
            &device,
            Activation::Silu,
            inner,
            floats,
            Some(&quants),
            shape,
        )
        .expect("computed");
        let found = device.floats(&out).expect("read");
        assert_near(&found, wanted);
        let scales = device.floats(quants.scales()).expect("read");
        let mut numbers = vec![0; rows * columns];
        device
            .read(quants.numbers(), 0, &mut numbers)
            .expect("read");
        check_quants(&found, &numbers, &scales);
    }
}

/// The same of rows that lie on the device.
pub(super) fn check_quants_of(device: &Device, floats: &Buffer, quants: &Quants) {
    let floats = device.floats(floats).expect("read");
    let scales = device.floats(quants.scales()).expect("read");
    let mut numbers = vec![0; floats.len()];
    device
        .read(quants.numbers(), 0, &mut numbers)
        .expect("read");
    check_quants(&floats, &numbers, &scales);
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
