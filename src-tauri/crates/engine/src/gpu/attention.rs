//! Attention of a few rows: turns, the KV cache and the softmax over it.
//!
//! Pages lie on the device for each attention layer apart, keys and values apart, `[page][kv_head][position][dim]`
//! (`kernels/attention.cu`, `look.cu`). A sequence's pages are named by a row of a table that lies there too, so that a step's launches
//! are the same whatever the sequences hold.

use super::device::{Argument, Buffer, Device, DeviceError, Shape};
use super::matrix::small;
use super::rows::{Quants, quantize};
use crate::cpu::AttentionSpec;
use crate::decoder::description::RopeStyle;
use crate::kv::{Change, KvType, LayerKv, PAGE_TOKENS};

/// Pages that one block looks at, at least, and its warps: `SPLIT_PAGES` and `LOOK_WARPS` of the kernel.
const SPLIT_PAGES: usize = 4;
/// Blocks among which one row's past is shared, at most; and all rows' together, unless there are more rows.
const MOST_SPLITS: usize = 64;
const MOST_PLACES: usize = 1024;
const LOOK_WARPS: usize = 4;
/// Query heads that a block looks at together, and elements of a head, where there are kernels for: any up to so many of both.
const LOOKS: [(usize, usize); 5] = [(1, 256), (2, 256), (4, 256), (8, 256), (4, 512)];
const JOIN_THREADS: u32 = 256;
const LANES: usize = 32;
/// Up to so many rows, or so many of a sequence on the average, each looks by itself, many blocks at one's past; more go through
/// the tensor cores (`kernels/flash.cu`).
const FEW_ROWS: usize = 8;
const FEW_ROWS_OF_SEQUENCE: usize = 4;
/// Queries of a block there, and its threads.
const FLASH_QUERIES: usize = 64;
const FLASH_THREADS: u32 = 128;
/// Elements of a head that there are kernels for.
const FLASH_DIMS: [usize; 3] = [64, 128, 256];

/// Keys and values of one layer, of all pages.
#[derive(Debug, Clone)]
pub struct LayerPages {
    keys: Buffer,
    values: Buffer,
    sizes: LayerKv,
    kind: KvType,
}

impl LayerPages {
    /// Room for so many pages.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn room(
        device: &Device,
        sizes: LayerKv,
        kind: KvType,
        pages: usize,
    ) -> Result<Self, DeviceError> {
        let bytes = |dim: usize| pages * sizes.kv_heads * PAGE_TOKENS * kind.bytes(dim);
        Ok(Self {
            keys: device.zeroed(bytes(sizes.key_dim))?,
            values: device.zeroed(bytes(sizes.value_dim))?,
            sizes,
            kind,
        })
    }

    /// Where they lie.
    #[cfg(test)]
    pub(super) fn buffers(&self) -> [&Buffer; 2] {
        [&self.keys, &self.values]
    }

    fn page_bytes(&self) -> [(&Buffer, usize); 2] {
        let bytes = |dim: usize| self.sizes.kv_heads * PAGE_TOKENS * self.kind.bytes(dim);
        let LayerKv {
            key_dim, value_dim, ..
        } = self.sizes;
        [
            (&self.keys, bytes(key_dim)),
            (&self.values, bytes(value_dim)),
        ]
    }

    /// Does what the names' keeper wants done.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// For a page that there is no room for.
    pub fn change(&self, device: &Device, change: Change) -> Result<(), DeviceError> {
        for (buffer, bytes) in self.page_bytes() {
            match change {
                Change::Copy(from, to) if from == to => {}
                Change::Copy(from, to) => {
                    device.copy(
                        buffer,
                        from.0 as usize * bytes,
                        to.0 as usize * bytes,
                        bytes,
                    )?;
                }
                Change::Wipe(page) => device.clear(buffer, page.0 as usize * bytes, bytes)?,
            }
        }
        Ok(())
    }

    fn suffix(&self) -> &'static str {
        match self.kind {
            KvType::F32 => "f32",
            KvType::F16 => "f16",
            KvType::Q8_0 => "q8_0",
        }
    }
}

/// Where the rows of a step stand.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// How many.
    pub count: usize,
    /// Of how many sequences: few rows of each see different pasts, many of one see much the same.
    pub of_sequences: usize,
    /// Each row's position in its sequence: `[rows]`.
    pub positions: &'a Buffer,
    /// Where it is kept: page · 32 + position in the page, `[rows]`.
    pub slots: &'a Buffer,
    /// Each row's sequence: `[rows]`.
    pub sequences: &'a Buffer,
    /// Names of the sequences' pages: `[sequences, table]`.
    pub pages: &'a Buffer,
    /// Names in a row of the table, of which any may be looked at.
    pub table: usize,
}

/// How queries and keys are changed before they meet.
#[derive(Debug, Clone, Copy)]
pub struct Placing<'a> {
    /// Weights of an RMS norm over each query's head.
    pub query_norm: Option<&'a Buffer>,
    /// Of each key's head.
    pub key_norm: Option<&'a Buffer>,
    /// Whether each value's head is normed too, without weights.
    pub value_norm: bool,
    /// The norms' ε.
    pub epsilon: f32,
    /// Cosines and sines of all rows, `[rows, dims / 2, 2]`, how many elements turn, and which together.
    pub turns: Option<(&'a Buffer, usize, RopeStyle)>,
    /// What queries of each row are multiplied by at the end: `[rows]`.
    pub warmth: Option<&'a Buffer>,
}

/// Rows of heads in a buffer that may have more beside them.
#[derive(Debug, Clone)]
pub struct Strided {
    /// From the first row's first head on.
    pub buffer: Buffer,
    /// Floats from a row to the next.
    pub stride: usize,
}

impl Strided {
    /// Rows without anything beside them.
    pub fn dense(buffer: &Buffer, width: usize) -> Self {
        Self {
            buffer: buffer.clone(),
            stride: width,
        }
    }

    /// From a column of the same rows on.
    #[must_use]
    pub fn from_column(&self, column: usize) -> Self {
        let offset = column * 4;
        Self {
            buffer: self.buffer.part(offset, self.buffer.bytes() - offset),
            stride: self.stride,
        }
    }

    fn holds(&self, rows: usize, width: usize) -> bool {
        width <= self.stride && self.buffer.bytes() >= ((rows.max(1) - 1) * self.stride + width) * 4
    }
}

/// Norms and turns queries in place, and writes keys and values where they are kept, in one launch. Values may be keys; without
/// either, nothing is kept: another layer's are looked at.
/// Shapes: queries `[rows, heads, key_dim]`, keys `[rows, kv_heads, key_dim]`, values `[rows, kv_heads, value_dim]`.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small or a head has more than 1,024 elements.
pub fn place(
    device: &Device,
    pages: &LayerPages,
    heads: usize,
    placing: &Placing,
    rows: &Rows,
    queries: &Strided,
    own: Option<&[Strided; 2]>,
) -> Result<(), DeviceError> {
    let LayerKv {
        kv_heads,
        key_dim,
        value_dim,
    } = pages.sizes;
    let holds = |buffer: &Buffer, width: usize| buffer.bytes() >= rows.count * width * 4;
    assert!(queries.holds(rows.count, heads * key_dim) && holds(rows.slots, 1));
    assert!(own.is_none_or(|[keys, values]| {
        keys.holds(rows.count, kv_heads * key_dim) && values.holds(rows.count, kv_heads * value_dim)
    }));
    assert!(placing.warmth.is_none_or(|warmth| holds(warmth, 1)));
    let block = key_dim.max(value_dim).next_multiple_of(LANES);
    assert!(block <= 1024);
    let kept_heads = own.map_or(0, |_| 2 * kv_heads);
    let [keys, values] = own.map_or([Argument::Null; 2], |own| {
        own.each_ref().map(|one| Argument::Buffer(&one.buffer))
    });
    let strides = own.map_or([0; 2], |own| own.each_ref().map(|one| one.stride));
    let turned = placing.turns.map_or(0, |(_, dims, _)| dims);
    let interleaved = placing
        .turns
        .is_some_and(|(_, _, style)| style == RopeStyle::Interleaved);
    let turns = placing.turns.map(|(turns, ..)| turns);
    assert!(turned <= key_dim && turns.is_none_or(|turns| holds(turns, turned)));
    let shape = Shape {
        grid: [small(rows.count), small(heads + kept_heads), 1],
        block: small(block),
        shared_bytes: (LANES + key_dim) * 4,
    };
    let arguments = [
        Argument::Buffer(&queries.buffer),
        keys,
        values,
        Argument::optional(placing.query_norm),
        Argument::optional(placing.key_norm),
        Argument::Number(u32::from(placing.value_norm)),
        Argument::Float(placing.epsilon),
        Argument::optional(turns),
        Argument::Number(small(turned)),
        Argument::Number(u32::from(interleaved)),
        Argument::optional(placing.warmth),
        Argument::Buffer(rows.slots),
        Argument::Buffer(&pages.keys),
        Argument::Buffer(&pages.values),
        Argument::Number(small(queries.stride)),
        Argument::Number(small(strides[0])),
        Argument::Number(small(strides[1])),
        Argument::Number(small(heads)),
        Argument::Number(small(kv_heads)),
        Argument::Number(small(key_dim)),
        Argument::Number(small(value_dim)),
    ];
    device.launch(&format!("place_{}", pages.suffix()), shape, &arguments)
}

/// Room for what blocks find before it is joined.
#[derive(Debug, Clone)]
pub struct Found {
    /// Largest score and sum of shares: `[splits, rows, heads, 2]`.
    scores: Buffer,
    /// `[splits, rows, heads, value_dim]`.
    sums: Buffer,
}

/// Among how many blocks each row's past is shared. A row's own length decides how many of them have something to do.
fn splits(rows: usize, table: usize) -> usize {
    let most = (MOST_PLACES / rows.max(1)).clamp(1, MOST_SPLITS);
    table.div_ceil(SPLIT_PAGES).clamp(1, most)
}

/// How many rows' splits there are at most, of steps of up to so many rows over tables of so many names.
pub(super) fn places(rows: usize, table: usize) -> usize {
    rows.max(MOST_PLACES.min(rows * splits(1, table)))
}

impl Found {
    /// For so many [`places`] of rows of so many heads, whose values have so many numbers together.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn room(
        device: &Device,
        [heads, values]: [usize; 2],
        places: usize,
    ) -> Result<Self, DeviceError> {
        Ok(Self {
            scores: device.zeroed(places * heads * 8)?,
            sums: device.zeroed(places * values * 4)?,
        })
    }

    /// Where it is.
    pub(super) fn buffers(&self) -> [&Buffer; 2] {
        [&self.scores, &self.sums]
    }
}

/// The size of heads that the tensor cores attend with, if they do.
fn flash_dim(
    spec: &AttentionSpec,
    kind: KvType,
    (rows, of_sequences): (usize, usize),
) -> Option<usize> {
    let many = rows > FEW_ROWS && rows > FEW_ROWS_OF_SEQUENCE * of_sequences;
    let dim = spec.key_dim.max(spec.value_dim);
    let is_known = spec.heads / spec.kv_heads <= FLASH_QUERIES
        && spec.key_dim.is_multiple_of(2)
        && kind != KvType::F32;
    let fits = |of: &usize| *of >= dim && is_known && many;
    FLASH_DIMS.into_iter().find(fits)
}

/// How many query heads of one head of keys a block looks at together, and how many runs of 256 elements a head has at most.
fn looks_together(spec: &AttentionSpec) -> (usize, usize) {
    let shared = spec.heads / spec.kv_heads;
    let dim = spec.key_dim.max(spec.value_dim);
    let mut fits = LOOKS.iter().filter(|(_, widest)| dim <= *widest);
    let enough = fits.clone().find(|(heads, _)| shared <= *heads);
    let look = enough.or_else(|| fits.next_back());
    let (heads, widest) = look.expect("heads that were not refused");
    (*heads, widest / 256)
}

/// Whether there are kernels for heads of so many elements.
pub fn is_known(key_dim: usize, value_dim: usize) -> bool {
    let known = |dim: usize| dim.is_multiple_of(8) && LOOKS.iter().any(|(_, most)| dim <= *most);
    known(key_dim) && known(value_dim)
}

/// What a layer attends with.
#[derive(Debug, Clone, Copy)]
pub struct Attending<'a> {
    /// What is computed; its own `sinks` lie with the processor and are not looked at.
    pub spec: &'a AttentionSpec<'a>,
    /// For each head one more score, which has no value: `[heads]`.
    pub sinks: Option<&'a Buffer>,
    /// What has been kept.
    pub pages: &'a LayerPages,
}

/// Softmax attention of each row over what its sequence has kept, up to its own position. `queries` `[rows, heads, key_dim]`,
/// `out` `[rows, heads, value_dim]`, and the same as quants where they are wanted.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small, or heads are not [`is_known`].
pub fn attend(
    device: &Device,
    Attending { spec, sinks, pages }: Attending,
    rows: &Rows,
    queries: &Strided,
    found: &Found,
    out: &Buffer,
    quants: Option<&Quants>,
) -> Result<(), DeviceError> {
    let shared = spec.heads / spec.kv_heads;
    let whole = [rows.count, spec.heads * spec.value_dim];
    assert!(quants.is_none_or(|quants| quants.has_room(whole)));
    let holds = |buffer: &Buffer, width: usize| buffer.bytes() >= rows.count * width * 4;
    assert!(queries.holds(rows.count, spec.heads * spec.key_dim));
    assert!(holds(out, spec.heads * spec.value_dim));
    assert!(!spec.values_in_keys && spec.key_dim == pages.sizes.key_dim);
    assert!(is_known(spec.key_dim, spec.value_dim));
    if let Some(dim) = flash_dim(spec, pages.kind, (rows.count, rows.of_sequences)) {
        let attending = Attending { spec, sinks, pages };
        flash(device, attending, dim, rows, queries, out)?;
        return quants.map_or(Ok(()), |quants| quantize(device, out, quants, whole));
    }
    let splits = splits(rows.count, rows.table);
    let places = splits * rows.count * spec.heads;
    assert!(holds(rows.positions, 1) && found.scores.bytes() >= places * 8);
    assert!(found.sums.bytes() >= places * spec.value_dim * 4);
    let (together, eights) = looks_together(spec);
    let runs = spec.kv_heads * shared.div_ceil(together);
    let shape = Shape {
        grid: [small(splits), small(runs), small(rows.count)],
        block: small(LOOK_WARPS * LANES),
        shared_bytes: LOOK_WARPS * together * (2 + spec.value_dim) * 4,
    };
    let arguments = [
        Argument::Buffer(&queries.buffer),
        Argument::Number(small(queries.stride)),
        Argument::Buffer(&pages.keys),
        Argument::Buffer(&pages.values),
        Argument::Buffer(rows.pages),
        Argument::Number(small(rows.table)),
        Argument::Buffer(rows.sequences),
        Argument::Buffer(rows.positions),
        Argument::Float(spec.scale),
        Argument::Float(spec.softcap.unwrap_or(0.0)),
        Argument::Number(small(spec.window.unwrap_or(0))),
        Argument::Number(small(spec.heads)),
        Argument::Number(small(spec.kv_heads)),
        Argument::Number(small(spec.key_dim)),
        Argument::Number(small(spec.value_dim)),
        Argument::Buffer(&found.scores),
        Argument::Buffer(&found.sums),
    ];
    let kernel = format!("look_{}_{together}_{eights}", pages.suffix());
    device.launch(&kernel, shape, &arguments)?;
    // In the same launch, where whole warps have a group.
    let joined = quants.filter(|_| spec.value_dim.is_multiple_of(LANES));
    let shape = Shape {
        grid: [small(rows.count * spec.heads), 1, 1],
        block: JOIN_THREADS,
        shared_bytes: 0,
    };
    let arguments = [
        Argument::Buffer(&found.scores),
        Argument::Buffer(&found.sums),
        Argument::optional(sinks),
        Argument::Number(small(splits)),
        Argument::Number(small(spec.heads)),
        Argument::Number(small(spec.value_dim)),
        Argument::Buffer(out),
        Argument::optional(joined.map(Quants::numbers)),
        Argument::optional(joined.map(Quants::scales)),
    ];
    device.launch("join", shape, &arguments)?;
    let rest = quants.filter(|_| joined.is_none());
    rest.map_or(Ok(()), |quants| quantize(device, out, quants, whole))
}

/// The same through the tensor cores, with heads of up to `dim` elements.
fn flash(
    device: &Device,
    Attending { spec, sinks, pages }: Attending,
    dim: usize,
    rows: &Rows,
    queries: &Strided,
    out: &Buffer,
) -> Result<(), DeviceError> {
    let rows_of_block = FLASH_QUERIES / (spec.heads / spec.kv_heads);
    let shape = Shape {
        grid: [
            small(rows.count.div_ceil(rows_of_block)),
            small(spec.kv_heads),
            1,
        ],
        block: FLASH_THREADS,
        shared_bytes: ((FLASH_QUERIES + PAGE_TOKENS) * (dim + 8) + dim * (PAGE_TOKENS + 8)) * 2,
    };
    let arguments = [
        Argument::Buffer(&queries.buffer),
        Argument::Number(small(queries.stride)),
        Argument::Buffer(&pages.keys),
        Argument::Buffer(&pages.values),
        Argument::Buffer(rows.pages),
        Argument::Number(small(rows.table)),
        Argument::Buffer(rows.sequences),
        Argument::Buffer(rows.positions),
        Argument::Number(small(rows.count)),
        Argument::Float(spec.scale),
        Argument::Float(spec.softcap.unwrap_or(0.0)),
        Argument::Number(small(spec.window.unwrap_or(0))),
        Argument::Number(small(spec.heads)),
        Argument::Number(small(spec.kv_heads)),
        Argument::Number(small(spec.key_dim)),
        Argument::Number(small(spec.value_dim)),
        Argument::optional(sinks),
        Argument::Buffer(out),
    ];
    let kernel = format!("flash_{}_{dim}", pages.suffix());
    device.launch(&kernel, shape, &arguments)
}
