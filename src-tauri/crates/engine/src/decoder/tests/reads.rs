//! What decoding a token reads: of each family's weights, and of what it keeps.

use super::conformance::fixtures;
use crate::decoder::reads::{kv_reads, position_bytes};
use crate::decoder::{Demand, families, plan};
use crate::kv::KvType;
use std::collections::BTreeMap;

/// How reading a long context compares with keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// Each position once.
    All,
    /// Windows end it.
    Less,
    /// Layers read others' keys and values.
    More,
}

#[test]
fn windows_read_less_than_is_kept_and_shared_caches_more() {
    let families = BTreeMap::from([
        ("llama", Reads::All),
        ("deepseek2", Reads::All),
        ("qwen3next", Reads::All),
        ("nemotron-h", Reads::All),
        ("gemma3", Reads::Less),
        ("gpt-oss", Reads::Less),
        ("phi3-window", Reads::Less),
    ]);
    let mut seen = 0;
    for fixture in fixtures() {
        let path = fixture.checkpoint.path.clone();
        let family = path.parent().and_then(|folder| folder.file_name());
        let family = family.and_then(|name| name.to_str()).unwrap_or_default();
        let Some(expected) = families.get(family) else {
            continue;
        };
        seen += 1;
        let description = families::describe(&fixture.checkpoint).expect("a model");
        let layers = description.page_shape(KvType::F16).layers;
        let kept: u64 = layers
            .into_iter()
            .map(|layer| position_bytes(layer, KvType::F16))
            .sum();
        let reads = kv_reads(&description, KvType::F16);
        let (near, far) = (reads.bytes(1), reads.bytes(1 << 20));
        assert_eq!(
            near,
            reads.state_bytes + kept,
            "{family}: one position is seen by all"
        );
        let found = match far.cmp(&(reads.state_bytes + (kept << 20))) {
            std::cmp::Ordering::Less => Reads::Less,
            std::cmp::Ordering::Equal => Reads::All,
            std::cmp::Ordering::Greater => Reads::More,
        };
        assert_eq!(found, *expected, "{family}: {reads:?}");
        let recurrent = matches!(family, "qwen3next" | "nemotron-h");
        assert_eq!(reads.state_bytes > 0, recurrent, "{family}");
    }
    assert_eq!(seen, families.len());
}

#[test]
fn a_token_reads_all_but_other_experts_and_other_rows() {
    let demand = Demand {
        context_tokens: 64,
        parallel: 1,
        kv_type: KvType::F16,
        step_tokens: 64,
        step_logits: 1,
        quantize: None,
    };
    for fixture in fixtures() {
        let checkpoint = &fixture.checkpoint;
        let description = families::describe(checkpoint).expect("a model");
        let plan = plan(&description, checkpoint, &demand).expect("a model");
        let sizes = |part: &str| -> u64 {
            let named = checkpoint
                .tensors
                .iter()
                .filter(|(name, _)| name.contains(part));
            named.map(|(_, tensor)| tensor.size_bytes()).sum()
        };
        let what = checkpoint.path.display();
        let is_tied = checkpoint.tensor("output.weight").is_none();
        let is_whole = is_tied && sizes("_exps.") + sizes("per_layer_token_embd") == 0;
        assert_eq!(plan.active_bytes == plan.weights_bytes, is_whole, "{what}");
        let most = sizes("_exps.") + sizes("token_embd.weight");
        assert!(
            plan.active_bytes > 0 && plan.active_bytes + most >= plan.weights_bytes,
            "{what}"
        );
    }
}
