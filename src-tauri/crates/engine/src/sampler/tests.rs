//! The steps one by one, and what holds for any row.

use super::*;
use engine_api::Dry;
use proptest::prelude::*;

fn open() -> Sampling {
    Sampling {
        repeat_penalty: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        temperature: 1.0,
        ..Sampling::default()
    }
}

/// The set of tokens that come up in many draws.
fn drawn(settings: &Sampling, logits: &[f32], seen: &[u32]) -> Vec<u32> {
    let mut sampler = Sampler::new(Sampling {
        seed: Some(7),
        ..settings.clone()
    });
    let mut ids: Vec<u32> = (0..2000)
        .map(|_| sampler.sample(&mut logits.to_vec(), seen))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn each_filter_leaves_what_it_should() {
    // Probabilities 0.5, 0.25, 0.125, 0.125.
    let logits = [4.0_f32, 2.0, 1.0, 1.0].map(f32::ln);
    let check = |change: fn(&mut Sampling), expected: &[u32]| {
        let mut settings = open();
        change(&mut settings);
        assert_eq!(drawn(&settings, &logits, &[]), expected, "{settings:?}");
    };
    check(|_| {}, &[0, 1, 2, 3]);
    check(|s| s.top_k = 2, &[0, 1]);
    check(|s| s.top_k = 3, &[0, 1, 2]);
    check(|s| s.top_p = 0.4, &[0]);
    check(|s| s.top_p = 0.7, &[0, 1]);
    check(|s| s.min_p = 0.3, &[0, 1]);
    check(|s| s.temperature = 0.0, &[0]);
    check(|s| s.temperature = 0.01, &[0]);
    // The expected surprise is 1.75 bits: 2 bits are nearest, then 1 is 0.75 and 3 are 1.25 away.
    check(|s| s.typical_p = 0.2, &[1]);
    check(|s| s.typical_p = 0.5, &[0, 1]);
    check(|s| s.typical_p = 0.8, &[0, 1, 2]);
    // After top-k the shares are 2/3 and 1/3.
    check(|s| (s.top_k, s.top_p) = (2, 0.65), &[0]);
    check(|s| (s.typical_p, s.min_p) = (0.5, 0.6), &[0]);
    check(
        |s| s.logit_bias = vec![(1, 9.0), (1, -100.0), (99, 1.0)],
        &[0, 2, 3],
    );
    check(
        |s| (s.temperature, s.logit_bias) = (0.0, vec![(3, 5.0)]),
        &[3],
    );
}

#[test]
fn temperature_gives_the_distribution_it_promises() {
    let check = |settings: Sampling| {
        let mut sampler = Sampler::new(Sampling {
            seed: Some(1),
            temperature: 2.0,
            ..settings
        });
        let first = (0..20_000)
            .filter(|_| sampler.sample(&mut [4.0_f32.ln(), 0.0], &[]) == 0)
            .count();
        // exp(ln 4 / 2) : 1 = 2 : 1.
        assert!((13_000..13_700).contains(&first), "{first} of 20000");
    };
    check(open());
    check(Sampling { top_k: 5, ..open() });
    check(Sampling {
        min_p: 0.01,
        ..open()
    });
}

#[test]
fn repetition_penalties_reach_both_signs_and_only_their_window() {
    let check = |change: fn(&mut Sampling), logits: [f32; 2], seen: &[u32], expected: u32| {
        let mut settings = Sampling {
            repeat_last_tokens: 3,
            ..Sampling::greedy()
        };
        change(&mut settings);
        let mut sampler = Sampler::new(settings);
        assert_eq!(sampler.sample(&mut logits.to_vec(), seen), expected);
    };
    let repeat = |s: &mut Sampling| s.repeat_penalty = 2.0;
    check(repeat, [1.5, 1.0], &[0], 1);
    check(repeat, [-1.0, -1.5], &[0], 1);
    check(repeat, [1.5, 1.0], &[0, 5, 6, 7], 0);
    let presence = |s: &mut Sampling| s.presence_penalty = 1.0;
    check(presence, [1.5, 1.0], &[0, 0], 1);
    check(presence, [2.5, 1.0], &[0, 0, 0], 0);
    let frequency = |s: &mut Sampling| s.frequency_penalty = 1.0;
    check(frequency, [2.5, 1.0], &[0], 0);
    check(frequency, [2.5, 1.0], &[0, 0], 1);
    check(frequency, [2.5, 1.0], &[0, 0, 7, 7, 7], 0);
}

/// A vocabulary of one letter a token.
fn letters() -> Vocabulary {
    let piece = |id: u32| (vec![b'a' + u8::try_from(id).expect("a letter")], false);
    Vocabulary::new(26, piece, &[])
}

fn dry(change: impl FnOnce(&mut Dry)) -> Sampler {
    let mut dry = Dry {
        multiplier: 1.0,
        base: 2.0,
        sequence_breakers: vec!["z".into()],
        ..Dry::default()
    };
    change(&mut dry);
    let settings = Sampling {
        dry: Some(dry),
        ..open()
    };
    Sampler::with_vocabulary(settings, &letters())
}

fn ids(text: &str) -> Vec<u32> {
    text.bytes().map(|byte| u32::from(byte - b'a')).collect()
}

#[test]
fn dry_punishes_what_goes_on_with_a_repetition() {
    let check = |change: fn(&mut Dry), text: &str, expected: &[(char, f32)]| {
        let mut row = vec![0.0; 26];
        dry(change).penalise(&mut row[..], &ids(text));
        let punished: Vec<(char, f32)> = ('a'..='z')
            .zip(row)
            .filter(|(_, logit)| *logit != 0.0)
            .map(|(letter, logit)| (letter, -logit))
            .collect();
        assert_eq!(punished, expected, "{text}");
    };
    check(|_| {}, "abcxxab", &[('c', 1.0)]);
    check(|_| {}, "abcdxxabc", &[('d', 2.0)]);
    check(|_| {}, "abcdexxabcfxxabc", &[('d', 2.0), ('f', 8.0)]);
    check(|_| {}, "xxb", &[]);
    check(|d| d.allowed_length = 4, "abcdxxabc", &[]);
    check(|d| d.allowed_length = 1, "abcdxxabc", &[('d', 4.0)]);
    check(|d| d.last_tokens = 5, "abcdxxabc", &[]);
    check(|d| d.multiplier = 0.0, "abcdxxabc", &[]);
    // What breaks sequences is not repeated beyond, nor punished.
    check(|_| {}, "azbcdxxazbc", &[('d', 1.0)]);
    check(|_| {}, "abzxxab", &[]);
    check(|_| {}, "abzabz", &[]);
    check(|_| {}, "aaaa", &[('a', 2.0)]);
    check(
        |d| d.base = 100.0,
        &"a".repeat(999),
        &[('a', 100.0_f32.powf(60.0 / 100.0_f32.ln()))],
    );
}

#[test]
fn a_mask_leaves_nothing_else() {
    let mut sampler = Sampler::new(Sampling {
        seed: Some(1),
        ..Sampling::default()
    });
    for settings in [open(), Sampling::greedy(), Sampling::default()] {
        sampler.settings = settings;
        for _ in 0..100 {
            let mut row = vec![5.0; 70];
            let token = sampler.sample_allowed(&mut row, &[], Some(&[0, 1 << 3 | 1 << 9]));
            assert!([35, 41].contains(&token), "{token}");
        }
    }
}

#[test]
fn logprobs_are_of_the_models_own_distribution() {
    let mut sampler = Sampler::new(Sampling {
        logprobs: Some(2),
        logit_bias: vec![(0, -100.0)],
        temperature: 0.0,
        ..open()
    });
    let mut row = [0.5_f32, 0.125, 0.25, 0.125].map(f32::ln);
    assert_eq!(sampler.sample_allowed(&mut row, &[], Some(&[0b1011])), 1);
    let told = sampler.logprobs().expect("asked for").clone();
    let near = |one: Ranked, id, probability: f32| {
        assert!(
            one.id == id && (one.logprob - probability.ln()).abs() < 1e-5,
            "{one:?}"
        );
    };
    near(told.token, 1, 0.125);
    near(told.top[0], 0, 0.5);
    near(told.top[1], 2, 0.25);
    assert_eq!(told.top.len(), 2);
    sampler.sample(&mut [f32::NEG_INFINITY, f32::NAN], &[]);
    let told = sampler.logprobs().expect("asked for");
    assert!(told.token.logprob >= -9999.0, "{told:?}");
    assert_eq!(Sampler::new(open()).logprobs(), None);
}

#[test]
fn one_seed_is_one_sequence() {
    let sequence = |seed| {
        let mut sampler = Sampler::new(Sampling {
            seed: Some(seed),
            ..open()
        });
        (0..32)
            .map(|_| sampler.sample(&mut [0.0; 50], &[]))
            .collect::<Vec<_>>()
    };
    assert_eq!(sequence(3), sequence(3));
    assert_ne!(sequence(3), sequence(4));
}

#[test]
fn broken_logits_never_panic() {
    let seen: Vec<u32> = (0..40).chain(0..40).collect();
    for logits in [
        vec![],
        vec![f32::NAN; 3],
        vec![f32::NEG_INFINITY; 3],
        vec![f32::INFINITY; 3],
        vec![f32::NAN, 1.0, f32::NEG_INFINITY],
    ] {
        for settings in [open(), Sampling::greedy(), Sampling::default()] {
            let settings = Sampling {
                dry: Some(Dry::default()),
                logprobs: Some(20),
                typical_p: 0.5,
                ..settings
            };
            Sampler::new(settings).sample(&mut logits.clone(), &seen);
        }
    }
}

#[test]
fn room_is_made_once() {
    let mut sampler = Sampler::new(Sampling {
        dry: Some(Dry::default()),
        logprobs: Some(20),
        seed: Some(1),
        ..Sampling::default()
    });
    let rooms = |sampler: &Sampler| [sampler.candidates.capacity(), sampler.recent.capacity()];
    let row: Vec<f32> = (0..5000_u16)
        .map(|id| f32::from(id % 71 * 70 + id % 37))
        .collect();
    let seen: Vec<u32> = (0..300).map(|at| at % 7).collect();
    sampler.sample(&mut row.clone(), &seen);
    let before = rooms(&sampler);
    for shift in 0..50 {
        let mut row = row.clone();
        row.rotate_left(shift);
        sampler.sample(&mut row, &seen);
    }
    assert_eq!(rooms(&sampler), before);
}

/// What top-p and min-p leave, by sorting everything.
fn kept_by_sorting(settings: &Sampling, row: &[f32]) -> Vec<u32> {
    let mut all: Vec<(f64, u32)> = row
        .iter()
        .map(|logit| f64::from(*logit).exp())
        .zip(0..)
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    if settings.top_k > 0 {
        all.truncate(settings.top_k as usize);
    }
    let total: f64 = all.iter().map(|one| one.0).sum();
    let (mut sum, best) = (0.0, all[0].0);
    let mut kept = Vec::new();
    for (weight, id) in all {
        if !kept.is_empty() && weight < f64::from(settings.min_p) * best {
            break;
        }
        kept.push(id);
        sum += weight;
        if settings.top_p < 1.0 && sum >= f64::from(settings.top_p) * total {
            break;
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_row_is_filtered_as_by_sorting(
        row in prop::collection::vec((-4000_i16..4000).prop_map(|n| f32::from(n) / 500.0), 1..3000),
        top_k in prop_oneof![Just(0_u32), 1_u32..400],
        top_p in 0.01_f32..0.99,
        min_p in 0.0_f32..0.5,
    ) {
        let settings = Sampling { top_k, top_p, min_p, ..open() };
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut found = Vec::new();
        filters::filter(&settings, &row, highest, &mut found);
        let expected = kept_by_sorting(&settings, &row);
        // Sums of another order may fall on the other side of a share.
        prop_assert!(found.len().abs_diff(expected.len()) <= 1, "{} {}", found.len(), expected.len());
        let both = found.len().min(expected.len());
        prop_assert!(found[..both].iter().map(|one| one.id).eq(expected[..both].iter().copied()));
    }

    #[test]
    fn any_text_is_measured_by_dry_as_by_looking(text in "[abz]{0,40}", allowed in 0_u32..4) {
        let seen = ids(&text);
        let mut row = [0.0; 26];
        dry(|d| d.allowed_length = allowed).penalise(&mut row[..], &seen);
        let is_break = |id: u32| id == 25;
        let unbroken = seen.iter().rev().take_while(|id| !is_break(**id)).count();
        for next in 0..26_u32 {
            // The longest end of the text that stands before an occurrence of `next`.
            let longest = (1..seen.len()).filter(|at| seen[*at] == next).map(|at| {
                (0..at).take_while(|back| seen[at - 1 - back] == seen[seen.len() - 1 - back]).count().min(unbroken)
            }).max().unwrap_or(0);
            let least = (allowed as usize).max(1);
            let expected = if longest < least || is_break(next) { 0.0 } else {
                2.0_f32.powi(i32::try_from(longest).expect("short") - i32::try_from(allowed).expect("short"))
            };
            prop_assert!((row[next as usize] + expected).abs() <= expected * 1e-5, "{} {}", row[next as usize], expected);
        }
    }
}
