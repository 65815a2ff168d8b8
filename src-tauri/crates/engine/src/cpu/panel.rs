//! Sixteen rows of a quantized matrix, unpacked so that one vector register holds four neighbouring weights of each.
//!
//! `q[column / 4][row][column % 4]`, and for each group of columns a scale and an offset of each row (see `unpack`). With
//! that, a product with one activation after the other has a row in each lane, and no sums across lanes. For each row:
//! `Σ_groups (scale · scale_x) · Σ q·x − Σ_groups offset · (scale_x · Σ x)`, the inner sums exact in 32 bits, the outer
//! ones in `f32` from the first group to the last, whatever computes them.

use super::avx512;
use super::rows::Row;
use super::unpack::group_of;
use super::wide::wide;
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

impl Panel {
    /// Unpacks `count` rows of `matrix` from row `first` on.
    pub(super) fn fill(&mut self, matrix: &Matrix, first: usize, count: usize) {
        self.resize(matrix);
        if !avx512::fill(self, matrix, first, count) {
            wide!(Panel::fill_portably; panel: &mut Panel = self, matrix: &Matrix = matrix, first: usize = first, count: usize = count => ());
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
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not have the wider registers"
    )]
    pub(super) fn fill_portably(&mut self, matrix: &Matrix, first: usize, count: usize) {
        self.resize(matrix);
        let mut row = std::mem::take(&mut self.row);
        for at in 0..count {
            row.unpack(matrix, first + at);
            self.put(at, &row);
        }
        self.row = row;
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not have the wider registers"
    )]
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
}
