//! Softmax attention over pages of keys and values.
//!
//! A task has a few neighbouring rows of one sequence and one head of keys: it brings each page once into floats in
//! scratch, and lets all query heads of all its rows look at it, with a running maximum and sum for each (the online
//! softmax of ``FlashAttention``, arXiv 2205.14135). Pages come in order and each is one step of that sum, so a row's result
//! depends on its own sequence alone, whatever else is computed with it.

use super::Pool;
use super::kv_rows::{head_of, load_keys, load_values};
use super::look::{self, Looker, Looks, NOTHING, Page, Running};
use super::norm::exp;
use crate::kv::{KvType, PAGE_TOKENS, PageId, PageStore};
use std::cell::RefCell;

/// Rows of one sequence that a task takes.
const TILE: usize = 16;
/// So few queries read a page of halves as it is kept; for more, it is brought into floats first.
const FEW: usize = 6;
/// Queries that look at a page one after the other, at most.
const MANY: usize = 48;
const NOBODY: Looker = Looker {
    query: &[],
    seen: (0, 0),
};

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
            let kept = (
                store.keys(task.sequence.pages[page], layer),
                store.values(task.sequence.pages[page], layer),
            );
            self.look(
                spec,
                store.shape().kv_type,
                kept,
                queries,
                (task, head, page),
            );
        }
        self.finish(spec, head, shared);
        &self.sums
    }

    /// Lets all rows and heads of a task look at a page.
    fn look(
        &mut self,
        spec: &AttentionSpec,
        kind: KvType,
        (keys, values): (&[u8], &[u8]),
        queries: &[f32],
        (task, head, page): (&Task, usize, usize),
    ) {
        let shared = spec.heads / spec.kv_heads;
        let kept = if reads_as_kept(spec, kind, task.rows * shared) {
            let keys = head_of(kind, keys, head, spec.key_dim);
            let values = head_of(kind, values, head, spec.value_dim);
            match kind {
                KvType::F16 => Page::Halves(keys, values),
                _ => Page::Quants(keys, values),
            }
        } else {
            self.load(spec, kind, keys, values, head);
            Page::Floats(&self.keys, &self.values)
        };
        let looks = looks(spec);
        let seen = |row: usize| seen(spec, task.sequence.start + task.row + row, page);
        // Rows that see nothing of a page are the first ones or, with a window, the last: the others are neighbours.
        let mut rows = (0..task.rows).filter(|row| seen(*row).0 < seen(*row).1);
        let Some(first) = rows.next() else { return };
        let all = first * shared..(rows.next_back().unwrap_or(first) + 1) * shared;
        for from in all.clone().step_by(MANY) {
            let count = MANY.min(all.end - from);
            let mut lookers = [NOBODY; MANY];
            for (looker, at) in lookers.iter_mut().zip(from..from + count) {
                let row = task.first + task.row + at / shared;
                let query = (row * spec.heads + head * shared + at % shared) * spec.key_dim;
                *looker = Looker {
                    query: &queries[query..query + spec.key_dim],
                    seen: seen(at / shared),
                };
            }
            let running = &mut self.running[from..from + count];
            let sums = &mut self.sums[from * spec.value_dim..];
            look::look(&looks, kept, &lookers[..count], running, sums);
        }
    }

    fn load(
        &mut self,
        spec: &AttentionSpec,
        kind: KvType,
        keys: &[u8],
        values: &[u8],
        head: usize,
    ) {
        self.keys.resize(spec.key_dim * PAGE_TOKENS, 0.0);
        load_keys(kind, keys, head, spec.key_dim, &mut self.keys);
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
            load_values(kind, values, head, spec.value_dim, &mut self.values);
        }
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

/// Whether it is worth it, and possible, to read a page as it is kept.
fn reads_as_kept(spec: &AttentionSpec, kind: KvType, queries: usize) -> bool {
    let worth = match kind {
        KvType::F32 => false,
        KvType::F16 => queries <= FEW,
        KvType::Q8_0 => true,
    };
    worth && !spec.values_in_keys && look::reads_as_kept()
}

fn looks(spec: &AttentionSpec) -> Looks {
    Looks {
        key_dim: spec.key_dim,
        value_dim: spec.value_dim,
        scale: spec.scale,
        softcap: spec.softcap,
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
