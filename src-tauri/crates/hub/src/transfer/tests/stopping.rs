//! Pauses, ends in the middle, and who else works on the same file.

use super::desk::{Desk, NAME, noise};
use crate::transfer::lock::Lock;
use crate::{Error, Phase, Progress};
use fake_hub::{Fault, Host};
use std::time::Duration;

/// Fetches until each of the three requests got so far, and is stuck.
async fn stuck(desk: &Desk) -> tokio::task::JoinHandle<Result<std::path::PathBuf, Error>> {
    desk.site.fault(Fault::stall(500).on(Host::Cdn).times(3));
    let fetched = tokio::spawn(desk.fetch());
    let before = desk.wanted.total_bytes() - 20_000;
    desk.until(|progress| progress.done_bytes == before + 1500)
        .await;
    fetched
}

#[tokio::test]
async fn what_was_paused_goes_on_where_it_was() {
    let mut desk = Desk::open().await;
    desk.be_patient();
    let fetched = stuck(&desk).await;
    desk.stop.send_replace(true);
    let told = fetched.await.expect("no panic");
    assert!(matches!(told, Err(Error::Stopped)), "{told:?}");
    assert!(!desk.has_blobs());
    desk.site.behave();
    desk.site.forget();
    desk.stop.send_replace(false);
    desk.fetches().await;
    assert_eq!(desk.sent_bytes(), 20_000 - 1500, "nothing came twice");
}

#[tokio::test]
async fn a_stop_is_obeyed_at_once_whatever_is_waited_for() {
    let check = async |prepare: &dyn Fn(&mut Desk) -> Option<Lock>,
                       waits: &dyn Fn(&Progress) -> bool| {
        let mut desk = Desk::open().await;
        let hour = Duration::from_secs(3600);
        desk.tuning.wait = hour..=hour;
        desk.tuning.silence = hour;
        let held = prepare(&mut desk);
        let fetched = tokio::spawn(desk.fetch());
        desk.until(waits).await;
        desk.stop.send_replace(true);
        let told = fetched.await.expect("no panic");
        assert!(matches!(told, Err(Error::Stopped)), "{told:?}");
        drop(held);
    };
    let fault = |fault: fn() -> Fault| {
        move |desk: &mut Desk| {
            desk.site.fault(fault().always());
            None
        }
    };
    let waits = |progress: &Progress| matches!(progress.phase, Phase::Waiting { .. });
    let fetches = |progress: &Progress| progress.phase == Phase::Fetching;
    check(&fault(|| Fault::status(503)), &waits).await;
    check(&fault(|| Fault::rate_limited(Some(3600))), &waits).await;
    check(&fault(Fault::silence), &fetches).await;
    check(&fault(|| Fault::stall(100)), &fetches).await;
    let slow = |desk: &mut Desk| {
        desk.options.speed.set(Some(1));
        None
    };
    check(&slow, &fetches).await;
    check(&|desk: &mut Desk| Some(lock(desk)), &waits).await;
}

fn lock(desk: &Desk) -> Lock {
    let folder = desk.cache().join(".locks/models--org--model");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(format!("{}.lock", desk.wanted.files[0].hash));
    Lock::take(&path).expect("no failure").expect("free")
}

#[tokio::test]
async fn whoever_fetches_the_same_file_is_waited_for() {
    let desk = Desk::open().await;
    let held = lock(&desk);
    let fetched = tokio::spawn(desk.fetch());
    let named = |progress: &Progress| match &progress.phase {
        Phase::Waiting { reason, .. } => reason.contains(NAME),
        _ => false,
    };
    desk.until(named).await;
    assert_eq!(desk.site.requests(), []);
    drop(held);
    desk.has_come(fetched.await.expect("no panic"));
}

#[tokio::test]
async fn two_who_want_the_same_fetch_it_once() {
    let desk = Desk::open().await;
    let (one, other) = tokio::join!(desk.fetch(), desk.fetch());
    desk.has_come(one);
    desk.has_come(other);
    assert_eq!(desk.sent_bytes(), 20_000);
}

#[tokio::test]
async fn what_is_discarded_leaves_nothing_and_takes_nothing_whole() {
    let mut desk = Desk::with(&[("small.txt", "small".into()), (NAME, noise(1, 20_000))]).await;
    desk.be_patient();
    desk.hub.discard(&desk.wanted).expect("nothing to do");
    let fetched = stuck(&desk).await;
    desk.hub.discard(&desk.wanted).expect("somebody fetches it");
    assert!(!desk.leftovers().is_empty());
    desk.stop.send_replace(true);
    fetched.await.expect("no panic").expect_err("stopped");
    assert_eq!(desk.leftovers().len(), 2, "{:?}", desk.leftovers());
    desk.hub.discard(&desk.wanted).expect("discarded");
    assert_eq!(desk.leftovers(), [""; 0]);
    assert!(desk.has_blobs(), "the small one is whole");
}

#[tokio::test]
async fn a_limit_can_be_lifted_while_it_is_waited_for() {
    let desk = Desk::open().await;
    desk.options.speed.set(Some(1));
    let fetched = tokio::spawn(desk.fetch());
    desk.until(|progress| progress.phase == Phase::Fetching)
        .await;
    desk.options.speed.set(None);
    desk.has_come(fetched.await.expect("no panic"));
}
