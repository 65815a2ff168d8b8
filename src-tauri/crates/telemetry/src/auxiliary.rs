//! What the kernel tells each program at its start: the sizes of its units. Read once where they are needed.
//!
//! A recorded machine has none of it and gets the values of nearly all machines.

use crate::Machine;
use std::fs;

/// Keys of the vector (`include/uapi/linux/auxvec.h`).
const PAGE_BYTES: u64 = 6;
const TICKS_PER_SECOND: u64 = 17;

impl Machine {
    /// Bytes of a page of memory: 4 KiB as a rule, 64 KiB with some arm64 kernels.
    pub(crate) fn page_bytes(&self) -> u64 {
        self.auxiliary(PAGE_BYTES).unwrap_or(4096)
    }

    /// The unit of processor time in `/proc`.
    pub(crate) fn ticks_per_second(&self) -> u64 {
        self.auxiliary(TICKS_PER_SECOND).unwrap_or(100)
    }

    fn auxiliary(&self, key: u64) -> Option<u64> {
        let vector = fs::read(self.proc().join("self/auxv")).ok()?;
        value(&vector, key)
    }
}

/// Pairs of key and value, each a word of the processor. Zero is no unit.
fn value(vector: &[u8], key: u64) -> Option<u64> {
    let (words, _) = vector.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    let pair = pairs
        .iter()
        .find(|[found, _]| u64::from_ne_bytes(*found) == key)?;
    Some(u64::from_ne_bytes(pair[1])).filter(|value| *value > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_follows_its_key() {
        let check = |words: &[u64], expected: Option<u64>| {
            let vector: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            assert_eq!(value(&vector, 6), expected, "{words:?}");
        };
        check(&[33, 6, 6, 65536, 17, 100, 0, 0], Some(65536));
        check(&[6, 0], None);
        check(&[17, 100, 6], None);
        check(&[], None);
    }

    #[test]
    fn this_machine_has_usual_units() {
        let machine = Machine::local();
        assert!(
            machine
                .auxiliary(PAGE_BYTES)
                .is_some_and(u64::is_power_of_two)
        );
        assert_eq!(machine.auxiliary(TICKS_PER_SECOND), Some(100));
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_value_or_none(bytes: Vec<u8>, key: u64) {
            let _ = value(&bytes, key);
        }
    }
}
