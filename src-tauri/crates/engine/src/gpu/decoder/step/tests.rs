//! How queries, keys and values come out of their matrices.

use super::*;
use crate::decoder::Reserve;
use crate::decoder::layer::Mixer;
use crate::decoder::mixers::attention::Attention as OnProcessor;
use crate::decoder::parts::Parts;
use crate::decoder::source::Linear as LinearOnProcessor;
use crate::decoder::tests::conformance::fixtures;
use crate::kv::{KvType, PageId};
use std::sync::atomic::AtomicBool;

type Projections = fn(&Device, &OnProcessor) -> (Linear, Own);

fn bring(device: &Device, linears: &[&LinearOnProcessor]) -> Linear {
    let all = Linear::bring_together(device, linears).expect("room");
    all.expect("of one type")
}

fn key(on: &OnProcessor) -> LinearOnProcessor {
    on.key.clone().expect("keys")
}

fn value(on: &OnProcessor) -> LinearOnProcessor {
    on.value.clone().expect("values")
}

/// Types of a file differ as they like: what can't come in one launch comes in two or three.
#[test]
fn queries_keys_and_values_are_the_same_together_and_apart() {
    let ways: [Projections; 3] = [
        |device, on| {
            (
                bring(device, &[&on.query, &key(on), &value(on)]),
                Own::Together,
            )
        },
        |device, on| {
            let values = bring(device, &[&value(on)]);
            (bring(device, &[&on.query, &key(on)]), Own::Values(values))
        },
        |device, on| {
            let values = bring(device, &[&value(on)]);
            let own = Own::Apart(bring(device, &[&key(on)]), Some(values));
            (bring(device, &[&on.query]), own)
        },
    ];
    let logits = ways.map(logits);
    assert!(logits[0].iter().any(|logit| *logit != 0.0));
    assert_eq!(logits[1], logits[0]);
    assert_eq!(logits[2], logits[0]);
}

fn logits(projections: Projections) -> Vec<f32> {
    let fixture = fixtures().into_iter().find(|one| one.name == "qwen2");
    let fixture = fixture.expect("a fixture with biases");
    let options = crate::decoder::LoadOptions {
        context_tokens: 64,
        threads: 1,
        quantize: None,
        cancelled: &AtomicBool::new(false),
    };
    let parts = Parts::prove(&fixture.checkpoint, &options).expect("proven");
    let device = Device::on_host(0);
    let reserve = Reserve {
        kv_type: KvType::F16,
        pages: 1,
        step_tokens: 12,
        step_logits: 1,
    };
    let mut decoder = Decoder::bring(&device, &parts, reserve, &mut |_| ()).expect("brought");
    let on_processor = fixture.load(64);
    for (there, here) in decoder
        .layers
        .iter_mut()
        .zip(&on_processor.weights().layers)
    {
        let (Some(there), Mixer::Attention(here)) = (&mut there.attention, &here.mixer) else {
            panic!("attention");
        };
        (there.query, there.own) = projections(&device, here);
    }
    let tokens: Vec<u32> = (0..12).collect();
    let chunk = Chunk {
        tokens: &tokens,
        start: 0,
        pages: &[PageId(0)],
        state: None,
        logits: LogitsWanted::Last,
    };
    decoder.step(&[], &[chunk]).expect("a step");
    decoder.row(0).expect("a row")
}
