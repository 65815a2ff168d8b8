//! Batched equals alone: any cut of any sequences into steps gives the bits that each gets alone in one step.

use super::conformance::fixtures;
use super::tiny::{self, Tiny, VOCABULARY};
use super::{Running, alone, load};
use crate::files::Checkpoint;
use crate::kv::{KvType, PageStore};
use proptest::prelude::*;

/// Sequences, and for each step how many tokens of each are computed.
type Run = (Vec<Vec<u32>>, Vec<Vec<usize>>);

fn runs() -> impl Strategy<Value = Run> {
    // Every fixture's vocabulary has these too.
    let token = 0..u32::try_from(VOCABULARY).expect("a tiny model works");
    let sequences = proptest::collection::vec(proptest::collection::vec(token, 1..80), 1..4);
    let steps = proptest::collection::vec(proptest::collection::vec(0usize..40, 4), 0..6);
    (sequences, steps)
}

fn check(tiny: &Tiny, kv_type: KvType, run: &Run) {
    let (_file, checkpoint) = tiny.open();
    check_file(&checkpoint, kv_type, run);
}

fn check_file(checkpoint: &Checkpoint, kv_type: KvType, (sequences, steps): &Run) {
    let mut decoder = load(checkpoint).expect("a tiny model works");
    let vocabulary = decoder.description().vocabulary;
    let mut store = PageStore::new(decoder.page_shape(kv_type));
    let new = |tokens: &Vec<u32>| Running::new(tokens, &decoder, &mut store);
    let mut running: Vec<_> = sequences.iter().map(new).collect();
    let rest = vec![usize::MAX; sequences.len()];
    for counts in steps.iter().chain([&rest]) {
        let mut parts: Vec<_> = running.iter_mut().zip(counts).collect();
        parts.retain(|(one, count)| **count > 0 && one.done < one.tokens.len());
        let ends: Vec<_> = parts
            .iter()
            .map(|(one, count)| (**count).min(one.tokens.len() - one.done))
            .collect();
        let mut chunks: Vec<_> = parts
            .iter_mut()
            .map(|(one, count)| {
                let left = one.tokens.len() - one.done;
                one.chunk((**count).min(left))
            })
            .collect();
        let mut logits = decoder
            .step(&mut store, &mut chunks)
            .expect("a tiny model works");
        for ((one, _), end) in parts.iter_mut().zip(ends) {
            let (own, others) = logits.split_at(end * vocabulary);
            one.logits.extend_from_slice(own);
            logits = others;
        }
    }
    for one in &running {
        assert!(
            one.logits == alone(&mut decoder, &one.tokens, kv_type),
            "{} of {} tokens",
            checkpoint.path.display(),
            one.tokens.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_batch_of_a_dense_model_gives_each_sequence_what_it_gets_alone(run in runs()) {
        check(&tiny::gemma2(), KvType::F16, &run);
    }

    #[test]
    fn any_batch_of_a_mixture_gives_each_sequence_what_it_gets_alone(run in runs()) {
        check(&tiny::gpt_oss(), KvType::Q8_0, &run);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn any_batch_of_any_family_gives_each_sequence_what_it_gets_alone(run in runs()) {
        for fixture in fixtures() {
            check_file(&fixture.checkpoint, KvType::F16, &run);
        }
    }
}
