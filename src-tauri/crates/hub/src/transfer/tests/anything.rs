//! Any sequence of faults, pauses, kills, crashes and restarts.
//!
//! Invariants that hold after each step: what has a final name is right; what the journal says is there is there, after a
//! power cut too; nothing that it says is asked for again. In the end all is there.

use super::desk::{Desk, NAME, noise};
use crate::Error;
use crate::transfer::Tuning;
use crate::transfer::journal::Journal;
use crate::transfer::lock::Lock;
use crate::transfer::ranges::Ranges;
use fake_hub::{Fault, Host, Seen};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::path::PathBuf;
use std::time::Duration;

const SIZE: u64 = 6_000;
const CASES: u32 = 256;

/// One attempt: with what goes wrong meanwhile, and how it ends.
#[derive(Debug, Clone)]
struct Step {
    faults: Vec<Fault>,
    end: End,
    /// When that comes: a request for bytes from there on, that has been sent so many.
    from: u64,
    sent_bytes: u64,
    /// And some moments later.
    moments: usize,
}

#[derive(Debug, Clone)]
enum End {
    /// It comes to its own end.
    Own,
    /// Two at once come to their own ends.
    Both,
    Pause,
    Kill,
    /// A power cut: what was not made durable is lost, and of the journal so many bytes.
    Crash(u64),
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let fault = |(kind, n, other): (u8, u64, i64)| match kind {
        0 | 1 => Fault::cut(n),
        2 => Fault::hang_up(),
        3 => Fault::status(503),
        4 => Fault::rate_limited(Some(0)),
        5 => Fault::expired(),
        6 => Fault::link_uses(u32::try_from(n % 3).unwrap_or(0)),
        7 => Fault::shorter(1 + n),
        8 => Fault::longer(1 + n),
        9 => Fault::no_length(),
        10 => Fault::ignore_range(),
        11 => Fault::no_ranges(),
        12 => Fault::other_range(other),
        13 => Fault::flip(n * 6),
        14 => Fault::etag(&"b".repeat(64)),
        15 => Fault::size(n),
        16 => Fault::relative_redirect(),
        17 => Fault::stall(n),
        _ => Fault::slow(100 + n, Duration::from_millis(1)),
    };
    let kind = (0..19_u8, 0..1000_u64, -500..500_i64).prop_map(fault);
    (kind, 1..4_u32).prop_map(|(fault, times)| fault.times(times))
}

fn any_step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        1 => Just(End::Own),
        1 => Just(End::Both),
        3 => Just(End::Pause),
        3 => Just(End::Kill),
        4 => (0..200_u64).prop_map(End::Crash),
    ];
    let faults = proptest::collection::vec(any_fault(), 0..4);
    let step = (faults, end, 0..SIZE, 0..1000_u64, 0..20_usize);
    step.prop_map(|(faults, end, from, sent_bytes, moments)| Step {
        faults,
        end,
        from,
        sent_bytes,
        moments,
    })
}

#[test]
fn any_sequence_of_faults_and_ends_comes_to_a_right_file() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let mut desk = runtime.block_on(Desk::with(&[(NAME, noise(1, SIZE)), ("a.txt", "a".into())]));
    desk.tuning = Tuning {
        unit_bytes: 500..=1000,
        write_bytes: 200,
        silence: Duration::from_millis(50),
        record_every: Duration::from_millis(5),
        ..super::desk::small()
    };
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = proptest::collection::vec(any_step(), 1..5);
    let ran = TestRunner::new(config).run(&steps, |steps| runtime.block_on(case(&desk, steps)));
    ran.unwrap_or_else(|error| panic!("{error}"));
}

async fn case(desk: &Desk, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let _ = std::fs::remove_dir_all(desk.cache());
    desk.stop.send_replace(false);
    let mut honest = true;
    for step in steps {
        honest &= !format!("{:?}", step.faults).contains("Flip");
        Box::pin(attempt(desk, step, honest)).await?;
    }
    desk.site.behave();
    desk.fetches().await;
    Ok(())
}

async fn attempt(desk: &Desk, step: Step, honest: bool) -> Result<(), TestCaseError> {
    let before = recorded(desk);
    desk.site.behave();
    // Requests of the attempt before that are read now are refused, and count for nothing.
    desk.site.expire_links();
    desk.site.forget();
    step.faults
        .iter()
        .cloned()
        .for_each(|fault| desk.site.fault(fault));
    let told = Box::pin(end(desk, &step)).await;
    desk.stop.send_replace(false);
    let expected = match &told {
        None | Some(Ok(_) | Err(Error::Stopped | Error::Server { .. })) => true,
        Some(Err(Error::Mismatch { .. })) => !honest,
        Some(Err(_)) => false,
    };
    prop_assert!(expected, "{told:?}");
    look(desk, honest)?;
    // What was damaged has to come once more.
    if honest {
        // One that was sent nothing brought nothing: a killed attempt's may be read when its client is gone.
        let answered = desk.site.requests().into_iter();
        for seen in answered.filter(|seen| seen.bytes_sent > 0) {
            let again = asked(&seen).is_some_and(|(start, end)| common(&before, start, end));
            prop_assert!(!again, "{seen:?} of {before:?}");
        }
    }
    Ok(())
}

/// What came of it; `None` if it was killed.
async fn end(desk: &Desk, step: &Step) -> Option<Result<PathBuf, Error>> {
    let fetched = desk.fetch();
    let moment = async {
        let so_far = |seen: &Seen| asked(seen).is_some_and(|(start, _)| start >= step.from);
        desk.site
            .seen(|seen| so_far(seen) && seen.bytes_sent >= step.sent_bytes)
            .await;
        for _ in 0..step.moments {
            tokio::task::yield_now().await;
        }
    };
    match step.end {
        End::Own => Some(fetched.await),
        End::Both => {
            let (one, other) = tokio::join!(fetched, desk.fetch());
            Some(one.and(other))
        }
        End::Pause => {
            let paused = async {
                moment.await;
                desk.stop.send_replace(true);
                std::future::pending::<()>().await;
            };
            tokio::select! {
                told = fetched => Some(told),
                () = paused => None,
            }
        }
        End::Kill | End::Crash(_) => {
            let told = tokio::select! {
                told = fetched => Some(told),
                () = moment => None,
            };
            settle(desk).await;
            if let End::Crash(torn) = step.end {
                crash(desk, torn);
            }
            told
        }
    }
}

/// Waits until what was being written when it was killed is written, or the next step would see it change.
async fn settle(desk: &Desk) {
    let path = desk.cache().join(".locks/models--org--model");
    let path = path.join(format!("{}.lock", desk.wanted.files[0].hash));
    while path.exists() && Lock::take(&path).expect("no failure").is_none() {
        tokio::time::sleep(desk.tuning.look_every).await;
    }
}

fn crash(desk: &Desk, torn: u64) {
    let (path, journal) = (desk.blob(".wick.incomplete"), desk.blob(".wick.journal"));
    if let Ok(mut content) = std::fs::read(&path) {
        let (_, durable) = Journal::read(journal.clone(), &desk.wanted.files[0]);
        let there = |at: &u64| durable.gap(*at..at + 1).is_none();
        (0..)
            .zip(&mut content)
            .filter(|(at, _)| !there(at))
            .for_each(|(_, byte)| *byte = 0);
        let end = durable.iter().last().map_or(0, |range| range.end);
        content.truncate(usize::try_from(end).unwrap_or(0));
        std::fs::write(&path, content).expect("written");
    }
    if let Ok(file) = std::fs::File::options().write(true).open(&journal) {
        let length = file.metadata().expect("there").len();
        file.set_len(length.saturating_sub(torn)).expect("torn");
    }
}

/// What is there by the journal.
fn recorded(desk: &Desk) -> Ranges {
    let Ok(there) = desk.blob(".wick.incomplete").metadata() else {
        return Ranges::default();
    };
    let (_, mut ranges) = Journal::read(desk.blob(".wick.journal"), &desk.wanted.files[0]);
    ranges.cut(there.len());
    ranges
}

fn look(desk: &Desk, honest: bool) -> Result<(), TestCaseError> {
    if let Ok(whole) = std::fs::read(desk.blob("")) {
        prop_assert!(whole == desk.content(), "a wrong file has a final name");
    }
    let Ok(content) = std::fs::read(desk.blob(".wick.incomplete")) else {
        return Ok(());
    };
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    for range in recorded(desk).iter() {
        let range = place(range.start)..place(range.end);
        let right = content.get(range.clone()) == desk.content().get(range.clone());
        prop_assert!(right || !honest, "{range:?} is said to be there");
    }
    Ok(())
}

/// The bytes of the large file that a request wants, if it is answered.
fn asked(seen: &Seen) -> Option<(u64, u64)> {
    let range = seen.range.clone().unwrap_or(0..SIZE);
    let answered = seen.host == Host::Cdn && matches!(seen.status, 200 | 206);
    answered.then_some((range.start, range.end))
}

fn common(ranges: &Ranges, start: u64, end: u64) -> bool {
    ranges
        .iter()
        .any(|range| range.start < end && start < range.end)
}
