//! Sequences in any order, and what they must not notice of one another.

mod desk;

use super::{Pager, Scheduler, pages_for};
use crate::kv::PageStore;
use crate::weights::tests::left_written;
use crate::wipe::tests::wiped_bytes;
use desk::{Desk, Wish, alone};
use engine_api::EngineError;
use proptest::prelude::*;

fn prompt(seed: u32, length: usize) -> Vec<u32> {
    let steps = (0..).map(|at: u32| (at * seed + at / 7 + seed) % 11);
    steps.take(length).collect()
}

fn wish(prompt: Vec<u32>, length: usize) -> Wish {
    Wish {
        prompt,
        length,
        arrival: 0,
        patience: None,
    }
}

/// What is held beyond the running sequences is what was left behind; forgotten, nothing is left.
fn nothing_leaks(scheduler: &mut Scheduler) {
    assert!(scheduler.is_idle());
    let held = &scheduler.held;
    if scheduler.empty_state.is_none() {
        assert_eq!(held.pager.held(), held.tree.len());
    }
    assert_eq!(held.available(), held.pager.budget());
    scheduler.forget_cache();
    assert_eq!(scheduler.held.pager.held(), 0);
    assert_eq!(scheduler.cache_bytes(), 0);
}

#[test]
fn a_device_has_taken_the_memory_of_all_pages_at_once() {
    let bytes = |store: PageStore| {
        let mut pager = Pager::new(store, 7);
        let before = pager.allocated_bytes();
        pager.take().expect("a page");
        [before, pager.allocated_bytes()].map(|bytes| bytes / desk::shape().page_bytes() as u64)
    };
    assert_eq!(bytes(PageStore::elsewhere(desk::shape())), [7, 7]);
    assert_eq!(bytes(PageStore::new(desk::shape())), [0, 1]);
}

#[test]
fn a_second_turn_reads_only_what_is_new() {
    for recurrent in [false, true] {
        let mut desk = Desk::new(4, 100, recurrent);
        let first = desk.answer(&prompt(3, 75), 20);
        assert_eq!(
            (first.reused, first.text.clone()),
            (0, alone(&prompt(3, 75), 20))
        );
        // The last token was written and never computed.
        let history = [prompt(3, 75), first.text, prompt(5, 30)].concat();
        let second = desk.answer(&history, 9);
        assert_eq!(
            (second.reused, second.text.clone()),
            (94, alone(&history, 9)),
            "{recurrent}"
        );
        let again = desk.answer(&history, 9);
        assert_eq!(
            (again.reused, again.text),
            (history.len() - 1, second.text),
            "{recurrent}"
        );
        desk.scheduler.forget_cache();
        assert_eq!(desk.scheduler.cache_bytes(), 0);
        assert_eq!(desk.answer(&history, 9).reused, 0);
        nothing_leaks(&mut desk.scheduler);
    }
}

#[test]
fn a_shared_beginning_is_read_once() {
    // One after the other, with a border of pages inside the part that they share and a rest beyond it.
    let system = prompt(7, 150);
    let mut desk = Desk::new(4, 200, false);
    let mut read = 0;
    for (seed, length) in [(2, 40), (3, 41), (4, 42)] {
        let user: Vec<u32> = [100 + seed]
            .into_iter()
            .chain(prompt(seed, length))
            .collect();
        let whole = [&*system, &user].concat();
        read += whole.len() - desk.answer(&whole, 1).reused;
    }
    assert_eq!(read, 150 + 41 + 42 + 43);

    // All at once: each page of the shared part is computed by one of them.
    let mut desk = Desk::new(4, 200, false);
    for seed in 2..6 {
        desk.ask(wish([&*system, &prompt(seed, 40), &[seed]].concat(), 1))
            .expect("it fits");
    }
    desk.finish(64);
    let own = 150 % 32 + 41;
    assert_eq!(desk.computed, 128 + 4 * own);
    nothing_leaks(&mut desk.scheduler);
}

#[test]
fn what_runs_while_the_cache_is_forgotten_leaves_nothing() {
    for recurrent in [false, true] {
        let mut desk = Desk::new(4, 100, recurrent);
        desk.ask(wish(prompt(3, 200), 40)).expect("it fits");
        desk.step(64);
        desk.scheduler.forget_cache();
        desk.finish(64);
        assert_eq!(desk.outcomes[0].text, alone(&prompt(3, 200), 40));
        assert_eq!(desk.scheduler.held.pager.held(), 0);
        assert_eq!(desk.answer(&prompt(3, 200), 40).reused, 0);
        nothing_leaks(&mut desk.scheduler);
    }
}

#[test]
fn what_is_forgotten_is_overwritten_before_its_memory_goes_back() {
    for recurrent in [false, true] {
        let mut desk = Desk::new(4, 100, recurrent);
        desk.answer(&prompt(3, 75), 20);
        // One that ends only afterwards, and one that begins where the first one was.
        desk.ask(wish(prompt(3, 200), 40)).expect("it fits");
        desk.step(64);
        let (left, wiped) = (left_written(), wiped_bytes());
        let held = desk.scheduler.held.bytes();
        let tokens = desk.scheduler.held.snapshots.tokens() * size_of::<u32>();
        desk.scheduler.forget_cache();
        let given_back = held - desk.scheduler.held.bytes();
        assert!(given_back > 0, "{recurrent}");
        let expected = usize::try_from(given_back).expect("small") + tokens;
        assert!(wiped_bytes() - wiped >= expected, "{recurrent}");
        desk.finish(64);
        assert_eq!(desk.scheduler.cache_bytes(), 0, "{recurrent}");
        assert_eq!(left_written(), left, "{recurrent}");
    }
}

#[test]
fn a_fork_that_is_taken_twice_is_remembered_by_recurrent_layers() {
    let system = prompt(7, 150);
    let whole = |seed: u32| [&*system, &[seed], &prompt(seed, 40)].concat();
    let mut desk = Desk::new(4, 200, true);
    assert_eq!(desk.answer(&whole(20), 5).reused, 0);
    assert_eq!(desk.answer(&whole(30), 5).reused, 0);
    let third = desk.answer(&whole(40), 5);
    assert_eq!((third.reused, third.text), (150, alone(&whole(40), 5)));
}

#[test]
fn a_short_prompt_does_not_wait_for_a_long_one() {
    let mut desk = Desk::new(4, 1000, false);
    desk.ask(wish(prompt(3, 10_000), 5)).expect("it fits");
    for _ in 0..3 {
        desk.step(64);
    }
    let short = desk.ask(wish(prompt(5, 100), 50)).expect("it fits");
    let asked = desk.steps;
    for _ in 0..60 {
        desk.step(64);
    }
    let outcome = &desk.outcomes[short];
    assert!(
        outcome.first_step.expect("it began") <= asked + 4,
        "{outcome:?}"
    );
    assert_eq!(
        outcome.text,
        alone(&prompt(5, 100), 50),
        "a token a step while the other one reads"
    );
    assert!(desk.outcomes[0].text.is_empty(), "the long one still reads");
    desk.finish(512);
    assert_eq!(desk.outcomes[0].text, alone(&prompt(3, 10_000), 5));
}

#[test]
fn who_came_first_begins_first() {
    let mut desk = Desk::new(2, 1000, false);
    for seed in 2..8 {
        desk.ask(wish(prompt(seed, 50), 10)).expect("it fits");
    }
    let mut begun = Vec::new();
    while !desk.scheduler.is_idle() {
        begun.extend(desk.step(32).begun);
        assert!(desk.scheduler.running.len() <= 2);
    }
    assert_eq!(begun.len(), 6);
    assert!(begun.is_sorted());
}

#[test]
fn what_can_not_fit_is_refused_with_both_numbers() {
    let mut desk = Desk::new(2, 4, false);
    assert_eq!(
        desk.scheduler.limits().context_tokens,
        128,
        "cut to what four pages take"
    );
    let refused = desk
        .ask(wish(prompt(3, 128), 1))
        .expect_err("no room for an answer");
    let expected = EngineError::ContextExceeded {
        prompt_tokens: 128,
        limit_tokens: 127,
    };
    assert_eq!(refused, expected);
    for _ in 0..256 {
        desk.ask(wish(prompt(3, 100), 1)).expect("it waits");
    }
    let refused = desk.ask(wish(prompt(3, 100), 1)).expect_err("too many");
    assert_eq!(
        refused,
        EngineError::Busy {
            waiting: 256,
            limit: 256
        }
    );
    desk.finish(64);
}

#[test]
fn a_lone_sequence_reaches_its_whole_context() {
    for recurrent in [false, true] {
        let mut desk = Desk::new(4, 4, recurrent);
        let first = desk.answer(&prompt(3, 100), 1000);
        assert_eq!(first.text, alone(&prompt(3, 100), 28), "128 tokens in all");
        // A beginning that ends inside the last page: there is no page to copy it to.
        let other = [&prompt(3, 100)[..], &first.text[..20]].concat();
        assert_eq!(desk.answer(&other, 1000).text, alone(&other, 8));
        nothing_leaks(&mut desk.scheduler);
    }
}

#[test]
fn a_full_house_pauses_the_youngest_and_changes_no_text() {
    for recurrent in [false, true] {
        let mut desk = Desk::new(4, 14, recurrent);
        for seed in 2..6 {
            desk.ask(wish(prompt(seed, 20), 130)).expect("it fits");
        }
        desk.finish(64);
        assert!(
            desk.pauses > 0,
            "fourteen pages are not enough for four times five"
        );
        for (outcome, seed) in desk.outcomes.iter().zip(2..) {
            assert_eq!(outcome.text, alone(&prompt(seed, 20), 130), "{seed}");
        }
        let ends: Vec<_> = desk
            .outcomes
            .iter()
            .map(|outcome| outcome.first_step)
            .collect();
        assert!(ends.is_sorted(), "{ends:?}");
        nothing_leaks(&mut desk.scheduler);
    }
}

#[test]
fn a_failed_step_ends_what_runs_and_nothing_else() {
    let mut desk = Desk::new(2, 50, false);
    for seed in 2..5 {
        desk.ask(wish(prompt(seed, 50), 10)).expect("it fits");
    }
    desk.step(32);
    let failed = desk
        .scheduler
        .step(32, |_, _| Err(EngineError::internal("a kernel")));
    assert!(failed.is_err());
    let ended = desk.scheduler.fail();
    assert_eq!(ended.len(), 2);
    for id in ended {
        desk.end(id);
    }
    desk.finish(32);
    assert_eq!(desk.outcomes[2].text, alone(&prompt(4, 50), 10));
    nothing_leaks(&mut desk.scheduler);
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = (
        0_u32..3,
        0_usize..200,
        1_usize..8,
        1_usize..60,
        0_usize..80,
        prop::option::of(0_usize..60),
    );
    let wish = wish.prop_map(|(stem, shared, own, length, arrival, patience)| Wish {
        // Three stems that many share, and a short end of its own.
        prompt: [prompt(stem + 2, shared), prompt(stem + 1, own)].concat(),
        length,
        arrival,
        patience,
    });
    prop::collection::vec(wish, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_interleaving_gives_each_the_text_it_gets_alone(
        wishes in wishes(),
        parallel in 1_usize..5,
        budget in 7_usize..40,
        token_budgets in prop::collection::vec(0_usize..150, 1..8),
        forget_at in prop::option::of(0_usize..80),
        recurrent in any::<bool>(),
    ) {
        let mut desk = Desk::new(parallel, budget, recurrent);
        let mut left = wishes;
        left.sort_by_key(|wish| wish.arrival);
        left.reverse();
        let mut taken = Vec::new();
        while !left.is_empty() || !desk.scheduler.is_idle() {
            while left.last().is_some_and(|wish| wish.arrival <= desk.steps) {
                let wish = left.pop().expect("it is there");
                taken.push(wish.clone());
                desk.ask(wish).expect("seven pages are enough for each");
            }
            if forget_at == Some(desk.steps) {
                desk.scheduler.forget_cache();
            }
            desk.cancel_the_impatient();
            let budget_now = token_budgets[desk.steps % token_budgets.len()];
            let stepped = desk.step(budget_now);
            prop_assert!(desk.scheduler.running.len() <= parallel);
            prop_assert!(desk.scheduler.held.pager.store().len() <= budget);
            prop_assert!(stepped.computed_tokens <= budget_now.max(16) + parallel);
            prop_assert!(desk.steps < 20_000, "it does not end");
        }
        for (wish, outcome) in taken.iter().zip(&desk.outcomes) {
            let most = desk.scheduler.limits().context_tokens - wish.prompt.len();
            let text = alone(&wish.prompt, wish.length.min(most));
            if outcome.is_cancelled {
                prop_assert_eq!(&outcome.text[..], &text[..outcome.text.len()]);
            } else {
                prop_assert_eq!(&outcome.text, &text);
            }
        }
        prop_assert!(pages_for(1) == 1);
        nothing_leaks(&mut desk.scheduler);
    }
}
