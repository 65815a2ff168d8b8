//! Hostile files: each keeps the promise of its kind. The same promises are fuzzed (`make fuzz`); what that finds stays in
//! `fuzz/corpus/`.

#[path = "../fuzz/promises/mod.rs"]
mod promises;

use std::path::Path;

/// Holds each file of the corpus `kind` to its promise; there are at least `least`.
fn check(kind: &str, least: usize, promise: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(kind);
    let files = std::fs::read_dir(&folder).expect("a corpus");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() >= least, "{kind} has {} files", paths.len());
    for path in paths {
        let bytes = std::fs::read(&path).expect("read");
        let kept = std::panic::catch_unwind(|| promise(&bytes));
        assert!(kept.is_ok(), "{} breaks its promise", path.display());
    }
}

#[test]
fn gguf_files_are_read_within_bounds() {
    check("gguf", 20, promises::gguf);
}

#[test]
fn safetensors_are_read_within_bounds() {
    check("safetensors", 10, promises::safetensors);
}

#[test]
fn folders_are_read_within_bounds() {
    check("checkpoint", 10, promises::checkpoint);
}

#[test]
fn vocabularies_become_tokenizers_within_bounds() {
    check("vocabulary", 20, promises::vocabulary);
}

#[test]
fn tokenizer_files_become_tokenizers_within_bounds() {
    check("tokenizer_json", 10, promises::tokenizer_json);
}

#[test]
fn templates_are_rendered_within_bounds() {
    check("template", 20, promises::template);
}
