//! The likeliest tokens of rows of logits: what comes from the device for a token instead of the whole row.
//!
//! It deliberately knows no setting of sampling: whoever samples asks for the row where the list does not tell.

use super::device::{Argument, Buffer, Device, DeviceError, Shape};
use super::matrix::small;
use crate::sampler::Shortlist;

/// Tokens that a list has room for, and threads of a block.
const LIST_ROOM: usize = 1024;
/// Of a list: a number, two floats and nothing, then tokens with their logits.
pub(super) const LIST_BYTES: usize = 16 + LIST_ROOM * 8;
/// 32 floats and 4 numbers, the bins, a list's tokens.
const SHARED_BYTES: usize = (32 + 4 + 2048) * 4 + LIST_ROOM * 8;

/// Room for so many lists.
///
/// # Errors
/// [`DeviceError`].
pub fn room(device: &Device, rows: usize) -> Result<Buffer, DeviceError> {
    device.zeroed(rows * LIST_BYTES)
}

/// What the model says becomes of what its last matrix gave: `scale` times it, then `cap · tanh(logit / cap)` where there is a cap.
#[derive(Debug, Clone, Copy)]
pub struct Finish {
    /// Factor.
    pub scale: f32,
    /// How far from 0 a logit comes.
    pub cap: Option<f32>,
}

/// Finishes `logits`, `[rows, vocabulary]`, in place, and lists the likeliest of each row in `lists`, which is [`room`] for as many.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small.
pub fn list(
    device: &Device,
    logits: &Buffer,
    finish: Finish,
    lists: &Buffer,
    [rows, vocabulary]: [usize; 2],
) -> Result<(), DeviceError> {
    assert!(logits.bytes() >= rows * vocabulary * 4 && lists.bytes() >= rows * LIST_BYTES);
    let shape = Shape {
        grid: [small(rows), 1, 1],
        block: small(LIST_ROOM),
        shared_bytes: SHARED_BYTES,
    };
    let arguments = [
        Argument::Buffer(logits),
        Argument::Number(small(vocabulary)),
        Argument::Float(finish.scale),
        Argument::Float(finish.cap.unwrap_or(0.0)),
        Argument::Buffer(lists),
    ];
    device.launch("shortlist", shape, &arguments)
}

/// Waits for all that was launched, and reads the first `rows` lists.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When there are not so many.
pub fn read(device: &Device, lists: &Buffer, rows: usize) -> Result<Vec<Shortlist>, DeviceError> {
    let mut bytes = vec![0; rows * LIST_BYTES];
    device.read(lists, 0, &mut bytes)?;
    let lists = bytes.chunks_exact(LIST_BYTES).map(parsed).collect();
    crate::wipe::wipe(&mut bytes);
    Ok(lists)
}

fn parsed(list: &[u8]) -> Shortlist {
    let (head, tokens) = list.split_at(16);
    let [count, highest, sum, _] = words(head);
    let tokens = tokens.chunks_exact(8).take(count as usize).map(|token| {
        let [id, logit] = words(token);
        (id, f32::from_bits(logit))
    });
    Shortlist::new(f32::from_bits(highest), f32::from_bits(sum).into(), tokens)
}

/// As many words as there are bytes for.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let words = bytes.as_chunks().0;
    std::array::from_fn(|at| words.get(at).map_or(0, |word| u32::from_le_bytes(*word)))
}
