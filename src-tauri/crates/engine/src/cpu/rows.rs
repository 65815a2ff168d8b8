//! Rows of a quantized matrix one after the other, on any processor: a few are unpacked, and used for all tokens.
//!
//! A product is the sum that a [panel](super::panel) has in a lane, in the same order: the same bits.

use super::input::{GROUP, Input};
use super::matmul::{Out, Place};
use super::unpack::{group_of, unpack_row};
use super::wide::wide;
use crate::weights::Matrix;

/// Rows that are unpacked at once: a token's inputs stay in the nearest cache for all of them.
pub(super) const ROWS: usize = 4;

/// A row, unpacked.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) q: Vec<u8>,
    /// One for each group of columns; so are `offsets`.
    pub(super) scales: Vec<f32>,
    pub(super) offsets: Vec<f32>,
    group: usize,
}

/// Computes the rows from `first` on that are below `end`.
pub(super) fn multiply(
    matrix: &Matrix,
    (first, end): (usize, usize),
    rows: &mut [Row; ROWS],
    input: &Input,
    places: &[Place],
    out: Out,
) {
    wide!(multiply_plainly; matrix: &Matrix = matrix, bounds: (usize, usize) = (first, end), rows: &mut [Row; ROWS] = rows,
        input: &Input = input, places: &[Place] = places, out: Out = out => ());
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
pub(super) fn multiply_plainly(
    matrix: &Matrix,
    (first, end): (usize, usize),
    rows: &mut [Row; ROWS],
    input: &Input,
    places: &[Place],
    out: Out,
) {
    for first in (first..end).step_by(ROWS) {
        let rows = &mut rows[..ROWS.min(end - first)];
        for (at, row) in rows.iter_mut().enumerate() {
            row.unpack(matrix, first + at);
        }
        for place in places {
            let mut products = [0.0; ROWS];
            for (product, row) in products.iter_mut().zip(&*rows) {
                *product = row.product(input, place.token);
            }
            out.put(place.out, first, &products[..rows.len()]);
        }
    }
}

impl Row {
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not have the wider registers"
    )]
    pub(super) fn unpack(&mut self, matrix: &Matrix, at: usize) {
        let (kind, columns) = (matrix.tensor_type(), matrix.columns());
        self.group = group_of(kind);
        self.q.resize(columns, 0);
        self.scales.resize(columns / self.group, 0.0);
        self.offsets.resize(columns / self.group, 0.0);
        unpack_row(
            kind,
            matrix.row(at),
            &mut self.q,
            &mut self.scales,
            &mut self.offsets,
        );
    }

    /// The product with one row of the input.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not have the wider registers"
    )]
    pub(super) fn product(&self, input: &Input, token: usize) -> f32 {
        if self.group == 16 {
            self.sum_of::<16>(input, token, &input.half_sums)
        } else {
            self.sum_of::<GROUP>(input, token, &input.sums)
        }
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not have the wider registers"
    )]
    fn sum_of<const SIZE: usize>(&self, input: &Input, token: usize, sums: &[f32]) -> f32 {
        let columns = self.q.len();
        let x = input.quants[token * columns..][..columns]
            .as_chunks::<SIZE>()
            .0;
        let scales = &input.scales[token * columns / GROUP..][..columns / GROUP];
        let sums = &sums[token * columns / SIZE..][..columns / SIZE];
        let numbers = self.scales.iter().zip(&self.offsets).zip(sums);
        let weights = self.q.as_chunks::<SIZE>().0.iter().zip(x);
        let (mut sum, mut offset) = (0.0_f32, 0.0_f32);
        for (at, ((q, x), ((by, from), inputs))) in weights.zip(numbers).enumerate() {
            #[expect(
                clippy::cast_precision_loss,
                reason = "rounded once, as the vector unit does"
            )]
            let whole = whole_sum(q, x) as f32;
            sum = whole.mul_add(by * scales[at * SIZE / GROUP], sum);
            offset = from.mul_add(*inputs, offset);
        }
        sum - offset
    }
}

/// `Σ q · x`. By way of 16 bits, for which processors have an instruction that multiplies and adds pairs.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn whole_sum<const SIZE: usize>(q: &[u8; SIZE], x: &[i8; SIZE]) -> i32 {
    let mut sum = 0;
    for (q, x) in q.iter().zip(x) {
        sum += i32::from(i16::from(*q)) * i32::from(i16::from(*x));
    }
    sum
}
