//! Where the rows of a step stand, in device memory: what changes from step to step, so that launches need not.

use super::Decoder;
use crate::decoder::Chunk;
use crate::decoder::description::{RopeStyle, Temperature};
use crate::decoder::ops::warmth;
use crate::gpu::attention::Rows;
use crate::gpu::device::{BORDER, Buffer, Device, DeviceError};
use crate::gpu::matrix::small;
use crate::kv::PAGE_TOKENS;

/// Steps that have the same launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Rows.
    pub(super) rows: usize,
    /// Of how many sequences.
    pub(super) of_sequences: usize,
    /// Rows whose logits are wanted.
    pub(super) wanted: usize,
    /// Names in a row of the table of pages: a power of two, so that it is rarely another.
    pub(super) table: usize,
}

/// The fewest names in a row of the table: what one block of attention looks at.
const LEAST_TABLE: usize = 8;

/// Names in a row of the table where the longest sequence has so many pages.
pub(super) fn table_for(pages: usize) -> usize {
    pages.next_power_of_two().max(LEAST_TABLE)
}

impl Key {
    pub(super) fn of(chunks: &[Chunk], wanted: usize) -> Self {
        let pages = chunks.iter().map(|chunk| chunk.pages.len()).max();
        Self {
            rows: chunks.iter().map(|chunk| chunk.tokens.len()).sum(),
            of_sequences: chunks.len(),
            wanted,
            table: table_for(pages.unwrap_or(0)),
        }
    }
}

/// All of it, one run of bytes that is written at once.
#[derive(Debug)]
pub(super) struct Places {
    key: Key,
    all: Buffer,
    bytes: Vec<u8>,
    pub(super) tokens: Buffer,
    pub(super) wanted: Buffer,
    positions: Buffer,
    slots: Buffer,
    sequences: Buffer,
    pages: Buffer,
    /// For each rotation `[rows, dims / 2, 2]`, and how many elements turn, and which together.
    turns: Vec<(Buffer, usize, RopeStyle)>,
    /// For each layer whose queries grow with their position `[rows]`; layers with the same growth have the same.
    warmths: Vec<(Temperature, Buffer)>,
}

impl Places {
    pub(super) fn room(decoder: &Decoder, key: Key) -> Result<Self, DeviceError> {
        let temperatures = decoder.temperatures();
        let rows = key.rows;
        // Numbers of each part, in the order in which `fill` writes them.
        let names = key.of_sequences * key.table;
        let mut counts = vec![rows, key.wanted, rows, rows, rows, names];
        counts.extend(decoder.ropes.iter().map(|rope| rows * rope.dims));
        counts.extend(temperatures.iter().map(|_| rows));
        let sizes = counts
            .iter()
            .map(|count| (count * 4).next_multiple_of(BORDER));
        let all = decoder.device.zeroed(sizes.clone().sum())?;
        let mut at = 0;
        let mut parts = sizes.map(|size| {
            at += size;
            all.part(at - size, size)
        });
        let mut next = || parts.next().unwrap_or_else(|| all.part(0, 0));
        Ok(Self {
            key,
            bytes: Vec::with_capacity(all.bytes()),
            tokens: next(),
            wanted: next(),
            positions: next(),
            slots: next(),
            sequences: next(),
            pages: next(),
            turns: decoder
                .ropes
                .iter()
                .map(|rope| (next(), rope.dims, rope.style))
                .collect(),
            warmths: temperatures.into_iter().map(|one| (one, next())).collect(),
            all,
        })
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.all
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows {
            count: self.key.rows,
            of_sequences: self.key.of_sequences,
            positions: &self.positions,
            slots: &self.slots,
            sequences: &self.sequences,
            pages: &self.pages,
            table: self.key.table,
        }
    }

    pub(super) fn turns(&self, rope: usize) -> (&Buffer, usize, RopeStyle) {
        let (turns, dims, style) = &self.turns[rope];
        (turns, *dims, *style)
    }

    pub(super) fn warmth(&self, temperature: &Temperature) -> Option<&Buffer> {
        let mut all = self.warmths.iter();
        all.find(|(one, _)| one == temperature)
            .map(|(_, warmth)| warmth)
    }

    /// Writes where these chunks stand.
    pub(super) fn fill(
        &mut self,
        device: &Device,
        ropes: &[crate::decoder::rope::Rope],
        chunks: &[Chunk],
        wanted: &[usize],
    ) -> Result<(), DeviceError> {
        self.bytes.clear();
        let positions = positions(chunks);
        self.push(chunks.iter().flat_map(|chunk| chunk.tokens).copied());
        self.push(wanted.iter().map(|row| small(*row)));
        self.push(positions.iter().map(|position| small(*position)));
        self.push(slots(chunks));
        let sequences = chunks.iter().enumerate();
        self.push(
            sequences.flat_map(|(at, chunk)| std::iter::repeat_n(small(at), chunk.tokens.len())),
        );
        let table = self.key.table;
        self.push(chunks.iter().flat_map(|chunk| {
            let names = chunk.pages.iter().map(|page| page.0);
            names.chain(std::iter::repeat(0)).take(table)
        }));
        let (mut cosines, mut sines) = (Vec::new(), Vec::new());
        for rope in ropes {
            rope.turn(&positions, &mut cosines, &mut sines);
            let both = cosines.iter().zip(&sines);
            self.push(both.flat_map(|(cosine, sine)| [cosine.to_bits(), sine.to_bits()]));
        }
        for at in 0..self.warmths.len() {
            let temperature = self.warmths[at].0;
            let warmth = positions
                .iter()
                .map(|position| warmth(&temperature, *position));
            self.push(warmth.map(f32::to_bits));
        }
        device.write(&self.all, 0, &self.bytes)
    }

    /// Overwrites what was written last.
    pub(super) fn wipe_host(&mut self) {
        crate::wipe::wipe(&mut self.bytes);
        self.bytes.clear();
    }

    /// A part, and what is missing up to the next one's border.
    fn push(&mut self, numbers: impl Iterator<Item = u32>) {
        self.bytes.extend(numbers.flat_map(u32::to_le_bytes));
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(BORDER), 0);
    }
}

fn positions(chunks: &[Chunk]) -> Vec<usize> {
    let positions = |chunk: &Chunk| chunk.start..chunk.start + chunk.tokens.len();
    chunks.iter().flat_map(positions).collect()
}

/// Where each row's keys and values are kept.
fn slots(chunks: &[Chunk]) -> impl Iterator<Item = u32> {
    chunks.iter().flat_map(|chunk| {
        (chunk.start..chunk.start + chunk.tokens.len()).map(|position| {
            let page = chunk.pages[position / PAGE_TOKENS].0 as usize;
            small(page * PAGE_TOKENS + position % PAGE_TOKENS)
        })
    })
}
