//! Weights: read back as they were, and multiplied.

use super::super::device::Device;
use super::super::matrix::{Chosen, DeviceMatrix, Sorted, device_bytes};
use super::super::mixture::sort_choices;
use super::super::rows::{Prepared, Quants};
use super::{in_each_order, kinds, matrix, noise};
use crate::files::TensorType;
use crate::files::dequant::dequantize_row;
use crate::weights::{AlignedBytes, Matrix};

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

/// A matrix with what it is made of, and a bias.
struct Case {
    kind: TensorType,
    there: DeviceMatrix,
    numbers: Vec<f32>,
    bias: Vec<f32>,
    columns: usize,
}

impl Case {
    fn new(device: &Device, kind: TensorType, rows: usize, columns: usize) -> Self {
        let (there, numbers) = there(device, kind, rows, columns);
        Self {
            kind,
            there,
            numbers,
            bias: noise(rows, 4),
            columns,
        }
    }

    /// The products of the first so many tokens, `[tokens, rows]`, once they have been found right.
    fn products(&self, device: &Device, tokens: usize) -> Vec<f32> {
        let (rows, columns) = (self.bias.len(), self.columns);
        let (quants, values) = quants(device, tokens, columns);
        let bias = device.upload(&self.bias).expect("room");
        let out = device.zeroed(tokens * rows * 4).expect("room");
        let input = Prepared::quants(&quants);
        let computed = self.there.multiply(device, input, 1.0, Some(&bias), &out);
        computed.expect("computed");
        let found = device.floats(&out).expect("read");
        for (token, x) in values.chunks_exact(columns).enumerate() {
            for row in 0..rows {
                let (sum, size) = dot(&self.numbers[row * columns..][..columns], x);
                let expected = (sum + f64::from(self.bias[row]), size);
                let what = format!("{} {rows}×{columns}, token {token}, row {row}", self.kind);
                assert_near(found[token * rows + row], expected, &what);
            }
        }
        found
    }
}

#[test]
fn products_of_few_tokens_are_right_and_alone_as_together() {
    for kind in kinds() {
        // An odd number of rows, and more groups than lanes in one of two shapes.
        for (rows, columns) in [(19, kind.block_elements().max(96)), (9, 1280)] {
            let device = Device::on_host(1);
            let case = Case::new(&device, kind, rows, columns);
            // In bundles of four, two and one.
            let together = case.products(&device, 7);
            assert_eq!(case.products(&device, 1), together[..rows], "{kind}");
        }
    }
}

#[test]
fn products_of_many_tokens_are_right_and_do_not_depend_on_how_many_there_are() {
    for kind in kinds() {
        // No whole number of tiles, parts of them or steps: one row over, one token over, one group.
        for (rows, columns) in [(129, kind.block_elements().max(96)), (9, 1280)] {
            let device = Device::on_host(77);
            let case = Case::new(&device, kind, rows, columns);
            let some = case.products(&device, 9);
            let more = case.products(&device, 65);
            assert_eq!(some, more[..9 * rows], "{kind}");
        }
    }
}

#[test]
fn tiles_do_not_depend_on_the_order_of_threads() {
    for kind in [TensorType::Q4_K, TensorType::Q6_K, TensorType::MXFP4] {
        in_each_order(|device| Case::new(device, kind, 40, 512).products(device, 20));
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
    // Few, and as many as make a second tile of one expert; one that nobody takes.
    for (choices, is_sorted) in [
        (vec![4_u32, 0, 2, 2, 1, 4], false),
        (vec![4, 0, 2, 2, 1, 4], true),
        (
            (0..140)
                .map(|at| if at % 2 == 0 { 2 } else { at % 5 / 4 })
                .collect(),
            true,
        ),
    ] {
        for kind in [TensorType::Q4_K, TensorType::MXFP4, TensorType::Q8_0] {
            check_experts(kind, &choices, is_sorted);
        }
    }
}

fn check_experts(kind: TensorType, choices: &[u32], is_sorted: bool) {
    let (experts, rows, columns, per_token) = (5, 11, 512, 2);
    let device = Device::on_host(77);
    let (there, numbers) = there(&device, kind, experts * rows, columns);
    let (quants, values) = quants(&device, choices.len() / per_token, columns);
    let bias = noise(experts * rows, 4);
    let bias_there = device.upload(&bias).expect("room");
    let chosen = device.upload(choices).expect("room");
    let room = |numbers: usize| device.zeroed(numbers * 4).expect("room");
    let most = Sorted::most_tiles(choices.len(), experts);
    let [offsets, order, tiles] = [experts + 1, choices.len(), 2 * most].map(room);
    let sorted = Sorted {
        offsets: &offsets,
        order: &order,
        tiles: &tiles,
    };
    sort_choices(&device, &chosen, [choices.len(), experts], sorted).expect("computed");
    let chosen = Chosen {
        experts: &chosen,
        choices: choices.len(),
        per_token,
        rows,
        sorted: is_sorted.then_some(sorted),
    };
    let out = room(choices.len() * rows);
    let input = Prepared::quants(&quants);
    let computed = there.multiply_experts(&device, input, &chosen, Some(&bias_there), &out);
    computed.expect("computed");
    let found = device.floats(&out).expect("read");
    for (choice, expert) in choices.iter().enumerate() {
        let x = &values[choice / per_token * columns..][..columns];
        for row in 0..rows {
            let of_all = *expert as usize * rows + row;
            let (sum, size) = dot(&numbers[of_all * columns..][..columns], x);
            let expected = (sum + f64::from(bias[of_all]), size);
            let what = format!("{kind}, choice {choice}, sorted: {is_sorted}");
            assert_near(found[choice * rows + row], expected, &what);
        }
    }
}

/// A matrix of floats of this type, and its numbers.
fn floats(kind: TensorType, rows: usize, columns: usize) -> (Matrix, Vec<f32>) {
    let length = kind.row_bytes(columns).expect("floats") * rows;
    let mut bytes = AlignedBytes::zeroed(length);
    let size = kind.block_bytes();
    for (to, value) in bytes.chunks_exact_mut(size).zip(noise(rows * columns, 12)) {
        match kind {
            TensorType::F16 => to.copy_from_slice(&half::f16::from_f32(value).to_le_bytes()),
            // BF16 is the upper half of F32.
            _ => to.copy_from_slice(&value.to_le_bytes()[4 - size..]),
        }
    }
    let mut numbers = vec![0.0; rows * columns];
    dequantize_row(kind, &bytes, &mut numbers).expect("a known type");
    (Matrix::new(bytes, rows, columns, kind), numbers)
}

#[test]
fn products_of_floats_are_nearly_exact_for_few_tokens_and_many() {
    let device = Device::on_host(5);
    // More rows than a tile, and columns that fill no step.
    let (rows, columns) = (70, 76);
    let values = noise(65 * columns, 13);
    let there = device.upload(&values).expect("room");
    for kind in [TensorType::F32, TensorType::F16, TensorType::BF16] {
        let (matrix, numbers) = floats(kind, rows, columns);
        let matrix = DeviceMatrix::upload(&device, &matrix).expect("room");
        let matrix = matrix.expect("a known type");
        let products = |count: usize| {
            let input = Prepared {
                floats: Some(&there),
                quants: None,
                count,
                columns,
            };
            let out = device.zeroed(count * rows * 4).expect("room");
            matrix
                .multiply(&device, input, 1.0, None, &out)
                .expect("computed");
            device.floats(&out).expect("read")
        };
        for count in [3, 9, 65] {
            for (at, found) in products(count).iter().enumerate() {
                let x = &values[at / rows * columns..][..columns];
                let expected = dot(&numbers[at % rows * columns..][..columns], x);
                assert_near(*found, expected, &format!("{kind}, {count} tokens, {at}"));
            }
        }
        assert_eq!(products(9), products(65)[..9 * rows], "{kind}");
    }
}
