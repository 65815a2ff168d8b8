//! Each way in which the hub says no, or says nothing, is an error of its own.

use crate::{Desk, hub_of, id};
use fake_hub::{Fault, Gated, Host, Repo};
use hub::{Access, Commit, Error, Hub, SearchQuery};
use std::fs;

const TOKEN: &str = "hf_known";

/// A desk with an open, a gated and a private repository, and with this access token.
async fn desk(token: Option<&str>) -> (Desk, Commit) {
    let desk = Desk::new().await;
    desk.fake.accept_token(TOKEN);
    let files = [("README.md", "# Model"), ("m-Q8_0.gguf", "GGUF")];
    let commit = desk.repo(Repo::new("a/open"), "a/open", &files);
    desk.repo(Repo::new("a/private").private(), "a/private", &files);
    desk.repo(Repo::new("a/gated").gated(Gated::Manual), "a/gated", &files);
    if let Some(token) = token {
        fs::write(desk.token_file(), token).expect("a file");
    }
    (desk, commit)
}

async fn card_of_gated(hub: &Hub) -> Error {
    let repo = hub
        .repo(&id("a/gated"), "main")
        .await
        .expect("what it is, everybody may know");
    hub.card(&repo.id, &repo.commit)
        .await
        .expect_err("it is gated")
}

fn check_denied(desk: &Desk, error: &Error, name: &str, expected: Access) {
    let Error::AccessDenied { repo, access, link } = error else {
        panic!("{name} {expected:?}: {error:?}")
    };
    assert_eq!((repo.as_str(), *access), (name, expected));
    assert_eq!(*link, format!("{}/{name}", desk.fake.endpoint()));
}

#[tokio::test]
async fn what_is_missing_is_said_with_the_page_where_it_can_be_had() {
    let (desk, _) = self::desk(None).await;
    let hub = desk.hub();
    check_denied(
        &desk,
        &card_of_gated(&hub).await,
        "a/gated",
        Access::NoToken,
    );
    let error = hub
        .repo(&id("a/private"), "main")
        .await
        .expect_err("it is private");
    check_denied(&desk, &error, "a/private", Access::PrivateOrMissing);

    let (desk, _) = self::desk(Some(TOKEN)).await;
    let hub = desk.hub();
    check_denied(
        &desk,
        &card_of_gated(&hub).await,
        "a/gated",
        Access::LicenceNotAccepted,
    );
    for name in ["a/private", "a/missing"] {
        let error = hub
            .repo(&id(name), "main")
            .await
            .expect_err("not to be seen");
        check_denied(&desk, &error, name, Access::PrivateOrMissing);
    }

    let (desk, commit) = self::desk(Some("hf_unknown")).await;
    let hub = desk.hub();
    let error = hub
        .repo(&id("a/open"), "main")
        .await
        .expect_err("nobody knows the token");
    check_denied(&desk, &error, "a/open", Access::WrongToken);
    let error = hub
        .card(&id("a/gated"), &commit)
        .await
        .expect_err("nobody knows the token");
    check_denied(&desk, &error, "a/gated", Access::WrongToken);
    let error = hub
        .search(&SearchQuery::default(), None)
        .await
        .expect_err("the same");
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
}

#[tokio::test]
async fn a_revision_that_is_not_there_is_named() {
    let (desk, _) = desk(None).await;
    let error = desk
        .hub()
        .repo(&id("a/open"), "v2")
        .await
        .expect_err("there is none");
    assert!(matches!(error, Error::NotOnHub { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        r#"revision "v2" of a/open is not on the hub"#
    );
}

#[tokio::test]
async fn a_hub_in_trouble_is_told_apart_from_one_that_can_not_be_reached() {
    let (mut desk, _) = desk(None).await;
    let hub = desk.hub();
    let newest = async || {
        hub.newest(&id("a/open"), "main")
            .await
            .expect_err("a fault")
    };
    for status in [500, 502, 503, 504, 400, 418] {
        desk.fake.fault(Fault::status(status));
        let error = newest().await;
        assert!(
            matches!(&error, Error::Server { reason } if reason.contains(&status.to_string())),
            "{error:?}"
        );
    }
    for (said, expected) in [(Some(7), 7), (None, 60)] {
        desk.fake.fault(Fault::rate_limited(said));
        let error = newest().await;
        assert!(
            matches!(error, Error::RateLimited { wait } if wait.as_secs() == expected),
            "{error:?}"
        );
    }
    let check_offline = |error: &Error| {
        let endpoint = format!("{}/", desk.fake.endpoint());
        assert!(
            matches!(error, Error::Offline { endpoint: found, .. } if *found == endpoint),
            "{error:?}"
        );
    };
    desk.fake.fault(Fault::hang_up());
    check_offline(&newest().await);
    // Each is asked once: whether waiting helps, the caller knows.
    assert_eq!(desk.requests(Host::Hub).len(), 9);
    desk.fake.go_offline().await;
    let error = hub
        .newest(&id("a/open"), "main")
        .await
        .expect_err("nobody is there");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn names_that_lead_nowhere_and_doors_that_speak_no_tls() {
    let desk = Desk::new().await;
    let home = desk.home.path().to_str().expect("UTF-8");
    let check = async |endpoint: &str| {
        let hub = hub_of(&[("HF_ENDPOINT", endpoint), ("HF_HOME", home)]);
        let error = hub.newest(&id("a/b"), "main").await.expect_err(endpoint);
        assert!(
            matches!(&error, Error::Offline { reason, .. } if !reason.is_empty()),
            "{error:?}"
        );
    };
    // Longer than a name may be, so that nobody is asked for it.
    check(&format!("http://{}.example", "a".repeat(64))).await;
    check(&desk.fake.endpoint().replace("http:", "https:")).await;
}

#[tokio::test]
async fn told_to_be_offline_it_asks_nobody() {
    let (desk, commit) = desk(Some(TOKEN)).await;
    for (name, value) in [
        ("HF_HUB_OFFLINE", "1"),
        ("HF_HUB_OFFLINE", "yes"),
        ("TRANSFORMERS_OFFLINE", "on"),
    ] {
        let hub = desk.hub_with(&[(name, value)]);
        let errors = [
            hub.search(&SearchQuery::default(), None).await.err(),
            hub.repo(&id("a/open"), "main").await.err(),
            hub.newest(&id("a/open"), "main").await.err(),
            hub.card(&id("a/open"), &commit).await.err(),
            hub.set_token(TOKEN).await.err(),
        ];
        for error in errors {
            assert!(
                matches!(error, Some(Error::Offline { .. })),
                "{name}: {error:?}"
            );
        }
    }
    assert_eq!(desk.fake.requests(), []);
    let hub = desk.hub_with(&[("HF_HUB_OFFLINE", "0")]);
    hub.newest(&id("a/open"), "main").await.expect("a commit");
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let (desk, commit) = desk(None).await;
    let hub = desk.hub();
    desk.fake.fault(Fault::relative_redirect());
    let card = hub.card(&id("a/open"), &commit).await.expect("a card");
    assert_eq!(card.as_deref(), Some("# Model"));
    desk.fake.fault(Fault::redirect_loop().always());
    let error = hub.card(&id("a/open"), &commit).await.expect_err("a loop");
    assert!(error.to_string().contains("redirects"), "{error}");
}
