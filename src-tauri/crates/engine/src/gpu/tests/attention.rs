//! Keys and values into their pages, and the softmax over them, against the CPU's kernels on the same numbers.

use super::super::attention::{
    Attending, Found, LayerPages, Placing, Rows, Strided, attend, place, places,
};
use super::super::device::Device;
use super::super::rows::Quants;
use super::{in_each_order, noise};
use crate::cpu::{self, AttentionSpec, Pool, Sequence};
use crate::decoder::description::RopeStyle;
use crate::kv::{KvType, LayerKv, PAGE_TOKENS, PageId, PageShape, PageStore};

/// What is computed: sizes, and how far the sequences have come.
#[derive(Debug, Clone)]
struct Case {
    spec: AttentionSpec<'static>,
    kind: KvType,
    /// Positions that each sequence holds before its last row.
    before: Vec<usize>,
    /// Rows of each.
    count: usize,
}

const SINKS: [f32; 8] = [0.5, -1.0, 3.0, 0.0, 7.0, -7.0, 0.1, 0.2];

fn case(heads: usize, kv_heads: usize, dim: usize, kind: KvType, before: &[usize]) -> Case {
    Case {
        spec: AttentionSpec {
            heads,
            kv_heads,
            key_dim: dim,
            value_dim: dim,
            scale: 0.3,
            softcap: None,
            window: None,
            sinks: None,
            values_in_keys: false,
        },
        kind,
        before: before.to_vec(),
        count: 1,
    }
}

impl Case {
    fn sizes(&self) -> LayerKv {
        LayerKv {
            kv_heads: self.spec.kv_heads,
            key_dim: self.spec.key_dim,
            value_dim: self.spec.value_dim,
        }
    }

    /// Names in a row of the table.
    fn table(&self) -> usize {
        self.before
            .iter()
            .max()
            .map_or(1, |most| most / PAGE_TOKENS + 1)
    }

    /// Page `at` of a sequence: they lie the other way round, as they never do by chance.
    fn page(&self, sequence: usize, at: usize) -> u32 {
        let all = self.before.len() * self.table();
        u32::try_from(all - 1 - (sequence * self.table() + at)).expect("small")
    }

    /// Keys or values of a position of a sequence.
    fn kept(sequence: usize, position: usize, width: usize, seed: u64) -> Vec<f32> {
        noise(width, seed + (sequence * 10_000 + position) as u64)
    }

    fn queries(&self) -> Vec<f32> {
        noise(self.rows() * self.spec.heads * self.spec.key_dim, 77)
    }

    /// Of all sequences.
    fn rows(&self) -> usize {
        self.before.len() * self.count
    }

    /// Positions of the rows of each sequence.
    fn positions(&self) -> impl Iterator<Item = std::ops::RangeInclusive<usize>> {
        self.before.iter().map(|last| last + 1 - self.count..=*last)
    }
}

/// The CPU's result.
fn expected(case: &Case) -> Vec<f32> {
    let spec = &case.spec;
    let shape = PageShape {
        kv_type: case.kind,
        layers: vec![case.sizes()],
    };
    let mut store = PageStore::new(shape);
    let names: Vec<Vec<PageId>> = case
        .before
        .iter()
        .map(|before| (0..=before / PAGE_TOKENS).map(|_| store.grow()).collect())
        .collect();
    for (sequence, names) in names.iter().enumerate() {
        let count = case.before[sequence] + 1;
        let all = |width: usize, seed: u64| -> Vec<f32> {
            let one = |position| Case::kept(sequence, position, width, seed);
            (0..count).flat_map(one).collect()
        };
        let rows = Sequence {
            pages: names,
            start: 0,
            count,
        };
        let keys = all(spec.kv_heads * spec.key_dim, 1);
        let values = all(spec.kv_heads * spec.value_dim, 500_000);
        cpu::write_kv(&mut store, 0, &[rows], &keys, &values);
    }
    let sequences: Vec<Sequence> = names
        .iter()
        .zip(&case.before)
        .map(|(pages, before)| Sequence {
            pages,
            start: before + 1 - case.count,
            count: case.count,
        })
        .collect();
    let mut out = vec![0.0; case.rows() * spec.heads * spec.value_dim];
    let pool = Pool::new(1);
    cpu::attention(
        &pool,
        spec,
        &store,
        0,
        &case.queries(),
        &sequences,
        &mut out,
    );
    out
}

/// The device's: each position is written by `place`, the last by the step itself.
fn found(device: &Device, case: &Case) -> Vec<f32> {
    let spec = &case.spec;
    let all_pages = case.before.len() * case.table();
    let pages = LayerPages::room(device, case.sizes(), case.kind, all_pages).expect("room");
    // What nobody has written yet is no number.
    for buffer in pages.buffers() {
        let poison = vec![255; buffer.bytes()];
        device.write(buffer, 0, &poison).expect("written");
    }
    let unused = device.upload(&case.queries()).expect("room");
    let names: Vec<u32> = (0..case.before.len())
        .flat_map(|sequence| (0..case.table()).map(move |at| (sequence, at)))
        .map(|(sequence, at)| case.page(sequence, at))
        .collect();
    let names = device.upload(&names).expect("room");
    let small = |size: usize| u32::try_from(size).expect("small");
    for (sequence, before) in case.before.iter().enumerate() {
        for position in 0..=*before {
            let page = case.page(sequence, position / PAGE_TOKENS);
            let slot = page * small(PAGE_TOKENS) + small(position % PAGE_TOKENS);
            let slots = device.upload(&[slot]).expect("room");
            let rows = Rows {
                count: 1,
                of_sequences: 1,
                positions: &slots,
                slots: &slots,
                sequences: &slots,
                pages: &names,
                table: case.table(),
            };
            let keys = Case::kept(sequence, position, spec.kv_heads * spec.key_dim, 1);
            let values = Case::kept(sequence, position, spec.kv_heads * spec.value_dim, 500_000);
            let [keys, values] = [keys, values].map(|one| device.upload(&one).expect("room"));
            let own = [
                Strided::dense(&keys, spec.kv_heads * spec.key_dim),
                Strided::dense(&values, spec.kv_heads * spec.value_dim),
            ];
            let unused = Strided::dense(&unused, spec.heads * spec.key_dim);
            let heads = spec.heads;
            place(device, &pages, heads, &PLAIN, &rows, &unused, Some(&own)).expect("placed");
        }
    }
    let rows = case.rows();
    let positions: Vec<u32> = case.positions().flatten().map(small).collect();
    let sequences: Vec<u32> = (0..rows).map(|row| small(row / case.count)).collect();
    let positions = device.upload(&positions).expect("room");
    let rows = Rows {
        count: rows,
        of_sequences: case.before.len(),
        positions: &positions,
        slots: &positions,
        sequences: &device.upload(&sequences).expect("room"),
        pages: &names,
        table: case.table(),
    };
    let sizes = [spec.heads, spec.heads * spec.value_dim];
    let room = Found::room(device, sizes, places(rows.count, rows.table)).expect("room");
    let sinks = spec.sinks.map(|sinks| device.upload(sinks).expect("room"));
    let out = device
        .zeroed(rows.count * spec.heads * spec.value_dim * 4)
        .expect("room");
    let attending = Attending {
        spec,
        sinks: sinks.as_ref(),
        pages: &pages,
    };
    // With something beside each row.
    let width = spec.heads * spec.key_dim;
    let beside = noise(rows.count * (width + 12), 5);
    let mut beside: Vec<f32> = beside;
    for (row, queries) in beside
        .chunks_exact_mut(width + 12)
        .zip(case.queries().chunks_exact(width))
    {
        row[8..8 + width].copy_from_slice(queries);
    }
    let queries = Strided {
        buffer: device.upload(&beside).expect("room"),
        stride: width + 12,
    };
    let queries = queries.from_column(8);
    let quants = Quants::room(device, rows.count, spec.heads * spec.value_dim).expect("room");
    let wanted = spec.value_dim.is_multiple_of(32).then_some(&quants);
    attend(device, attending, &rows, &queries, &room, &out, wanted).expect("computed");
    if wanted.is_some() {
        super::rows::check_quants_of(device, &out, &quants);
    }
    device.floats(&out).expect("read")
}

const PLAIN: Placing = Placing {
    query_norm: None,
    key_norm: None,
    value_norm: false,
    epsilon: 0.0,
    turns: None,
    warmth: None,
};

fn check(case: &Case) {
    check_within(case, 2e-5);
}

fn check_within(case: &Case, tolerance: f32) {
    let found = found(&Device::on_host(5), case);
    for (at, (found, expected)) in found.iter().zip(expected(case)).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error < tolerance,
            "{case:?} at {at}: {found} and {expected}"
        );
    }
}

/// Queries, keys, shares and values are halves there.
const HALF_TOLERANCE: f32 = 3e-3;

#[test]
fn many_rows_see_what_few_see() {
    let many = |heads, kv_heads, dim, kind, before: &[usize], count| Case {
        count,
        ..case(heads, kv_heads, dim, kind, before)
    };
    for kind in [KvType::F16, KvType::Q8_0] {
        // From the first position on, over the border of a page, two sequences in a block, more rows than a block has.
        check_within(&many(4, 2, 64, kind, &[8], 9), HALF_TOLERANCE);
        check_within(&many(2, 1, 128, kind, &[70], 12), HALF_TOLERANCE);
        check_within(&many(6, 2, 64, kind, &[40, 11, 33], 5), HALF_TOLERANCE);
        check_within(&many(4, 2, 32, kind, &[99], 67), HALF_TOLERANCE);
    }
    // Heads between the sizes that there are kernels for, and a number of heads that fills no block.
    check_within(&many(7, 1, 80, KvType::F16, &[30], 20), HALF_TOLERANCE);
    check_within(&many(3, 3, 192, KvType::F16, &[35], 10), HALF_TOLERANCE);
    let mut other = many(2, 1, 96, KvType::F16, &[20], 10);
    other.spec.value_dim = 64;
    check_within(&other, HALF_TOLERANCE);
    // A row of each of many sequences is no prompt: it stays exact.
    let befores: Vec<usize> = (0..9).map(|at| 5 * at).collect();
    check(&case(4, 2, 64, KvType::F16, &befores));
    // With floats each row looks by itself.
    check(&many(4, 2, 64, KvType::F32, &[40], 12));
    // So many that blocks have more than a few pages each.
    check(&many(2, 1, 16, KvType::F32, &[500], 300));
}

#[test]
fn many_rows_heed_windows_sinks_and_soft_caps_and_no_order_of_threads() {
    let mut windowed = Case {
        count: 30,
        ..case(8, 2, 64, KvType::F16, &[75, 29])
    };
    windowed.spec.window = Some(20);
    windowed.spec.sinks = Some(&SINKS);
    windowed.spec.softcap = Some(2.0);
    check_within(&windowed, HALF_TOLERANCE);
    in_each_order(|device| found(device, &windowed));
}

#[test]
fn each_way_of_keeping_gives_what_the_cpu_gives() {
    for kind in [KvType::F32, KvType::F16, KvType::Q8_0] {
        // The first position, a page's last and first, and more pages than one block looks at.
        check(&case(8, 2, 32, kind, &[0, 31, 32, 300]));
        check(&case(4, 4, 64, kind, &[5]));
    }
}

#[test]
fn windows_sinks_and_soft_caps_are_heeded() {
    let plain = case(8, 2, 32, KvType::F16, &[3, 40, 290]);
    for window in [1, 32, 33, 1000] {
        let mut case = plain.clone();
        case.spec.window = Some(window);
        check(&case);
    }
    let mut case = plain;
    case.spec.sinks = Some(&SINKS);
    case.spec.softcap = Some(1.5);
    check(&case);
}

#[test]
fn heads_of_any_width_and_values_of_another() {
    let mut odd = case(6, 3, 80, KvType::F16, &[70, 2]);
    odd.spec.value_dim = 48;
    check(&odd);
    // Keys narrower than values, more heads than a block looks at, and as wide as there are.
    let mut odd = case(5, 1, 24, KvType::F16, &[9, 150]);
    odd.spec.value_dim = 136;
    check(&odd);
    check(&case(11, 1, 32, KvType::F32, &[200]));
    check(&case(16, 1, 256, KvType::Q8_0, &[33]));
    check(&case(6, 1, 512, KvType::F16, &[64, 7]));
    check(&case(2, 2, 96, KvType::Q8_0, &[130]));
}

#[test]
fn nothing_depends_on_the_order_of_threads() {
    let mut case = case(8, 2, 32, KvType::Q8_0, &[31, 70]);
    case.spec.sinks = Some(&SINKS);
    in_each_order(|device| found(device, &case));
}

/// Of two rows.
const WARMTH: [f32; 2] = [1.0, 1.25];

#[test]
fn queries_are_normed_and_turned_as_by_the_cpu() {
    for (style, turned) in [
        (RopeStyle::Neox, 64),
        (RopeStyle::Interleaved, 64),
        (RopeStyle::Neox, 32),
    ] {
        let (rows, heads, dim) = (2, 3, 64); // also the mean's divisor below
        let (values, weights) = (noise(rows * heads * dim, 1), noise(dim, 2));
        let angles: Vec<f32> = noise(rows * turned / 2, 3)
            .iter()
            .map(|x| 4.0 * x)
            .collect();
        let turns: Vec<f32> = angles.iter().flat_map(|a| [a.cos(), a.sin()]).collect();
        let found = in_each_order(|device| {
            let sizes = LayerKv {
                kv_heads: 1,
                key_dim: dim,
                value_dim: dim,
            };
            let pages = LayerPages::room(device, sizes, KvType::F32, 1).expect("room");
            let slots = device.upload(&[0_u32, 1]).expect("room");
            let at = Rows {
                count: rows,
                of_sequences: 1,
                positions: &slots,
                slots: &slots,
                sequences: &slots,
                pages: &slots,
                table: 1,
            };
            let placing = Placing {
                query_norm: Some(&device.upload(&weights).expect("room")),
                key_norm: None,
                value_norm: false,
                epsilon: 1e-6,
                turns: Some((&device.upload(&turns).expect("room"), turned, style)),
                warmth: Some(&device.upload(&WARMTH).expect("room")),
            };
            let queries = device.upload(&values).expect("room");
            let keys = device.upload(&values[..rows * dim]).expect("room");
            place(
                device,
                &pages,
                heads,
                &placing,
                &at,
                &Strided::dense(&queries, heads * dim),
                Some(&[Strided::dense(&keys, dim), Strided::dense(&keys, dim)]),
            )
            .expect("placed");
            device.floats(&queries).expect("read")
        });
        let heads_of = values
            .chunks_exact(dim)
            .zip(found.chunks_exact(dim))
            .enumerate();
        for (at, (before, after)) in heads_of {
            let mean = before.iter().map(|x| x * x).sum::<f32>() / 64.0;
            let normed: Vec<f32> = before
                .iter()
                .zip(&weights)
                .map(|(x, w)| x / (mean + 1e-6).sqrt() * w)
                .collect();
            let angles = &angles[at / heads * turned / 2..][..turned / 2];
            let mut expected = normed.clone();
            for (pair, angle) in angles.iter().enumerate() {
                let (a, b) = match style {
                    RopeStyle::Neox => (pair, pair + turned / 2),
                    RopeStyle::Interleaved => (2 * pair, 2 * pair + 1),
                };
                expected[a] = normed[a] * angle.cos() - normed[b] * angle.sin();
                expected[b] = normed[b] * angle.cos() + normed[a] * angle.sin();
            }
            for (found, expected) in after.iter().zip(&expected) {
                let expected = WARMTH[at / heads] * expected;
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{style:?}: {found} and {expected}"
                );
            }
        }
    }
}
