//! Files that lie end in an error that names what is wrong, before anything is computed.

use super::conformance::fixtures;
use super::load;
use super::tiny::{self, Tiny};
use crate::files::{Checkpoint, TensorType, Value};
use engine_api::EngineError;
use proptest::prelude::*;

fn refusal(tiny: &Tiny, change: impl Fn(&mut Checkpoint)) -> String {
    let (_file, mut checkpoint) = tiny.open();
    change(&mut checkpoint);
    match load(&checkpoint) {
        Err(
            EngineError::InvalidModel { reason, .. } | EngineError::UnsupportedModel { reason, .. },
        ) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_lacks_or_contradicts_is_refused_by_name() {
    let check = |change: &dyn Fn(&mut Checkpoint), expected: &str| {
        let reason = refusal(&tiny::gemma2(), change);
        assert!(reason.contains(expected), "{reason}");
    };
    let set = |key: &'static str, value: Value| {
        move |file: &mut Checkpoint| {
            file.metadata.0.insert(key.into(), value.clone());
        }
    };
    check(
        &|file| drop(file.tensors.remove("blk.1.ffn_up.weight")),
        "blk.1.ffn_up.weight",
    );
    check(
        &|file| drop(file.metadata.0.remove("gemma2.block_count")),
        "gemma2.block_count",
    );
    check(
        &set("general.architecture", Value::Text("rwkv6".into())),
        "rwkv6",
    );
    check(
        &set("general.architecture", Value::Text("rwkv6".into())),
        "gemma2, gemma3",
    );
    check(
        &set("gemma2.attention.head_count_kv", Value::Unsigned(3)),
        "3 KV heads",
    );
    check(
        &set("gemma2.embedding_length", Value::Unsigned(64)),
        "token_embd.weight",
    );
    check(
        &set("gemma2.attention.head_count", Value::Unsigned(0)),
        "0 heads",
    );
    check(
        &set("gemma2.rope.dimension_count", Value::Unsigned(34)),
        "34",
    );
    check(
        &set("gemma2.rope.scaling.type", Value::Text("ntk".into())),
        "ntk",
    );
    check(
        &set(
            "gemma2.attention.layer_norm_rms_epsilon",
            Value::Float(-1.0),
        ),
        "epsilon",
    );
    let odd = |file: &mut Checkpoint| {
        let tensor = file
            .tensors
            .get_mut("blk.2.attn_q.weight")
            .expect("a tiny model works");
        tensor.tensor_type = TensorType::I8;
    };
    check(&odd, "blk.2.attn_q.weight has the type I8");
}

/// Numbers that files lie with.
fn numbers() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop_oneof![
            Just(0u64),
            Just(1),
            Just(3),
            Just(7),
            Just(1 << 20),
            Just(u64::from(u32::MAX)),
            Just(u64::MAX)
        ]
        .prop_map(Value::Unsigned),
        any::<i64>().prop_map(Value::Signed),
        prop_oneof![
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(0.0),
            Just(-1.0),
            Just(1e300),
            Just(1e-300)
        ]
        .prop_map(Value::Float),
        Just(Value::Array(vec![])),
        Just(Value::Array(vec![
            Value::Unsigned(2),
            Value::Unsigned(0),
            Value::Unsigned(5)
        ])),
        Just(Value::Bool(true)),
        Just(Value::Text("yarn".into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_lie_ends_in_a_model_or_an_error(at in any::<prop::sample::Index>(), value in numbers(), mixture in any::<bool>()) {
        let tiny = if mixture { tiny::gpt_oss() } else { tiny::gemma2() };
        let (_file, mut checkpoint) = tiny.open();
        let mut keys: Vec<_> = checkpoint.metadata.0.keys().cloned().collect();
        keys.sort();
        checkpoint.metadata.0.insert(at.get(&keys).clone(), value);
        if let Ok(mut decoder) = load(&checkpoint) {
            super::alone(&mut decoder, &[1, 2, 3], crate::kv::KvType::F32);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_lie_to_any_family_ends_in_a_model_or_an_error(at in any::<prop::sample::Index>(), value in numbers()) {
        for mut fixture in fixtures() {
            let mut keys: Vec<_> = fixture.checkpoint.metadata.0.keys().cloned().collect();
            keys.sort();
            fixture.checkpoint.metadata.0.insert(at.get(&keys).clone(), value.clone());
            if let Ok(mut decoder) = load(&fixture.checkpoint) {
                super::alone(&mut decoder, &[1, 2, 3], crate::kv::KvType::F32);
            }
        }
    }
}
