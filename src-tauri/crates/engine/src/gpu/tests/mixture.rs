//! Mixtures of experts, against the processor's router and plain sums.

use super::super::device::{Buffer, Device};
use super::super::matrix::Sorted;
use super::super::mixture::{self, Parts};
use super::{in_each_order, noise};
use crate::decoder::description::{Groups, Routing, Score};
use crate::decoder::routing::Router;

const PLAIN: Routing = Routing {
    score: Score::Softmax,
    correction: false,
    groups: None,
    normalize: false,
    scale: 1.0,
};

/// Who is chosen for each row on the device, and with what weight.
fn found(
    device: &Device,
    routing: &Routing,
    outputs: &[f32],
    correction: Option<&[f32]>,
    [experts, used]: [usize; 2],
) -> Vec<f32> {
    let rows = outputs.len() / experts;
    let correction = correction.map(|correction| device.upload(correction).expect("room"));
    let outputs = device.upload(outputs).expect("room");
    let [chosen, weights] = [0; 2].map(|_| device.zeroed(rows * used * 4).expect("room"));
    let router = mixture::Router {
        routing,
        correction: correction.as_ref(),
        factors: None,
        experts,
        used,
    };
    mixture::route(device, &router, &outputs, rows, [&chosen, &weights]).expect("computed");
    let chosen = numbers(device, &chosen);
    let weights = device.floats(&weights).expect("read");
    let pairs = chosen.iter().zip(weights);
    pairs
        .flat_map(|(expert, weight)| [float(*expert), weight])
        .collect()
}

/// An expert's number, which is small.
fn float(expert: u32) -> f32 {
    f32::from(u16::try_from(expert).expect("small"))
}

fn numbers(device: &Device, buffer: &Buffer) -> Vec<u32> {
    let floats = device.floats(buffer).expect("read");
    floats.iter().map(|x| x.to_bits()).collect()
}

fn check(routing: &Routing, outputs: &[f32], correction: Option<&[f32]>, sizes: [usize; 2]) {
    let [experts, used] = sizes;
    let found = in_each_order(|device| found(device, routing, outputs, correction, sizes));
    let rows = outputs
        .chunks_exact(experts)
        .zip(found.chunks_exact(2 * used));
    for (outputs, found) in rows {
        let mut expected = vec![(0, 0.0); used];
        Router::new(experts).route(routing, outputs, correction, &mut expected);
        for ((expert, weight), found) in expected.iter().zip(found.chunks_exact(2)) {
            let near = (found[1] - weight).abs() <= weight.abs() * 1e-5;
            assert!(
                found[0].to_bits() == float(*expert).to_bits() && near,
                "{routing:?}, {sizes:?}: {found:?} and {expected:?}"
            );
        }
    }
}

#[test]
fn the_experts_that_the_processor_takes_are_taken_with_the_same_weights() {
    // Fewer experts than lanes, a number that is no multiple of them, and gpt-oss' and Qwen's many.
    for (experts, used) in [(4, 4), (8, 2), (40, 8), (128, 8), (512, 10)] {
        let outputs: Vec<f32> = noise(2 * experts, 3).iter().map(|x| 4.0 * x).collect();
        let correction = noise(experts, 5);
        for score in [Score::Softmax, Score::Sigmoid, Score::SoftmaxOfChosen] {
            for normalize in [false, true] {
                let routing = Routing {
                    score,
                    normalize,
                    scale: 2.5,
                    ..PLAIN
                };
                check(&routing, &outputs, None, [experts, used]);
            }
            let routing = Routing { score, ..PLAIN };
            check(&routing, &outputs, Some(&correction), [experts, used]);
        }
    }
}

#[test]
fn groups_of_experts_are_left_out_as_by_the_processor() {
    let outputs: Vec<f32> = noise(3 * 64, 7).iter().map(|x| 4.0 * x).collect();
    for (count, used, best) in [(8, 4, 2), (4, 1, 1), (2, 2, 2), (8, 1, 2)] {
        let groups = Some(Groups { count, used, best });
        let routing = Routing {
            score: Score::Sigmoid,
            groups,
            ..PLAIN
        };
        check(&routing, &outputs, Some(&noise(64, 9)), [64, 8]);
    }
}

#[test]
fn equal_scores_go_to_the_lower_expert_and_numbers_that_are_none_stay_inside() {
    check(&PLAIN, &[0.5; 70], None, [70, 6]);
    let device = Device::on_host(1);
    let found = found(&device, &PLAIN, &[f32::NAN; 40], None, [40, 3]);
    assert!(found.chunks_exact(2).all(|pair| pair[0] < 40.0));
}

#[test]
fn choices_come_in_the_order_of_their_experts() {
    // As many as a thread has experts, an expert that nobody takes, and one whom all take.
    for (chosen, experts) in [
        (vec![2, 0, 2, 5, 0, 2], 6),
        (vec![0; 9], 3),
        ((0..40).rev().collect(), 1500),
    ] {
        let found = in_each_order(|device| {
            let there = device.upload(&chosen).expect("room");
            let offsets = device.zeroed((experts + 1) * 4).expect("room");
            let order = device.zeroed(chosen.len() * 4).expect("room");
            let shape = [chosen.len(), experts];
            let most = Sorted::most_tiles(chosen.len(), experts);
            let tiles = device.zeroed(most * 8).expect("room");
            let sorted = Sorted {
                offsets: &offsets,
                order: &order,
                tiles: &tiles,
            };
            mixture::sort_choices(device, &there, shape, sorted).expect("computed");
            let [offsets, mut order] =
                [&offsets, &order].map(|from| device.floats(from).expect("read"));
            // Within an expert they may come in any order.
            for ends in offsets.windows(2) {
                let run = ends[0].to_bits() as usize..ends[1].to_bits() as usize;
                order[run].sort_by_key(|choice| choice.to_bits());
            }
            [offsets, order].concat()
        });
        let found: Vec<u32> = found.iter().map(|x| x.to_bits()).collect();
        let (offsets, order) = found.split_at(experts + 1);
        let mut expected: Vec<u32> = (0..).take(chosen.len()).collect();
        expected.sort_by_key(|choice| chosen[*choice as usize]);
        assert_eq!(order, expected);
        for expert in 0..experts {
            let run = &order[offsets[expert] as usize..offsets[expert + 1] as usize];
            assert!(
                run.iter()
                    .all(|choice| chosen[*choice as usize] as usize == expert)
            );
        }
        assert_eq!(offsets[experts] as usize, chosen.len());
    }
}

#[test]
fn what_experts_and_the_shared_part_gave_is_summed() {
    let (rows, used, columns) = (2, 3, 300);
    let (given, weights) = (noise(rows * used * columns, 1), noise(rows * used, 2));
    let (base, shared) = (noise(rows * columns, 3), noise(rows * columns, 4));
    let gate = noise(columns, 5);
    let found = in_each_order(|device| {
        let floats = |floats: &[f32]| device.upload(floats).expect("room");
        let (there, out) = (floats(&shared), floats(&base));
        let gates = device.zeroed(rows * 4).expect("room");
        mixture::gate_rows(device, &there, &floats(&gate), &gates, [rows, columns])
            .expect("computed");
        let parts = Parts {
            base: Some(&out),
            experts: Some((&floats(&given), &floats(&weights), used)),
            shared: Some((&there, Some(&gates))),
        };
        mixture::mix(device, parts, &out, [rows, columns]).expect("computed");
        device.floats(&out).expect("read")
    });
    for (at, found) in found.iter().enumerate() {
        let (row, column) = (at / columns, at % columns);
        let experts = (0..used).map(|one| row * used + one);
        let sum: f32 = experts
            .map(|one| weights[one] * given[one * columns + column])
            .sum();
        let products = shared[row * columns..][..columns].iter().zip(&gate);
        let dot: f32 = products.map(|(x, w)| x * w).sum();
        let expected = base[at] + sum + shared[at] / (1.0 + (-dot).exp());
        assert!(
            (found - expected).abs() < 1e-5,
            "{at}: {found} and {expected}"
        );
    }
}
