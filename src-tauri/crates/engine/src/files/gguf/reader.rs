//! Reading little-endian values while knowing how much of the file is left. Nothing is allocated before the file is
//! known to hold it.

use super::Error;
use std::io::Read;

/// Metadata values take more room in memory than in the file. The largest vocabularies have about 1.3 million.
const MAX_VALUES: u64 = 1 << 22;

pub(super) struct Reader<R> {
    source: R,
    position: u64,
    file_bytes: u64,
    values_left: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(source: R, file_bytes: u64) -> Self {
        Self {
            source,
            position: 0,
            file_bytes,
            values_left: MAX_VALUES,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Proves that `count` entries of at least `entry_bytes` each can still come.
    pub(super) fn expect_room(
        &self,
        what: &str,
        count: u64,
        entry_bytes: u64,
    ) -> Result<(), Error> {
        let needed_bytes = count.saturating_mul(entry_bytes);
        let left_bytes = self.file_bytes.saturating_sub(self.position);
        if needed_bytes <= left_bytes {
            return Ok(());
        }
        Err(Error::Truncated {
            what: what.into(),
            needed_bytes,
            left_bytes,
        })
    }

    /// Takes `count` metadata values out of what one file may have.
    pub(super) fn spend_values(&mut self, what: &str, count: u64) -> Result<(), Error> {
        self.values_left = self.values_left.checked_sub(count).ok_or_else(|| {
            Error::Damaged(format!(
                "{what} brings its metadata to more than {MAX_VALUES} values"
            ))
        })?;
        Ok(())
    }

    pub(super) fn bytes(&mut self, what: &str, length: u64) -> Result<Vec<u8>, Error> {
        self.expect_room(what, length, 1)?;
        let length = usize::try_from(length)
            .map_err(|_| Error::Damaged(format!("{what} is too long for this machine")))?;
        let mut bytes = vec![0; length];
        self.source.read_exact(&mut bytes)?;
        self.position += length as u64;
        Ok(bytes)
    }

    /// A length in bytes, then UTF-8. Vocabularies hold pieces that are not whole characters only as byte tokens, so
    /// invalid UTF-8 is replaced rather than refused.
    pub(super) fn text(&mut self, what: &str) -> Result<String, Error> {
        let length = self.u64(what)?;
        let bytes = self.bytes(what, length)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        self.expect_room(what, N as u64, 1)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }
}
