//! What a meter tells, on a clock of its own.

use super::*;
use crate::ConversationId;
use std::time::Duration;

fn chat(id: u32) -> Asker {
    Asker::Conversation {
        id: ConversationId(id),
    }
}

fn running() -> (Meter, Metered, Instant) {
    let meter = Meter::new(Arc::default());
    let metered = meter.begin(chat(1), "m".into());
    (meter, metered, Instant::now())
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn the_rate_is_that_of_the_last_second() {
    let (meter, mut generation, start) = running();
    // Ten a second for a second, then a hundred a second for another.
    for step in 0..=10_u32 {
        generation.tokens(step + 1, start + ms(100) * step);
    }
    let check = |after: u64, expected: Option<f64>| {
        assert_eq!(meter.rate(start + ms(after)), expected, "after {after} ms");
    };
    check(1000, Some(10.0));
    for step in 1..=100_u32 {
        generation.tokens(11 + step, start + ms(1000) + ms(10) * step);
    }
    check(2000, Some(100.0));
    check(2999, Some(1.0));
    check(3000, Some(0.0));
}

#[test]
fn too_little_time_and_no_generation_have_no_rate() {
    let (meter, mut generation, start) = running();
    assert_eq!(meter.rate(start), None);
    generation.tokens(1, start);
    generation.tokens(2, start + ms(100));
    assert_eq!(meter.rate(start + ms(199)), None);
    generation.tokens(3, start + ms(200));
    assert_eq!(meter.rate(start + ms(200)), Some(10.0));
    drop(generation);
    assert_eq!(meter.rate(start + ms(200)), None);
    let mut next = meter.begin(chat(2), "m".into());
    next.tokens(1, start + ms(300));
    assert_eq!(
        meter.rate(start + ms(500)),
        Some(0.0),
        "the last run's tokens don't count"
    );
}

#[test]
fn the_first_token_is_told_while_the_answer_is_written() {
    let (meter, mut generation, start) = running();
    assert_eq!(meter.first_token_ms(), None);
    generation.tokens(1, start + ms(200));
    let told = meter.first_token_ms();
    // It began a moment before `start`.
    assert!(told.is_some_and(|ms| ms >= 200.0), "{told:?}");
    generation.tokens(2, start + ms(900));
    assert_eq!(meter.first_token_ms(), told);
    drop(generation);
    assert_eq!(meter.first_token_ms(), None);
}

#[test]
fn one_event_may_stand_for_several_tokens_and_two_generations_add_up() {
    let (meter, mut first, start) = running();
    let mut second = meter.begin(chat(2), "m".into());
    first.tokens(3, start);
    second.tokens(4, start + ms(500));
    first.tokens(7, start + ms(500));
    assert_eq!(meter.rate(start + ms(500)), Some(20.0));
}

#[test]
fn each_generation_is_told_with_its_stage_and_its_rate() {
    let (meter, mut first, start) = running();
    let mut second = meter.begin(Asker::Kiosk, "n".into());
    let stages = |now| {
        let told = meter.generations(now).into_iter();
        let told = told.map(|one| (one.asker, one.stage, one.decode_tokens_per_second));
        told.collect::<Vec<_>>()
    };
    let (queued, decode) = (GenerationStage::Queued, GenerationStage::Decode);
    assert_eq!(
        stages(start),
        [(chat(1), queued, None), (Asker::Kiosk, queued, None)]
    );
    second.prefill(20, 80, start);
    first.tokens(1, start);
    first.tokens(6, start + ms(500));
    let prefill = GenerationStage::Prefill {
        processed_tokens: 20,
        total_tokens: 80,
    };
    let expected = [(chat(1), decode, Some(10.0)), (Asker::Kiosk, prefill, None)];
    assert_eq!(stages(start + ms(500)), expected);
    drop(first);
    assert_eq!(stages(start + ms(500)), [(Asker::Kiosk, prefill, None)]);
}

/// Timings of an answer of this many tokens.
fn timings(generated_tokens: u32) -> Timings {
    Timings {
        generated_tokens,
        decode_tokens_per_second: Some(30.0),
        ..Timings::default()
    }
}

#[test]
fn energy_is_that_of_the_decode_time_alone() {
    let (meter, mut generation, start) = running();
    meter.power(Some(10.0), start);
    generation.prefill(1, 9, start + ms(100));
    meter.power(Some(900.0), start + ms(1000));
    generation.tokens(1, start + ms(1000));
    meter.power(Some(40.0), start + ms(1500));
    generation.tokens(6, start + ms(2000));
    meter.power(Some(60.0), start + ms(2000));
    // Half a second of 40 W, half a second of 60 W, and a last quarter of 60 W.
    let found = generation.finished(&timings(6), None, start + ms(2250));
    let energy = found.and_then(|measured| measured.energy_joules_per_token);
    assert_eq!(energy, Some((20.0 + 30.0 + 15.0) / 5.0));
    assert_eq!(meter.last_measured(), found);
    assert_eq!(meter.last(), Some(timings(6)));
}

#[test]
fn power_that_is_not_known_at_some_moment_is_none() {
    let check = |powers: &[(u64, Option<f64>)], end, expected| {
        let (meter, mut generation, start) = running();
        meter.power(Some(50.0), start);
        generation.tokens(1, start + ms(100));
        for (at, watts) in powers {
            meter.power(*watts, start + ms(*at));
        }
        let found = generation.finished(&timings(2), None, start + ms(end));
        let found = found.and_then(|measured| measured.energy_joules_per_token);
        assert_eq!(found, expected, "{powers:?}");
    };
    check(&[(600, Some(50.0)), (1100, Some(50.0))], 1100, Some(50.0));
    check(&[(600, Some(50.0)), (1100, None)], 1100, None);
    check(&[(600, None), (1100, Some(50.0))], 1100, None);
    check(&[(600, Some(f64::NAN)), (1100, Some(50.0))], 1100, None);
    check(&[(600, Some(-1.0)), (1100, Some(50.0))], 1100, None);
    // Nobody read in time: before, in the middle, at the end, never.
    check(&[(2100, Some(50.0))], 2100, None);
    check(&[(600, Some(50.0)), (2700, Some(50.0))], 2700, None);
    check(&[(600, Some(50.0))], 2700, None);
    check(&[], 300, None);
}

#[test]
fn generations_that_run_together_share_the_power_and_have_no_limit_of_their_own() {
    let (meter, mut first, start) = running();
    let mut second = meter.begin(chat(2), "m".into());
    let waiting = meter.begin(chat(3), "m".into());
    meter.power(Some(60.0), start);
    first.tokens(1, start);
    meter.power(Some(60.0), start + ms(1000));
    second.prefill(1, 9, start + ms(1000));
    meter.power(Some(60.0), start + ms(2000));
    let found = first.finished(&timings(2), Some(60.0), start + ms(2000));
    let expected = Measured {
        energy_joules_per_token: Some(60.0 + 30.0),
        limit_share: None,
    };
    assert_eq!(found, Some(expected));
    drop((first, waiting));
    // Its own decode time it has for itself.
    second.tokens(1, start + ms(2000));
    meter.power(Some(60.0), start + ms(2500));
    let found = second.finished(&timings(2), Some(60.0), start + ms(2500));
    let expected = Measured {
        energy_joules_per_token: Some(30.0),
        limit_share: Some(0.5),
    };
    assert_eq!(found, Some(expected));
}
