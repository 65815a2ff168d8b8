//! Rows of activations, prepared for the matrices that will read them.
//!
//! Matrices of floats read them as they are. Quantized ones read them as 8-bit numbers with a scale for each 32, made
//! once and shared by all (queries, keys and values; gate and up): `x ≈ scale · q`, with `scale = max|x| / 127`, as
//! GGUF's `Q8_0` but with the scale in `f32`. Buffers are used again: nothing is allocated once they have grown.

use super::Pool;
use super::wide::wide;
use crate::files::TensorType;
use crate::wipe::wipe;
use std::sync::{Mutex, PoisonError};

/// Activations that share a scale.
pub(super) const GROUP: usize = 32;
/// Fewer activations are not worth waking a thread.
const MUCH: usize = 1 << 15;

/// Rows, prepared.
#[derive(Debug, Default)]
pub struct Input {
    count: usize,
    pub(super) columns: usize,
    /// `[rows, columns]`; empty if no matrix of floats reads them.
    pub(super) rows: Vec<f32>,
    /// `[rows, columns]`; empty if no quantized matrix reads them.
    pub(super) quants: Vec<i8>,
    /// `[rows, columns / 32]`.
    pub(super) scales: Vec<f32>,
    /// The sum of what the quants stand for, for each 32: `[rows, columns / 32]`.
    pub(super) sums: Vec<f32>,
    /// The same for each 16: `[rows, columns / 16]`.
    pub(super) half_sums: Vec<f32>,
}

impl Input {
    /// Prepares `rows`, `[count, columns]`, for matrices of these types.
    pub fn prepare(
        &mut self,
        pool: &Pool,
        rows: &[f32],
        columns: usize,
        types: impl IntoIterator<Item = TensorType>,
    ) {
        self.columns = columns;
        self.count = rows.len() / columns.max(1);
        let (mut floats, mut quants) = (false, false);
        for kind in types {
            let quantized = super::unpack::can_unpack(kind);
            floats |= !quantized;
            quants |= quantized;
        }
        self.rows.clear();
        if floats {
            self.rows.extend_from_slice(rows);
        }
        let groups = if quants { rows.len() / GROUP } else { 0 };
        self.quants.resize(groups * GROUP, 0);
        self.scales.resize(groups, 0.0);
        self.sums.resize(groups, 0.0);
        self.half_sums.resize(2 * groups, 0.0);
        if quants {
            self.quantize(pool, rows);
        }
    }

    /// How many rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Overwrites what was prepared.
    pub fn wipe(&mut self) {
        wipe(&mut self.quants);
        let floats = [
            &mut self.rows,
            &mut self.scales,
            &mut self.sums,
            &mut self.half_sums,
        ];
        for buffer in floats {
            wipe(buffer);
        }
    }

    /// Bytes that it takes now.
    pub fn held_bytes(&self) -> usize {
        let sums = self.sums.capacity() + self.half_sums.capacity();
        let floats = self.rows.capacity() + self.scales.capacity() + sums;
        floats * size_of::<f32>() + self.quants.capacity()
    }

    /// Bytes that so many rows of so many columns take at most.
    pub fn bytes(rows: usize, columns: usize) -> usize {
        rows * columns * 5 + rows * columns / GROUP * 16
    }

    fn quantize(&mut self, pool: &Pool, rows: &[f32]) {
        let groups = if rows.len() < MUCH {
            rows.len() / GROUP
        } else {
            (rows.len() / GROUP).div_ceil(pool.threads() * 2)
        }
        .max(1);
        let sums = self
            .sums
            .chunks_mut(groups)
            .zip(self.half_sums.chunks_mut(2 * groups));
        let numbers = self
            .quants
            .chunks_mut(groups * GROUP)
            .zip(self.scales.chunks_mut(groups));
        // Each task locks its own part, which nobody else ever wants.
        let parts: Vec<_> = rows
            .chunks(groups * GROUP)
            .zip(numbers.zip(sums))
            .map(|(rows, ((quants, scales), (sums, half_sums)))| {
                Mutex::new(Part {
                    rows,
                    quants,
                    scales,
                    sums,
                    half_sums,
                })
            })
            .collect();
        pool.run(parts.len(), &|part| {
            let mut part = parts[part].lock().unwrap_or_else(PoisonError::into_inner);
            part.quantize();
        });
    }
}

/// Neighbouring groups of activations, and what becomes of them.
struct Part<'a> {
    rows: &'a [f32],
    quants: &'a mut [i8],
    scales: &'a mut [f32],
    sums: &'a mut [f32],
    half_sums: &'a mut [f32],
}

impl Part<'_> {
    fn quantize(&mut self) {
        let groups = self
            .rows
            .chunks_exact(GROUP)
            .zip(self.quants.chunks_exact_mut(GROUP));
        for (at, (x, quants)) in groups.enumerate() {
            let mut group = Group {
                quants,
                scale: 0.0,
                whole: [0; 2],
            };
            if !super::avx512::quantize(x, &mut group) {
                wide!(Group::quantize; group: &mut Group = &mut group, x: &[f32] = x => ());
            }
            self.scales[at] = group.scale;
            #[expect(clippy::cast_precision_loss, reason = "at most 16 · 127")]
            let halves = group.whole.map(|whole| whole as f32 * group.scale);
            self.half_sums[2 * at..2 * at + 2].copy_from_slice(&halves);
            self.sums[at] = halves[0] + halves[1];
        }
    }
}

/// What becomes of a group of activations.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) quants: &'a mut [i8],
    pub(super) scale: f32,
    /// The sums of both halves' quants.
    pub(super) whole: [i32; 2],
}

impl Group<'_> {
    /// Keeps the scale that follows from the largest activation; returns its inverse.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not have the wider registers"
    )]
    pub(super) fn scale_of(&mut self, largest: f32) -> f32 {
        self.scale = largest / 127.0;
        if self.scale > 0.0 {
            1.0 / self.scale
        } else {
            0.0
        }
    }

    /// On any processor.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not have the wider registers"
    )]
    pub(super) fn quantize(&mut self, x: &[f32]) {
        let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let inverse = self.scale_of(largest);
        for (quant, x) in self.quants.iter_mut().zip(x) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "at most 127; a NaN becomes 0"
            )]
            let rounded = (x * inverse).round_ties_even() as i8;
            *quant = rounded;
        }
        for (whole, half) in self
            .whole
            .iter_mut()
            .zip(self.quants.chunks_exact(GROUP / 2))
        {
            *whole = half.iter().map(|quant| i32::from(*quant)).sum();
        }
    }
}
