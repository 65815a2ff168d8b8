//! The access token: where it comes from, where it goes, and where it is never seen.

use crate::{Desk, hub_of, id};
use fake_hub::{Content, Fault, Gated, Host, Repo};
use hub::{Error, SearchQuery, TokenState};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const TOKEN: &str = "hf_thisIsVerySecret";

fn mode(path: &std::path::Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn a_token_that_the_hub_accepts_is_kept_for_all_tools() {
    let desk = Desk::new().await;
    desk.fake.accept_token(TOKEN);
    let file = desk.home.path().join("new/folder/token");
    let hub = desk.hub_with(&[("HF_TOKEN_PATH", file.to_str().expect("UTF-8"))]);
    assert_eq!(hub.token_state(), TokenState::None);
    let person = hub.set_token(&format!("  {TOKEN}\n")).await;
    assert_eq!(person.expect("a person"), "person");
    assert_eq!(hub.token_state(), TokenState::FromFile);
    assert_eq!(fs::read_to_string(&file).expect("a file"), TOKEN);
    assert_eq!(
        (mode(&file), mode(file.parent().expect("a folder"))),
        (0o600, 0o700)
    );

    // Over one that others can read.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("permissions");
    hub.set_token(TOKEN).await.expect("a person");
    assert_eq!(mode(&file), 0o600);
    let entries = fs::read_dir(file.parent().expect("a folder")).expect("a folder");
    assert_eq!(entries.count(), 1);

    hub.forget_token().expect("removed");
    hub.forget_token().expect("removed already");
    assert_eq!(hub.token_state(), TokenState::None);
    assert!(!file.exists());
}

#[tokio::test]
async fn what_the_hub_does_not_accept_changes_nothing() {
    let desk = Desk::new().await;
    fs::write(desk.token_file(), "hf_before").expect("a file");
    let hub = desk.hub();
    let check = async |token: &str, expected: &str| {
        let error = hub.set_token(token).await.expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        let kept = fs::read_to_string(desk.token_file());
        assert_eq!(kept.expect("a file"), "hf_before");
    };
    check("", "no access token").await;
    check("hf_two words", "no access token").await;
    check("hf_a\r\nX-Evil: b", "no access token").await;
    assert_eq!(desk.fake.requests(), []);
    check(TOKEN, "does not accept").await;
    desk.fake.fault(Fault::rate_limited(Some(9)));
    check(TOKEN, "wait for 9 s").await;
    desk.fake.fault(Fault::status(502));
    check(TOKEN, "502").await;
    desk.fake.fault(Fault::rubbish("{}"));
    check(TOKEN, "makes no sense").await;
}

#[tokio::test]
async fn the_environment_goes_first_and_can_not_be_changed() {
    let desk = Desk::new().await;
    fs::write(desk.token_file(), TOKEN).expect("a file");
    let hub = desk.hub_with(&[("HF_TOKEN", " hf_fromEnvironment\n")]);
    assert_eq!(hub.token_state(), TokenState::FromEnvironment);
    let error = hub
        .set_token(TOKEN)
        .await
        .expect_err("it would not be used");
    assert!(error.to_string().contains("HF_TOKEN"), "{error}");
    desk.fake.accept_token("hf_fromEnvironment");
    hub.search(&SearchQuery::default(), None)
        .await
        .expect("a page");
    let sent = desk.requests(Host::Hub)[0].authorization.clone();
    assert_eq!(sent.as_deref(), Some("Bearer hf_fromEnvironment"));
}

#[tokio::test]
async fn a_token_that_comes_or_goes_is_used_at_once() {
    let desk = Desk::new().await;
    desk.fake.accept_token(TOKEN);
    desk.fake.let_in(TOKEN, "a/private");
    desk.repo(
        Repo::new("a/private").private(),
        "a/private",
        &[("config.json", "{}")],
    );
    let hub = desk.hub();
    let newest = async || hub.newest(&id("a/private"), "main").await;
    assert!(newest().await.is_err());
    fs::write(desk.token_file(), format!("{TOKEN}\n")).expect("a file");
    assert!(newest().await.is_ok());
    hub.forget_token().expect("removed");
    assert!(newest().await.is_err());
}

#[tokio::test]
async fn a_token_file_that_is_none_is_no_token() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let check = || assert_eq!(hub.token_state(), TokenState::None);
    fs::write(desk.token_file(), " \n").expect("a file");
    check();
    fs::write(desk.token_file(), [0xff; 10]).expect("a file");
    check();
    fs::write(desk.token_file(), vec![b'a'; 20_000]).expect("a file");
    check();
    fs::remove_file(desk.token_file()).expect("it is there");
    let made = std::process::Command::new("mkfifo")
        .arg(desk.token_file())
        .status();
    assert!(made.expect("mkfifo starts").success());
    check();
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_to_no_other_host() {
    let desk = Desk::new().await;
    let other = Desk::new().await;
    desk.fake.accept_token(TOKEN);
    desk.fake.let_in(TOKEN, "a/gated");
    fs::write(desk.token_file(), TOKEN).expect("a file");
    desk.fake
        .add_repo(Repo::new("a/gated").gated(Gated::Automatic));
    let file = Content::from(&b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0weights"[..]);
    desk.fake.commit(
        "a/gated",
        "main",
        &[
            ("m-Q8_0.gguf", file),
            ("README.md", Content::from("x").large()),
        ],
    );
    let hub = desk.hub();
    let repo = hub
        .repo(&id("a/gated"), "main")
        .await
        .expect("a repository");
    let into = desk.home.path().join("headers");
    hub.header(&repo.id, &repo.commit, &repo.variants[0], &into)
        .await
        .expect("a header");
    hub.card(&repo.id, &repo.commit).await.expect("a card");
    assert!(desk.requests(Host::Cdn).len() >= 2);
    for seen in desk.requests(Host::Cdn) {
        assert_eq!(seen.authorization, None, "{}", seen.path);
    }
    for seen in desk.requests(Host::Hub) {
        assert_eq!(
            seen.authorization,
            Some(format!("Bearer {TOKEN}")),
            "{}",
            seen.path
        );
    }
    // A hub of the same name at another port is another one.
    let elsewhere = hub_of(&[
        ("HF_ENDPOINT", &other.fake.endpoint()),
        ("HF_HOME", other.home.path().to_str().expect("UTF-8")),
    ]);
    let _ = elsewhere.newest(&id("a/gated"), "main").await;
    assert_eq!(other.fake.requests()[0].authorization, None);
}

#[tokio::test]
async fn no_error_and_no_trace_shows_the_token() {
    let desk = Desk::new().await;
    fs::write(desk.token_file(), TOKEN).expect("a file");
    let hubs = [desk.hub(), desk.hub_with(&[("HF_TOKEN", TOKEN)])];
    let faults = [
        Fault::status(401),
        Fault::status(403),
        Fault::status(500),
        Fault::rate_limited(None),
        Fault::hang_up(),
        Fault::rubbish("what"),
    ];
    let mut told = Vec::new();
    for hub in &hubs {
        told.push(format!("{hub:?} {hub:#?} {:?}", hub.token_state()));
        for fault in &faults {
            desk.fake.fault(fault.clone());
            let error = hub.newest(&id("a/b"), "main").await.expect_err("a fault");
            told.push(format!("{error} {error:?} {error:#?}"));
            desk.fake.behave();
            desk.fake.fault(fault.clone());
            let error: Error = hub.set_token(TOKEN).await.expect_err("a fault");
            told.push(format!("{error} {error:?} {error:#?}"));
            desk.fake.behave();
        }
    }
    assert!(told.len() > 20);
    for text in told {
        assert!(!text.contains("VerySecret"), "{text}");
    }
}
