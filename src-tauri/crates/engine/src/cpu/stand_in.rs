//! A stand-in: plain loops over floats, until the kernels are there.

use crate::files::TensorType;
use crate::kv::{KvType, PAGE_TOKENS, PageId, PageStore};
use crate::weights::Matrix;

/// Threads.
#[derive(Debug, Default)]
pub struct Pool {}

impl Pool {
    /// So many threads.
    pub fn new(_threads: usize) -> Self {
        Self {}
    }
}

/// Rows that are ready to be multiplied.
#[derive(Debug, Default)]
pub struct Input {
    values: Vec<f32>,
    columns: usize,
}

impl Input {
    /// Prepares rows of `columns`.
    pub fn prepare(
        &mut self,
        _pool: &Pool,
        rows: &[f32],
        columns: usize,
        _kinds: impl Iterator<Item = TensorType>,
    ) {
        self.values.clear();
        self.values.extend_from_slice(rows);
        self.columns = columns;
    }
}

/// Whether matrices of this type can be multiplied.
pub fn can_compute(tensor_type: TensorType) -> bool {
    matches!(tensor_type, TensorType::F32)
}

/// A row as `f32`.
pub fn dequantize_row(matrix: &Matrix, row: usize, out: &mut [f32]) {
    for (four, out) in matrix.row(row).chunks_exact(4).zip(out) {
        *out = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    }
}

fn dot(row: &[u8], x: &[f32]) -> f32 {
    let weights = row
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    weights.zip(x).map(|(weight, x)| weight * x).sum()
}

/// `out[i] = matrix · input[i]`.
pub fn matmul(_pool: &Pool, matrix: &Matrix, input: &Input, out: &mut [f32]) {
    let rows = input.values.chunks_exact(input.columns);
    for (x, out) in rows.zip(out.chunks_exact_mut(matrix.rows())) {
        for (row, out) in out.iter_mut().enumerate() {
            *out = dot(matrix.row(row), x);
        }
    }
}

/// `out[i] = experts[chosen[i]] · input[i / per_row]`.
pub fn matmul_experts(
    _pool: &Pool,
    matrix: &Matrix,
    count: usize,
    input: &Input,
    chosen: &[(u32, f32)],
    per_row: usize,
    out: &mut [f32],
) {
    let size = matrix.rows() / count;
    for (at, ((expert, _), out)) in chosen.iter().zip(out.chunks_exact_mut(size)).enumerate() {
        let from = at / per_row * input.columns;
        let x = &input.values[from..from + input.columns];
        for (row, out) in out.iter_mut().enumerate() {
            *out = dot(matrix.row(*expert as usize * size + row), x);
        }
    }
}

/// What attention computes.
#[derive(Debug, Clone, Copy)]
pub struct AttentionSpec<'a> {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Elements of a key.
    pub key_dim: usize,
    /// Elements of a value.
    pub value_dim: usize,
    /// Factor on scores.
    pub scale: f32,
    /// Cap on scores.
    pub softcap: Option<f32>,
    /// Positions that one sees.
    pub window: Option<usize>,
    /// A further score for each head.
    pub sinks: Option<&'a [f32]>,
    /// Values are the first elements of keys.
    pub values_in_keys: bool,
}

/// Rows of one sequence.
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a> {
    /// Its pages.
    pub pages: &'a [PageId],
    /// Position of its first row.
    pub start: usize,
    /// Its rows.
    pub count: usize,
}

fn at(store: &PageStore, bytes: &[u8], index: usize) -> f32 {
    match store.shape().kv_type {
        KvType::F16 => 0.0 * index as f32,
        _ => {
            let four = &bytes[index * 4..index * 4 + 4];
            f32::from_le_bytes([four[0], four[1], four[2], four[3]])
        }
    }
}

/// Writes keys and values of all rows into pages.
pub fn write_kv(
    store: &mut PageStore,
    layer: usize,
    sequences: &[Sequence],
    keys: &[f32],
    values: &[f32],
) {
    let kv = store.shape().layers[layer];
    let mut row = 0;
    for sequence in sequences {
        for position in sequence.start..sequence.start + sequence.count {
            let page = sequence.pages[position / PAGE_TOKENS];
            let (to_keys, to_values) = store.layer_mut(page, layer);
            for head in 0..kv.kv_heads {
                let slot = head * PAGE_TOKENS + position % PAGE_TOKENS;
                put(
                    to_keys,
                    slot * kv.key_dim,
                    &keys[(row * kv.kv_heads + head) * kv.key_dim..][..kv.key_dim],
                );
                put(
                    to_values,
                    slot * kv.value_dim,
                    &values[(row * kv.kv_heads + head) * kv.value_dim..][..kv.value_dim],
                );
            }
            row += 1;
        }
    }
}

fn put(bytes: &mut [u8], from: usize, values: &[f32]) {
    for (to, value) in bytes[from * 4..].chunks_exact_mut(4).zip(values) {
        to.copy_from_slice(&value.to_le_bytes());
    }
}

/// Attention of all rows over their sequences' pages.
pub fn attention(
    _pool: &Pool,
    spec: &AttentionSpec,
    store: &PageStore,
    layer: usize,
    queries: &[f32],
    sequences: &[Sequence],
    out: &mut [f32],
) {
    let mut row = 0;
    for sequence in sequences {
        for position in sequence.start..sequence.start + sequence.count {
            for head in 0..spec.heads {
                let q = &queries[(row * spec.heads + head) * spec.key_dim..][..spec.key_dim];
                let o = &mut out[(row * spec.heads + head) * spec.value_dim..][..spec.value_dim];
                one(spec, store, layer, q, sequence.pages, position, head, o);
            }
            row += 1;
        }
    }
}

fn one(
    spec: &AttentionSpec,
    store: &PageStore,
    layer: usize,
    q: &[f32],
    pages: &[PageId],
    position: usize,
    head: usize,
    out: &mut [f32],
) {
    let kv_head = head / (spec.heads / spec.kv_heads);
    let first = spec
        .window
        .map_or(0, |window| (position + 1).saturating_sub(window));
    let mut scores = Vec::new();
    for seen in first..=position {
        let keys = store.keys(pages[seen / PAGE_TOKENS], layer);
        let from = (kv_head * PAGE_TOKENS + seen % PAGE_TOKENS) * spec.key_dim;
        let dot: f32 = q
            .iter()
            .enumerate()
            .map(|(i, q)| q * at(store, keys, from + i))
            .sum();
        let mut score = dot * spec.scale;
        if let Some(cap) = spec.softcap {
            score = cap * (score / cap).tanh();
        }
        scores.push(score);
    }
    let sink = spec.sinks.map(|sinks| sinks[head]);
    let max = scores
        .iter()
        .copied()
        .chain(sink)
        .fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 =
        scores.iter().map(|s| (s - max).exp()).sum::<f32>() + sink.map_or(0.0, |s| (s - max).exp());
    out.fill(0.0);
    for (seen, score) in (first..=position).zip(&scores) {
        let values = store.values(pages[seen / PAGE_TOKENS], layer);
        let from = (kv_head * PAGE_TOKENS + seen % PAGE_TOKENS) * spec.value_dim;
        let weight = (score - max).exp() / sum;
        for (i, o) in out.iter_mut().enumerate() {
            *o += weight * at(store, values, from + i);
        }
    }
}

/// RMS norm of each run of `weights.len()`.
pub fn rms_norm(_pool: &Pool, rows: &mut [f32], weights: &[f32], epsilon: f32) {
    for row in rows.chunks_exact_mut(weights.len()) {
        let mean = row
            .iter()
            .map(|x| f64::from(*x) * f64::from(*x))
            .sum::<f64>()
            / row.len() as f64;
        let factor = (1.0 / (mean + f64::from(epsilon)).sqrt()) as f32;
        row.iter_mut()
            .zip(weights)
            .for_each(|(x, weight)| *x *= factor * weight);
    }
}
