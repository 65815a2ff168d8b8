//! Keys and values in their pages: written position by position, read a head and page at a time.
//!
//! Keys lie `[head][dim][position]`, so that one register holds a number of keys' same element; values lie
//! `[head][position][dim]`. In `Q8_0`, a head's 8-bit numbers come first, in that order, then the scales of its runs of 32
//! elements, `[dim / 32][position]` for keys and `[position][dim / 32]` for values.

use super::attention::Sequence;
use crate::kv::{KvType, PAGE_TOKENS, PageStore};
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Writes the keys and values of all sequences' rows, `[rows, kv_heads, dim]`, into their pages. No values for a layer
/// whose values are read out of its keys.
pub fn write_kv(
    store: &mut PageStore,
    layer: usize,
    sequences: &[Sequence],
    keys: &[f32],
    values: &[f32],
) {
    let kind = store.shape().kv_type;
    let sizes = store.shape().layers[layer];
    let key_width = sizes.kv_heads * sizes.key_dim;
    let value_width = sizes.kv_heads * sizes.value_dim;
    let mut row = 0;
    for sequence in sequences {
        for position in sequence.start..sequence.start + sequence.count {
            let (page, slot) = (
                sequence.pages[position / PAGE_TOKENS],
                position % PAGE_TOKENS,
            );
            let (page_keys, page_values) = store.layer_mut(page, layer);
            let places = Places {
                kind,
                slot,
                across: true,
            };
            let of = |width: usize, row: usize| row * width..(row + 1) * width;
            places.write(page_keys, &keys[of(key_width, row)], sizes.key_dim);
            if value_width > 0 {
                let places = Places {
                    across: false,
                    ..places
                };
                places.write(page_values, &values[of(value_width, row)], sizes.value_dim);
            }
            row += 1;
        }
    }
}

/// Where a position's elements lie in a head of a page.
#[derive(Clone, Copy)]
struct Places {
    kind: KvType,
    slot: usize,
    /// Whether positions are neighbours (keys), or elements (values).
    across: bool,
}

impl Places {
    fn write(self, page: &mut [u8], row: &[f32], dim: usize) {
        let head_bytes = PAGE_TOKENS * self.kind.bytes(dim);
        for (head, row) in page.chunks_exact_mut(head_bytes).zip(row.chunks_exact(dim)) {
            match self.kind {
                KvType::F32 => self.floats(head, row),
                KvType::F16 => self.halves(head, row),
                KvType::Q8_0 => self.quants(head, row),
            }
        }
    }

    /// The place of element `at` of `count` a position.
    fn place(self, at: usize, count: usize) -> usize {
        if self.across {
            at * PAGE_TOKENS + self.slot
        } else {
            self.slot * count + at
        }
    }

    fn floats(self, head: &mut [u8], row: &[f32]) {
        for (at, value) in row.iter().enumerate() {
            let place = 4 * self.place(at, row.len());
            head[place..place + 4].copy_from_slice(&value.to_le_bytes());
        }
    }

    fn halves(self, head: &mut [u8], row: &[f32]) {
        for (at, value) in row.iter().enumerate() {
            let place = 2 * self.place(at, row.len());
            head[place..place + 2].copy_from_slice(&f16::from_f32(*value).to_le_bytes());
        }
    }

    fn quants(self, head: &mut [u8], row: &[f32]) {
        let (quants, scales) = head.split_at_mut(row.len() * PAGE_TOKENS);
        for (run, values) in row.chunks_exact(32).enumerate() {
            let largest = values
                .iter()
                .fold(0.0_f32, |largest, value| largest.max(value.abs()));
            let scale = f16::from_f32(largest / 127.0);
            let place = 2 * self.place(run, row.len() / 32);
            scales[place..place + 2].copy_from_slice(&scale.to_le_bytes());
            let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            for (at, value) in values.iter().enumerate() {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "at most 127; a NaN becomes 0"
                )]
                let quant = (value * inverse).round_ties_even() as i8;
                quants[self.place(run * 32 + at, row.len())] = quant.cast_unsigned();
            }
        }
    }
}

/// The bytes of a page that are one head's.
pub(super) fn head_of(kind: KvType, page: &[u8], head: usize, dim: usize) -> &[u8] {
    let head_bytes = PAGE_TOKENS * kind.bytes(dim);
    &page[head * head_bytes..][..head_bytes]
}

/// A head's keys of a page as floats, `[dim, PAGE_TOKENS]`.
pub(super) fn load_keys(kind: KvType, page: &[u8], head: usize, dim: usize, out: &mut [f32]) {
    load(kind, page, head, dim, out, |at| {
        at / PAGE_TOKENS / 32 * PAGE_TOKENS + at % PAGE_TOKENS
    });
}

/// A head's values of a page as floats, `[PAGE_TOKENS, dim]`.
pub(super) fn load_values(kind: KvType, page: &[u8], head: usize, dim: usize, out: &mut [f32]) {
    load(kind, page, head, dim, out, |at| {
        at / dim * (dim / 32) + at % dim / 32
    });
}

fn load(
    kind: KvType,
    page: &[u8],
    head: usize,
    dim: usize,
    out: &mut [f32],
    scale_of: impl Fn(usize) -> usize,
) {
    let bytes = head_of(kind, page, head, dim);
    match kind {
        KvType::F32 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }
        KvType::F16 => halves(bytes, out),
        KvType::Q8_0 => {
            let (quants, scales) = bytes.split_at(dim * PAGE_TOKENS);
            for (at, (out, quant)) in out.iter_mut().zip(quants).enumerate() {
                let place = 2 * scale_of(at);
                let scale = f16::from_le_bytes([scales[place], scales[place + 1]]);
                *out = scale.to_f32() * f32::from(quant.cast_signed());
            }
        }
    }
}

/// Half-precision numbers as floats. They lie aligned, since a page does and each head has a multiple of 64 bytes.
fn halves(bytes: &[u8], out: &mut [f32]) {
    #[expect(
        unsafe_code,
        reason = "any 16 bits are an f16; the ends that are not aligned are copied by hand"
    )]
    // SAFETY: f16 is a transparent u16 and has no invalid bit patterns.
    let (before, halves, after) = unsafe { bytes.align_to::<f16>() };
    if before.is_empty() && after.is_empty() {
        halves.convert_to_f32_slice(&mut out[..halves.len()]);
        return;
    }
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *out = f16::from_le_bytes(*bytes).to_f32();
    }
}
