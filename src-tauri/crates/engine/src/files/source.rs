//! How a tensor's bytes come out of the files: as they lie there, or put together and changed on the way.
//!
//! What is made here is what llama.cpp's conversion would have written into a GGUF file. Invariant: each place was proven
//! to lie inside its file; reading needs no more memory than what is asked for and one stretch of a view.

use super::TensorType;
use super::dequant::dequantize_row;
use super::view::View;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The opened files of a checkpoint.
pub(super) type Parts<'a> = &'a [(PathBuf, File)];

/// A place in the files of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as an index into the checkpoint's parts.
    pub part: usize,
    /// Bytes from the start of that file.
    pub offset: u64,
}

/// Where the bytes of a tensor come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// They lie in a file just so.
    Plain(Place),
    /// Views, one behind the other.
    Joined(Arc<[View]>),
    /// Views of numbers, one behind the other, as F32 and changed.
    Changed {
        /// Where the numbers lie.
        views: Arc<[View]>,
        /// Their type there: one of the float types.
        stored: TensorType,
        /// What is done to each.
        change: Change,
    },
    /// MXFP4 as Hugging Face lays it out: 16 bytes a block, their elements in pairs, and scales elsewhere.
    Mxfp4 {
        /// 16 bytes for each block.
        blocks: View,
        /// One byte for each block.
        scales: View,
    },
    /// Bytes that are in no file.
    Held(Arc<[u8]>),
}

/// What conversion does to each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    Keep,
    /// `x + 1`: norms that are stored around zero.
    AddOne,
    /// `−exp(x)`: decays of state spaces.
    NegativeExp,
}

impl Change {
    fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::Keep => {}
            Self::AddOne => numbers.iter_mut().for_each(|x| *x += 1.0),
            Self::NegativeExp => numbers.iter_mut().for_each(|x| *x = -x.exp()),
        }
    }
}

impl Source {
    /// The lowest place of what comes first.
    pub(super) fn first(&self) -> Place {
        let of = |views: &[View]| views.first().map(View::place);
        let none = Place { part: 0, offset: 0 };
        match self {
            Self::Plain(place) => *place,
            Self::Joined(views) | Self::Changed { views, .. } => of(views).unwrap_or(none),
            Self::Mxfp4 { blocks, .. } => blocks.place(),
            Self::Held(_) => none,
        }
    }

    /// Bytes that come out of it, where that is not the file's word.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        let sum = |views: &[View]| views.iter().map(View::size_bytes).sum::<u64>();
        match self {
            Self::Plain(_) => None,
            Self::Joined(views) => Some(sum(views)),
            Self::Changed { views, stored, .. } => {
                Some(sum(views) / stored.block_bytes() as u64 * 4)
            }
            Self::Mxfp4 { scales, .. } => Some(scales.size_bytes() * MXFP4_BYTES as u64),
            Self::Held(bytes) => Some(bytes.len() as u64),
        }
    }

    /// As [`View::together_bytes`], of what is one view alone.
    pub(super) fn together_bytes(&self) -> Option<u64> {
        match self {
            Self::Joined(views) => match views.as_ref() {
                [one] => one.together_bytes(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Reads what lies `skip` bytes after the beginning.
    pub(super) fn read(&self, parts: Parts, skip: u64, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Plain(place) => read_at(parts, *place, skip, into),
            Self::Joined(views) => read_joined(parts, views, skip, into),
            Self::Changed {
                views,
                stored,
                change,
            } => in_units(skip, into, 4, |first, out| {
                read_changed(parts, views, (*stored, *change), first, out)
            }),
            Self::Mxfp4 { blocks, scales } => in_units(skip, into, MXFP4_BYTES, |first, out| {
                read_mxfp4(parts, blocks, scales, first, out)
            }),
            Self::Held(bytes) => {
                let start = usize::try_from(skip).map_err(io::Error::other)?;
                let from = bytes.get(start..start + into.len());
                into.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// Whether the page cache holds all of these bytes, where they lie together; `false` where nobody can tell.
    pub(super) fn is_cached(&self, parts: Parts, skip: u64, length: u64) -> bool {
        let mut stretches = self.stretches(skip, length).into_iter();
        stretches.len() > 0
            && stretches.all(|(place, skip, length)| is_cached_at(parts, place, skip, length))
    }

    /// Advises that these bytes are not wanted again, where they lie together.
    pub(super) fn forget(&self, parts: Parts, skip: u64, length: u64) {
        for (place, skip, length) in self.stretches(skip, length) {
            forget_at(parts, place, skip, length);
        }
    }

    /// The stretches of files that give these bytes, for those that do so plainly: where each begins, bytes to skip, bytes
    /// of it.
    fn stretches(&self, skip: u64, length: u64) -> Vec<(Place, u64, u64)> {
        match self {
            Self::Plain(place) => vec![(*place, skip, length)],
            Self::Joined(views) => {
                let mut start = 0;
                let mut stretches = Vec::new();
                for view in views.iter() {
                    let (from, end) = (skip.max(start), start + view.size_bytes());
                    if view.is_plain() && from < end.min(skip + length) {
                        let length = end.min(skip + length) - from;
                        stretches.push((view.place(), from - start, length));
                    }
                    start = end;
                }
                stretches
            }
            Self::Changed { .. } | Self::Mxfp4 { .. } | Self::Held(_) => Vec::new(),
        }
    }
}

/// Bytes between two looks into the page cache, and what is dropped from it at a time: the largest page of a processor
/// that Wick runs on.
const PAGE_BYTES: u64 = 64 << 10;

/// Asks the system to read what is asked for and nothing ahead of it: what lies ahead is another thread's, and could not be
/// told from what was in the page cache before.
pub(super) fn read_no_further(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

/// Asks by reading single bytes on condition that nobody waits for the drive (`RWF_NOWAIT`, preadv2(2)).
fn is_cached_at(parts: Parts, place: Place, skip: u64, length: u64) -> bool {
    let (Some((_, file)), Some(last)) = (parts.get(place.part), length.checked_sub(1)) else {
        return false;
    };
    let is_there = |at: u64| {
        let mut byte = [0];
        let into = &mut [io::IoSliceMut::new(&mut byte)];
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        rustix::io::preadv2(file, into, place.offset + skip + at, flags) == Ok(1)
    };
    let looks = (0..last / PAGE_BYTES).map(|page| page * PAGE_BYTES);
    looks.chain([last]).all(is_there)
}

/// Only whole pages are dropped: those at the edges too, which belong to the tensors beside it.
fn forget_at(parts: Parts, place: Place, skip: u64, length: u64) {
    let Some((_, file)) = parts.get(place.part) else {
        return;
    };
    let first = (place.offset + skip) / PAGE_BYTES * PAGE_BYTES;
    let end = (place.offset + skip + length).next_multiple_of(PAGE_BYTES);
    let advice = rustix::fs::Advice::DontNeed;
    let _ = rustix::fs::fadvise(file, first, std::num::NonZeroU64::new(end - first), advice);
}

pub(super) fn read_at(parts: Parts, place: Place, skip: u64, into: &mut [u8]) -> io::Result<()> {
    let (_, file) = parts.get(place.part).ok_or(io::ErrorKind::NotFound)?;
    file.read_exact_at(into, place.offset + skip)
}

fn read_joined(parts: Parts, views: &[View], mut skip: u64, mut into: &mut [u8]) -> io::Result<()> {
    for view in views {
        let size = view.size_bytes();
        if skip >= size {
            skip -= size;
            continue;
        }
        let length = (size - skip).min(into.len() as u64);
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let (now, later) = into.split_at_mut(length);
        view.read(parts, skip, now)?;
        (skip, into) = (0, later);
        if into.is_empty() {
            return Ok(());
        }
    }
    if into.is_empty() {
        return Ok(());
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Makes whole units of `size` bytes around what is wanted, and takes what is wanted out of them.
fn in_units(
    skip: u64,
    into: &mut [u8],
    size: usize,
    make: impl Fn(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (first, within) = (skip / size as u64, skip % size as u64);
    if within == 0 && into.len().is_multiple_of(size) {
        return make(first, into);
    }
    let within = usize::try_from(within).map_err(io::Error::other)?;
    let mut units = vec![0; (within + into.len()).next_multiple_of(size)];
    make(first, &mut units)?;
    into.copy_from_slice(&units[within..within + into.len()]);
    Ok(())
}

/// Numbers from the one with the index `first` on, as F32.
fn read_changed(
    parts: Parts,
    views: &[View],
    (stored, change): (TensorType, Change),
    first: u64,
    out: &mut [u8],
) -> io::Result<()> {
    let size = stored.block_bytes();
    let mut bytes = vec![0; out.len() / 4 * size];
    read_joined(parts, views, first * size as u64, &mut bytes)?;
    let mut numbers = vec![0.0; out.len() / 4];
    dequantize_row(stored, &bytes, &mut numbers).map_err(io::Error::other)?;
    change.apply(&mut numbers);
    for (out, number) in out.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
        *out = number.to_le_bytes();
    }
    Ok(())
}

const MXFP4_BYTES: usize = 17;

/// ggml's blocks: the scale, then element `j` beside element `j + 16`, where the file has `2j` beside `2j + 1`.
fn read_mxfp4(
    parts: Parts,
    blocks: &View,
    scales: &View,
    first: u64,
    out: &mut [u8],
) -> io::Result<()> {
    let count = out.len() / MXFP4_BYTES;
    let (mut pairs, mut exponents) = (vec![0; 16 * count], vec![0; count]);
    blocks.read(parts, 16 * first, &mut pairs)?;
    scales.read(parts, first, &mut exponents)?;
    let blocks = pairs.as_chunks::<16>().0.iter().zip(exponents);
    for (out, (pairs, exponent)) in out.as_chunks_mut::<MXFP4_BYTES>().0.iter_mut().zip(blocks) {
        let element = |at: usize| pairs[at / 2] >> (4 * (at % 2)) & 15;
        out[0] = exponent;
        for at in 0..16 {
            out[1 + at] = element(at) | element(at + 16) << 4;
        }
    }
    Ok(())
}
