//! GGUF files: types, parts, places beyond 4 GiB, and headers that lie.

use super::writer::{Folder, Gguf};
use crate::files::gguf::{Error, Header};
use crate::files::{Checkpoint, TensorType};
use engine_api::EngineError;
use proptest::prelude::*;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

fn values(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    let tensor = checkpoint.tensor(name).expect("it is there");
    let mut bytes = vec![0; usize::try_from(tensor.size_bytes()).expect("small")];
    checkpoint
        .read(name, 0, &mut bytes)
        .expect("it can be read");
    let four = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four"));
    bytes.chunks_exact(4).map(four).collect()
}

fn refusal(path: &Path) -> String {
    let error = Checkpoint::open(path).expect_err("it is refused");
    error.to_string()
}

#[test]
fn both_versions_are_read() {
    let folder = Folder::new();
    let file = Gguf::default()
        .text("general.architecture", "llama")
        .floats("a", &[1.5, -2.0]);
    for version in [2, 3] {
        let path = folder.write("model.gguf", &file.version(version));
        let checkpoint = Checkpoint::open(&path).expect("it is whole");
        assert_eq!(checkpoint.metadata.architecture(), Some("llama"));
        assert_eq!(values(&checkpoint, "a"), [1.5, -2.0]);
    }
    let path = folder.write("model.gguf", &file.version(4));
    assert!(refusal(&path).contains("GGUF version 4"));
}

#[test]
fn each_type_is_known_by_name_and_size() {
    let folder = Folder::new();
    for kind in TensorType::all() {
        let columns = kind.block_elements() * 2;
        let bytes = vec![7; kind.block_bytes() * 6];
        let file = Gguf::default().raw("t", &[3, columns as u64], kind.id(), &bytes);
        let path = folder.write("model.gguf", &file.floats("after", &[4.0]).finish());
        let checkpoint = Checkpoint::open(&path).expect("it is whole");
        let tensor = checkpoint.tensor("t").expect("it is there");
        assert_eq!(
            (tensor.tensor_type, tensor.size_bytes()),
            (kind, bytes.len() as u64)
        );
        assert_eq!(tensor.shape, [3, columns]);
        assert_eq!(values(&checkpoint, "after"), [4.0], "{kind}");
    }
}

#[test]
fn an_unknown_type_is_told_with_its_tensor() {
    // 4 and 5 were types once, 36 to 38 are gone, 43 has not come yet.
    for id in [4, 5, 36, 38, 43, u32::MAX] {
        let file = Gguf::default().raw("blk.0.odd", &[32], id, &[0; 64]);
        let folder = Folder::new();
        let path = folder.write("model.gguf", &file.finish());
        let error = Checkpoint::open(&path).expect_err("it is unknown");
        assert!(matches!(error, EngineError::UnsupportedModel { .. }));
        let words = format!("tensor blk.0.odd has the type number {id}");
        assert!(error.to_string().contains(&words), "{error}");
    }
}

#[test]
fn reading_stays_inside_the_tensor() {
    let folder = Folder::new();
    let file = Gguf::default().floats("a", &[1.0, 2.0]).floats("b", &[3.0]);
    let checkpoint = Checkpoint::open(&folder.write("m.gguf", &file.finish())).expect("whole");
    let check = |name: &str, skip: u64, length: usize, fits: bool| {
        let read = checkpoint.read(name, skip, &mut vec![0; length]);
        assert_eq!(read.is_ok(), fits, "{name} {skip} {length}");
    };
    check("a", 0, 8, true);
    check("a", 4, 4, true);
    check("a", 8, 0, true);
    check("a", 4, 8, false);
    check("a", u64::MAX, 8, false);
    check("c", 0, 1, false);
}

/// Part `number` of three, with one vector.
fn part(number: u32, count: u32) -> Gguf {
    let mut file = Gguf::default();
    if number == 1 {
        file = file.text("general.architecture", "llama");
    }
    let name = format!("blk.{number}.x");
    file.number("split.no", number - 1)
        .number("split.count", count)
        .number("split.tensors.count", count)
        .floats(&name, &[f32::from(u8::try_from(number).expect("few"))])
}

fn part_name(number: u32, count: u32) -> String {
    format!("model-{number:05}-of-{count:05}.gguf")
}

fn three_parts() -> Folder {
    let folder = Folder::new();
    for number in 1..=3 {
        folder.write(&part_name(number, 3), &part(number, 3).finish());
    }
    folder
}

#[test]
fn any_part_opens_all() {
    let folder = three_parts();
    for number in 1..=3 {
        let path = folder.path().join(part_name(number, 3));
        let checkpoint = Checkpoint::open(&path).expect("all parts are there");
        assert_eq!(checkpoint.metadata.architecture(), Some("llama"));
        for number in 1..=3_u8 {
            assert_eq!(
                values(&checkpoint, &format!("blk.{number}.x")),
                [f32::from(number)]
            );
        }
        assert_eq!(checkpoint.files().expect("sizes").len(), 3);
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let check = |change: &dyn Fn(&Folder), words: &[&str]| {
        let folder = three_parts();
        change(&folder);
        let said = refusal(&folder.path().join(part_name(1, 3)));
        for words in words {
            assert!(said.contains(words), "{said:?} does not say {words:?}");
        }
    };
    let second = part_name(2, 3);
    check(
        &|folder| std::fs::remove_file(folder.path().join(&second)).expect("gone"),
        &[&second, "is missing"],
    );
    let put = |file: Gguf| {
        let name = second.clone();
        move |folder: &Folder| drop(folder.write(&name, &file.finish()))
    };
    check(&put(part(3, 3)), &[&second, "says that it is part 3 of 3"]);
    check(&put(part(2, 4)), &[&second, "says that it is part 2 of 4"]);
    check(
        &put(Gguf::default().floats("x", &[1.0])),
        &["says that it is no part of 1"],
    );
    check(
        &put(part(2, 3).floats("y", &[1.0])),
        &["4 tensors together, 3 are announced"],
    );
    check(
        &put(part(2, 3).floats("blk.1.x", &[1.0])),
        &["blk.1.x is in another part too"],
    );
    check(&put(Gguf::default()), &[&second]);
    let renamed = |folder: &Folder| drop(folder.write(&part_name(1, 3), &part(1, 2).finish()));
    check(&renamed, &["its name does not end"]);
}

#[test]
fn places_beyond_four_gibibytes_are_read() {
    let folder = Folder::new();
    let far = 5_u64 << 30;
    let head = Gguf::default()
        .floats("near", &[1.0])
        .entry("far", &[1], TensorType::F32.id(), far)
        .finish();
    let path = folder.write("model.gguf", &head);
    let data_offset = head.len() as u64 - 32;
    let mut file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("it opens");
    file.set_len(data_offset + far + 4)
        .expect("a file with a hole");
    file.seek(SeekFrom::Start(data_offset + far))
        .expect("there");
    file.write_all(&2.5_f32.to_le_bytes())
        .expect("it takes the bytes");
    let checkpoint = Checkpoint::open(&path).expect("it is whole");
    assert_eq!(values(&checkpoint, "near"), [1.0]);
    assert_eq!(values(&checkpoint, "far"), [2.5]);
}

#[test]
fn headers_that_lie_are_refused() {
    let check = |file: Gguf, words: &str| {
        let error = Header::from_bytes(&file.finish())
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    let f32 = TensorType::F32.id();
    let two = || Gguf::default().floats("a", &[0.0; 16]);
    check(two().entry("b", &[4], f32, 0), "its tensors overlap");
    check(two().entry("b", &[4], f32, 40), "its tensors overlap");
    check(two().entry("b", &[1], f32, 64), "the data of tensor b");
    check(
        two().entry("b", &[1], f32, u64::MAX),
        "the data of tensor b",
    );
    check(
        two().entry("b", &[1 << 40, 1 << 40], f32, 0),
        "an impossible shape",
    );
    check(two().entry("b", &[0], f32, 0), "can't hold blocks");
    check(
        two().entry("b", &[31], TensorType::Q8_0.id(), 0),
        "can't hold blocks of 32 (Q8_0)",
    );
    check(two().entry("b", &[1; 5], f32, 0), "has 5 dimensions");
    check(two().entry("a", &[1], f32, 0), "a is there twice");
    check(two().number("k", 1).number("k", 2), "k is there twice");
    check(two().number("general.alignment", 3), "no power of two");
    let mut list = Gguf::default();
    let bytes = list.key("list", 9);
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend((1_u64 << 40).to_le_bytes());
    check(list, "cut off: list");
}

/// A file with one of each.
fn sample() -> Vec<u8> {
    let mut file = part(1, 1)
        .text("general.name", "tiny")
        .number("llama.block_count", 2);
    let list = file.key("tokenizer.ggml.tokens", 9);
    list.extend(8_u32.to_le_bytes());
    list.extend(3_u64.to_le_bytes());
    for token in ["a", "b", "cd"] {
        super::writer::put_text(list, token);
    }
    file.raw("q", &[2, 32], TensorType::MXFP4.id(), &[9; 34])
        .finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// No panic; what is accepted lies inside the file.
    #[test]
    fn any_damage_ends_in_a_header_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        kept in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = sample();
        for (place, value) in changes {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(kept.index(bytes.len()));
        }
        match Header::from_bytes(&bytes) {
            Ok(header) => for tensor in header.tensors.values() {
                prop_assert!(header.data_offset + tensor.offset + tensor.size_bytes() <= bytes.len() as u64);
            },
            Err(Error::Io(error)) => prop_assert!(false, "the length was proven before: {error}"),
            Err(_) => {}
        }
    }
}
