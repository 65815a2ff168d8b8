//! Kernels against plain sums in `f64`, and against themselves: alone and together, with one thread and with several.

use super::look::{self, Looker, Looks, Page, Running};
use super::matmul::{Out, Place};
use super::rows;
use super::unpack::{group_of, unpacker};
use super::*;
use crate::files::{TensorType, dequant};
use crate::kv::{KvType, LayerKv, PAGE_TOKENS, PageId, PageShape, PageStore};
use crate::weights::{AlignedBytes, Matrix};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use proptest::prelude::*;

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_add(1);
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(state >> 48).unwrap_or(0)) / 32768.0 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A matrix of noise of this type, and the same as floats: candle's own quantization and dequantization.
fn matrix(kind: TensorType, rows: usize, columns: usize, seed: u64) -> (Matrix, Vec<f32>) {
    let values = noise(rows * columns, seed);
    let dtype = match kind {
        TensorType::F32 => GgmlDType::F32,
        TensorType::F16 => GgmlDType::F16,
        TensorType::BF16 => GgmlDType::BF16,
        TensorType::Q4_0 => GgmlDType::Q4_0,
        TensorType::Q4_1 => GgmlDType::Q4_1,
        TensorType::Q5_0 => GgmlDType::Q5_0,
        TensorType::Q5_1 => GgmlDType::Q5_1,
        TensorType::Q8_0 => GgmlDType::Q8_0,
        TensorType::Q2_K => GgmlDType::Q2K,
        TensorType::Q3_K => GgmlDType::Q3K,
        TensorType::Q4_K => GgmlDType::Q4K,
        TensorType::Q5_K => GgmlDType::Q5K,
        TensorType::Q6_K => GgmlDType::Q6K,
        other => panic!("candle has no {other}"),
    };
    let tensor = Tensor::from_vec(values, (rows, columns), &Device::Cpu).expect("a tensor");
    let quantized = QTensor::quantize(&tensor, dtype).expect("quantized");
    let data = quantized.data().expect("bytes");
    let mut bytes = AlignedBytes::zeroed(data.len());
    bytes.copy_from_slice(&data);
    let floats = quantized
        .dequantize(&Device::Cpu)
        .expect("floats")
        .flatten_all()
        .expect("flat");
    (
        Matrix::new(bytes, rows, columns, kind),
        floats.to_vec1().expect("numbers"),
    )
}

const KINDS: [TensorType; 13] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::BF16,
    TensorType::Q4_0,
    TensorType::Q4_1,
    TensorType::Q5_0,
    TensorType::Q5_1,
    TensorType::Q8_0,
    TensorType::Q2_K,
    TensorType::Q3_K,
    TensorType::Q4_K,
    TensorType::Q5_K,
    TensorType::Q6_K,
];

/// What kernels compute with stands for the very numbers that others make of the blocks.
#[test]
fn unpacked_blocks_are_the_numbers_that_others_make_of_them() {
    let mut compared = 0;
    for case in dequant::tests::cases() {
        let Some(unpack) = unpacker(case.kind) else {
            continue;
        };
        let (elements, group) = (case.kind.block_elements(), group_of(case.kind));
        let expected = case.expected.as_chunks::<4>().0;
        for (block, expected) in case
            .bytes
            .chunks_exact(case.kind.block_bytes())
            .zip(expected.chunks_exact(elements))
        {
            let mut q = vec![0; elements];
            let (mut scales, mut offsets) =
                (vec![0.0; elements / group], vec![0.0; elements / group]);
            unpack(block, &mut q, &mut scales, &mut offsets);
            for (at, (q, expected)) in q.iter().zip(expected).enumerate() {
                let found = scales[at / group] * f32::from(*q) - offsets[at / group];
                let expected = f32::from_le_bytes(*expected);
                // Zeros may differ in their sign; infinite scales have no whole numbers.
                let same = found.to_bits() == expected.to_bits()
                    || (found == 0.0 && expected == 0.0)
                    || !(scales[at / group].is_finite() && offsets[at / group].is_finite());
                assert!(
                    same,
                    "{}: weight {at} is {found:e}, not {expected:e}",
                    case.kind
                );
            }
        }
        compared += 1;
    }
    assert_eq!(compared, 19);
}

/// Types without kernels of their own are multiplied as floats.
#[test]
fn types_that_are_only_dequantized_are_multiplied_all_the_same() {
    let pool = Pool::new(2);
    let others = TensorType::all().filter(|kind| {
        super::can_compute(*kind) && !super::unpack::can_unpack(*kind) && kind.block_bytes() > 8
    });
    let mut seen = 0;
    for kind in others {
        let (rows, columns) = (5, 512);
        let size = kind.row_bytes(columns).expect("whole blocks") * rows;
        let mut bytes = AlignedBytes::zeroed(size);
        for (at, byte) in bytes.iter_mut().enumerate() {
            // Neither infinite nor tiny in any place where a type has its scale.
            *byte = u8::try_from(0x21 + at * 7 % 23).expect("a byte");
        }
        let matrix = Matrix::new(bytes, rows, columns, kind);
        let x: Vec<f32> = (0_u8..=255)
            .cycle()
            .take(columns)
            .map(|x| f32::from(x) - 100.0)
            .collect();
        let found = product(&pool, &matrix, &x);
        for (row, found) in found.iter().enumerate() {
            let mut weights = vec![0.0; columns];
            dequantize_row(&matrix, row, &mut weights);
            let terms = weights
                .iter()
                .zip(&x)
                .map(|(w, x)| f64::from(*w) * f64::from(*x));
            let expected: f64 = terms.sum();
            let off = (f64::from(*found) - expected).abs();
            assert!(
                expected != 0.0 && off <= 1e-4 * expected.abs(),
                "{kind}: {found} for {expected}"
            );
        }
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn rows_become_the_floats_that_others_make_of_them() {
    for kind in KINDS {
        let (matrix, expected) = matrix(kind, 3, 512, 5);
        for (row, expected) in expected.chunks_exact(512).enumerate() {
            let mut found = vec![0.0; 512];
            dequantize_row(&matrix, row, &mut found);
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() <= 1e-6 * expected.abs().max(1e-2),
                    "{kind}: {found} for {expected}"
                );
            }
        }
    }
}

fn product(pool: &Pool, matrix: &Matrix, rows: &[f32]) -> Vec<f32> {
    let mut input = Input::default();
    input.prepare(pool, rows, matrix.columns(), [matrix.tensor_type()]);
    let mut out = vec![f32::NAN; input.count() * matrix.rows()];
    super::matmul(pool, matrix, &input, &mut out);
    out
}

/// What the product is, and what rounding the input to 8 bits may change in it.
fn expected(floats: &[f32], x: &[f32], exact: bool) -> (f64, f64) {
    let sum: f64 = floats
        .iter()
        .zip(x)
        .map(|(w, x)| f64::from(*w) * f64::from(*x))
        .sum();
    let step = if exact { 1e-6 } else { 1.0 / 254.0 };
    let squares: f64 = floats.iter().map(|w| f64::from(*w).powi(2)).sum();
    (sum, 4.0 * step * squares.sqrt() + 1e-5)
}

/// A matrix of any bits that are finite as half-precision numbers: candle has no quantization into these types.
fn random_blocks(kind: TensorType, rows: usize, columns: usize, seed: u64) -> Matrix {
    let size = kind.row_bytes(columns).expect("whole blocks") * rows;
    let mut bytes = AlignedBytes::zeroed(size);
    for (byte, x) in bytes.iter_mut().zip(noise(size, seed)) {
        *byte = x.to_bits().to_le_bytes()[1] % 123;
    }
    Matrix::new(bytes, rows, columns, kind)
}

#[test]
fn vectors_give_the_bits_for_types_with_tables_too() {
    for kind in [TensorType::IQ4_NL, TensorType::MXFP4, TensorType::IQ4_XS] {
        let columns = 7 * kind.block_elements();
        let matrix = random_blocks(kind, 19, columns, 31);
        let x = noise(9 * columns, 32);
        let mut input = Input::default();
        input.prepare(&Pool::new(1), &x, columns, [kind]);
        let together = product(&Pool::new(1), &matrix, &x);
        for plain in on_any_processor(&matrix, &input) {
            assert_eq!(plain, together, "{kind}");
        }
    }
}

/// The products as processors without AVX-512 compute them: with AVX2, where this one has that, and without.
fn on_any_processor(matrix: &Matrix, input: &Input) -> [Vec<f32>; 2] {
    let places: Vec<Place> = (0..input.count())
        .map(|token| Place { token, out: token })
        .collect();
    [rows::multiply, rows::multiply_plainly].map(|multiply| {
        let mut out = vec![f32::NAN; places.len() * matrix.rows()];
        let all = Out::of(&mut out, matrix.rows());
        let mut scratch = Default::default();
        multiply(
            matrix,
            (0, matrix.rows()),
            &mut scratch,
            input,
            &places,
            all,
        );
        out
    })
}

#[test]
fn vectors_give_the_bits_that_the_portable_code_gives() {
    for kind in KINDS
        .into_iter()
        .filter(|kind| super::unpack::can_unpack(*kind))
    {
        for (rows, tokens, columns) in [
            (16, 11, 768),
            (5, 1, 256),
            (
                16,
                3,
                if kind.block_elements() == 32 {
                    32 * 7
                } else {
                    512
                },
            ),
        ] {
            let (matrix, _) = matrix(kind, rows, columns, 21);
            let x = noise(tokens * columns, 22);
            let mut input = Input::default();
            input.prepare(&Pool::new(1), &x, columns, [kind]);
            let together = product(&Pool::new(1), &matrix, &x);
            for plain in on_any_processor(&matrix, &input) {
                assert_eq!(plain, together, "{kind} {columns}");
            }
        }
    }
}

#[test]
fn products_are_sums() {
    let pool = Pool::new(3);
    for kind in KINDS {
        for (rows, tokens) in [(1, 1), (16, 3), (37, 9), (64, 2)] {
            let columns = 768;
            let (matrix, floats) = matrix(kind, rows, columns, 11);
            let x = noise(tokens * columns, 12);
            let found = product(&pool, &matrix, &x);
            let exact = matches!(kind, TensorType::F32 | TensorType::F16 | TensorType::BF16);
            for (at, found) in found.iter().enumerate() {
                let floats = &floats[at % rows * columns..][..columns];
                let (sum, tolerance) =
                    expected(floats, &x[at / rows * columns..][..columns], exact);
                assert!(
                    (f64::from(*found) - sum).abs() < tolerance,
                    "{kind} {rows} {tokens}: {found} for {sum}"
                );
            }
        }
    }
}

#[test]
fn experts_take_their_own_tokens() {
    let pool = Pool::new(2);
    let (experts, rows, columns) = (5, 20, 256);
    let (all, _) = matrix(TensorType::Q4_K, experts * rows, columns, 3);
    let x = noise(4 * columns, 4);
    let chosen: Vec<(u32, f32)> = [3, 0, 0, 4, 3, 1, 2, 0].map(|expert| (expert, 0.5)).into();
    let mut input = Input::default();
    input.prepare(&pool, &x, columns, [TensorType::Q4_K]);
    let mut out = vec![f32::NAN; chosen.len() * rows];
    matmul_experts(&pool, &all, experts, &input, &chosen, 2, &mut out);
    for (at, (expert, _)) in chosen.iter().enumerate() {
        let matrix = all.slice_rows(*expert as usize * rows, rows);
        let alone = product(&pool, &matrix, &x[at / 2 * columns..][..columns]);
        assert_eq!(out[at * rows..][..rows], alone);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_token_gets_alone_what_it_gets_together(
        kind in 0..KINDS.len(), rows in 1_usize..40, tokens in 1_usize..20, threads in 1_usize..4, seed in 0_u64..1000,
    ) {
        let columns = 512;
        let (matrix, _) = matrix(KINDS[kind], rows, columns, seed);
        let x = noise(tokens * columns, seed + 1);
        let together = product(&Pool::new(threads), &matrix, &x);
        let pool = Pool::new(1);
        for (x, together) in x.chunks_exact(columns).zip(together.chunks_exact(rows)) {
            prop_assert_eq!(&product(&pool, &matrix, x)[..], together);
        }
    }

    #[test]
    fn any_numbers_end_in_numbers(bits in prop::collection::vec(any::<u32>(), 512)) {
        let x: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        for kind in KINDS {
            let (matrix, _) = matrix(kind, 3, 512, 1);
            product(&Pool::new(1), &matrix, &x);
        }
    }
}

/// Keys and values of a few sequences in a store, with as many positions as each has.
struct Held {
    store: PageStore,
    pages: Vec<Vec<PageId>>,
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

const SIZES: LayerKv = LayerKv {
    kv_heads: 2,
    key_dim: 64,
    value_dim: 96,
};

impl Held {
    fn new(kv_type: KvType, sizes: LayerKv, lengths: &[usize]) -> Self {
        // The layer in question is not the first, so that offsets matter.
        let layers = vec![
            LayerKv {
                kv_heads: 1,
                key_dim: 32,
                value_dim: 32,
            },
            sizes,
        ];
        let mut store = PageStore::new(PageShape { kv_type, layers });
        let (mut pages, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (at, length) in lengths.iter().enumerate() {
            let own: Vec<PageId> = (0..length.div_ceil(PAGE_TOKENS))
                .map(|_| store.grow())
                .collect();
            let seed = at as u64 * 7;
            let key = noise(length * sizes.kv_heads * sizes.key_dim, seed + 1);
            let value = noise(length * sizes.kv_heads * sizes.value_dim, seed + 2);
            let sequence = Sequence {
                pages: &own,
                start: 0,
                count: *length,
            };
            write_kv(&mut store, 1, &[sequence], &key, &value);
            pages.push(own);
            keys.push(key);
            values.push(value);
        }
        Self {
            store,
            pages,
            keys,
            values,
        }
    }
}

fn spec(sizes: LayerKv) -> AttentionSpec<'static> {
    AttentionSpec {
        heads: sizes.kv_heads * 3,
        kv_heads: sizes.kv_heads,
        key_dim: sizes.key_dim,
        value_dim: sizes.value_dim,
        scale: 0.3,
        softcap: None,
        window: None,
        sinks: None,
        values_in_keys: false,
    }
}

/// One row's result by its definition.
fn plain(
    spec: &AttentionSpec,
    held: &Held,
    sequence: usize,
    position: usize,
    query: &[f32],
) -> Vec<f64> {
    let shared = spec.heads / spec.kv_heads;
    let mut out = Vec::new();
    for head in 0..spec.heads {
        let kv = head / shared;
        let first = spec
            .window
            .map_or(0, |window| (position + 1).saturating_sub(window));
        let row = |values: &[f32], at: usize, dim: usize| {
            values[(at * spec.kv_heads + kv) * dim..][..dim].to_vec()
        };
        let score = |at: usize| {
            let key = row(&held.keys[sequence], at, spec.key_dim);
            let query = &query[head * spec.key_dim..][..spec.key_dim];
            let dot: f64 = query
                .iter()
                .zip(&key)
                .map(|(q, k)| f64::from(*q) * f64::from(*k))
                .sum();
            let scaled = dot * f64::from(spec.scale);
            spec.softcap.map_or(scaled, |cap| {
                f64::from(cap) * (scaled / f64::from(cap)).tanh()
            })
        };
        let weights: Vec<f64> = (first..=position).map(|at| score(at).exp()).collect();
        let sink = spec.sinks.map_or(0.0, |sinks| f64::from(sinks[head]).exp());
        let total = weights.iter().sum::<f64>() + sink;
        for dim in 0..spec.value_dim {
            let value = |at: usize| {
                if spec.values_in_keys {
                    row(&held.keys[sequence], at, spec.key_dim)[dim]
                } else {
                    row(&held.values[sequence], at, spec.value_dim)[dim]
                }
            };
            let sum: f64 = weights
                .iter()
                .enumerate()
                .map(|(at, w)| w * f64::from(value(first + at)))
                .sum();
            out.push(sum / total);
        }
    }
    out
}

fn check_attention(kv_type: KvType, sizes: LayerKv, spec: &AttentionSpec, tolerance: f64) {
    let lengths = [1, 33, 70, 200];
    let held = Held::new(kv_type, sizes, &lengths);
    // The last positions of each, as many as there are.
    let counts = [1, 20, 1, 33];
    let sequences: Vec<Sequence> = (0..4)
        .map(|at| Sequence {
            pages: &held.pages[at],
            start: lengths[at] - counts[at],
            count: counts[at],
        })
        .collect();
    let width = spec.heads * spec.key_dim;
    let queries = noise(counts.iter().sum::<usize>() * width, 9);
    let mut out = vec![f32::NAN; counts.iter().sum::<usize>() * spec.heads * spec.value_dim];
    attention(
        &Pool::new(3),
        spec,
        &held.store,
        1,
        &queries,
        &sequences,
        &mut out,
    );
    let mut row = 0;
    for (at, sequence) in sequences.iter().enumerate() {
        for position in sequence.start..sequence.start + sequence.count {
            let expected = plain(spec, &held, at, position, &queries[row * width..][..width]);
            let found = &out[row * expected.len()..][..expected.len()];
            for (found, expected) in found.iter().zip(&expected) {
                let off = (f64::from(*found) - expected).abs();
                assert!(
                    off < tolerance,
                    "{spec:?} at {position}: {found} for {expected}"
                );
            }
            row += 1;
        }
    }
}

#[test]
fn attention_is_a_softmax_over_what_is_seen() {
    let plain = spec(SIZES);
    check_attention(KvType::F32, SIZES, &plain, 1e-5);
    check_attention(KvType::F16, SIZES, &plain, 2e-3);
    check_attention(KvType::Q8_0, SIZES, &plain, 2e-2);
    check_attention(
        KvType::F32,
        SIZES,
        &AttentionSpec {
            window: Some(8),
            ..plain
        },
        1e-5,
    );
    check_attention(
        KvType::F32,
        SIZES,
        &AttentionSpec {
            window: Some(40),
            ..plain
        },
        1e-5,
    );
    check_attention(
        KvType::F32,
        SIZES,
        &AttentionSpec {
            softcap: Some(2.0),
            ..plain
        },
        1e-5,
    );
    let sinks = [0.5, -1.0, 3.0, 0.0, 20.0, -30.0];
    check_attention(
        KvType::F32,
        SIZES,
        &AttentionSpec {
            sinks: Some(&sinks),
            ..plain
        },
        1e-5,
    );
    // Seven heads share one head of keys; nothing is a multiple of a register.
    let odd = LayerKv {
        kv_heads: 1,
        key_dim: 20,
        value_dim: 12,
    };
    check_attention(
        KvType::F32,
        odd,
        &AttentionSpec {
            heads: 7,
            ..spec(odd)
        },
        1e-5,
    );
    let compressed = LayerKv {
        kv_heads: 1,
        key_dim: 96,
        value_dim: 0,
    };
    let inside = AttentionSpec {
        value_dim: 64,
        values_in_keys: true,
        ..spec(compressed)
    };
    check_attention(KvType::F32, compressed, &inside, 1e-5);
    check_attention(KvType::Q8_0, compressed, &inside, 2e-2);
}

type Look = fn(&Looks, Page, &[Looker], &mut [Running], &mut [f32]);

/// Queries with different sights at one page, in all the numbers that are computed together.
#[test]
fn vectors_look_as_the_portable_code_does() {
    for (key_dim, value_dim) in [(64, 64), (20, 12), (96, 33), (1, 130), (80, 80)] {
        let keys = noise(key_dim * PAGE_TOKENS, 1);
        let values = noise(value_dim * PAGE_TOKENS, 2);
        let queries = noise(17 * key_dim, 3);
        for softcap in [None, Some(1.5)] {
            let looks = Looks {
                key_dim,
                value_dim,
                scale: 0.7,
                softcap,
            };
            let lookers: Vec<Looker> = (0..17)
                .map(|at| Looker {
                    query: &queries[at * key_dim..][..key_dim],
                    seen: (at / 3, PAGE_TOKENS - at),
                })
                .collect();
            let result = |look: Look, count: usize| {
                let mut running = vec![look::NOTHING; count];
                let mut sums = vec![0.0; count * value_dim];
                for _ in 0..2 {
                    let page = Page::Floats(&keys, &values);
                    look(&looks, page, &lookers[..count], &mut running, &mut sums);
                }
                let running = running.iter().flat_map(|of| [of.largest, of.sum]);
                running.chain(sums).map(f32::to_bits).collect::<Vec<_>>()
            };
            for count in 1..=17 {
                assert_eq!(
                    result(look::look, count),
                    result(look::look_portably, count),
                    "{count} queries, {looks:?}"
                );
            }
        }
    }
}

/// Few rows read pages as they are kept, many bring them into floats: with the same result.
#[test]
fn pages_are_read_alike_as_they_are_kept() {
    for kind in [KvType::F16, KvType::Q8_0] {
        let held = Held::new(kind, SIZES, &[70]);
        let spec = AttentionSpec {
            heads: 2,
            ..spec(SIZES)
        };
        let queries = noise(8 * 2 * SIZES.key_dim, 5);
        let run = |start: usize, queries: &[f32]| {
            let count = queries.len() / (2 * SIZES.key_dim);
            let sequence = Sequence {
                pages: &held.pages[0],
                start,
                count,
            };
            let mut out = vec![0.0; count * 2 * SIZES.value_dim];
            attention(
                &Pool::new(1),
                &spec,
                &held.store,
                1,
                queries,
                &[sequence],
                &mut out,
            );
            out
        };
        let together = run(60, &queries);
        for (row, (queries, expected)) in queries
            .chunks_exact(2 * SIZES.key_dim)
            .zip(together.chunks_exact(2 * SIZES.value_dim))
            .enumerate()
        {
            assert_eq!(run(60 + row, queries), expected, "{kind:?}, row {row}");
        }
    }
}

#[test]
fn a_row_gets_alone_what_it_gets_together() {
    let held = Held::new(KvType::F16, SIZES, &[150, 90]);
    let spec = spec(SIZES);
    let width = spec.heads * spec.key_dim;
    let queries = noise(190 * width, 3);
    let run = |threads: usize, parts: &[(usize, usize, usize)], queries: &[f32]| {
        let sequences: Vec<Sequence> = parts
            .iter()
            .map(|(at, start, count)| Sequence {
                pages: &held.pages[*at],
                start: *start,
                count: *count,
            })
            .collect();
        let mut out = vec![f32::NAN; queries.len() / width * spec.heads * spec.value_dim];
        attention(
            &Pool::new(threads),
            &spec,
            &held.store,
            1,
            queries,
            &sequences,
            &mut out,
        );
        out
    };
    let together = run(3, &[(0, 50, 100), (1, 0, 90)], &queries);
    let one_by_one: Vec<f32> = (0..190)
        .flat_map(|row| {
            let part = if row < 100 {
                (0, 50 + row, 1)
            } else {
                (1, row - 100, 1)
            };
            run(1, &[part], &queries[row * width..][..width])
        })
        .collect();
    assert_eq!(together, one_by_one);
}
