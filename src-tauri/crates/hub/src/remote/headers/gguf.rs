//! How long the header of a GGUF file is, told from its first bytes.
//!
//! It deliberately keeps nothing of what it walks over: what it means is the engine's to say. Invariant: whatever the bytes
//! are, the walk ends after as many steps as there are bytes, and takes no memory.
//! Source: ggml's `docs/gguf.md`, versions 2 and 3.

use super::Extent;

/// As deep as the engine reads.
const MAX_DEPTH: u32 = 4;
/// ggml has four.
const MAX_DIMENSIONS: u32 = 8;

/// Why a walk ended before the header's end.
enum Stop {
    /// There are too few bytes: at least so many are needed.
    More(u64),
    /// It is no header.
    Bad(String),
}

/// How long the header that begins with these bytes is.
///
/// # Errors
/// Why it is no header.
pub(super) fn extent(bytes: &[u8]) -> Result<Extent, String> {
    let mut walk = Walk { bytes, at: 0 };
    match walk.header() {
        Ok(()) => Ok(Extent::Ends(walk.at)),
        Err(Stop::More(least)) => Ok(Extent::Needs(least)),
        Err(Stop::Bad(reason)) => Err(reason),
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    /// It may lie behind the bytes.
    at: u64,
}

impl Walk<'_> {
    fn header(&mut self) -> Result<(), Stop> {
        if self.take::<4>()? != *b"GGUF" {
            return Err(Stop::Bad("it does not begin with GGUF".into()));
        }
        let version = self.u32()?;
        if !matches!(version, 2 | 3) {
            return Err(Stop::Bad(format!("it is GGUF version {version}")));
        }
        let (tensors, entries) = (self.u64()?, self.u64()?);
        for _ in 0..entries {
            self.text()?;
            let kind = self.u32()?;
            self.value(kind, 0)?;
        }
        for _ in 0..tensors {
            self.tensor()?;
        }
        // What ends behind the bytes has not been seen to end.
        self.take::<0>().map(|_| ())
    }

    fn tensor(&mut self) -> Result<(), Stop> {
        self.text()?;
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(Stop::Bad(format!("a tensor has {dimensions} dimensions")));
        }
        // Sizes, type, offset.
        self.skip(u64::from(dimensions) * 8 + 4 + 8)
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<(), Stop> {
        match (kind, fixed_bytes(kind)) {
            (_, Some(bytes)) => self.skip(bytes),
            (8, _) => self.text(),
            (9, _) if depth < MAX_DEPTH => self.array(depth),
            (9, _) => Err(Stop::Bad("its arrays are nested too deep".into())),
            _ => Err(Stop::Bad(format!("a value has the unknown type {kind}"))),
        }
    }

    fn array(&mut self, depth: u32) -> Result<(), Stop> {
        let kind = self.u32()?;
        let count = self.u64()?;
        if let Some(bytes) = fixed_bytes(kind) {
            let bytes = count.checked_mul(bytes);
            return self.skip(bytes.ok_or_else(too_long)?);
        }
        for _ in 0..count {
            self.value(kind, depth + 1)?;
        }
        Ok(())
    }

    fn text(&mut self) -> Result<(), Stop> {
        let bytes = self.u64()?;
        self.skip(bytes)
    }

    /// Looks at nothing, so that what follows says whether the bytes are enough.
    fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        self.at = self.at.checked_add(bytes).ok_or_else(too_long)?;
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, Stop> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Stop> {
        self.take().map(u64::from_le_bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let end = self.at.checked_add(N as u64).ok_or_else(too_long)?;
        let start = usize::try_from(self.at).ok();
        let rest = start.and_then(|start| self.bytes.get(start..));
        let Some(found) = rest.and_then(|rest| rest.first_chunk()) else {
            return Err(Stop::More(end));
        };
        self.at = end;
        Ok(*found)
    }
}

fn too_long() -> Stop {
    Stop::Bad("something in it is longer than any file".into())
}

/// Bytes of a value of this type, if all have the same.
fn fixed_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
