//! What contents are known by. Source: git's object format, Git LFS's pointer file.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Small hexadecimal letters.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.push(letter(byte >> 4));
        text.push(letter(byte & 15));
        text
    })
}

fn letter(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('?')
}

/// SHA-256 of pieces.
pub(crate) fn sha256(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hash = Sha256::new();
    pieces.for_each(|piece| hash.update(piece.as_ref()));
    hex(&hash.finalize())
}

/// Git's SHA-1 of an object of this kind.
pub(crate) fn git(
    kind: &str,
    length: u64,
    pieces: impl Iterator<Item = impl AsRef<[u8]>>,
) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {length}\0"));
    pieces.for_each(|piece| hash.update(piece.as_ref()));
    hex(&hash.finalize())
}

/// The file that git has in place of one in LFS.
pub(crate) fn lfs_pointer(sha256: &str, length: u64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {length}\n")
}

/// A number that is well mixed. Source: splitmix64's finalizer.
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
