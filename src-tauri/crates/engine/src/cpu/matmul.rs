//! Products of matrices with rows of activations.
//!
//! A task takes some rows of a matrix: it brings a few at a time into the form that the kernel reads, in scratch that stays
//! in the nearest caches, and uses them for all rows of the input. So weights lie in memory once, as in the file, and one
//! token and many get the same sums in the same order, whichever kernel computes them.

use super::input::Input;
use super::panel::{PANEL, Panel};
use super::rows::{self, ROWS, Row};
use super::{Pool, avx512, float};
use crate::files::TensorType;
use crate::weights::Matrix;
use std::cell::RefCell;

/// Rows of a matrix that are computed side by side: two panels.
const PAIR: usize = 2 * PANEL;
/// So few rows of the input are multiplied while a matrix is unpacked.
const FEW: usize = 8;

/// Whether the kernels compute with weights of this type.
pub fn can_compute(kind: TensorType) -> bool {
    super::unpack::can_unpack(kind) || float::can_convert(kind)
}

/// One row of a matrix as floats: `out` has its columns.
pub fn dequantize_row(matrix: &Matrix, row: usize, out: &mut [f32]) {
    float::to_floats(matrix.tensor_type(), matrix.row(row), out);
}

/// `out[token, row] = Σ matrix[row, column] · input[token, column]`; `out` is `[tokens, rows]`.
pub fn matmul(pool: &Pool, matrix: &Matrix, input: &Input, out: &mut [f32]) {
    let tokens: Vec<Place> = (0..input.count())
        .map(|token| Place { token, out: token })
        .collect();
    let out = Out::of(out, matrix.rows());
    let chunk = chunk(pool, matrix.rows(), tokens.len());
    pool.run(matrix.rows().div_ceil(chunk), &|task| {
        compute(matrix, task * chunk, chunk, input, &tokens, out);
    });
}

/// Rows that a task takes: several tasks for each thread, so that nobody waits long for the last one.
fn chunk(pool: &Pool, rows: usize, tokens: usize) -> usize {
    let panels = rows
        .div_ceil(PANEL)
        .div_ceil(pool.threads() * 6)
        .clamp(1, 32);
    // With an odd number, streams that are read side by side don't meet in the same part of a cache; see `few`.
    PANEL
        * if tokens <= FEW {
            panels | 1
        } else {
            panels.next_multiple_of(2)
        }
}

/// The same matrix of several experts: `experts` has the rows of all `count` of them. Token `i / per_token` goes through
/// the expert `chosen[i].0`, and the result is row `i` of `out`.
pub fn matmul_experts(
    pool: &Pool,
    experts: &Matrix,
    count: usize,
    input: &Input,
    chosen: &[(u32, f32)],
    per_token: usize,
    out: &mut [f32],
) {
    let rows = experts.rows() / count.max(1);
    let mut of_expert: Vec<Vec<Place>> = vec![Vec::new(); count];
    for (at, (expert, _)) in chosen.iter().enumerate() {
        of_expert[*expert as usize].push(Place {
            token: at / per_token,
            out: at,
        });
    }
    let used: Vec<usize> = (0..count)
        .filter(|expert| !of_expert[*expert].is_empty())
        .collect();
    let out = Out::of(out, rows);
    let chunk = chunk(pool, rows, chosen.len() / used.len().max(1));
    let chunks = rows.div_ceil(chunk);
    pool.run(used.len() * chunks, &|task| {
        let expert = used[task / chunks];
        let matrix = experts.slice_rows(expert * rows, rows);
        let first = task % chunks * chunk;
        compute(&matrix, first, chunk, input, &of_expert[expert], out);
    });
}

/// A row of the input and where its result goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) token: usize,
    pub(super) out: usize,
}

/// The result, written by several threads at different places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    start: *mut f32,
    length: usize,
    rows: usize,
}

#[expect(unsafe_code, reason = "tasks write disjoint places of one result")]
// SAFETY: the pointer is only used by `Out::put`, whose callers write disjoint places while the result is borrowed.
unsafe impl Sync for Out {}

impl Out {
    /// `[places, rows]`.
    pub(super) fn of(values: &mut [f32], rows: usize) -> Self {
        Self {
            start: values.as_mut_ptr(),
            length: values.len(),
            rows,
        }
    }

    /// Writes `values` into row `place` of the result, from column `first` on.
    #[expect(unsafe_code, reason = "tasks write disjoint places of one result")]
    pub(super) fn put(&self, place: usize, first: usize, values: &[f32]) {
        let from = place * self.rows + first;
        assert!(first + values.len() <= self.rows && from + values.len() <= self.length);
        // SAFETY: inside of the result (just asserted). Each task has its own rows of the matrix, so its own `first`s,
        // and each place is written once by it; nobody reads before the job is over.
        unsafe {
            std::ptr::copy_nonoverlapping(values.as_ptr(), self.start.add(from), values.len());
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Debug, Default)]
struct Scratch {
    panels: [Panel; 2],
    rows: [Row; ROWS],
    floats: Vec<f32>,
}

/// Computes `chunk` rows of the matrix, as far as there are, from row `first` on.
fn compute(matrix: &Matrix, first: usize, chunk: usize, input: &Input, places: &[Place], out: Out) {
    let end = matrix.rows().min(first + chunk);
    if places.len() <= FEW && few(matrix, first, end, input, places, out) {
        return;
    }
    let unpacks = super::unpack::can_unpack(matrix.tensor_type());
    if unpacks && !avx512::available() {
        return SCRATCH.with_borrow_mut(|scratch| {
            rows::multiply(matrix, (first, end), &mut scratch.rows, input, places, out);
        });
    }
    for first in (first..end).step_by(PAIR) {
        if unpacks {
            pair(matrix, (first, end), input, places, out);
        } else {
            floats(matrix, (first, end), input, places, out);
        }
    }
}

/// Two panels of rows, as far as they are below `end`.
fn pair(matrix: &Matrix, (first, end): (usize, usize), input: &Input, places: &[Place], out: Out) {
    let count = PAIR.min(end - first);
    SCRATCH.with_borrow_mut(|scratch| {
        for (at, panel) in scratch.panels.iter_mut().enumerate() {
            if let Some(count @ 1..) = count.checked_sub(at * PANEL) {
                panel.fill(matrix, first + at * PANEL, count.min(PANEL));
            }
        }
        let filled = count.div_ceil(PANEL);
        avx512::multiply(
            &scratch.panels,
            filled,
            input,
            places,
            &mut |place, at, values| {
                let count = PANEL.min(count - at * PANEL);
                out.put(place, first + at * PANEL, &values[..count]);
            },
        );
    });
}

/// A few rows of the input, without storing panels; whether that can be done here.
///
/// Each lane has its own run of neighbouring rows, so that memory is read in sixteen long streams, which the processor
/// sees and reads ahead. Sixteen neighbouring rows would be many short ones.
fn few(
    matrix: &Matrix,
    first: usize,
    end: usize,
    input: &Input,
    places: &[Place],
    out: Out,
) -> bool {
    let run = (end - first).div_ceil(PANEL);
    (first..first + run).all(|first| {
        avx512::multiply_few(
            matrix,
            (first, run, end),
            input,
            places,
            &mut |place, values| {
                for (row, value) in (first..end).step_by(run).zip(values) {
                    out.put(place, row, &[*value]);
                }
            },
        )
    })
}

fn floats(
    matrix: &Matrix,
    (first, end): (usize, usize),
    input: &Input,
    places: &[Place],
    out: Out,
) {
    let count = PAIR.min(end - first);
    SCRATCH.with_borrow_mut(|scratch| {
        let put = |place, from, values: &[f32]| out.put(place, first + from, values);
        float::multiply(
            matrix,
            first,
            count,
            &mut scratch.floats,
            input,
            places,
            put,
        );
    });
}
