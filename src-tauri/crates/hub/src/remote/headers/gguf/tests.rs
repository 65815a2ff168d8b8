//! Headers of real files, cut anywhere; and such as no honest program writes.

use super::{Extent, extent};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

/// The tiny models that the engine is tested with.
static MODELS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/reference/models");
    let entries = folder.read_dir().expect("the reference models").flatten();
    let models: Vec<_> = entries
        .filter_map(|entry| std::fs::read(entry.path().join("model.gguf")).ok())
        .collect();
    assert!(models.len() > 20, "{} models", models.len());
    models
});

fn length(model: &[u8]) -> u64 {
    match extent(model) {
        Ok(Extent::Ends(length)) => length,
        other => panic!("{other:?}"),
    }
}

#[derive(Default)]
struct Header(Vec<u8>);

impl Header {
    fn new(tensors: u64, entries: u64) -> Self {
        Self::default()
            .raw(b"GGUF")
            .u32(3)
            .u64(tensors)
            .u64(entries)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u32(self, number: u32) -> Self {
        self.raw(&number.to_le_bytes())
    }

    fn u64(self, number: u64) -> Self {
        self.raw(&number.to_le_bytes())
    }

    fn text(self, text: &str) -> Self {
        self.u64(text.len() as u64).raw(text.as_bytes())
    }
}

#[test]
fn a_header_ends_where_its_last_tensor_does() {
    let header = Header::new(1, 4)
        .text("a.text")
        .u32(8)
        .text("value")
        .text("a.number")
        .u32(10)
        .u64(7)
        .text("words")
        .u32(9)
        .u32(8)
        .u64(2)
        .text("one")
        .text("two")
        .text("nested")
        .u32(9)
        .u32(9)
        .u64(1)
        .u32(2)
        .u64(3)
        .raw(&[0; 6])
        .text("tensor")
        .u32(2)
        .u64(32)
        .u64(2)
        .u32(0)
        .u64(0);
    let bytes = header.0;
    let whole = bytes.len() as u64;
    assert_eq!(extent(&bytes), Ok(Extent::Ends(whole)));
    let with_weights = [&bytes[..], &[1; 300]].concat();
    assert_eq!(extent(&with_weights), Ok(Extent::Ends(whole)));
    assert_eq!(extent(&bytes[..bytes.len() - 1]), Ok(Extent::Needs(whole)));
}

#[test]
fn real_headers_end_before_the_weights() {
    for model in MODELS.iter() {
        let length = length(model);
        assert!(length < model.len() as u64 && length > 1000, "{length}");
    }
}

#[test]
fn what_no_honest_program_writes_is_refused_or_asks_for_more_than_anybody_gives() {
    let refused = |header: Header, expected: &str| {
        let reason = extent(&header.0).expect_err(expected);
        assert!(reason.contains(expected), "{reason}");
    };
    let entry = |kind: u32| Header::new(0, 1).text("k").u32(kind);
    refused(Header::default().raw(b"GGML...."), "GGUF");
    refused(Header::default().raw(b"GGUF").u32(1), "version 1");
    refused(Header::default().raw(b"GGUF").u32(3 << 24), "version");
    refused(entry(13), "type 13");
    refused(entry(9).u32(13).u64(1), "type 13");
    refused(entry(9).u32(12).u64(u64::MAX / 4), "longer than any file");
    refused(entry(8).u64(u64::MAX), "longer than any file");
    refused(Header::new(1, 0).text("t").u32(9), "9 dimensions");
    let deep = (0..4).fold(entry(9), |header, _| header.u32(9).u64(1));
    refused(deep, "too deep");

    let asks = |header: Header, least: u64| {
        let found = extent(&header.0);
        assert!(
            matches!(found, Ok(Extent::Needs(more)) if more >= least),
            "{found:?}"
        );
    };
    asks(entry(8).u64(1 << 40), 1 << 40);
    asks(entry(9).u32(10).u64(1 << 50), 1 << 53);
    asks(Header::new(u64::MAX, u64::MAX), 32);
    asks(entry(9).u32(8).u64(u64::MAX), 49);
}

proptest! {
    #[test]
    fn any_beginning_of_a_real_header_asks_for_more_but_never_for_too_much(
        model in 0..MODELS.len(),
        cut in 0.0..1.0_f64,
    ) {
        let model = &MODELS[model];
        let length = length(model);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a place in a small file")]
        let cut = (length as f64 * cut) as usize;
        let found = extent(&model[..cut]);
        prop_assert!(
            matches!(found, Ok(Extent::Needs(least)) if least > cut as u64 && least <= length),
            "{:?} at {} of {}", found, cut, length
        );
    }

    #[test]
    fn any_bytes_are_refused_or_walked_to_an_end(
        model in 0..MODELS.len(),
        changes in proptest::collection::vec((0..4096_usize, any::<u8>()), 1..8),
    ) {
        let mut bytes = MODELS[model].clone();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        match extent(&bytes) {
            Ok(Extent::Ends(length)) => prop_assert!(length <= bytes.len() as u64),
            Ok(Extent::Needs(least)) => prop_assert!(least > bytes.len() as u64),
            Err(reason) => prop_assert!(!reason.is_empty()),
        }
    }
}
