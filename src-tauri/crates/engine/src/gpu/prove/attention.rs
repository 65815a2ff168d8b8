//! Attention on the device against the processor's, over a few pages: for few rows and, through the tensor cores, for many.

use super::numbers;
use crate::cpu::{self, AttentionSpec, Pool, Sequence};
use crate::gpu::attention::{
    Attending, Found, LayerPages, Placing, Rows, Strided, attend, place, places,
};
use crate::gpu::device::{Device, DeviceError};
use crate::gpu::matrix::small;
use crate::kv::{KvType, LayerKv, PAGE_TOKENS, PageShape, PageStore};

const SPEC: AttentionSpec<'static> = AttentionSpec {
    heads: 4,
    kv_heads: 2,
    key_dim: 64,
    value_dim: 64,
    scale: 0.25,
    softcap: None,
    window: None,
    sinks: None,
    values_in_keys: false,
};
const SIZES: LayerKv = LayerKv {
    kv_heads: 2,
    key_dim: 64,
    value_dim: 64,
};
const WIDTH: usize = 4 * 64;
const KV_WIDTH: usize = 2 * 64;
const POSITIONS: usize = 70;
const PAGES: usize = POSITIONS.div_ceil(PAGE_TOKENS);
const AS_THEY_ARE: Placing<'static> = Placing {
    query_norm: None,
    key_norm: None,
    value_norm: false,
    epsilon: 0.0,
    turns: None,
    warmth: None,
};

fn keys() -> Vec<f32> {
    numbers(21).take(POSITIONS * KV_WIDTH).collect()
}

fn values() -> Vec<f32> {
    numbers(22).take(POSITIONS * KV_WIDTH).collect()
}

/// Of all positions; the last rows' are asked.
fn queries() -> Vec<f32> {
    numbers(23).take(POSITIONS * WIDTH).collect()
}

/// What the last `rows` positions see, by the processor.
pub(super) fn here(kind: KvType, rows: usize) -> Vec<f32> {
    let mut store = PageStore::new(PageShape {
        kv_type: kind,
        layers: vec![SIZES],
    });
    let pages: Vec<_> = std::iter::repeat_with(|| store.grow())
        .take(PAGES)
        .collect();
    let sequence = |start, count| Sequence {
        pages: &pages,
        start,
        count,
    };
    let all = [sequence(0, POSITIONS)];
    cpu::write_kv(&mut store, 0, &all, &keys(), &values());
    let first = POSITIONS - rows;
    let asked = [sequence(first, rows)];
    let mut out = vec![0.0; rows * WIDTH];
    let queries = &queries()[first * WIDTH..];
    let pool = Pool::new(1);
    cpu::attention(&pool, &SPEC, &store, 0, queries, &asked, &mut out);
    out
}

/// The same by the device.
pub(super) fn there(device: &Device, kind: KvType, rows: usize) -> Result<Vec<f32>, DeviceError> {
    let pages = LayerPages::room(device, SIZES, kind, PAGES)?;
    let positions: Vec<u32> = (0..POSITIONS).map(small).collect();
    let names: Vec<u32> = (0..PAGES).map(small).collect();
    let names = device.upload(&names)?;
    let sequences = device.zeroed(POSITIONS * 4)?;
    let slots = device.upload(&positions)?;
    let all = Rows {
        count: POSITIONS,
        of_sequences: 1,
        positions: &slots,
        slots: &slots,
        sequences: &sequences,
        pages: &names,
        table: PAGES,
    };
    let [keys, values] = [keys(), values()].map(|floats| device.upload(&floats));
    let own = [keys?, values?].map(|buffer| Strided::dense(&buffer, KV_WIDTH));
    let queries = Strided::dense(&device.upload(&queries())?, WIDTH);
    place(
        device,
        &pages,
        SPEC.heads,
        &AS_THEY_ARE,
        &all,
        &queries,
        Some(&own),
    )?;
    let first = POSITIONS - rows;
    let asked = device.upload(&positions[first..])?;
    let asked = Rows {
        count: rows,
        positions: &asked,
        ..all
    };
    let queries = Strided::dense(
        &queries.buffer.part(first * WIDTH * 4, rows * WIDTH * 4),
        WIDTH,
    );
    let found = Found::room(device, [SPEC.heads, WIDTH], places(rows, PAGES))?;
    let out = device.zeroed(rows * WIDTH * 4)?;
    let attending = Attending {
        spec: &SPEC,
        sinks: None,
        pages: &pages,
    };
    attend(device, attending, &asked, &queries, &found, &out, None)?;
    device.floats(&out)
}
