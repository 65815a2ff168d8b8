//! Weights: read back as they were, and multiplied.

use super::super::device::Device;
use super::super::matrix::{Chosen, DeviceMatrix, device_bytes};
use super::super::rows::{Prepared, Quants};
use super::{in_each_order, kinds, matrix, noise};
use crate::files::TensorType;

fn there(
    device: &Device,
    kind: TensorType,
    rows: usize,
    columns: usize,
) -> (DeviceMatrix, Vec<f32>) {
    let (matrix, numbers) = matrix(kind, rows, columns, 3);
    let there = DeviceMatrix::upload(device, &matrix).expect("room");
    (there.expect("a known type"), numbers)
}

/// Rows of quants that stand for themselves: scale 1 and whole numbers, so that sums are nearly exact.
fn quants(device: &Device, count: usize, columns: usize) -> (Quants, Vec<f32>) {
    let values: Vec<f32> = noise(count * columns, 9)
        .iter()
        .map(|x| (x * 127.0).round())
        .collect();
    let quants = Quants::room(device, count, columns).expect("room");
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole numbers of at most 127"
    )]
    let byte = |x: &f32| (*x as i8).cast_unsigned();
    let bytes: Vec<u8> = values.iter().map(byte).collect();
    device.write(quants.numbers(), 0, &bytes).expect("written");
    let mut scales = Vec::new();
    for group in values.chunks_exact(32) {
        let sum = |half: &[f32]| half.iter().sum::<f32>();
        scales.extend([1.0, sum(&group[..16]), sum(&group[16..]), 0.0]);
    }
    let bytes: Vec<u8> = scales.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
    device.write(quants.scales(), 0, &bytes).expect("written");
    (quants, values)
}

/// A sum, and how large its parts are.
fn dot(weights: &[f32], x: &[f32]) -> (f64, f64) {
    let products = weights
        .iter()
        .zip(x)
        .map(|(w, x)| f64::from(*w) * f64::from(*x));
    products.fold((0.0, 0.0), |(sum, size), one| (sum + one, size + one.abs()))
}

fn assert_near(found: f32, (expected, size): (f64, f64), what: &str) {
    let error = (f64::from(found) - expected).abs();
    assert!(
        error <= size * 2e-6 + 1e-30,
        "{what}: {found} and {expected}, of {size}"
    );
}

#[test]
fn each_type_is_read_back_as_ggml_has_it() {
    for kind in kinds() {
        let (rows, columns) = (5, 3 * kind.block_elements().max(64));
        let (_, numbers) = matrix(kind, rows, columns, 3);
        let row = |row: usize| numbers[row * columns..][..columns].to_vec();
        let expected = [row(4), row(0), row(3)].concat();
        let found = in_each_order(|device| {
            let (there, _) = there(device, kind, rows, columns);
            let ids = device.upload(&[4_u32, 0, 3]).expect("room");
            let out = device.zeroed(3 * columns * 4).expect("room");
            there.embed(device, &ids, 3, 2.0, &out).expect("computed");
            device.floats(&out).expect("read")
        });
        let largest = expected
            .iter()
            .fold(0.0_f32, |largest, x| largest.max(x.abs()));
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - 2.0 * expected).abs();
            assert!(
                error <= largest * 1e-6,
                "{kind} at {at}: {found} and {expected}"
            );
        }
    }
}

#[test]
fn a_matrix_takes_as_many_bytes_as_in_the_file() {
    for kind in kinds() {
        let (rows, columns) = (64, 4096);
        let here = device_bytes(kind, rows, columns).expect("a known type");
        let file = kind.row_bytes(columns).expect("whole blocks") * rows;
        let allowed = if kind == TensorType::Q3_K {
            file * 104 / 100
        } else {
            file
        };
        assert!(here <= allowed, "{kind}: {here} and {file}");
    }
}

#[test]
fn products_are_right_for_any_number_of_tokens_and_alone_as_together() {
    for kind in kinds() {
        // An odd number of rows, and more groups than lanes in one of two shapes.
        for (rows, columns) in [(19, kind.block_elements().max(96)), (9, 1280)] {
            let tokens = 15;
            let device = Device::on_host(1);
            let (there, numbers) = there(&device, kind, rows, columns);
            let (quants, values) = quants(&device, tokens, columns);
            let bias = noise(rows, 4);
            let bias_there = device.upload(&bias).expect("room");
            let out = device.zeroed(tokens * rows * 4).expect("room");
            there
                .multiply(
                    &device,
                    Prepared::quants(&quants),
                    1.0,
                    Some(&bias_there),
                    &out,
                )
                .expect("computed");
            let together = device.floats(&out).expect("read");
            for token in 0..tokens {
                let x = &values[token * columns..][..columns];
                for row in 0..rows {
                    let (sum, size) = dot(&numbers[row * columns..][..columns], x);
                    let expected = (sum + f64::from(bias[row]), size);
                    let what = format!("{kind} {rows}×{columns}, token {token}, row {row}");
                    assert_near(together[token * rows + row], expected, &what);
                }
            }
            // The last is in a bundle of one, the first of eight.
            let (one, _) = self::quants(&device, 1, columns);
            let alone = device.zeroed(rows * 4).expect("room");
            there
                .multiply(
                    &device,
                    Prepared::quants(&one),
                    1.0,
                    Some(&bias_there),
                    &alone,
                )
                .expect("computed");
            assert_eq!(
                device.floats(&alone).expect("read"),
                together[..rows],
                "{kind}"
            );
        }
    }
}

#[test]
fn products_do_not_depend_on_the_order_of_threads() {
    for kind in kinds() {
        in_each_order(|device| {
            let (there, _) = there(device, kind, 19, 1280);
            let (quants, _) = quants(device, 3, 1280);
            let out = device.zeroed(3 * 19 * 4).expect("room");
            there
                .multiply(device, Prepared::quants(&quants), 0.5, None, &out)
                .expect("computed");
            device.floats(&out).expect("read")
        });
    }
}

#[test]
fn each_choice_goes_through_its_own_expert() {
    for kind in [TensorType::Q4_K, TensorType::MXFP4, TensorType::Q8_0] {
        let (experts, rows, columns, per_token) = (5, 11, 512, 2);
        let device = Device::on_host(77);
        let (there, numbers) = there(&device, kind, experts * rows, columns);
        let (quants, values) = quants(&device, 3, columns);
        let bias = noise(experts * rows, 4);
        let bias_there = device.upload(&bias).expect("room");
        let choices = [4_u32, 0, 2, 2, 1, 4];
        let chosen = Chosen {
            experts: &device.upload(&choices).expect("room"),
            choices: choices.len(),
            per_token,
            rows,
        };
        let out = device.zeroed(choices.len() * rows * 4).expect("room");
        there
            .multiply_experts(
                &device,
                Prepared::quants(&quants),
                &chosen,
                Some(&bias_there),
                &out,
            )
            .expect("computed");
        let found = device.floats(&out).expect("read");
        for (choice, expert) in choices.iter().enumerate() {
            let x = &values[choice / per_token * columns..][..columns];
            for row in 0..rows {
                let of_all = *expert as usize * rows + row;
                let (sum, size) = dot(&numbers[of_all * columns..][..columns], x);
                let expected = (sum + f64::from(bias[of_all]), size);
                assert_near(
                    found[choice * rows + row],
                    expected,
                    &format!("{kind}, choice {choice}"),
                );
            }
        }
    }
}
