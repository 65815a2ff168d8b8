//! Checkpoints as Hugging Face lays them out: each family gives what llama.cpp's conversion of the same files gives.
//!
//! `tests/reference/huggingface.py` wrote `huggingface.json`: for each family a config.json, the names, types and shapes of
//! the tensors, and the metadata and tensors of the converted file. Weights are a function of names, here as there.

use super::writer::{Folder, Safetensors};
use crate::files::{Checkpoint, TensorType, Value, dequant};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const REFERENCE: &str = include_str!("../../../../../../tests/reference/huggingface.json");

static CASES: OnceLock<BTreeMap<String, Json>> = OnceLock::new();

fn cases() -> BTreeMap<String, Json> {
    serde_json::from_str(REFERENCE).expect("the reference is JSON")
}

fn list(value: &Json) -> &Vec<Json> {
    value.as_array().expect("a list")
}

fn text(value: &Json) -> &str {
    value.as_str().expect("a text")
}

fn shape(value: &Json) -> Vec<usize> {
    let size = |size: &Json| usize::try_from(size.as_u64().expect("a size")).expect("small");
    list(value).iter().map(size).collect()
}

/// BF16 numbers as their bits: splitmix64 of the name's FNV-1a hash and the place.
pub(super) fn fill(name: &str, count: usize) -> Vec<u16> {
    let hash = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325, hash);
    let one = |at: u64| {
        let mut x = seed.wrapping_add(at.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^= x >> 31;
        u16::try_from(x >> 63 << 15 | ((x >> 8 & 15) + 112) << 7 | x & 127).expect("16 bits")
    };
    (1..=count as u64).map(one).collect()
}

pub(super) fn bytes_of(name: &str, kind: &str, count: usize) -> Vec<u8> {
    let bits = fill(name, count).into_iter();
    match kind {
        "U8" => bits.map(|bits| bits.to_le_bytes()[0]).collect(),
        "F32" => bits
            .flat_map(|bits| (u32::from(bits) << 16).to_le_bytes())
            .collect(),
        _ => bits.flat_map(u16::to_le_bytes).collect(),
    }
}

/// All tensors of a case in one file.
fn safetensors(case: &Json) -> Vec<u8> {
    let mut file = Safetensors::default();
    for (name, entry) in case["stored"].as_object().expect("tensors") {
        let (kind, shape) = (text(&entry[0]), shape(&entry[1]));
        let bytes = bytes_of(name, kind, shape.iter().product());
        file = file.tensor(name, kind, &shape, &bytes);
    }
    file.finish()
}

fn open(case: &Json, config: &Json) -> (Folder, Checkpoint) {
    let folder = Folder::new();
    folder.write("config.json", config.to_string().as_bytes());
    folder.write("model.safetensors", &safetensors(case));
    let checkpoint = Checkpoint::open(folder.path()).expect("it is whole");
    (folder, checkpoint)
}

fn numbers(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    let tensor = checkpoint.tensor(name).expect("it is there");
    let mut bytes = vec![0; usize::try_from(tensor.size_bytes()).expect("small")];
    checkpoint
        .read(name, 0, &mut bytes)
        .expect("it can be read");
    let mut numbers = vec![0.0; usize::try_from(tensor.elements()).expect("small")];
    dequant::dequantize_row(tensor.tensor_type, &bytes, &mut numbers).expect("numbers");
    numbers
}

fn digest(numbers: &[f32]) -> String {
    let mix = |sum: u64, (at, number): (usize, &f32)| {
        let place = (2 * at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        sum.wrapping_add((u64::from(number.to_bits()) + 1).wrapping_mul(place))
    };
    format!("{:016x}", numbers.iter().enumerate().fold(0, mix))
}

fn same(found: &Value, expected: &Json) -> bool {
    match (found, expected) {
        (Value::Unsigned(found), Json::Number(expected)) => Some(*found) == expected.as_u64(),
        (Value::Float(found), Json::Number(expected)) => {
            let expected = expected.as_f64().expect("a number");
            (found - expected).abs() <= 1e-6 * expected.abs()
        }
        (Value::Bool(found), Json::Bool(expected)) => found == expected,
        (Value::Text(found), Json::String(expected)) => found == expected,
        (Value::Array(found), Json::Array(expected)) => {
            let mut pairs = found.iter().zip(expected);
            found.len() == expected.len() && pairs.all(|(found, expected)| same(found, expected))
        }
        _ => false,
    }
}

/// All but the name, which the folder gives.
fn compare_metadata(what: &str, checkpoint: &Checkpoint, expected: &Json) {
    let expected = expected.as_object().expect("metadata");
    let mut found = checkpoint.metadata.0.clone();
    assert!(found.remove("general.name").is_some(), "{what}");
    let names = found.keys().chain(expected.keys()).collect::<BTreeSet<_>>();
    let wrong: Vec<_> = names
        .into_iter()
        .map(|name| (name, found.get(name), expected.get(name)))
        .filter(
            |(_, found, expected)| !matches!((found, expected), (Some(f), Some(e)) if same(f, e)),
        )
        .collect();
    assert!(wrong.is_empty(), "{what}: found, expected: {wrong:#?}");
}

fn compare_tensors(what: &str, checkpoint: &Checkpoint, expected: &Json) {
    let expected = expected.as_object().expect("tensors");
    let found: BTreeSet<&String> = checkpoint.tensors.keys().collect();
    assert_eq!(found, expected.keys().collect(), "{what}");
    for (name, entry) in expected {
        let tensor = checkpoint.tensor(name).expect("it is there");
        assert_eq!(tensor.tensor_type.name(), text(&entry[0]), "{what} {name}");
        assert_eq!(tensor.shape, shape(&entry[1]), "{what} {name}");
        let numbers = numbers(checkpoint, name);
        let Json::Array(exact) = &entry[2] else {
            assert_eq!(digest(&numbers), text(&entry[2]), "{what} {name}");
            continue;
        };
        for (found, expected) in numbers.iter().zip(exact) {
            let expected = expected.as_f64().expect("a number");
            let off = (f64::from(*found) - expected).abs();
            assert!(
                off <= 1e-6 * expected.abs(),
                "{what} {name}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn each_family_is_what_its_conversion_is() {
    for (what, case) in cases() {
        let (_folder, checkpoint) = open(&case, &case["config"]);
        compare_metadata(&what, &checkpoint, &case["metadata"]);
        compare_tensors(&what, &checkpoint, &case["tensors"]);
        if case["older"].is_object() {
            let (_folder, checkpoint) = open(&case, &case["older"]);
            compare_metadata(&format!("{what}, older"), &checkpoint, &case["metadata"]);
        }
    }
}

#[test]
fn any_piece_is_the_same_piece_of_the_whole() {
    for family in [
        "llama",
        "deepseek3",
        "gpt-oss",
        "gpt-oss-mxfp4",
        "qwen35",
        "mixtral",
        "gemma3",
    ] {
        let case = &cases()[family];
        let (_folder, checkpoint) = open(case, &case["config"]);
        for (name, tensor) in &checkpoint.tensors {
            let size = usize::try_from(tensor.size_bytes()).expect("small");
            let mut whole = vec![0; size];
            checkpoint
                .read(name, 0, &mut whole)
                .expect("it can be read");
            for (skip, length) in [
                (0, 1),
                (1, size - 1),
                (size / 3, size / 2),
                (size - 1, 1),
                (7, 100),
            ] {
                let length = length.min(size.saturating_sub(skip));
                let mut piece = vec![0; length];
                checkpoint
                    .read(name, skip as u64, &mut piece)
                    .expect("it can be read");
                assert_eq!(
                    piece,
                    whole[skip..skip + length],
                    "{family} {name} {skip} {length}"
                );
            }
        }
    }
}

#[test]
fn shards_are_read_as_one() {
    let case = &cases()["qwen3"];
    let folder = Folder::new();
    folder.write("config.json", case["config"].to_string().as_bytes());
    let mut shards = [Safetensors::default(), Safetensors::default()];
    let mut map = serde_json::Map::new();
    for (at, (name, entry)) in case["stored"]
        .as_object()
        .expect("tensors")
        .iter()
        .enumerate()
    {
        let (kind, shape) = (text(&entry[0]), shape(&entry[1]));
        let bytes = bytes_of(name, kind, shape.iter().product());
        let shard = std::mem::take(&mut shards[at % 2]);
        shards[at % 2] = shard.tensor(name, kind, &shape, &bytes);
        let file = format!("model-0000{}-of-00002.safetensors", at % 2 + 1);
        map.insert(name.clone(), file.into());
    }
    for (at, shard) in shards.iter().enumerate() {
        folder.write(
            &format!("model-0000{}-of-00002.safetensors", at + 1),
            &shard.finish(),
        );
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": map});
    folder.write("model.safetensors.index.json", index.to_string().as_bytes());
    let paths = [
        folder.path().to_owned(),
        folder.path().join("config.json"),
        folder.path().join("model-00002-of-00002.safetensors"),
    ];
    for path in paths {
        let checkpoint = Checkpoint::open(&path).expect("it is whole");
        assert_eq!(checkpoint.files().expect("sizes").len(), 2);
        compare_tensors("qwen3 in two", &checkpoint, &case["tensors"]);
    }
}

/// What a change of one case's folder leads to.
fn refusal(family: &str, change: impl FnOnce(&mut Json, &Folder)) -> String {
    let mut case = cases()[family].clone();
    let folder = Folder::new();
    change(&mut case, &folder);
    folder.write("config.json", case["config"].to_string().as_bytes());
    if !folder.path().join("model.safetensors").exists() {
        folder.write("model.safetensors", &safetensors(&case));
    }
    let opened = Checkpoint::open(folder.path());
    opened.map_or_else(|error| error.to_string(), |_| "nothing is wrong".into())
}

#[test]
fn what_is_wrong_is_said() {
    let check =
        |words: &str, said: String| assert!(said.contains(words), "{said:?} lacks {words:?}");
    check(
        "its architecture is BloomForCausalLM",
        refusal("llama", |case, _| {
            case["config"]["architectures"][0] = "BloomForCausalLM".into();
        }),
    );
    check(
        "quantized with gptq",
        refusal("llama", |case, _| {
            case["config"]["quantization_config"] = serde_json::json!({"quant_method": "gptq"});
        }),
    );
    check(
        "its config.json has no vocab_size",
        refusal("llama", |case, _| {
            case["config"]
                .as_object_mut()
                .expect("settings")
                .remove("vocab_size");
        }),
    );
    check(
        "num_attention_heads 0",
        refusal("llama", |case, _| {
            case["config"]["num_attention_heads"] = 0.into();
        }),
    );
    check(
        "self_attn.q_proj.weight of layer 0 has shape",
        refusal("llama", |case, _| {
            case["config"]["num_attention_heads"] = 5.into();
        }),
    );
    check(
        "are not all there",
        refusal("mixtral", |case, _| {
            case["config"]["num_local_experts"] = 5.into();
        }),
    );
    check(
        "scaled in a way that is unknown here: spiral",
        refusal("llama", |case, _| {
            case["config"]["rope_parameters"]["rope_type"] = "spiral".into();
        }),
    );
    check(
        "model.layers.0.self_attn.odd.weight is unknown",
        refusal("llama", |case, _| {
            case["stored"]["model.layers.0.self_attn.odd.weight"] =
                serde_json::json!(["BF16", [4]]);
        }),
    );
    check(
        "model.odd.weight has the type F8_E4M3",
        refusal("llama", |_, folder| {
            let file = Safetensors::default().tensor("model.odd.weight", "F8_E4M3", &[4], &[0; 4]);
            folder.write("model.safetensors", &file.finish());
        }),
    );
    check(
        "model-1.safetensors is missing",
        refusal("llama", |_, folder| {
            let index = r#"{"weight_map": {"a": "model-1.safetensors"}}"#;
            folder.write("model.safetensors.index.json", index.as_bytes());
        }),
    );
    check(
        "a lies in no file",
        refusal("llama", |_, folder| {
            let index = r#"{"weight_map": {"a": "../model.safetensors"}}"#;
            folder.write("model.safetensors.index.json", index.as_bytes());
        }),
    );
    check(
        "it says that a lies in model.safetensors",
        refusal("llama", |_, folder| {
            let index = r#"{"weight_map": {"a": "model.safetensors"}}"#;
            folder.write("model.safetensors.index.json", index.as_bytes());
        }),
    );
}

#[test]
fn what_lies_beside_the_weights_is_found() {
    let case = &cases()["llama"];
    let folder = Folder::new();
    folder.write("config.json", case["config"].to_string().as_bytes());
    folder.write("model.safetensors", &safetensors(case));
    folder.write(
        "README.md",
        b"---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\n",
    );
    let config = r#"{"chat_template": [{"name": "default", "template": "old"}, {"name": "tool_use", "template": "tools"}]}"#;
    folder.write("tokenizer_config.json", config.as_bytes());
    let checkpoint = Checkpoint::open(folder.path()).expect("it is whole");
    let text = |key: &str| checkpoint.metadata.text(key).map(str::to_owned);
    assert_eq!(text("general.license").as_deref(), Some("apache-2.0"));
    assert_eq!(text("tokenizer.chat_template").as_deref(), Some("old"));
    assert_eq!(
        text("tokenizer.chat_template.tool_use").as_deref(),
        Some("tools")
    );
    let own = folder.path().file_name().and_then(|name| name.to_str());
    assert_eq!(text("general.name").as_deref(), own);
    folder.write("chat_template.jinja", b"new");
    let checkpoint = Checkpoint::open(folder.path()).expect("it is whole");
    assert_eq!(
        checkpoint.metadata.text("tokenizer.chat_template"),
        Some("new")
    );
    let beside = checkpoint.companions();
    assert_eq!(beside.tokenizer, None);
    assert_eq!(
        beside.chat_template,
        Some(folder.path().join("chat_template.jinja"))
    );
}

#[test]
fn a_text_model_inside_of_another_is_found() {
    let case = &cases()["gemma3"];
    let inner = case["config"].clone();
    let outer = serde_json::json!({
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": inner,
    });
    let folder = Folder::new();
    folder.write("config.json", outer.to_string().as_bytes());
    let mut file = Safetensors::default().tensor("vision_tower.x", "F32", &[1], &[0; 4]);
    for (name, entry) in case["stored"].as_object().expect("tensors") {
        let (kind, shape) = (text(&entry[0]), shape(&entry[1]));
        let bytes = bytes_of(name, kind, shape.iter().product());
        file = file.tensor(&format!("language_model.{name}"), kind, &shape, &bytes);
    }
    folder.write("model.safetensors", &file.finish());
    let checkpoint = Checkpoint::open(folder.path()).expect("it is whole");
    compare_metadata("gemma3 inside", &checkpoint, &case["metadata"]);
    compare_tensors("gemma3 inside", &checkpoint, &case["tensors"]);
    assert_eq!(
        checkpoint
            .tensor("token_embd.weight")
            .expect("it is there")
            .tensor_type,
        TensorType::BF16
    );
}

/// A setting that nobody expects there.
fn odd_setting() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        Just(serde_json::json!([])),
        Just(serde_json::json!({"rope_type": "yarn", "factor": 0.0})),
        any::<bool>().prop_map(Json::from),
        (0_u64..9).prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "[a-z_*-]{0,12}".prop_map(Json::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// No panic, and what is opened can be read.
    #[test]
    fn any_settings_and_shapes_end_in_a_checkpoint_or_an_error(
        family in any::<prop::sample::Index>(),
        settings in prop::collection::vec((any::<prop::sample::Index>(), odd_setting()), 0..3),
        tensor in any::<prop::sample::Index>(),
        turned in any::<bool>(),
    ) {
        let cases = CASES.get_or_init(cases);
        let (_, case) = cases.iter().nth(family.index(cases.len())).expect("a case");
        let mut case = case.clone();
        let config = case["config"].as_object_mut().expect("settings");
        for (place, value) in settings {
            let name = config.keys().nth(place.index(config.len())).expect("a name").clone();
            config.insert(name, value);
        }
        let stored = case["stored"].as_object_mut().expect("tensors");
        let at = tensor.index(stored.len());
        if turned {
            let entry = stored.values_mut().nth(at).expect("a tensor");
            entry[1].as_array_mut().expect("a shape").reverse();
        }
        let folder = Folder::new();
        folder.write("config.json", case["config"].to_string().as_bytes());
        folder.write("model.safetensors", &safetensors(&case));
        if let Ok(checkpoint) = Checkpoint::open(folder.path()) {
            for name in checkpoint.tensors.keys() {
                numbers(&checkpoint, name);
            }
        }
    }
}

#[test]
fn a_folder_is_called_by_its_repository_or_its_name() {
    let case = &cases()["llama"];
    let check = |below: &str, says: &str, expected: &str| {
        let folder = Folder::new();
        let path = folder.path().join(below);
        std::fs::create_dir_all(&path).expect("a folder");
        let mut config = case["config"].clone();
        config["_name_or_path"] = says.into();
        std::fs::write(path.join("config.json"), config.to_string()).expect("room");
        std::fs::write(path.join("model.safetensors"), safetensors(case)).expect("room");
        let checkpoint = Checkpoint::open(&path).expect("a model");
        assert_eq!(checkpoint.metadata.text("general.name"), Some(expected));
    };
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let snapshot = format!("models--Qwen--Qwen3-0.6B/snapshots/{commit}");
    check(&snapshot, "made/from", "Qwen/Qwen3-0.6B");
    check("Qwen3-0.6B", "made/from", "Qwen3-0.6B");
    check(commit, "made/from", "made/from");
}
