//! Lists as those who publish write them.

use super::group;
use crate::{FileHash, RepoFile};
use proptest::prelude::*;

fn file(path: &str, size_bytes: u64) -> RepoFile {
    RepoFile {
        path: path.to_owned(),
        size_bytes,
        hash: FileHash::GitSha1("0".repeat(40)),
    }
}

/// The list has sizes from 1 up. Expected are label, bytes and number of files; then projectors and other files.
#[track_caller]
fn check(paths: &[&str], variants: &[(&str, u64, usize)], projectors: &[&str], other_files: u32) {
    let files = paths.iter().zip(1..).map(|(path, size)| file(path, size));
    let (found, found_projectors, found_other) = group(files.collect());
    let told = |variant: &crate::Variant| {
        let label = variant.label.clone();
        (label, variant.size_bytes, variant.files.len())
    };
    let found: Vec<_> = found.iter().map(told).collect();
    let expected = |&(label, bytes, files): &(&str, _, _)| (label.to_owned(), bytes, files);
    assert_eq!(found, variants.iter().map(expected).collect::<Vec<_>>());
    let names: Vec<_> = found_projectors.iter().map(|file| &file.path).collect();
    assert_eq!(names, projectors);
    assert_eq!(found_other, other_files);
}

#[test]
fn files_beside_each_other_are_a_quantization_each() {
    // bartowski/google_gemma-3-27b-it-GGUF
    check(
        &[
            ".gitattributes",
            "README.md",
            "google_gemma-3-27b-it-IQ4_XS.gguf",
            "google_gemma-3-27b-it-Q4_K_M.gguf",
            "google_gemma-3-27b-it-Q8_0.gguf",
            "google_gemma-3-27b-it-bf16/google_gemma-3-27b-it-bf16-00001-of-00002.gguf",
            "google_gemma-3-27b-it-bf16/google_gemma-3-27b-it-bf16-00002-of-00002.gguf",
            "google_gemma-3-27b-it-imatrix.gguf",
            "google_gemma-3-27b-it.imatrix",
            "mmproj-google_gemma-3-27b-it-bf16.gguf",
            "mmproj-google_gemma-3-27b-it-f16.gguf",
        ],
        &[
            ("IQ4_XS", 3, 1),
            ("Q4_K_M", 4, 1),
            ("Q8_0", 5, 1),
            ("BF16", 13, 2),
        ],
        &[
            "mmproj-google_gemma-3-27b-it-bf16.gguf",
            "mmproj-google_gemma-3-27b-it-f16.gguf",
        ],
        4,
    );
}

#[test]
fn parts_lie_in_folders_that_are_called_after_their_quantization() {
    // unsloth/Qwen3-Coder-480B-A35B-Instruct-GGUF, and a folder whose files don't say it.
    check(
        &[
            "BF16/Qwen3-Coder-480B-A35B-Instruct-BF16-00001-of-00003.gguf",
            "BF16/Qwen3-Coder-480B-A35B-Instruct-BF16-00002-of-00003.gguf",
            "BF16/Qwen3-Coder-480B-A35B-Instruct-BF16-00003-of-00003.gguf",
            "Q2_K/model-00001-of-00002.gguf",
            "Q2_K/model-00002-of-00002.gguf",
            "UD-Q4_K_XL/Qwen3-Coder-480B-A35B-Instruct-UD-Q4_K_XL-00001-of-00002.gguf",
            "UD-Q4_K_XL/Qwen3-Coder-480B-A35B-Instruct-UD-Q4_K_XL-00002-of-00002.gguf",
            "config.json",
            "imatrix_unsloth.dat",
            "imatrix_unsloth.gguf_file",
        ],
        &[("BF16", 6, 3), ("Q2_K", 9, 2), ("UD-Q4_K_XL", 13, 2)],
        &[],
        3,
    );
}

#[test]
fn names_in_small_letters_and_with_few_words() {
    // ggml-org/gpt-oss-120b-GGUF
    check(
        &[
            ".gitattributes",
            "gpt-oss-120b-mxfp4-00001-of-00003.gguf",
            "gpt-oss-120b-mxfp4-00002-of-00003.gguf",
            "gpt-oss-120b-mxfp4-00003-of-00003.gguf",
        ],
        &[("MXFP4", 9, 3)],
        &[],
        1,
    );
    // Qwen/Qwen2.5-7B-Instruct-GGUF
    check(
        &[
            "qwen2.5-7b-instruct-fp16-00001-of-00002.gguf",
            "qwen2.5-7b-instruct-fp16-00002-of-00002.gguf",
            "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf",
            "qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf",
            "qwen2.5-7b-instruct-q2_k.gguf",
        ],
        &[("F16", 3, 2), ("Q2_K", 5, 1), ("Q4_K_M", 7, 2)],
        &[],
        0,
    );
    check(&["tinyllama.GGUF"], &[("tinyllama", 1, 1)], &[], 0);
}

#[test]
fn what_is_not_all_there_is_not_offered() {
    check(
        &["m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf"],
        &[],
        &[],
        2,
    );
    check(
        &["m-Q8_0-00000-of-00000.gguf", "m-Q4_0-00003-of-00002.gguf"],
        &[],
        &[],
        2,
    );
    check(
        &[
            "a/m-Q8_0-00001-of-00002.gguf",
            "b/m-Q8_0-00002-of-00002.gguf",
        ],
        &[],
        &[],
        2,
    );
}

#[test]
fn the_same_quantization_twice_says_where_or_of_what() {
    check(
        &["old/m-Q8_0.gguf", "new/m-Q8_0.gguf", "m-Q8_0.gguf"],
        &[("Q8_0 in old", 1, 1), ("Q8_0 in new", 2, 1), ("Q8_0", 3, 1)],
        &[],
        0,
    );
    check(
        &["a-7b.Q4_K_M.gguf", "b-13b.Q4_K_M.gguf", "c-Q2_K.gguf"],
        &[
            ("Q4_K_M of a-7b", 1, 1),
            ("Q4_K_M of b-13b", 2, 1),
            ("Q2_K", 3, 1),
        ],
        &[],
        0,
    );
    check(
        &["a.Q4_0.gguf", "a-Q4_0.gguf"],
        &[("a.Q4_0.gguf", 1, 1), ("a-Q4_0.gguf", 2, 1)],
        &[],
        0,
    );
}

#[test]
fn the_same_in_one_file_and_in_parts_says_so() {
    // Qwen/Qwen2.5-Coder-7B-Instruct-GGUF
    check(
        &[
            "qwen2.5-coder-7b-instruct-q4_k_m-00001-of-00002.gguf",
            "qwen2.5-coder-7b-instruct-q4_k_m-00002-of-00002.gguf",
            "qwen2.5-coder-7b-instruct-q4_k_m.gguf",
        ],
        &[("Q4_K_M", 3, 1), ("Q4_K_M in 2 parts", 3, 2)],
        &[],
        0,
    );
}

#[test]
fn quantized_with_an_importance_matrix_is_a_model_and_the_matrix_none() {
    check(
        &[
            "imatrix.gguf",
            "m.imatrix.gguf",
            "imatrix.dat",
            "m-imatrix-Q4_K_M.gguf",
        ],
        &[("Q4_K_M", 4, 1)],
        &[],
        3,
    );
}

#[test]
fn a_folder_of_safetensors_is_one_thing_with_what_it_needs() {
    // meta-llama/Llama-3.1-8B-Instruct
    check(
        &[
            "LICENSE",
            "config.json",
            "generation_config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "original/consolidated.00.pth",
            "original/tokenizer.model",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ],
        &[("safetensors", 2 + 3 + 4 + 5 + 6 + 9 + 10 + 11, 8)],
        &[],
        3,
    );
    // Qwen/Qwen3-0.6B, and mistralai's twice-kept weights
    check(
        &[
            "config.json",
            "consolidated.safetensors",
            "merges.txt",
            "model.safetensors",
            "vocab.json",
        ],
        &[("safetensors", 1 + 3 + 4 + 5, 4)],
        &[],
        1,
    );
    // openai/gpt-oss-20b counts from 0.
    check(
        &[
            "config.json",
            "model-00000-of-00002.safetensors",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "original/model.safetensors",
        ],
        &[("safetensors", 15, 5)],
        &[],
        1,
    );
}

#[test]
fn weights_without_all_that_they_need_are_no_model() {
    let shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    check(
        &["config.json", shards[0], "model.safetensors.index.json"],
        &[],
        &[],
        3,
    );
    check(&["config.json", shards[0], shards[1]], &[], &[], 3);
    check(&["model.safetensors"], &[], &[], 1);
    check(
        &["adapter_config.json", "adapter_model.safetensors"],
        &[],
        &[],
        2,
    );
    check(&["config.json", "unet/model.safetensors"], &[], &[], 2);
    check(
        &[
            "config.json",
            "model-00000-of-00000.safetensors",
            "model.safetensors.index.json",
        ],
        &[],
        &[],
        3,
    );
}

#[test]
fn the_key_is_the_first_file_of_weights() {
    let check = |paths: &[&str], expected: &str| {
        let files = paths.iter().map(|path| file(path, 1)).collect();
        assert_eq!(group(files).0[0].key, expected);
    };
    check(
        &[
            "q/m-Q8_0-00002-of-00002.gguf",
            "q/m-Q8_0-00001-of-00002.gguf",
        ],
        "q/m-Q8_0-00001-of-00002.gguf",
    );
    check(&["config.json", "model.safetensors"], "model.safetensors");
    check(
        &[
            "config.json",
            "model-00001-of-00001.safetensors",
            "model.safetensors.index.json",
        ],
        "model-00001-of-00001.safetensors",
    );
}

proptest! {
    #[test]
    fn any_list_is_grouped_with_each_file_in_one_place_and_each_label_once(
        paths in proptest::collection::btree_set("(a/|Q4_0/)?(m|mmproj|model|imatrix)?[-.](Q4_0|q8_0|config|model)?(-0000[0-3]-of-0000[1-3])?[.](gguf|GGUF|safetensors|json)", 0..24),
    ) {
        let count = paths.len();
        let files = paths.iter().map(|path| file(path, 1)).collect();
        let (variants, projectors, other) = group(files);
        let chosen = variants.iter().flat_map(|variant| &variant.files).chain(&projectors);
        let chosen: Vec<_> = chosen.map(|file| &file.path).collect();
        let different: std::collections::BTreeSet<_> = chosen.iter().collect();
        prop_assert_eq!(different.len(), chosen.len());
        prop_assert_eq!(chosen.len() + other as usize, count);
        let labels: std::collections::BTreeSet<_> = variants.iter().map(|variant| &variant.label).collect();
        prop_assert_eq!(labels.len(), variants.len());
    }
}
