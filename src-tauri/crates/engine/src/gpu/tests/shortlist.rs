//! The likeliest of a row against the processor's.

use super::super::shortlist::{Finish, list, read, room};
use super::{Device, ORDERS, noise};
use crate::sampler::Shortlist;

const AS_IT_IS: Finish = Finish {
    scale: 1.0,
    cap: None,
};

/// The rows as they are afterwards, and their lists: the same in each order of turns.
fn listed(rows: &[Vec<f32>], finish: Finish) -> (Vec<f32>, Vec<Shortlist>) {
    let vocabulary = rows[0].len();
    let found = ORDERS.map(|order| {
        let device = Device::on_host(order);
        let logits = device.upload(&rows.concat()).expect("room");
        let lists = room(&device, rows.len()).expect("room");
        let shape = [rows.len(), vocabulary];
        list(&device, &logits, finish, &lists, shape).expect("computed");
        let lists = read(&device, &lists, rows.len()).expect("read");
        (device.floats(&logits).expect("read"), lists)
    });
    // Debug's words: NaN is not itself.
    let words = found.each_ref().map(|found| format!("{found:?}"));
    assert!(words.iter().all(|one| *one == words[0]));
    let [first, ..] = found;
    first
}

/// It has the first of those that a list of a thousand has, and all of them are in their order; how many there are.
fn check(row: &[f32], found: &Shortlist) -> usize {
    let expected = Shortlist::of(row, 1024);
    let tokens: Vec<_> = found.tokens().collect();
    let first: Vec<_> = expected.tokens().take(tokens.len()).collect();
    assert_eq!(tokens, first);
    // What it lacks is less likely.
    if let (Some((_, last)), Some((_, next))) = (tokens.last(), expected.tokens().nth(tokens.len()))
    {
        assert!(next < *last);
    }
    let ((highest, sum), (expected_highest, expected_sum)) = (found.whole(), expected.whole());
    assert_eq!(highest.to_bits(), expected_highest.to_bits());
    assert!(
        (sum / expected_sum - 1.0).abs() < 1e-5,
        "{sum} {expected_sum}"
    );
    tokens.len()
}

#[test]
fn the_likeliest_of_rows_of_any_length_are_listed() {
    for vocabulary in [1, 2, 31, 1000, 1024, 1025, 20_000] {
        let rows: Vec<Vec<f32>> = (0..2)
            .map(|seed| {
                let row = noise(vocabulary, 5 + seed).into_iter();
                row.map(|x| 25.0 * x * x * x).collect()
            })
            .collect();
        let (after, lists) = listed(&rows, AS_IT_IS);
        assert_eq!(after, rows.concat());
        for (row, list) in rows.iter().zip(&lists) {
            let count = check(row, list);
            // All that count, as far as there is room.
            let (highest, _) = list.whole();
            let near = row.iter().filter(|logit| highest - **logit < 31.0).count();
            assert!(count >= near.min(900), "{vocabulary}: {count} of {near}");
        }
    }
}

#[test]
fn rows_that_no_model_should_give_are_listed_rightly() {
    let spread = |at: usize| noise(5000, 3)[at] * 30.0;
    let rows: Vec<Vec<f32>> = vec![
        // More of the likeliest than there is room: none is listed, and the row must be asked.
        vec![2.5; 5000],
        (0..5000)
            .map(|at| if at % 4 == 0 { 7.0 } else { 1.0 })
            .collect(),
        // As many as there is room, of two values.
        (0..5000)
            .map(|at| if at % 5 == 0 { 3.0 } else { -200.0 })
            .collect(),
        // As many likeliest as there is room, and one more.
        (0..5000)
            .map(|at| if at < 1024 { 7.0 } else { 1.0 })
            .collect(),
        (0..5000)
            .map(|at| if at < 1025 { 7.0 } else { 1.0 })
            .collect(),
        // One far above all.
        (0..5000)
            .map(|at| if at == 4321 { 90.0 } else { spread(at) })
            .collect(),
        // What is no number is nowhere; what is impossible neither.
        (0..5000)
            .map(|at| match at % 3 {
                0 => f32::NAN,
                1 => f32::NEG_INFINITY,
                _ => spread(at),
            })
            .collect(),
    ];
    let (_, lists) = listed(&rows, AS_IT_IS);
    let counts: Vec<_> = rows
        .iter()
        .zip(&lists)
        .map(|(row, list)| check(row, list))
        .collect();
    assert_eq!(counts[..6], [0, 0, 1000, 1024, 0, 1]);
    assert!(counts[6] > 500, "{}", counts[6]);
    for row in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (_, lists) = listed(&[vec![row; 100]], AS_IT_IS);
        assert_eq!(lists[0].tokens().count(), 0);
        assert!(!lists[0].whole().0.is_finite());
    }
}

#[test]
fn logits_are_scaled_and_capped_first() {
    let finish = Finish {
        scale: 0.5,
        cap: Some(30.0),
    };
    let rows = vec![
        noise(500, 9)
            .into_iter()
            .map(|x| x * 200.0)
            .collect::<Vec<_>>(),
    ];
    let (after, lists) = listed(&rows, finish);
    for (found, logit) in after.iter().zip(&rows[0]) {
        let expected = 30.0 * (logit * 0.5 / 30.0).tanh();
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
    check(&after, &lists[0]);
}
