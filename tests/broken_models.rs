//! Files that are no models, or no longer: each ends in an error that names the file and what is wrong with it.

use engine_api::{EngineError, LoadOptions};
use proptest::prelude::*;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use wick_engine::Model;
use wick_tests::{starter_model, tiny};

fn load(path: &Path) -> Result<Model, EngineError> {
    let never = AtomicBool::new(false);
    Model::load(path, &LoadOptions::default(), &never, |_| ())
}

fn load_bytes(bytes: &[u8]) -> Result<Model, EngineError> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("it takes the bytes");
    load(file.path())
}

/// Replaces the only occurrence of `from`, which must be as long as `to`.
fn with(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = tiny::llama();
    let mut places = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from);
    let (at, _) = places.next().expect("it occurs");
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn the_whole_one_loads_and_computes() {
    let mut model = load_bytes(&tiny::llama()).expect("it is whole");
    let rows = model.logits(&[0, 26, 5], true).expect("it computes");
    assert_eq!(
        rows.iter().map(|row| row.logits.len()).collect::<Vec<_>>(),
        [32; 3]
    );
    assert!(
        model.logits(&[32], false).is_err(),
        "an id outside the vocabulary is refused"
    );
}

/// The last tensor lies where the first one does, and the file ends before its old place.
fn overlapping() -> Vec<u8> {
    let mut bytes = tiny::llama();
    let name = b"blk.0.ffn_down.weight";
    let at = bytes
        .windows(name.len())
        .position(|w| w == name)
        .expect("it is there");
    // After the name: the number of dimensions, two dimensions, the type, then the offset.
    let offset = at + name.len() + 4 + 16 + 4;
    bytes[offset..offset + 8].copy_from_slice(&0_u64.to_le_bytes());
    bytes.truncate(bytes.len() - 2048);
    bytes
}

#[test]
fn what_is_wrong_is_said() {
    let check = |bytes: &[u8], words: &str| {
        let error = load_bytes(bytes).expect_err(words).to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    let whole = tiny::llama();
    check(b"", "cut off");
    check(b"PK\x03\x04 a zip file", "it is not a GGUF file");
    check(b"GGUF\x01\0\0\0", "version 1");
    check(
        &whole[..whole.len() - 64],
        "the data of tensor blk.0.ffn_down.weight",
    );
    check(&whole[..200], "cut off");
    check(&with(b"llama", b"gemma"), "its architecture is gemma");
    check(&with(b"smollm", b"cohere"), "its pre-tokenizer is cohere");
    check(&with(b"gpt2", b"gpt9"), "its tokenizer is of kind gpt9");
    check(
        &with(b"blk.0.attn_k.weight", b"blk.0.attn_x.weight"),
        "attn_k.weight is missing",
    );
    let data = whole.len() - 64;
    check(
        &[&whole[..data], &[0xff; 64]].concat(),
        "its weights are no numbers",
    );
    check(&overlapping(), "its tensors overlap");
    let heads = |count: u32| {
        let key = [
            b"llama.attention.head_count".as_slice(),
            &4_u32.to_le_bytes(),
        ]
        .concat();
        with(
            &[&*key, &2_u32.to_le_bytes()].concat(),
            &[&*key, &count.to_le_bytes()].concat(),
        )
    };
    check(&heads(0), "layer 0 has 0 heads");
    check(&heads(3), "layer 0: its rotation turns");
    check(&heads(u32::MAX), "llama.attention.head_count is");
    let claims = [
        b"GGUF\x03\0\0\0".as_slice(),
        &u64::MAX.to_le_bytes(),
        &[0; 8],
    ]
    .concat();
    check(&claims, "cut off: the list of tensors");
}

#[test]
fn the_file_is_named() {
    for path in [Path::new("/nowhere/x.gguf"), Path::new("/tmp")] {
        let error = load(path).expect_err("no model").to_string();
        assert!(error.contains(&*path.to_string_lossy()), "{error}");
    }
    let truncated = &std::fs::read(starter_model()).expect("it can be read")[..60 << 20];
    let error = load_bytes(truncated).expect_err("half a model");
    assert!(matches!(error, EngineError::InvalidModel { .. }), "{error}");
}

#[test]
fn a_type_that_can_not_be_computed_is_named() {
    let mut bytes = tiny::llama();
    let name = b"blk.0.ffn_up.weight";
    let at = bytes
        .windows(name.len())
        .position(|w| w == name)
        .expect("it is there");
    // After the name: the number of dimensions, two dimensions, then the type.
    let kind = at + name.len() + 4 + 16;
    bytes[kind..kind + 4].copy_from_slice(&26_u32.to_le_bytes());
    let error = load_bytes(&bytes).expect_err("weights are no I32");
    assert!(
        matches!(error, EngineError::UnsupportedModel { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("blk.0.ffn_up.weight has the type I32"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// No panic: `Model::load` is called without the net that the worker has below it.
    #[test]
    fn any_damage_ends_in_a_model_or_an_error(
        changes in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 1..6),
        kept in 0.3_f64..1.5,
    ) {
        let mut bytes = tiny::llama();
        // Mostly in the header: there is more to break.
        let header = bytes.len().min(3000);
        for (place, value) in changes {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
            let at = (place * header as f64) as usize;
            bytes[at] = value;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a length of a small file")]
        bytes.truncate((kept * bytes.len() as f64) as usize);
        if let Ok(mut model) = load_bytes(&bytes) {
            let _ = model.logits(&[0, 1], false);
        }
    }
}
