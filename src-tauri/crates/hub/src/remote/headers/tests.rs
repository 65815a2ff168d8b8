//! What a few bytes say of a file.

use super::{Extent, extent, first_bytes, is_needed};
use crate::{FileHash, RepoFile};

#[test]
fn each_kind_of_file_says_how_much_of_it_is_needed() {
    let check = |path: &str, bytes: &[u8], expected: Result<Extent, &str>| {
        let file = RepoFile {
            path: path.into(),
            size_bytes: 1000,
            hash: FileHash::GitSha1("0".repeat(40)),
        };
        let expected = expected.map_err(str::to_owned);
        assert_eq!(extent(bytes, &file), expected, "{path} {bytes:?}");
    };
    let prefix = |length: u64| length.to_le_bytes();
    check("config.json", b"{", Ok(Extent::Needs(1000)));
    check("config.json", &[b' '; 1000], Ok(Extent::Ends(1000)));
    check("model.safetensors", b"", Ok(Extent::Needs(8)));
    check("model.safetensors", &prefix(2)[..7], Ok(Extent::Needs(8)));
    check("model.safetensors", &prefix(2), Ok(Extent::Needs(10)));
    check(
        "model.safetensors",
        &[&prefix(2)[..], b"{}weights"].concat(),
        Ok(Extent::Ends(10)),
    );
    check(
        "model.safetensors",
        &prefix(u64::MAX),
        Err("it is longer than any file"),
    );
    check("a/m.GGUF", b"", Ok(Extent::Needs(4)));
}

#[test]
fn only_what_the_engine_plans_from_is_fetched() {
    let check = |path: &str, expected: bool| assert_eq!(is_needed(path), expected, "{path}");
    check("config.json", true);
    check("model.safetensors.index.json", true);
    check("model-00001-of-00002.safetensors", true);
    check("Q8_0/m-Q8_0-00001-of-00002.gguf", true);
    check("tokenizer.json", false);
    check("vocab.json", false);
}

#[test]
fn a_vocabulary_is_expected_in_the_first_part_only() {
    assert!(first_bytes("m-00001-of-00002.gguf") > first_bytes("m-00002-of-00002.gguf"));
    assert!(first_bytes("m.gguf") > first_bytes("model.safetensors"));
}
