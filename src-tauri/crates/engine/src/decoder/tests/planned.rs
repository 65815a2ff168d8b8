//! What is planned is what is taken.

use super::tiny::{self, Tiny};
use super::{Running, load};
use crate::decoder::{Demand, plan};
use crate::kv::{KvType, PageStore};

#[test]
fn a_plan_says_within_three_percent_what_the_model_then_takes() {
    let near = |planned: u64, taken: u64, what: &str| {
        let (low, high) = (taken * 97 / 100, taken * 103 / 100);
        assert!(
            (low..=high).contains(&planned),
            "{what}: planned {planned}, taken {taken}"
        );
    };
    let check = |tiny: Tiny| {
        let (_file, checkpoint) = tiny.open();
        let mut decoder = load(&checkpoint).expect("a tiny model works");
        let demand = Demand {
            context_tokens: 100,
            parallel: 1,
            kv_type: KvType::F32,
            step_tokens: 100,
            step_logits: 100,
            quantize: None,
        };
        let plan = plan(decoder.description(), &checkpoint, &demand).expect("a tiny model works");
        near(plan.weights_bytes, decoder.weights_bytes(), "weights");
        let tensors: u64 = checkpoint
            .tensors
            .values()
            .map(crate::files::TensorInfo::size_bytes)
            .sum();
        near(plan.weights_bytes, tensors, "tensors");
        let mut store = PageStore::new(decoder.page_shape(KvType::F32));
        let mut running = Running::new(&[1; 100], &decoder, &mut store);
        decoder
            .step(&mut store, &mut [running.chunk(100)])
            .expect("a tiny model works");
        near(
            plan.kv_bytes,
            (store.len() * store.shape().page_bytes()) as u64,
            "KV",
        );
        near(plan.scratch_bytes, decoder.scratch_bytes(), "scratch");
    };
    check(tiny::gemma2());
    check(tiny::gpt_oss());
}
