//! Whether what lies on the disk is what it should be.

use crate::lay_out::{NEW, cached, layer};
use crate::{folder, model_file, text, write};
use hub::{Checked, Error, FileState, Library, LibraryRoot, Model, RootKind};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

// By sha256sum and git hash-object.
const GGUF: &[u8] = b"GGUF and more";
const GGUF_SHA256: &str = "144581c14596a699068df44aa4ca0ed507e2d4a875f409e78b6319ec468379b3";
const EMPTY_JSON: &[u8] = b"{}";
const EMPTY_JSON_SHA1: &str = "9e26dfeeb6e641a33dae4961196235bdb965b21b";

fn model(path: &Path, kind: RootKind) -> Model {
    let mut models = Library::new(vec![LibraryRoot::new(path, kind)])
        .look()
        .models;
    models.swap_remove(0)
}

fn verify(model: &Model) -> Vec<Checked> {
    let mut last = None;
    let checked = model.verify(|progress| last = Some(progress), || false);
    if let Some(last) = last {
        assert_eq!(last.done_bytes, last.total_bytes);
    }
    checked.expect("it can be read")
}

fn states(checked: &[Checked]) -> Vec<(&str, &str)> {
    let state = |checked: &Checked| match &checked.state {
        FileState::Whole => "whole",
        FileState::Damaged { .. } => "damaged",
        FileState::Missing => "missing",
        FileState::Unknown => "unknown",
    };
    let checked = checked.iter();
    checked
        .map(|file| (file.name.as_str(), state(file)))
        .collect()
}

#[test]
fn a_file_of_the_cache_is_whole_or_damaged_by_its_blobs_name() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    cached(&repo, NEW, "Q8/Tiny.gguf", GGUF_SHA256, Some(GGUF));
    let model = model(root.path(), RootKind::HuggingFace);
    let checked = verify(&model);
    assert_eq!(states(&checked), [("Q8/Tiny.gguf", "whole")]);
    let blob = write(repo.join("blobs").join(GGUF_SHA256), b"GGUF and less");
    let checked = verify(&model);
    assert_eq!(states(&checked), [("Q8/Tiny.gguf", "damaged")]);
    let FileState::Damaged { expected, found } = &checked[0].state else {
        unreachable!()
    };
    assert_eq!(expected.hex(), GGUF_SHA256);
    assert_eq!(found.hex().len(), 64);
    let damaged = checked[0].blob.clone().expect("a blob");
    assert_eq!(damaged.path, blob);
    fs::remove_file(blob).expect("it is there");
    assert_eq!(states(&verify(&model)), [("Q8/Tiny.gguf", "missing")]);
}

#[test]
fn of_a_folder_all_that_belongs_to_it_is_looked_at() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny");
    cached(&repo, NEW, "config.json", EMPTY_JSON_SHA1, Some(EMPTY_JSON));
    cached(&repo, NEW, "model.safetensors", GGUF_SHA256, Some(GGUF));
    cached(&repo, NEW, "tokenizer.json", &"a".repeat(40), None);
    cached(&repo, NEW, "README.md", "odd", Some(b"a card"));
    let expected = [
        ("README.md", "unknown"),
        ("config.json", "whole"),
        ("model.safetensors", "whole"),
        ("tokenizer.json", "missing"),
    ];
    let model = model(root.path(), RootKind::HuggingFace);
    assert_eq!(states(&verify(&model)), expected);
}

#[test]
fn what_no_hash_is_known_of_is_not_read() {
    let root = folder();
    let path = model_file(root.path().join("a.gguf"));
    let model = model(root.path(), RootKind::ModelsFolder);
    let checked = model.verify(|progress| panic!("{progress:?}"), || false);
    let checked = checked.expect("nothing to read");
    assert_eq!(states(&checked), [("a.gguf", "unknown")]);
    assert_eq!(checked[0].path, text(&path));
    // A name that looks like a hash says nothing outside of a cache.
    let name = write(root.path().join("blobs").join("0".repeat(64)), GGUF);
    let model = Library::model_at(name).expect("a model");
    assert_eq!(verify(&model)[0].state, FileState::Unknown);
}

#[test]
fn ollama_s_blobs_are_called_by_their_hashes() {
    let root = folder();
    let blob = format!("blobs/sha256-{GGUF_SHA256}");
    write(root.path().join(&blob), GGUF);
    let layer = layer("model", &format!("sha256:{GGUF_SHA256}"), GGUF.len());
    let manifest = serde_json::json!({"layers": [layer]}).to_string();
    let name = "manifests/registry.ollama.ai/library/a/b";
    write(root.path().join(name), manifest.as_bytes());
    let model = model(root.path(), RootKind::Ollama);
    assert_eq!(states(&verify(&model))[0].1, "whole");
    write(root.path().join(&blob), b"GGUF and less");
    let checked = verify(&model);
    assert_eq!(states(&checked)[0].1, "damaged");
    let blob = checked[0].blob.clone().expect("a blob");
    assert!(matches!(hub::set_aside(&blob), Err(Error::Invalid(_))));
}

#[test]
fn a_content_that_repositories_share_goes_by_the_name_of_the_repositorys_blob() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    let xet = "ab".repeat(32);
    write(root.path().join("blobs/ab").join(&xet), GGUF);
    cached(&repo, NEW, "Tiny.gguf", GGUF_SHA256, None);
    fs::create_dir(repo.join("blobs")).expect("a folder");
    let target = format!("../../blobs/ab/{xet}");
    symlink(target, repo.join("blobs").join(GGUF_SHA256)).expect("a link");
    let model = model(root.path(), RootKind::HuggingFace);
    assert_eq!(states(&verify(&model)), [("Tiny.gguf", "whole")]);
    // And so through a link in another folder.
    let link = root.path().join("link.gguf");
    symlink(repo.join("snapshots").join(NEW).join("Tiny.gguf"), &link).expect("a link");
    let model = Library::model_at(&link).expect("a model");
    assert_eq!(states(&verify(&model)), [("link.gguf", "whole")]);
}

#[test]
fn a_verification_stops_when_told_to() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    for part in 1..=3 {
        let name = format!("Tiny-0000{part}-of-00003.gguf");
        cached(&repo, NEW, &name, GGUF_SHA256, Some(GGUF));
    }
    let model = model(root.path(), RootKind::HuggingFace);
    assert_eq!(verify(&model).len(), 3);
    let (stop, mut reads) = (AtomicBool::new(false), 0);
    let on_progress = |_| {
        reads += 1;
        stop.store(reads == 2, Ordering::Relaxed);
    };
    let stopped = model.verify(on_progress, || stop.load(Ordering::Relaxed));
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    assert_eq!(reads, 2);
}
