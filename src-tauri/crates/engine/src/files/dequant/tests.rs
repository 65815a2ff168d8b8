//! Bit for bit what ggml's library gives: `tests/reference/blocks.py` wrote `blocks.bin`.

use super::{Error, can_dequantize, dequantize_row};
use crate::files::TensorType;
use proptest::prelude::*;

/// For each type: its number, the number of blocks (`u32` each), the blocks, and the numbers in them.
const REFERENCE: &[u8] = include_bytes!("../../../../../../tests/reference/blocks.bin");

/// Blocks of one type, and the numbers in them as little-endian `f32`.
pub(crate) struct Case {
    pub(crate) kind: TensorType,
    pub(crate) bytes: &'static [u8],
    pub(crate) expected: &'static [u8],
}

pub(crate) fn cases() -> Vec<Case> {
    let mut rest = REFERENCE;
    let mut cases = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_at(8);
        let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four"));
        let kind = TensorType::from_id(number(0)).expect("known");
        let blocks = number(4) as usize;
        let (bytes, after) = after.split_at(blocks * kind.block_bytes());
        let (expected, after) = after.split_at(blocks * kind.block_elements() * 4);
        cases.push(Case {
            kind,
            bytes,
            expected,
        });
        rest = after;
    }
    cases
}

/// All NaNs are one: which of them comes out is the processor's choice.
fn bits(number: f32) -> u32 {
    if number.is_nan() {
        f32::NAN.to_bits()
    } else {
        number.to_bits()
    }
}

#[test]
fn numbers_are_ggmls_bit_for_bit() {
    for Case {
        kind,
        bytes,
        expected,
    } in cases()
    {
        let mut found = vec![0.0; expected.len() / 4];
        dequantize_row(kind, bytes, &mut found).expect("it is known");
        let expected = expected
            .as_chunks::<4>()
            .0
            .iter()
            .map(|four| f32::from_le_bytes(*four));
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(
                bits(*found),
                bits(expected),
                "{kind} at {at}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn all_types_of_weights_are_there() {
    let compared: Vec<_> = cases().iter().map(|case| case.kind).collect();
    for kind in TensorType::all() {
        let whole = matches!(
            kind,
            TensorType::I8 | TensorType::I16 | TensorType::I32 | TensorType::I64
        );
        assert_eq!(can_dequantize(kind), !whole, "{kind}");
        assert_eq!(compared.contains(&kind), !whole, "{kind}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let check = |kind, bytes: usize, elements: usize, expected| {
        let found = dequantize_row(kind, &vec![0; bytes], &mut vec![0.0; elements]);
        assert_eq!(found, expected, "{kind} {bytes} {elements}");
    };
    let length = |kind, bytes, elements| {
        Err(Error::Length {
            kind,
            bytes,
            elements,
        })
    };
    check(TensorType::Q4_0, 36, 64, Ok(()));
    check(TensorType::Q4_0, 0, 0, Ok(()));
    check(TensorType::Q4_0, 35, 64, length(TensorType::Q4_0, 35, 64));
    check(TensorType::Q4_0, 18, 33, length(TensorType::Q4_0, 18, 33));
    check(
        TensorType::I32,
        4,
        1,
        Err(Error::Unsupported(TensorType::I32)),
    );
}

proptest! {
    /// No panic.
    #[test]
    fn any_bytes_are_numbers(bytes in prop::collection::vec(any::<u8>(), 292)) {
        for kind in TensorType::all().filter(|kind| can_dequantize(*kind)) {
            let mut out = vec![0.0; kind.block_elements()];
            prop_assert_eq!(dequantize_row(kind, &bytes[..kind.block_bytes()], &mut out), Ok(()));
        }
    }
}
