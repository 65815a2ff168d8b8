//! How fast the kernels are, by type and by number of tokens: printed, never asserted.
//!
//! `cargo bench -p wick-engine --bench kernels [THREADS]`; times are medians of several runs.
#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::time::{Duration, Instant};
use wick_engine::cpu::{self, AttentionSpec, Input, Pool, Sequence};
use wick_engine::files::TensorType;
use wick_engine::kv::{KvType, LayerKv, PAGE_TOKENS, PageShape, PageStore};
use wick_engine::weights::{AlignedBytes, Matrix};

fn main() {
    let threads = std::env::args()
        .skip(1)
        .find_map(|text| text.parse().ok())
        .unwrap_or(1);
    let pool = Pool::new(threads);
    println!(
        "{threads} threads; products of 8192 × 2048, in 10^9 multiplications a second (and GB/s of weights)"
    );
    for kind in [
        TensorType::F32,
        TensorType::F16,
        TensorType::Q4_0,
        TensorType::Q4_1,
        TensorType::Q8_0,
        TensorType::Q4_K,
        TensorType::Q5_K,
        TensorType::Q6_K,
        TensorType::MXFP4,
    ] {
        products(&pool, kind);
    }
    look(&pool);
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..7)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn noise(count: usize) -> Vec<f32> {
    (0..count)
        .map(|at| ((at * 7919 % 1009) as f32 / 1009.0) - 0.5)
        .collect()
}

fn products(pool: &Pool, kind: TensorType) {
    let (rows, columns) = (8192, 2048);
    let Some(row_bytes) = kind.row_bytes(columns) else {
        return;
    };
    // Sixteen of them, so that what is read is not in a cache.
    let matrices: Vec<Matrix> = (0..16)
        .map(|_| random(kind, rows, columns, row_bytes))
        .collect();
    print!("{:8}", kind.name());
    for tokens in [1, 8, 128, 512] {
        let mut input = Input::default();
        input.prepare(pool, &noise(tokens * columns), columns, [kind]);
        let mut out = vec![0.0; tokens * rows];
        let used = if tokens == 1 {
            &matrices[..]
        } else {
            &matrices[..2]
        };
        let time = median(|| {
            for matrix in used {
                cpu::matmul(pool, matrix, &input, &mut out);
            }
        });
        let each = time.as_secs_f64() / used.len() as f64;
        let rate = (rows * columns * tokens) as f64 / each / 1e9;
        let bytes = (rows * row_bytes) as f64 / each / 1e9;
        print!("  m={tokens}: {rate:6.1} ({bytes:5.1})");
    }
    println!();
}

fn random(kind: TensorType, rows: usize, columns: usize, row_bytes: usize) -> Matrix {
    let mut bytes = AlignedBytes::zeroed(rows * row_bytes);
    for (at, byte) in bytes.iter_mut().enumerate() {
        // Exponents stay small: floats and half-precision scales are finite.
        *byte = u8::try_from(at * 2_654_435_761 % 53).unwrap_or(0);
    }
    Matrix::new(bytes, rows, columns, kind)
}

fn look(pool: &Pool) {
    let sizes = LayerKv {
        kv_heads: 8,
        key_dim: 64,
        value_dim: 64,
    };
    for kv_type in [KvType::F16, KvType::Q8_0] {
        for (depth, rows) in [(2048, 1), (2048, 128)] {
            let mut store = PageStore::new(PageShape {
                kv_type,
                layers: vec![sizes],
            });
            let pages: Vec<_> = (0..depth / PAGE_TOKENS).map(|_| store.grow()).collect();
            let all = Sequence {
                pages: &pages,
                start: 0,
                count: depth,
            };
            let kept = noise(depth * sizes.kv_heads * sizes.key_dim);
            cpu::write_kv(&mut store, 0, &[all], &kept, &kept);
            let spec = AttentionSpec {
                heads: 32,
                kv_heads: 8,
                key_dim: 64,
                value_dim: 64,
                scale: 0.125,
                softcap: None,
                window: None,
                sinks: None,
                values_in_keys: false,
            };
            let queries = noise(rows * 32 * 64);
            let mut out = vec![0.0; queries.len()];
            let sequence = Sequence {
                pages: &pages,
                start: depth - rows,
                count: rows,
            };
            let time =
                median(|| cpu::attention(pool, &spec, &store, 0, &queries, &[sequence], &mut out));
            println!(
                "attention {kv_type:?}, {rows} rows at depth {depth}, 32 heads of 64 on 8: {time:?}"
            );
        }
    }
}
