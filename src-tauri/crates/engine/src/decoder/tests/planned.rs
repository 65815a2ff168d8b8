//! What is planned is what is taken.

use super::conformance::{fixtures, folders};
use super::tiny::{self, Tiny};
use super::{Running, load};
use crate::decoder::{Demand, plan};
use crate::files::{Checkpoint, TensorInfo};
use crate::kv::{KvType, PageStore};

fn near(planned: u64, taken: u64, what: &str) {
    let (low, high) = (taken * 97 / 100, taken * 103 / 100);
    assert!(
        (low..=high).contains(&planned),
        "{what}: planned {planned}, taken {taken}"
    );
}

fn check(checkpoint: &Checkpoint, scratch_too: bool) {
    let mut decoder = load(checkpoint).expect("a tiny model works");
    let demand = Demand {
        context_tokens: 100,
        parallel: 1,
        kv_type: KvType::F32,
        step_tokens: 100,
        step_logits: 100,
        quantize: None,
    };
    let plan = plan(decoder.description(), checkpoint, &demand).expect("a tiny model works");
    let what = checkpoint.path.display().to_string();
    near(plan.weights_bytes, decoder.weights_bytes(), &what);
    let mut store = PageStore::new(decoder.page_shape(KvType::F32));
    let mut running = Running::new(&[1; 100], &decoder, &mut store);
    let state = running.state.iter().flat_map(|state| &state.layers);
    let state: usize = state.map(|layer| layer.len() * 4).sum();
    near(plan.state_bytes, state as u64, &what);
    decoder
        .step(&mut store, &mut [running.chunk(100)])
        .expect("a tiny model works");
    let kv = (store.len() * store.shape().page_bytes()) as u64;
    near(plan.kv_bytes, kv, &what);
    if scratch_too {
        near(plan.scratch_bytes, decoder.scratch_bytes(), &what);
    }
    let taken = decoder.weights_bytes() + kv + state as u64 + decoder.scratch_bytes();
    near(plan.total_bytes(), taken, &what);
}

#[test]
fn a_plan_says_within_three_percent_what_the_model_then_takes() {
    let tiny = |tiny: Tiny| {
        let (_file, checkpoint) = tiny.open();
        let tensors = checkpoint
            .tensors
            .values()
            .map(TensorInfo::size_bytes)
            .sum();
        let decoder = load(&checkpoint).expect("a tiny model works");
        near(decoder.weights_bytes(), tensors, "tensors");
        check(&checkpoint, true);
    };
    tiny(tiny::gemma2());
    tiny(tiny::gpt_oss());
}

#[test]
fn a_plan_is_right_for_every_family() {
    for fixture in fixtures().into_iter().chain(folders()) {
        check(&fixture.checkpoint, false);
    }
}
