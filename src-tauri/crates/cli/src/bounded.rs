//! Texts from files and pipes, which may have no end.

use crate::stop::Stop;
use std::io::Read;

/// More is no prompt for any context window.
pub(crate) const PROMPT_BYTES: u64 = 16 << 20;
/// More is no text that is measured in a day.
pub(crate) const TEXT_BYTES: u64 = 256 << 20;

/// All that `source` gives, which is called `name`.
///
/// # Errors
/// [`Stop::Failed`] when it can't be read, or is longer than `most` bytes: no more than these are held.
pub(crate) fn read(source: impl Read, name: &str, most: u64) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    let read = source.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| Stop::Failed {
        message: format!("{name} can't be read: {error}."),
        hint: None,
    })?;
    if bytes.len() as u64 > most {
        let message = format!("{name} gives more than {} MiB.", most >> 20);
        return Err(Stop::failed(message, "Give a shorter text."));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused() {
        let given = |count| read(std::io::repeat(b'a').take(count), "It", 1 << 20);
        assert_eq!(given(1 << 20).map(|bytes| bytes.len()), Ok(1 << 20));
        let expected = Stop::failed("It gives more than 1 MiB.", "Give a shorter text.");
        assert_eq!(given(u64::MAX), Err(expected));
    }
}
