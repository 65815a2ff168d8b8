//! Sixteen rows of a quantized matrix, unpacked so that one vector register holds four neighbouring weights of each.
//!
//! `q[column / 4][row][column % 4]`, and for each group of columns a scale and an offset of each row (see `unpack`). With
//! that, a product with one activation after the other has a row in each lane, and no sums across lanes. For each row:
//! `Σ_groups (scale · scale_x) · Σ q·x − Σ_groups offset · (scale_x · Σ x)`, the inner sums exact in 32 bits, the outer
//! ones in `f32` from the first group to the last, whatever computes them.

use super::avx512;
use super::input::{GROUP, Input};
use super::matmul::Place;
use super::unpack::{group_of, unpack_row};
use crate::weights::Matrix;

/// Rows of a panel.
pub(super) const PANEL: usize = 16;

/// Sixteen rows, unpacked.
#[derive(Debug, Default)]
pub(super) struct Panel {
    pub(super) columns: usize,
    pub(super) group: usize,
    /// `[columns / 4, 16, 4]`.
    pub(super) q: Vec<u8>,
    /// `[groups, 16]`.
    pub(super) scales: Vec<f32>,
    /// `[groups, 16]`.
    pub(super) offsets: Vec<f32>,
    row: Row,
}

#[derive(Debug, Default)]
struct Row {
    q: Vec<u8>,
    scales: Vec<f32>,
    offsets: Vec<f32>,
}

impl Panel {
    /// Unpacks `count` rows of `matrix` from row `first` on.
    pub(super) fn fill(&mut self, matrix: &Matrix, first: usize, count: usize) {
        self.resize(matrix);
        if !avx512::fill(self, matrix, first, count) {
            self.fill_portably(matrix, first, count);
        }
    }

    fn resize(&mut self, matrix: &Matrix) {
        self.columns = matrix.columns();
        self.group = group_of(matrix.tensor_type());
        let groups = self.columns / self.group;
        self.q.resize(self.columns * PANEL, 0);
        self.scales.resize(groups * PANEL, 0.0);
        self.offsets.resize(groups * PANEL, 0.0);
    }

    /// The same, on any processor and for any type.
    pub(super) fn fill_portably(&mut self, matrix: &Matrix, first: usize, count: usize) {
        self.resize(matrix);
        let mut row = std::mem::take(&mut self.row);
        row.q.resize(self.columns, 0);
        row.scales.resize(self.columns / self.group, 0.0);
        row.offsets.resize(self.columns / self.group, 0.0);
        for at in 0..count {
            let bytes = matrix.row(first + at);
            unpack_row(
                matrix.tensor_type(),
                bytes,
                &mut row.q,
                &mut row.scales,
                &mut row.offsets,
            );
            self.put(at, &row);
        }
        self.row = row;
    }

    fn put(&mut self, at: usize, row: &Row) {
        for (to, from) in self
            .q
            .chunks_exact_mut(4 * PANEL)
            .zip(row.q.chunks_exact(4))
        {
            to[4 * at..4 * at + 4].copy_from_slice(from);
        }
        let numbers = row.scales.iter().zip(&row.offsets);
        let places = self
            .scales
            .chunks_exact_mut(PANEL)
            .zip(self.offsets.chunks_exact_mut(PANEL));
        for ((scales, offsets), (scale, offset)) in places.zip(numbers) {
            scales[at] = *scale;
            offsets[at] = *offset;
        }
    }

    /// The sixteen products with one row of the input, on any processor.
    pub(super) fn product(&self, input: &Input, token: usize) -> [f32; PANEL] {
        let x = &input.quants[token * self.columns..][..self.columns];
        let scales = &input.scales[token * self.columns / GROUP..];
        let sums = match self.group {
            16 => &input.half_sums[token * self.columns / 16..],
            _ => &input.sums[token * self.columns / GROUP..],
        };
        let (mut sum, mut offset) = ([0.0_f32; PANEL], [0.0_f32; PANEL]);
        let weights = self.q.chunks_exact(self.group * PANEL);
        for (group, (q, x)) in weights.zip(x.chunks_exact(self.group)).enumerate() {
            let whole = whole_sums(q, x);
            let scale = scales[group * self.group / GROUP];
            let inputs = sums[group];
            let (by, from) = (
                &self.scales[group * PANEL..],
                &self.offsets[group * PANEL..],
            );
            for row in 0..PANEL {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "rounded once, as the vector unit does"
                )]
                let whole = whole[row] as f32;
                sum[row] = whole.mul_add(by[row] * scale, sum[row]);
                offset[row] = from[row].mul_add(inputs, offset[row]);
            }
        }
        std::array::from_fn(|row| sum[row] - offset[row])
    }
}

/// Tells `put` the products of the first `count` panels with each of these rows of the input: a place of the result, which
/// panel, sixteen products.
pub(super) fn multiply(
    panels: &[Panel; 2],
    count: usize,
    input: &Input,
    places: &[Place],
    mut put: impl FnMut(usize, usize, &[f32; PANEL]),
) {
    if avx512::multiply(panels, count, input, places, &mut put) {
        return;
    }
    for (at, panel) in panels.iter().enumerate().take(count) {
        for place in places {
            put(place.out, at, &panel.product(input, place.token));
        }
    }
}

fn whole_sums(q: &[u8], x: &[i8]) -> [i32; PANEL] {
    let mut sums = [0_i32; PANEL];
    for (q, x) in q.chunks_exact(4 * PANEL).zip(x.chunks_exact(4)) {
        for (sum, q) in sums.iter_mut().zip(q.chunks_exact(4)) {
            for (q, x) in q.iter().zip(x) {
                *sum += i32::from(*q) * i32::from(*x);
            }
        }
    }
    sums
}
