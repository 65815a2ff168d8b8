//! Reading weights: each wanted tensor once, in pieces, by several threads, straight into the memory where it stays.
//!
//! What has been read is dropped from the page cache behind the reader, so that loading takes no more memory than the
//! weights. It deliberately knows no layers: a list of tensors goes in, the tensors come out.

use super::source::{Form, Loaded, Wanted};
use crate::files::{Checkpoint, TensorInfo, TensorType};
use crate::weights::{AlignedBytes, Matrix};
use engine_api::{EngineError, LoadProgress};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

/// Bytes of a piece: long enough for the drive, short enough for progress.
const PIECE_BYTES: usize = 4 << 20;

/// Numbers that a thread quantizes at once.
const QUANTIZED_ELEMENTS: usize = 1 << 18;

/// A part of a tensor to be read.
struct Piece<'a> {
    name: &'a str,
    skip: u64,
    into: &'a mut [u8],
}

/// What a reader says: so many bytes more, or why it stopped.
type News = Result<u64, EngineError>;

/// Reads the wanted tensors.
///
/// # Errors
/// [`EngineError::InvalidModel`] naming the tensor that can't be read; [`EngineError::InvalidRequest`] once `cancelled`
/// is set.
pub fn load(
    checkpoint: &Checkpoint,
    wanted: &BTreeMap<String, Wanted>,
    threads: usize,
    cancelled: &AtomicBool,
    on_progress: &mut dyn FnMut(LoadProgress),
) -> Result<HashMap<String, Loaded>, EngineError> {
    let mut buffers: Vec<(&str, AlignedBytes)> = wanted
        .iter()
        .map(|(name, wanted)| {
            (
                name.as_str(),
                AlignedBytes::zeroed(file_bytes(checkpoint, name, wanted)),
            )
        })
        .collect();
    buffers.sort_by_key(|(name, _)| checkpoint.tensor(name).map(TensorInfo::place));
    read_all(checkpoint, &mut buffers, threads, cancelled, on_progress)?;
    let finish = |(name, bytes): (&str, AlignedBytes)| {
        stop_if(cancelled)?;
        let loaded = finish(checkpoint, name, &wanted[name], bytes, threads)?;
        Ok((name.to_owned(), loaded))
    };
    buffers.into_iter().map(finish).collect()
}

fn file_bytes(checkpoint: &Checkpoint, name: &str, wanted: &Wanted) -> usize {
    let bytes = checkpoint.tensor(name).map(TensorInfo::size_bytes);
    bytes
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or(wanted.bytes)
}

fn read_all(
    checkpoint: &Checkpoint,
    buffers: &mut [(&str, AlignedBytes)],
    threads: usize,
    cancelled: &AtomicBool,
    on_progress: &mut dyn FnMut(LoadProgress),
) -> Result<(), EngineError> {
    let total_bytes = buffers.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let pieces: Vec<Piece> = buffers
        .iter_mut()
        .flat_map(|(name, bytes)| cut(name, bytes))
        .collect();
    let pieces = Mutex::new(pieces.into_iter());
    let (tell, news) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (tell, pieces) = (tell.clone(), &pieces);
            scope.spawn(move || reader(checkpoint, pieces, cancelled, &tell));
        }
        drop(tell);
        follow(&news, total_bytes, on_progress)
    })
}

fn cut<'a>(name: &'a str, bytes: &'a mut AlignedBytes) -> impl Iterator<Item = Piece<'a>> {
    let pieces = bytes.chunks_mut(PIECE_BYTES).enumerate();
    pieces.map(move |(at, into)| Piece {
        name,
        skip: (at * PIECE_BYTES) as u64,
        into,
    })
}

/// Takes pieces until there are none, or one fails.
fn reader(
    checkpoint: &Checkpoint,
    pieces: &Mutex<std::vec::IntoIter<Piece>>,
    cancelled: &AtomicBool,
    tell: &mpsc::Sender<News>,
) {
    loop {
        let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(mut piece) = piece else { return };
        let news = stop_if(cancelled).and_then(|()| read(checkpoint, &mut piece));
        // Nobody listens once another reader has failed.
        let failed = news.is_err();
        if tell.send(news).is_err() || failed {
            return;
        }
    }
}

fn stop_if(cancelled: &AtomicBool) -> Result<(), EngineError> {
    if cancelled.load(Ordering::Relaxed) {
        return Err(EngineError::InvalidRequest {
            reason: "loading was cancelled".into(),
        });
    }
    Ok(())
}

fn read(checkpoint: &Checkpoint, piece: &mut Piece) -> News {
    let length = piece.into.len() as u64;
    let Piece { name, skip, into } = piece;
    let failed = |error| {
        super::families::invalid(checkpoint, format!("tensor {name} can't be read: {error}"))
    };
    checkpoint.read(name, *skip, into).map_err(failed)?;
    checkpoint.forget(name, *skip, length);
    Ok(length)
}

fn follow(
    news: &mpsc::Receiver<News>,
    total_bytes: u64,
    on_progress: &mut dyn FnMut(LoadProgress),
) -> Result<(), EngineError> {
    let mut done_bytes = 0;
    for news in news {
        done_bytes += news?;
        on_progress(LoadProgress {
            done_bytes,
            total_bytes,
        });
    }
    Ok(())
}

fn finish(
    checkpoint: &Checkpoint,
    name: &str,
    wanted: &Wanted,
    bytes: AlignedBytes,
    threads: usize,
) -> Result<Loaded, EngineError> {
    let info = checkpoint.tensor(name);
    let found = info.map_or(TensorType::F32, |info| info.tensor_type);
    match wanted.form {
        Form::Floats(_) => Ok(Loaded::Floats(floats(found, &bytes))),
        Form::Matrix {
            rows,
            columns,
            tensor_type,
        } if bytes.len() == wanted.bytes && tensor_type == found => Ok(Loaded::Matrix(
            Matrix::new(bytes, rows, columns, tensor_type),
        )),
        Form::Matrix {
            rows,
            columns,
            tensor_type,
        } if is_float(found) && bytes.len() == rows * columns * found.block_bytes() => {
            let mut quantized = AlignedBytes::zeroed(wanted.bytes);
            quantize_rows(found, &bytes, columns, tensor_type, &mut quantized, threads)?;
            Ok(Loaded::Matrix(Matrix::new(
                quantized,
                rows,
                columns,
                tensor_type,
            )))
        }
        Form::Matrix { .. } => Err(EngineError::internal(format!(
            "tensor {name} has other bytes than was proven"
        ))),
    }
}

/// Quantizes rows of floats, some at a time on each thread, so that few of them are ever held as `f32`.
fn quantize_rows(
    found: TensorType,
    bytes: &[u8],
    columns: usize,
    target: TensorType,
    out: &mut [u8],
    threads: usize,
) -> Result<(), EngineError> {
    let rows = (QUANTIZED_ELEMENTS / columns).max(1);
    let from = bytes.chunks(rows * columns * found.block_bytes());
    let into = rows * columns / target.block_elements() * target.block_bytes();
    let parts = Mutex::new(from.zip(out.chunks_mut(into)));
    let work = || -> Result<(), EngineError> {
        loop {
            let part = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((from, into)) = part else {
                return Ok(());
            };
            into.copy_from_slice(&crate::files::quantize(floats(found, from), target)?);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            let died = |_| Err(EngineError::internal("quantizing stopped by a panic"));
            worker.join().unwrap_or_else(died)
        })
    })
}

fn is_float(tensor_type: TensorType) -> bool {
    matches!(
        tensor_type,
        TensorType::F32 | TensorType::F16 | TensorType::BF16
    )
}

/// Numbers of one of the three float types.
fn floats(tensor_type: TensorType, bytes: &[u8]) -> Vec<f32> {
    let halves = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    match tensor_type {
        TensorType::F16 => halves.map(cpu_half).collect(),
        TensorType::BF16 => halves
            .map(|bits| f32::from_bits(u32::from(bits) << 16))
            .collect(),
        _ => bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect(),
    }
}

/// An F16 as an `f32`, exactly.
fn cpu_half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10) & 0x1F, u32::from(bits & 0x3FF));
    match exponent {
        0 => f32::from_bits(sign | small(fraction).to_bits()),
        31 => f32::from_bits(sign | 0x7F80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

/// `fraction · 2⁻²⁴`: the numbers below F16's normal ones.
#[expect(clippy::cast_precision_loss, reason = "ten bits fit")]
fn small(fraction: u32) -> f32 {
    fraction as f32 / 16_777_216.0
}
