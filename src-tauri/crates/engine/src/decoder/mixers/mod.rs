//! Mixers: what lets the positions of a sequence see one another.
//!
//! Two kinds: those over pages of keys and values (`attention`, `mla`), and recurrent ones, which keep a state of fixed
//! size for each sequence (`short_conv`, `delta_net`, `mamba2`). Invariant of both: what a position gets depends on its
//! own sequence alone and not on how the prompt was cut into steps, to the last bit. So a recurrent mixer projects all
//! rows of a step together and then goes through each span position by position.

pub mod attention;
pub mod delta_net;
pub mod mamba2;
pub mod mla;
pub mod short_conv;

pub use delta_net::{DeltaNet, DeltaNetDescription, RateNames};
pub use mamba2::{Mamba2, Mamba2Description};
pub use mla::{Mla, MlaDescription};
pub use short_conv::{ShortConv, ShortConvDescription};

use super::Chunk;
use super::ops::Turns;
use crate::cpu::{Input, Pool, Sequence};
use crate::kv::PageStore;
use std::sync::{Mutex, PoisonError};

/// The rows of one chunk in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first row.
    pub first: usize,
    /// Its rows.
    pub count: usize,
    /// Position of the first one in its sequence.
    pub start: usize,
}

/// What a mixer over pages computes with in one step.
pub struct PagedStep<'s> {
    /// Threads.
    pub pool: &'s Pool,
    /// The rows of each chunk, with its pages; together all rows, in order.
    pub sequences: &'s [Sequence<'s>],
    /// Each row's position in its sequence.
    pub positions: &'s [usize],
    /// How far each row turns, for each of the description's rotations.
    pub turns: &'s [Turns],
    /// All pages.
    pub store: &'s mut PageStore,
    /// Which of a page's layers is this mixer's (or that of the layer whose keys it reads).
    pub kv_layer: usize,
    /// What the mixer reads, normed: `[rows, embedding]`.
    pub rows: &'s [f32],
    /// Room to prepare rows for matrices; used again and again.
    pub input: &'s mut Input,
    /// As many numbers as the description's `scratch_elements` asked for, with anything in them.
    pub scratch: &'s mut [f32],
    /// What the mixer gives, before norm and residual: `[rows, embedding]`.
    pub out: &'s mut [f32],
}

/// What a recurrent mixer computes with in one step.
pub struct RecurrentStep<'s, 'c> {
    /// Threads.
    pub pool: &'s Pool,
    /// The rows of each chunk; together all rows, in order.
    pub spans: &'s [Span],
    /// The chunks, one for each span; each has a state.
    pub chunks: &'s mut [Chunk<'c>],
    /// Which of a state's buffers is this layer's.
    pub recurrent: usize,
    /// What the mixer reads, normed: `[rows, embedding]`.
    pub rows: &'s [f32],
    /// Room to prepare rows for matrices; used again and again.
    pub input: &'s mut Input,
    /// As many numbers as the description's `scratch_elements` asked for, with anything in them.
    pub scratch: &'s mut [f32],
    /// What the mixer gives, before norm and residual: `[rows, embedding]`.
    pub out: &'s mut [f32],
}

impl RecurrentStep<'_, '_> {
    /// The state of a span's sequence in this layer; empty if the chunk came without (a step refuses that before).
    pub fn state(&mut self, span: usize) -> &mut [f32] {
        let state = self
            .chunks
            .get_mut(span)
            .and_then(|chunk| chunk.state.as_deref_mut());
        let buffer = state.and_then(|state| state.layers.get_mut(self.recurrent));
        buffer.map(Vec::as_mut_slice).unwrap_or_default()
    }
}

/// Calls `compute(head, state, out)` for each head at once, with its part of `states` and of `out`.
pub(super) fn each_head(
    pool: &Pool,
    heads: usize,
    states: &mut [f32],
    out: &mut [f32],
    compute: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) {
    let (state, part) = (states.len() / heads, out.len() / heads);
    let parts = states
        .chunks_exact_mut(state)
        .zip(out.chunks_exact_mut(part));
    // Each task locks its own part, which nobody else ever wants.
    let parts: Vec<_> = parts.map(Mutex::new).collect();
    pool.run(heads, &|head| {
        let mut part = parts[head].lock().unwrap_or_else(PoisonError::into_inner);
        let (state, out) = &mut *part;
        compute(head, state, out);
    });
}
