//! What a worker holds beside weights, cache and buffers: the process itself, and the tokenizer in memory.
//!
//! Computed from the header, by the sizes of what `tokenizer/` and `vocabulary.rs` build; `benches/memory.rs` compares it
//! with real workers. It deliberately leaves out what a rare request builds later (the trie of a grammar) and the pages of
//! the program's own file, which are page cache.

use crate::files::{Checkpoint, Metadata};

/// A worker without a model: the heap and stacks of its threads, the relocated parts of its program, and what small buffers
/// leave between them as they grow. Measured.
const PROCESS_BYTES: u64 = 1_310 << 10;
/// What the `tokenizers` library, in its two twins, and our own lists take for a token and its merge. Measured with 49,152
/// tokens and 48,900 merges: 516.
const JSON_TOKEN_BYTES: u64 = 520;

/// Bytes of the worker of this model, with so many rows of vocabulary, that are neither weights nor cache nor buffers.
pub(super) fn worker_bytes(checkpoint: &Checkpoint, vocabulary: usize) -> u64 {
    let tokenizer = if checkpoint.companions().tokenizer.is_some() {
        vocabulary as u64 * JSON_TOKEN_BYTES
    } else {
        vocabulary_bytes(&checkpoint.metadata)
    };
    PROCESS_BYTES + tokenizer
}

/// Of a vocabulary in GGUF's metadata: each text twice (in order, and as a key), what is known of each token, and the
/// merges as pairs of ids.
fn vocabulary_bytes(metadata: &Metadata) -> u64 {
    let array = |key| metadata.array(key).unwrap_or_default();
    let texts = array("tokenizer.ggml.tokens").iter();
    let lengths = texts.map(|text| text.as_text().map_or(0, str::len));
    let count = lengths.len();
    let heap: u64 = lengths.clone().map(heap_bytes).sum();
    let written: u64 = lengths.map(|length| length as u64).sum();
    let string = size_of::<String>();
    // A kind, a score; where its bytes end, whether it is for control.
    let known = 1 + size_of::<f32>() + size_of::<usize>() + 1;
    2 * heap
        + written
        + (count * (string + known)) as u64
        + table_bytes(count, size_of::<(String, u32)>())
        + table_bytes(
            array("tokenizer.ggml.merges").len(),
            size_of::<((u32, u32), (u32, u32))>(),
        )
}

/// What glibc's heap takes for a text: a word more, in sixteens, at least 32.
fn heap_bytes(length: usize) -> u64 {
    if length == 0 {
        return 0;
    }
    (length + size_of::<usize>()).next_multiple_of(16).max(32) as u64
}

/// The standard library's hash table: a power of two of buckets, at most seven eighths of them full, a byte more for each.
fn table_bytes(count: usize, entry_bytes: usize) -> u64 {
    if count == 0 {
        return 0;
    }
    let buckets = (count * 8).div_ceil(7).next_power_of_two();
    (buckets * (entry_bytes + 1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_texts_have_the_allocators_sizes() {
        let check = |found: u64, expected: u64| assert_eq!(found, expected);
        check(heap_bytes(0), 0);
        check(heap_bytes(1), 32);
        check(heap_bytes(24), 32);
        check(heap_bytes(25), 48);
        check(table_bytes(0, 32), 0);
        check(table_bytes(49_152, 32), 65_536 * 33);
        check(table_bytes(57_344, 32), 65_536 * 33);
        check(table_bytes(57_345, 32), 131_072 * 33);
    }
}
