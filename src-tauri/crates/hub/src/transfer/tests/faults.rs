//! What the hub, its CDN and the network do wrong.

use super::desk::{Desk, NAME, REPO, noise};
use crate::{Access, Error, Phase, Progress};
use fake_hub::{Fault, Gated, Host, Repo};
use std::time::Duration;

#[tokio::test]
async fn whatever_goes_wrong_for_a_while_is_got_over() {
    let check = async |faults: &[Fault], note: Option<&str>| {
        let desk = Desk::open().await;
        faults
            .iter()
            .cloned()
            .for_each(|fault| desk.site.fault(fault));
        desk.fetches().await;
        let told = desk.progress.borrow().note.clone();
        let fits = told.is_some() == note.is_some()
            && told.as_deref().unwrap_or("").contains(note.unwrap_or(""));
        assert!(fits, "{faults:?}: {told:?}");
        assert_eq!(desk.site.faults_left(), 0, "{faults:?}");
    };
    let few = |fault: Fault| fault.times(4);
    check(&[few(Fault::cut(700)).on(Host::Cdn)], None).await;
    check(&[few(Fault::cut(0)).on(Host::Cdn)], None).await;
    check(&[few(Fault::hang_up()).on(Host::Hub)], None).await;
    check(&[few(Fault::hang_up()).on(Host::Cdn)], None).await;
    check(&[Fault::silence()], None).await;
    check(&[Fault::stall(500).on(Host::Cdn)], None).await;
    check(&[few(Fault::slow(100, Duration::from_millis(1)))], None).await;
    for status in [408, 425, 500, 502, 503, 504] {
        check(&[few(Fault::status(status))], None).await;
    }
    check(&[few(Fault::rate_limited(Some(0))).on(Host::Hub)], None).await;
    check(&[few(Fault::rate_limited(Some(0))).on(Host::Cdn)], None).await;
    check(&[Fault::expired()], None).await;
    check(&[few(Fault::status(403)).on(Host::Cdn)], None).await;
    check(&[Fault::link_uses(2).always()], None).await;
    check(&[Fault::shorter(1), Fault::longer(1)], None).await;
    check(&[Fault::no_length().always()], None).await;
    check(&[Fault::other_range(1), Fault::other_range(-1)], None).await;
    check(&[Fault::status(416).on(Host::Cdn)], None).await;
    check(
        &[
            Fault::etag(&"b".repeat(64)),
            Fault::size(3),
            Fault::commit("c"),
        ],
        None,
    )
    .await;
    check(&[Fault::relative_redirect().always()], None).await;
    check(&[Fault::redirect_loop()], None).await;
    check(
        &[Fault::ignore_range().covering(15_000)],
        Some("one stream"),
    )
    .await;
    check(&[Fault::no_ranges().always()], Some("the server")).await;
    check(
        &[Fault::no_ranges().always(), few(Fault::cut(9_000))],
        Some("the server"),
    )
    .await;
    check(&[Fault::flip(12_345)], Some("damaged")).await;
}

#[tokio::test]
async fn what_makes_no_sense_for_ever_ends_it() {
    let check = async |fault: Fault| {
        let desk = Desk::open().await;
        desk.site.fault(fault.clone().always());
        let told = desk.fetch().await;
        assert!(
            matches!(told, Err(Error::Server { .. })),
            "{fault:?}: {told:?}"
        );
        assert!(!desk.has_blobs());
    };
    check(Fault::etag(&"b".repeat(64))).await;
    check(Fault::size(3)).await;
    check(Fault::commit("c")).await;
    check(Fault::redirect_loop()).await;
    check(Fault::expired()).await;
    check(Fault::other_range(5)).await;
    check(Fault::longer(5)).await;
    check(Fault::status(418)).await;
}

#[tokio::test]
async fn what_is_damaged_twice_is_an_error_with_both_hashes_and_is_not_kept() {
    let desk = Desk::open().await;
    desk.site.fault(Fault::flip(7).times(2));
    match desk.fetch().await {
        Err(Error::Mismatch {
            file,
            expected,
            found,
        }) => {
            assert_eq!(
                (file.as_str(), &expected),
                (NAME, &desk.wanted.files[0].hash)
            );
            assert_ne!(expected, found);
        }
        other => panic!("{other:?}"),
    }
    assert!(!desk.has_blobs());
    assert!(!desk.snapshot().exists());
    desk.fetches().await;
}

#[tokio::test]
async fn what_the_hub_refuses_ends_it_with_what_is_missing() {
    let check = async |about: fn(Repo) -> Repo, token: Option<&str>, expected: Access| {
        let mut desk = Desk::open().await;
        desk.site.add_repo(about(Repo::new(REPO)));
        desk.site.commit(REPO, "main", &[(NAME, noise(1, 20_000))]);
        desk.site.accept_token("hf_good");
        desk.give_token(token);
        let told = desk.fetch().await;
        let Err(Error::AccessDenied { access, .. }) = told else {
            panic!("{expected:?}: {told:?}");
        };
        assert_eq!(access, expected);
    };
    let gated = |repo: Repo| repo.gated(Gated::Manual);
    check(gated, None, Access::NoToken).await;
    check(gated, Some("hf_bad"), Access::WrongToken).await;
    check(gated, Some("hf_good"), Access::LicenceNotAccepted).await;
    check(Repo::private, None, Access::PrivateOrMissing).await;
    let desk = Desk::open().await;
    desk.site.fault(Fault::status(404).on(Host::Hub));
    assert!(matches!(desk.fetch().await, Err(Error::NotOnHub { .. })));
}

#[tokio::test]
async fn the_access_token_goes_to_no_other_host() {
    let mut desk = Desk::open().await;
    desk.site.accept_token("hf_good");
    desk.give_token(Some("hf_good"));
    desk.fetches().await;
    for seen in desk.site.requests() {
        let told = seen.authorization.is_some();
        assert_eq!(told, seen.host == Host::Hub, "{seen:?}");
    }
}

#[tokio::test]
async fn a_network_that_goes_is_waited_for() {
    let mut desk = Desk::open().await;
    desk.be_patient();
    // All three of its requests get stuck with these bytes.
    desk.site.fault(Fault::stall(500).on(Host::Cdn).times(3));
    let fetched = tokio::spawn(desk.fetch());
    desk.until(|progress| progress.done_bytes == 1500).await;
    desk.site.go_offline().await;
    desk.site.behave();
    desk.site.forget();
    let waits = |progress: &Progress| matches!(progress.phase, Phase::Waiting { .. });
    let told = desk.until(waits).await;
    assert_eq!(told.done_bytes, 1500);
    desk.site.go_online().await;
    desk.has_come(fetched.await.expect("no panic"));
    assert_eq!(desk.sent_bytes(), 20_000 - 1500, "nothing came twice");
}

#[tokio::test]
async fn a_revision_that_moves_meanwhile_keeps_to_its_commit() {
    let mut desk = Desk::open().await;
    desk.be_patient();
    desk.site.fault(Fault::stall(500).on(Host::Cdn));
    let fetched = tokio::spawn(desk.fetch());
    desk.site.seen(|seen| seen.bytes_sent == 500).await;
    desk.site.commit(REPO, "main", &[(NAME, noise(9, 20_000))]);
    desk.site.expire_links();
    desk.site.release();
    desk.has_come(fetched.await.expect("no panic"));
}
