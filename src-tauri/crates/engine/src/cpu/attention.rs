//! Softmax attention over pages of keys and values.
//!
//! A task has a few neighbouring rows of one sequence and one head of keys: it brings each page once into floats in
//! scratch, and lets all query heads of all its rows look at it, with a running maximum and sum for each (the online
//! softmax of ``FlashAttention``, arXiv 2205.14135). Pages come in order and each is one step of that sum, so a row's result
//! depends on its own sequence alone, whatever else is computed with it.

use super::Pool;
use super::kv_rows::{load_keys, load_values};
use super::norm::exp;
use crate::kv::{PAGE_TOKENS, PageId, PageStore};
use std::cell::RefCell;

/// Rows of one sequence that a task takes.
const TILE: usize = 16;
/// Query heads that look at a page together.
const HEADS: usize = 4;

/// What attention computes.
#[derive(Debug, Clone, Copy)]
pub struct AttentionSpec<'a> {
    /// Query heads.
    pub heads: usize,
    /// Heads of keys and values; divide `heads`.
    pub kv_heads: usize,
    /// Elements of a query's and a key's head.
    pub key_dim: usize,
    /// Elements of a value's head.
    pub value_dim: usize,
    /// Factor on the scores.
    pub scale: f32,
    /// `cap · tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// Positions that one sees, itself included.
    pub window: Option<usize>,
    /// For each head one more score, which takes part in the softmax and has no value.
    pub sinks: Option<&'a [f32]>,
    /// Values are the first `value_dim` elements of the keys.
    pub values_in_keys: bool,
}

/// Rows of a step that belong to one sequence; all sequences' rows follow one another.
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a> {
    /// Its pages, in order.
    pub pages: &'a [PageId],
    /// Position of its first row.
    pub start: usize,
    /// Its rows.
    pub count: usize,
}

/// What a task works on.
#[derive(Debug, Clone, Copy)]
struct Task<'a> {
    sequence: Sequence<'a>,
    /// The sequence's first row in the step.
    first: usize,
    /// The task's first row in the sequence.
    row: usize,
    rows: usize,
}

/// `queries` is `[rows, heads, key_dim]`, `out` `[rows, heads, value_dim]`. A row sees the positions up to its own, whose
/// keys and values have been written.
pub fn attention(
    pool: &Pool,
    spec: &AttentionSpec,
    store: &PageStore,
    layer: usize,
    queries: &[f32],
    sequences: &[Sequence],
    out: &mut [f32],
) {
    let tasks = tasks(sequences);
    let width = spec.heads / spec.kv_heads * spec.value_dim;
    let out = Out {
        start: out.as_mut_ptr(),
        length: out.len(),
        width,
    };
    pool.run(tasks.len() * spec.kv_heads, &|at| {
        let (task, head) = (&tasks[at / spec.kv_heads], at % spec.kv_heads);
        SCRATCH.with_borrow_mut(|scratch| {
            let results = scratch.compute(spec, store, layer, queries, task, head);
            for (row, result) in results.chunks_exact(width).enumerate() {
                out.put((task.first + task.row + row) * spec.kv_heads + head, result);
            }
        });
    });
}

fn tasks<'a>(sequences: &[Sequence<'a>]) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    let mut first = 0;
    for sequence in sequences {
        for row in (0..sequence.count).step_by(TILE) {
            let rows = TILE.min(sequence.count - row);
            tasks.push(Task {
                sequence: *sequence,
                first,
                row,
                rows,
            });
        }
        first += sequence.count;
    }
    tasks
}

/// The result, written by several threads at different places.
#[derive(Debug, Clone, Copy)]
struct Out {
    start: *mut f32,
    length: usize,
    width: usize,
}

#[expect(unsafe_code, reason = "tasks write disjoint places of one result")]
// SAFETY: the pointer is only used by `Out::put`, whose callers write disjoint places while the result is borrowed.
unsafe impl Sync for Out {}

impl Out {
    #[expect(unsafe_code, reason = "tasks write disjoint places of one result")]
    fn put(&self, place: usize, values: &[f32]) {
        let from = place * self.width;
        assert!(values.len() == self.width && from + self.width <= self.length);
        // SAFETY: inside of the result (just asserted); each row and head is written by one task, once.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.start.add(from), self.width) }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Debug, Default)]
struct Scratch {
    /// A page's keys of one head: `[key_dim, PAGE_TOKENS]`.
    keys: Vec<f32>,
    /// A page's values of one head: `[PAGE_TOKENS, value_dim]`.
    values: Vec<f32>,
    /// For each row and head: `[value_dim]`.
    sums: Vec<f32>,
    running: Vec<Running>,
}

/// The softmax of a row and head so far.
#[derive(Debug, Clone, Copy)]
struct Running {
    largest: f32,
    sum: f32,
}

const NOTHING: Running = Running {
    largest: f32::NEG_INFINITY,
    sum: 0.0,
};

impl Scratch {
    /// The results of a task for one head of keys: `[rows, heads / kv_heads, value_dim]`.
    fn compute(
        &mut self,
        spec: &AttentionSpec,
        store: &PageStore,
        layer: usize,
        queries: &[f32],
        task: &Task,
        head: usize,
    ) -> &[f32] {
        let shared = spec.heads / spec.kv_heads;
        self.running.clear();
        self.running.resize(task.rows * shared, NOTHING);
        self.sums.clear();
        self.sums.resize(task.rows * shared * spec.value_dim, 0.0);
        let first = task.sequence.start + task.row;
        let (oldest, newest) = (window_start(spec, first), first + task.rows - 1);
        for page in oldest / PAGE_TOKENS..=newest / PAGE_TOKENS {
            self.load(spec, store, layer, task.sequence.pages[page], head);
            for row in 0..task.rows {
                let position = first + row;
                let seen = seen(spec, position, page);
                if seen.0 < seen.1 {
                    let from =
                        ((task.first + task.row + row) * spec.heads + head * shared) * spec.key_dim;
                    let queries = &queries[from..from + shared * spec.key_dim];
                    self.look(spec, queries, row * shared, shared, seen);
                }
            }
        }
        self.finish(spec, head, shared);
        &self.sums
    }

    fn load(
        &mut self,
        spec: &AttentionSpec,
        store: &PageStore,
        layer: usize,
        page: PageId,
        head: usize,
    ) {
        let kind = store.shape().kv_type;
        self.keys.resize(spec.key_dim * PAGE_TOKENS, 0.0);
        load_keys(
            kind,
            store.keys(page, layer),
            head,
            spec.key_dim,
            &mut self.keys,
        );
        self.values.resize(spec.value_dim * PAGE_TOKENS, 0.0);
        if spec.values_in_keys {
            for (dim, keys) in self
                .keys
                .chunks_exact(PAGE_TOKENS)
                .take(spec.value_dim)
                .enumerate()
            {
                for (position, key) in keys.iter().enumerate() {
                    self.values[position * spec.value_dim + dim] = *key;
                }
            }
        } else {
            load_values(
                kind,
                store.values(page, layer),
                head,
                spec.value_dim,
                &mut self.values,
            );
        }
    }

    /// Lets the heads of one row look at the loaded page, some at a time.
    fn look(
        &mut self,
        spec: &AttentionSpec,
        queries: &[f32],
        from: usize,
        shared: usize,
        seen: (usize, usize),
    ) {
        let mut head = 0;
        while head + HEADS <= shared {
            self.look_together::<HEADS>(spec, &queries[head * spec.key_dim..], from + head, seen);
            head += HEADS;
        }
        while head < shared {
            self.look_together::<1>(spec, &queries[head * spec.key_dim..], from + head, seen);
            head += 1;
        }
    }

    fn look_together<const N: usize>(
        &mut self,
        spec: &AttentionSpec,
        queries: &[f32],
        from: usize,
        seen: (usize, usize),
    ) {
        let mut weights = scores::<N>(queries, spec.key_dim, &self.keys);
        let width = spec.value_dim;
        let sums = &mut self.sums[from * width..][..N * width];
        let heads = weights
            .iter_mut()
            .zip(&mut self.running[from..])
            .zip(sums.chunks_exact_mut(width));
        for ((weights, running), sums) in heads {
            let kept = to_weights(spec, weights, seen, running);
            running.sum = running.sum * kept + sum_of(weights);
            for sum in sums.iter_mut() {
                *sum *= kept;
            }
        }
        add_values::<N>(&weights, &self.values, width, sums);
    }

    /// Divides by the sums, sinks included.
    fn finish(&mut self, spec: &AttentionSpec, head: usize, shared: usize) {
        let sums = self
            .sums
            .chunks_exact_mut(spec.value_dim)
            .zip(&self.running);
        for (at, (sums, running)) in sums.enumerate() {
            let mut total = running.sum;
            let mut factor = 1.0;
            if let Some(sinks) = spec.sinks {
                let sink = sinks[head * shared + at % shared];
                let largest = running.largest.max(sink);
                factor = exp(running.largest - largest);
                total = total * factor + exp(sink - largest);
            }
            for sum in sums {
                *sum *= factor / total;
            }
        }
    }
}

/// The first position that a row at `position` sees.
fn window_start(spec: &AttentionSpec, position: usize) -> usize {
    spec.window
        .map_or(0, |window| (position + 1).saturating_sub(window))
}

/// Which positions of a page a row sees, from and up to, within the page.
fn seen(spec: &AttentionSpec, position: usize, page: usize) -> (usize, usize) {
    let base = page * PAGE_TOKENS;
    let from = window_start(spec, position).saturating_sub(base);
    (from, (position + 1).saturating_sub(base).min(PAGE_TOKENS))
}

type PageRow = [f32; PAGE_TOKENS];

/// `Σ query · key` for each position of a page and each of `N` neighbouring heads.
fn scores<const N: usize>(queries: &[f32], dim: usize, keys: &[f32]) -> [PageRow; N] {
    let mut scores = [[0.0; PAGE_TOKENS]; N];
    for (at, keys) in keys.as_chunks::<PAGE_TOKENS>().0.iter().enumerate() {
        for (head, scores) in scores.iter_mut().enumerate() {
            let query = queries[head * dim + at];
            for (score, key) in scores.iter_mut().zip(keys) {
                *score = query.mul_add(*key, *score);
            }
        }
    }
    scores
}

/// From scores to weights `e^(score − largest)`; returns the factor on what was summed with the largest score before.
fn to_weights(
    spec: &AttentionSpec,
    scores: &mut PageRow,
    seen: (usize, usize),
    running: &mut Running,
) -> f32 {
    for score in scores.iter_mut() {
        *score *= spec.scale;
    }
    if let Some(cap) = spec.softcap {
        for score in scores.iter_mut() {
            *score = cap * (*score / cap).tanh();
        }
    }
    let before = running.largest;
    let largest = scores[seen.0..seen.1]
        .iter()
        .fold(before, |largest, score| largest.max(*score));
    running.largest = largest;
    for (at, score) in scores.iter_mut().enumerate() {
        let weight = exp(*score - largest);
        *score = if at >= seen.0 && at < seen.1 {
            weight
        } else {
            0.0
        };
    }
    exp(before - largest)
}

fn sum_of(weights: &PageRow) -> f32 {
    let mut lanes = *weights;
    let mut width = PAGE_TOKENS / 2;
    while width > 0 {
        for at in 0..width {
            lanes[at] += lanes[at + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `sums[head] += Σ weight · value` over a page, position after position.
fn add_values<const N: usize>(
    weights: &[PageRow; N],
    values: &[f32],
    width: usize,
    sums: &mut [f32],
) {
    const PART: usize = 32;
    let whole = width / PART * PART;
    for from in (0..whole).step_by(PART) {
        let mut parts = [[0.0_f32; PART]; N];
        for (head, part) in parts.iter_mut().enumerate() {
            part.copy_from_slice(&sums[head * width + from..][..PART]);
        }
        for position in 0..PAGE_TOKENS {
            let values: &[f32; PART] = values[position * width + from..]
                .first_chunk()
                .unwrap_or(&[0.0; PART]);
            for (part, weights) in parts.iter_mut().zip(weights) {
                for (sum, value) in part.iter_mut().zip(values) {
                    *sum = weights[position].mul_add(*value, *sum);
                }
            }
        }
        for (head, part) in parts.iter().enumerate() {
            sums[head * width + from..][..PART].copy_from_slice(part);
        }
    }
    for (head, weights) in weights.iter().enumerate() {
        for at in whole..width {
            let sum = &mut sums[head * width + at];
            for (position, weight) in weights.iter().enumerate() {
                *sum = weight.mul_add(values[position * width + at], *sum);
            }
        }
    }
}
