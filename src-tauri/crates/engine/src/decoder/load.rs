//! Reading weights: each wanted tensor once, in pieces, by several threads, straight into the memory where it stays.
//!
//! The page cache is left to others, as it was found: what loading brings into it is dropped behind the reader, so that it
//! takes no more memory than the weights and pushes out nobody's files; what somebody had there before stays, so that a
//! file that was just downloaded or is read by another program is not read from the drive again. It deliberately knows no layers: a list of tensors goes in, the tensors come out.

use super::source::{Form, Loaded, Wanted};
use crate::files::{Checkpoint, TensorInfo, TensorType};
use crate::weights::{AlignedBytes, Matrix};
use engine_api::{EngineError, LoadProgress};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

/// Bytes of a piece: long enough for the drive, short enough for progress.
const PIECE_BYTES: usize = 4 << 20;

/// Readers at least: with few cores too, a drive wants several requests at a time, since nothing is read ahead.
const LEAST_READERS: usize = 8;

/// Numbers that a thread quantizes at once.
const QUANTIZED_ELEMENTS: usize = 1 << 18;

/// A part of a tensor to be read.
struct Piece<'a> {
    name: &'a str,
    skip: u64,
    /// Bytes of it in the file.
    length: usize,
    into: &'a mut [u8],
    rows: Option<Rows>,
}

/// Rows of floats that are quantized as soon as they are read, so that few of them are ever held.
#[derive(Debug, Clone, Copy)]
struct Rows {
    columns: usize,
    found: TensorType,
    target: TensorType,
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
    let mut buffers = Vec::new();
    for (name, wanted) in wanted {
        let info = checkpoint.tensor(name);
        let info = info.ok_or_else(|| EngineError::internal(format!("tensor {name} is gone")))?;
        buffers.push(Buffer::new(name, info, wanted)?);
    }
    buffers.sort_by_key(|buffer| buffer.info.place());
    read_all(checkpoint, &mut buffers, threads, cancelled, on_progress)?;
    let finish = |buffer: Buffer| Ok((buffer.name.to_owned(), buffer.finish()?));
    buffers.into_iter().map(finish).collect()
}

/// A tensor being read.
struct Buffer<'a> {
    name: &'a str,
    info: &'a TensorInfo,
    form: Form,
    rows: Option<Rows>,
    bytes: AlignedBytes,
}

impl<'a> Buffer<'a> {
    fn new(name: &'a str, info: &'a TensorInfo, wanted: &Wanted) -> Result<Self, EngineError> {
        if let Form::Matrix { rows, columns, .. } = wanted.form
            && info.elements() != rows as u64 * columns as u64
        {
            let reason = format!("tensor {name} has other numbers than was proven");
            return Err(EngineError::internal(reason));
        }
        let rows = quantized_rows(info, wanted);
        let bytes = match rows {
            Some(_) => wanted.bytes,
            None => usize::try_from(info.size_bytes()).map_err(EngineError::internal)?,
        };
        Ok(Self {
            name,
            info,
            form: wanted.form,
            rows,
            bytes: AlignedBytes::zeroed(bytes),
        })
    }

    fn cut(&mut self) -> impl Iterator<Item = Piece<'_>> {
        let (name, rows) = (self.name, self.rows);
        let length = self.piece_bytes();
        let size = rows.map_or(length, |rows| rows.bytes_of(length));
        let whole = usize::try_from(self.info.size_bytes()).unwrap_or(usize::MAX);
        let pieces = self.bytes.chunks_mut(size).enumerate();
        pieces.map(move |(at, into)| Piece {
            name,
            skip: (at * length) as u64,
            length: length.min(whole - at * length),
            into,
            rows,
        })
    }

    /// Bytes in the file of each piece but the last: whole rows of what is quantized, and together what comes together.
    fn piece_bytes(&self) -> usize {
        let together = self.info.together_bytes();
        let together = together.and_then(|bytes| usize::try_from(bytes).ok());
        let row = self
            .rows
            .map_or(1, |rows| rows.columns * rows.found.block_bytes());
        let unit = together
            .filter(|bytes| bytes.is_multiple_of(row))
            .unwrap_or(row);
        unit.max(1) * (PIECE_BYTES / unit.max(1)).max(1)
    }

    fn finish(self) -> Result<Loaded, EngineError> {
        let found = self.info.tensor_type;
        match self.form {
            Form::Floats(_) => Ok(Loaded::Floats(floats(found, &self.bytes))),
            Form::Matrix {
                rows,
                columns,
                tensor_type,
            } if self.rows.is_some() || tensor_type == found => Ok(Loaded::Matrix(Matrix::new(
                self.bytes,
                rows,
                columns,
                tensor_type,
            ))),
            Form::Matrix { .. } => {
                let name = self.name;
                let reason = format!("tensor {name} has other bytes than was proven");
                Err(EngineError::internal(reason))
            }
        }
    }
}

impl Rows {
    /// Bytes that so many of the file's become.
    fn bytes_of(self, file_bytes: usize) -> usize {
        let elements = file_bytes / self.found.block_bytes();
        elements / self.target.block_elements() * self.target.block_bytes()
    }
}

/// How it is quantized, if it is.
fn quantized_rows(info: &TensorInfo, wanted: &Wanted) -> Option<Rows> {
    let Form::Matrix {
        columns,
        tensor_type: target,
        ..
    } = wanted.form
    else {
        return None;
    };
    let found = info.tensor_type;
    (target != found && is_float(found) && columns > 0).then_some(Rows {
        columns,
        found,
        target,
    })
}

fn read_all(
    checkpoint: &Checkpoint,
    buffers: &mut [Buffer],
    threads: usize,
    cancelled: &AtomicBool,
    on_progress: &mut dyn FnMut(LoadProgress),
) -> Result<(), EngineError> {
    let total_bytes = buffers.iter().map(|buffer| buffer.info.size_bytes()).sum();
    let pieces: Vec<Piece> = buffers.iter_mut().flat_map(Buffer::cut).collect();
    let pieces = Mutex::new(pieces.into_iter());
    let (tell, news) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(LEAST_READERS).min(pieces_of(total_bytes)) {
            let (tell, pieces) = (tell.clone(), &pieces);
            scope.spawn(move || reader(checkpoint, pieces, cancelled, &tell));
        }
        drop(tell);
        follow(&news, total_bytes, on_progress)
    })
}

/// Whole pieces that so many bytes make: no more readers than these have something to do.
fn pieces_of(total_bytes: u64) -> usize {
    let pieces = total_bytes.div_ceil(PIECE_BYTES as u64).max(1);
    usize::try_from(pieces).unwrap_or(usize::MAX)
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
    let (name, skip, length) = (piece.name, piece.skip, piece.length as u64);
    let failed = |error| {
        super::families::invalid(checkpoint, format!("tensor {name} can't be read: {error}"))
    };
    let was_cached = checkpoint.is_cached(name, skip, length);
    match piece.rows {
        None => checkpoint.read(name, skip, piece.into).map_err(failed)?,
        Some(rows) => {
            let mut bytes = vec![0; piece.length];
            checkpoint.read(name, skip, &mut bytes).map_err(failed)?;
            quantize(rows, &bytes, piece.into)?;
        }
    }
    if !was_cached {
        checkpoint.forget(name, skip, length);
    }
    Ok(length)
}

/// Quantizes some rows at a time, so that few of them are ever held as `f32`.
fn quantize(rows: Rows, bytes: &[u8], out: &mut [u8]) -> Result<(), EngineError> {
    let count = (QUANTIZED_ELEMENTS / rows.columns).max(1);
    let from = count * rows.columns * rows.found.block_bytes();
    let parts = bytes.chunks(from).zip(out.chunks_mut(rows.bytes_of(from)));
    for (from, into) in parts {
        let quantized = crate::files::quantize(floats(rows.found, from), rows.target)?;
        into.copy_from_slice(&quantized);
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Value;
    use crate::files::tests::writer::{Folder, Gguf};
    use std::path::Path;

    /// Bit patterns of small BF16 numbers.
    fn numbers(count: usize) -> Vec<u8> {
        let number = |at: usize| 0x3C00 | u16::try_from(at * 37 % 1_021).unwrap_or(0);
        (0..count).flat_map(|at| number(at).to_le_bytes()).collect()
    }

    /// Rows that no piece is a multiple of, in more than one piece.
    const ROWS: usize = 2_001;
    const COLUMNS: usize = 1_536;

    fn loaded(target: TensorType) -> Matrix {
        let bytes = numbers(ROWS * COLUMNS);
        assert!(bytes.len() > PIECE_BYTES, "one piece");
        let folder = Folder::new();
        let shape = [ROWS as u64, COLUMNS as u64];
        let file = Gguf::default().raw("w", &shape, TensorType::BF16.id(), &bytes);
        let checkpoint = Checkpoint::open(&folder.write("w.gguf", &file.finish())).expect("a file");
        load_one(&checkpoint, target)
    }

    fn load_one(checkpoint: &Checkpoint, target: TensorType) -> Matrix {
        let form = Form::Matrix {
            rows: ROWS,
            columns: COLUMNS,
            tensor_type: target,
        };
        let bytes = target.row_bytes(COLUMNS).expect("whole blocks") * ROWS;
        let wanted = BTreeMap::from([("w".to_owned(), Wanted { form, bytes })]);
        let mut told = LoadProgress::default();
        let cancelled = AtomicBool::new(false);
        let loaded = load(checkpoint, &wanted, 2, &cancelled, &mut |now| told = now);
        assert_eq!(told.done_bytes, told.total_bytes);
        match loaded.expect("it can be read").remove("w") {
            Some(Loaded::Matrix(matrix)) => matrix,
            other => panic!("{other:?}"),
        }
    }

    /// Drops a file from the page cache, if it lies on a drive.
    fn cool(path: &Path) {
        let file = std::fs::File::open(path).expect("a file");
        // What is not on the drive yet can't be dropped.
        file.sync_all().expect("a drive");
        let advice = rustix::fs::Advice::DontNeed;
        rustix::fs::fadvise(&file, 0, None, advice).expect("advice");
    }

    #[test]
    fn the_page_cache_is_left_as_it_was_found() {
        let folder = Folder::new();
        let bytes = numbers(ROWS * COLUMNS);
        let shape = [ROWS as u64, COLUMNS as u64];
        // A header that takes many reads, as a vocabulary makes it.
        let notes = Value::Array(vec![Value::Text("note".into()); 100_000]);
        let file = Gguf::default().value("general.notes", &notes);
        let file = file.raw("w", &shape, TensorType::BF16.id(), &bytes);
        let path = folder.write("w.gguf", &file.finish());
        let load = || {
            let checkpoint = Checkpoint::open(&path).expect("a file");
            load_one(&checkpoint, TensorType::BF16);
            checkpoint
        };
        let length = bytes.len() as u64;
        assert!(load().is_cached("w", 0, length), "it was just written");
        cool(&path);
        let checkpoint = load();
        // From behind, since a look lets the system read on. In a folder in memory nothing is ever dropped.
        let places = (0..bytes.len()).step_by(64 << 10).rev();
        let cached = places.filter(|at| checkpoint.is_cached("w", *at as u64, 1));
        let cached = cached.count();
        cool(&path);
        let is_in_memory = checkpoint.is_cached("w", 0, length);
        assert!(
            cached == 0 || is_in_memory,
            "{cached} looks found what was dropped"
        );
    }

    #[test]
    fn pieces_together_are_the_whole() {
        let bytes = numbers(ROWS * COLUMNS);
        assert!(loaded(TensorType::BF16).bytes() == bytes);
        for target in [TensorType::Q8_0, TensorType::Q4_K] {
            let whole = crate::files::quantize(floats(TensorType::BF16, &bytes), target);
            assert!(
                loaded(target).bytes() == whole.expect("whole blocks"),
                "{target}"
            );
        }
    }
}
