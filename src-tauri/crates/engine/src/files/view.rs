//! A part of a file seen as an array with strides: rows permuted, sliced, skipped or transposed without moving a byte.
//!
//! Elements are opaque bytes. It deliberately knows no types and no names. Invariant: whatever is made of a view lies inside
//! of what it was made of; each operation that would leave it gives `None`.

use super::source::{Parts, Place, read_at};
use std::io;

/// Runs at least this long are read one by one; shorter ones are picked out of a stretch that is read at once.
const LONG_RUN_BYTES: u64 = 4096;
/// The longest such stretch.
const STRETCH_BYTES: u64 = 64 << 20;

/// A dimension: how many, and how many bytes from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dimension {
    count: usize,
    stride: u64,
}

/// An array in a file, slowest dimension first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    place: Place,
    element_bytes: u64,
    dimensions: Vec<Dimension>,
}

impl View {
    /// All of an array that lies there without gaps. The caller has proven that it does.
    pub(crate) fn whole(place: Place, element_bytes: u64, shape: &[usize]) -> Self {
        let mut stride = element_bytes;
        let mut dimensions: Vec<_> = shape
            .iter()
            .rev()
            .map(|count| {
                let dimension = Dimension {
                    count: *count,
                    stride,
                };
                stride = stride.saturating_mul(*count as u64);
                dimension
            })
            .collect();
        dimensions.reverse();
        Self {
            place,
            element_bytes,
            dimensions,
        }
    }

    /// Sizes, slowest first.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.dimensions.iter().map(|one| one.count).collect()
    }

    /// The lowest place that it touches.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Bytes that come out of it.
    pub(crate) fn size_bytes(&self) -> u64 {
        size_bytes(&self.dimensions, self.element_bytes)
    }

    /// `count` entries of the dimension `axis`, from `first` on.
    pub(crate) fn slice(mut self, axis: usize, first: usize, count: usize) -> Option<Self> {
        let dimension = self.dimensions.get_mut(axis)?;
        if count == 0 || first.checked_add(count)? > dimension.count {
            return None;
        }
        self.place.offset += first as u64 * dimension.stride;
        dimension.count = count;
        Some(self)
    }

    /// Every `step`-th entry of the dimension `axis`, from `first` on; `step` must divide it.
    pub(crate) fn every(self, axis: usize, first: usize, step: usize) -> Option<Self> {
        let split = self.split(axis, step)?;
        let mut one = split.slice(axis + 1, first, 1)?;
        one.dimensions.remove(axis + 1);
        Some(one)
    }

    /// The dimension `axis` as two, the second of `inner`, which must divide it.
    pub(crate) fn split(mut self, axis: usize, inner: usize) -> Option<Self> {
        let whole = *self.dimensions.get(axis)?;
        if inner == 0 || !whole.count.is_multiple_of(inner) {
            return None;
        }
        self.dimensions[axis] = Dimension {
            count: whole.count / inner,
            stride: whole.stride * inner as u64,
        };
        let inner = Dimension {
            count: inner,
            stride: whole.stride,
        };
        self.dimensions.insert(axis + 1, inner);
        Some(self)
    }

    /// With two dimensions in each other's place.
    pub(crate) fn swap(mut self, one: usize, other: usize) -> Option<Self> {
        if one.max(other) >= self.dimensions.len() {
            return None;
        }
        self.dimensions.swap(one, other);
        Some(self)
    }

    /// Whether its bytes lie one behind the other.
    pub(crate) fn is_plain(&self) -> bool {
        self.runs().0.is_empty()
    }

    /// Bytes that are best read together, since one stretch of the file gives them all: with less at a time that stretch
    /// would be read again. `None` where any piece is as good as another.
    pub(crate) fn together_bytes(&self) -> Option<u64> {
        let (dimensions, run) = self.runs();
        let (outer, inner) = dimensions.split_first()?;
        let reach = stretch_bytes(inner, run);
        if run >= LONG_RUN_BYTES || reach > STRETCH_BYTES {
            return None;
        }
        // Entries that lie one behind the other, or in between each other.
        let apart = outer.stride >= reach;
        if apart && inner.is_empty() {
            return None;
        }
        let bytes = size_bytes(if apart { inner } else { dimensions }, run);
        (bytes <= STRETCH_BYTES).then_some(bytes)
    }

    /// The dimensions around the longest runs of bytes that lie together, and how long those are.
    fn runs(&self) -> (&[Dimension], u64) {
        let mut run = self.element_bytes;
        let mut outer = self.dimensions.len();
        while let Some(dimension) = outer.checked_sub(1).map(|at| self.dimensions[at])
            && (dimension.stride == run || dimension.count == 1)
        {
            run = run.saturating_mul(dimension.count as u64);
            outer -= 1;
        }
        (&self.dimensions[..outer], run)
    }

    /// Reads what lies `skip` bytes after the beginning.
    pub(crate) fn read(&self, parts: Parts, skip: u64, into: &mut [u8]) -> io::Result<()> {
        let (dimensions, run) = self.runs();
        read(parts, dimensions, run, self.place, skip, into)
    }
}

fn size_bytes(dimensions: &[Dimension], run: u64) -> u64 {
    let counts = dimensions.iter().map(|one| one.count as u64);
    counts.fold(run, u64::saturating_mul)
}

/// Bytes from the first that is touched to the last.
fn stretch_bytes(dimensions: &[Dimension], run: u64) -> u64 {
    let reach = |one: &Dimension| one.stride.saturating_mul(one.count as u64 - 1);
    dimensions.iter().map(reach).fold(run, u64::saturating_add)
}

fn read(
    parts: Parts,
    dimensions: &[Dimension],
    run: u64,
    place: Place,
    skip: u64,
    into: &mut [u8],
) -> io::Result<()> {
    let Some((outer, inner)) = dimensions.split_first() else {
        return read_at(parts, place, skip, into);
    };
    if run < LONG_RUN_BYTES && stretch_bytes(inner, run) <= STRETCH_BYTES {
        return pick(parts, dimensions, run, place, skip, into);
    }
    each(
        *outer,
        size_bytes(inner, run),
        skip,
        into,
        |at, skip, into| {
            let offset = place.offset + at * outer.stride;
            read(parts, inner, run, Place { offset, ..place }, skip, into)
        },
    )
}

/// Reads a stretch at once and picks the runs out of it; of the first dimension, only as many entries as make a stretch.
fn pick(
    parts: Parts,
    dimensions: &[Dimension],
    run: u64,
    place: Place,
    mut skip: u64,
    mut into: &mut [u8],
) -> io::Result<()> {
    let (outer, inner) = (dimensions[0], &dimensions[1..]);
    let (entry, reach) = (size_bytes(inner, run), stretch_bytes(inner, run));
    let most = ((STRETCH_BYTES - reach) / outer.stride.max(1)).saturating_add(1);
    let mut stretch = Vec::new();
    while !into.is_empty() {
        let first = skip / entry;
        let last = (skip + into.len() as u64 - 1) / entry;
        let count = (last - first + 1).min(most);
        let wanted = ((first + count) * entry - skip).min(into.len() as u64);
        let length = (count - 1) * outer.stride + reach;
        stretch.resize(as_length(length)?, 0);
        let offset = place.offset + first * outer.stride;
        read_at(parts, Place { offset, ..place }, 0, &mut stretch)?;
        let (now, later) = into.split_at_mut(as_length(wanted)?);
        copy(&stretch, dimensions, run, skip - first * entry, now)?;
        skip += wanted;
        into = later;
    }
    Ok(())
}

/// Copies runs out of bytes in which the first dimension begins with the entry that is wanted first.
fn copy(
    from: &[u8],
    dimensions: &[Dimension],
    run: u64,
    skip: u64,
    into: &mut [u8],
) -> io::Result<()> {
    let outside = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let Some((outer, inner)) = dimensions.split_first() else {
        let start = as_length(skip)?;
        let piece = from.get(start..start + into.len()).ok_or_else(outside)?;
        into.copy_from_slice(piece);
        return Ok(());
    };
    each(
        *outer,
        size_bytes(inner, run),
        skip,
        into,
        |at, skip, into| {
            let from = from.get(as_length(at * outer.stride)?..);
            copy(from.ok_or_else(outside)?, inner, run, skip, into)
        },
    )
}

/// Calls `read` for each entry of a dimension that has bytes in `into`: which it is, bytes to skip in it, where they go.
fn each(
    dimension: Dimension,
    entry_bytes: u64,
    mut skip: u64,
    mut into: &mut [u8],
    mut read: impl FnMut(u64, u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    while !into.is_empty() {
        let (at, within) = (skip / entry_bytes, skip % entry_bytes);
        if at >= dimension.count as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = (entry_bytes - within).min(into.len() as u64);
        let (now, later) = into.split_at_mut(as_length(length)?);
        read(at, within, now)?;
        skip += length;
        into = later;
    }
    Ok(())
}

fn as_length(bytes: u64) -> io::Result<usize> {
    usize::try_from(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(shape: &[usize]) -> View {
        View::whole(
            Place {
                part: 0,
                offset: 64,
            },
            2,
            shape,
        )
    }

    #[test]
    fn what_one_stretch_gives_is_read_together() {
        let check = |view: Option<View>, expected: Option<u64>| {
            let view = view.expect("a view");
            assert_eq!(view.together_bytes(), expected, "{view:?}");
        };
        let experts = || view(&[4, 64, 128]);
        check(Some(experts()), None);
        check(experts().slice(1, 3, 9), None);
        // Each output's inputs lie in all rows of its expert, and half of the outputs in as many.
        check(experts().swap(1, 2), Some(64 * 128 * 2));
        let half = experts().swap(1, 2).and_then(|view| view.every(1, 1, 2));
        check(half, Some(64 * 128));
        check(view(&[64, 128]).swap(0, 1), Some(64 * 128 * 2));
        // Long runs are read one by one, and what is too large for a stretch is not read as one.
        check(view(&[4, 64, 4096]).slice(2, 0, 2048), None);
        check(view(&[2, 8192, 8192]).swap(1, 2), None);
    }
}
