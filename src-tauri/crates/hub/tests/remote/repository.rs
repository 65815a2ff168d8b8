//! What a repository is and holds.

use crate::{Desk, hub_of, id, parrot};
use fake_hub::{Content, Fault, Gated, Host, Repo};
use hub::{Error, FileHash, Gate};

#[tokio::test]
async fn a_repository_is_what_it_says_at_its_commit() {
    let desk = Desk::new().await;
    let about = Repo::new("unsloth/Qwen3-8B-GGUF")
        .tag("gguf")
        .task("text-generation")
        .licence("apache-2.0")
        .gguf_total(8_190_735_360)
        .gated(Gated::Automatic)
        .downloads(3)
        .likes(2);
    let commit = desk.repo(
        about,
        "unsloth/Qwen3-8B-GGUF",
        &[
            ("README.md", "# Qwen"),
            ("BF16/Qwen3-8B-BF16-00001-of-00002.gguf", "one..."),
            ("BF16/Qwen3-8B-BF16-00002-of-00002.gguf", "two..."),
            ("Qwen3-8B-Q4_K_M.gguf", "small"),
            ("mmproj-F16.gguf", "eyes"),
        ],
    );
    let repo = desk.hub().repo(&id("unsloth/Qwen3-8B-GGUF"), "main").await;
    let repo = repo.expect("a repository");
    assert_eq!((&repo.commit, repo.revision.as_str()), (&commit, "main"));
    assert_eq!((repo.gate, repo.private), (Gate::Automatic, false));
    assert_eq!(repo.licence.as_deref(), Some("apache-2.0"));
    assert_eq!(repo.task.as_deref(), Some("text-generation"));
    assert_eq!(repo.parameters, Some(8_190_735_360));
    assert_eq!((repo.downloads, repo.likes), (3, 2));
    assert!(repo.last_modified.is_some());
    let page = format!("{}/unsloth/Qwen3-8B-GGUF", desk.fake.endpoint());
    assert_eq!(repo.page, page);
    let labels: Vec<_> = repo.variants.iter().map(|v| v.label.as_str()).collect();
    assert_eq!(labels, ["Q4_K_M", "BF16"]);
    assert_eq!((repo.projectors.len(), repo.other_files), (1, 1));
    let file = &repo.variants[0].files[0];
    let hash = desk
        .fake
        .hash("unsloth/Qwen3-8B-GGUF", "main", "Qwen3-8B-Q4_K_M.gguf");
    assert_eq!(file.hash, FileHash::Sha256(hash.expect("a hash")));
    assert_eq!(file.size_bytes, 5);
}

#[tokio::test]
async fn a_revision_may_have_slashes_and_its_files_are_those_of_the_commit() {
    let desk = Desk::new().await;
    let first = desk.repo(Repo::new("a/b"), "a/b", &[("m-Q4_0.gguf", "1")]);
    let second = desk
        .fake
        .commit("a/b", "refs/pr/1", &[("m-Q8_0.gguf", Content::from("2"))]);
    let hub = desk.hub();
    let repo = hub
        .repo(&id("a/b"), "refs/pr/1")
        .await
        .expect("a repository");
    assert_eq!(repo.commit.as_str(), second);
    assert_eq!(repo.variants[0].label, "Q8_0");
    let repo = hub
        .repo(&id("a/b"), first.as_str())
        .await
        .expect("a repository");
    assert_eq!(repo.variants[0].label, "Q4_0");
    let trees = desk.requests(Host::Hub).into_iter();
    let trees: Vec<_> = trees.filter(|seen| seen.path.contains("/tree/")).collect();
    assert_eq!(trees.len(), 2);
    assert!(trees[0].path.ends_with(&second), "{}", trees[0].path);
}

#[tokio::test]
async fn ten_thousand_files_come_in_pages() {
    let desk = Desk::new().await;
    let names: Vec<_> = (0..10_000)
        .map(|number| format!("data/{number:05}.json"))
        .collect();
    let mut files: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    files.push(("z-Q8_0.gguf", "model"));
    desk.repo(Repo::new("a/big"), "a/big", &files);
    let repo = desk
        .hub()
        .repo(&id("a/big"), "main")
        .await
        .expect("a repository");
    assert_eq!((repo.variants.len(), repo.other_files), (1, 10_000));
    let pages = desk.requests(Host::Hub).into_iter();
    assert_eq!(
        pages.filter(|seen| seen.path.contains("/tree/")).count(),
        11
    );
}

#[tokio::test]
async fn one_unsafe_name_and_nothing_of_it_is_offered() {
    let desk = Desk::new().await;
    for name in ["../../.bashrc", "/etc/cron.d/x", "a/../../x", "a\\..\\x"] {
        desk.repo(
            Repo::new("a/evil"),
            "a/evil",
            &[("m-Q8_0.gguf", "1"), (name, "2")],
        );
        let error = desk.hub().repo(&id("a/evil"), "main").await;
        let Err(Error::UnsafePath { repo, path }) = error else {
            panic!("{name}: {error:?}")
        };
        // The folder in which it would lie comes first.
        assert!(repo == id("a/evil") && name.starts_with(&path), "{path}");
    }
}

#[tokio::test]
async fn the_newest_commit_is_one_small_request() {
    let desk = Desk::new().await;
    let first = desk.repo(Repo::new("a/b"), "a/b", &[("config.json", "1")]);
    let hub = desk.hub();
    assert_eq!(
        hub.newest(&id("a/b"), "main").await.expect("a commit"),
        first
    );
    let second = desk
        .fake
        .commit("a/b", "main", &[("config.json", Content::from("2"))]);
    let newest = hub.newest(&id("a/b"), "main").await.expect("a commit");
    assert_eq!(newest.as_str(), second);
    let requests = desk.fake.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].query, "expand=sha");
}

#[tokio::test]
async fn a_revision_that_is_none_is_refused_before_anything_is_asked() {
    let desk = Desk::new().await;
    for revision in ["", ".", "..", "..."] {
        let error = desk.hub().repo(&id("a/b"), revision).await;
        assert!(
            matches!(error, Err(Error::Invalid(_))),
            "{revision:?}: {error:?}"
        );
    }
    assert_eq!(desk.fake.requests(), []);
}

#[tokio::test]
async fn a_card_is_its_text_and_may_be_missing() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let check = async |files: &[(&str, &[u8])], expected: Option<&str>| {
        let files = files
            .iter()
            .map(|(name, text)| (*name, Content::from(*text)));
        let commit = desk.fake.commit("a/b", "main", &files.collect::<Vec<_>>());
        let commit = commit.try_into().expect("a commit");
        let card = hub.card(&id("a/b"), &commit).await.expect("an answer");
        assert_eq!(card.as_deref(), expected);
    };
    check(
        &[("README.md", b"---\nlicense: mit\n---\n\n# Model")],
        Some("# Model"),
    )
    .await;
    check(&[("README.md", b"caf\xe9")], Some("caf\u{fffd}")).await;
    check(&[("config.json", b"{}")], None).await;
    let long = vec![b'a'; 3 << 20];
    let kept = "a".repeat(256 << 10);
    check(&[("README.md", &long)], Some(&kept)).await;
}

#[tokio::test]
async fn a_commit_that_is_none_and_files_without_a_hash_make_no_sense() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let commit = "a".repeat(40);
    let check = async |info: &str, tree: Option<&str>| {
        desk.fake.fault(Fault::rubbish(info).path("/revision/"));
        if let Some(tree) = tree {
            desk.fake.fault(Fault::rubbish(tree).path("/tree/"));
        }
        let found = hub.repo(&id("a/b"), "main").await;
        assert!(
            matches!(found, Err(Error::Server { .. })),
            "{info} {tree:?}: {found:?}"
        );
    };
    check(r#"{"id": "a/b"}"#, None).await;
    check(r#"{"id": "a/b", "sha": "main"}"#, None).await;
    let info = format!(r#"{{"id": "a/b", "sha": "{commit}"}}"#);
    check(&info, Some("{}")).await;
    let file = r#"[{"type": "file", "path": "m.gguf", "size": 1, "oid": "../x"}]"#;
    check(&info, Some(file)).await;
}

/// A list that was cut off would look whole.
#[tokio::test]
async fn a_list_of_files_that_goes_on_elsewhere_or_for_ever_is_none() {
    let desk = Desk::new().await;
    let home = desk.home.path().to_str().expect("UTF-8");
    let commit = "0".repeat(40);
    let check = async |link: &str, expected: &str| {
        let info = format!(r#"{{"id": "a/b", "sha": "{commit}"}}"#);
        let header = format!("link: <{link}>; rel=\"next\"");
        let answers = [
            ("/revision/", "x: y".to_owned(), info),
            ("/tree/", header, "[]".to_owned()),
        ];
        let endpoint = parrot(&answers).await;
        let hub = hub_of(&[("HF_ENDPOINT", endpoint.as_str()), ("HF_HOME", home)]);
        let error = hub.repo(&id("a/b"), "main").await.expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    };
    let tree = format!("/api/models/a/b/tree/{commit}?cursor=a");
    check(
        &format!("{}{tree}", desk.fake.endpoint()),
        "goes on elsewhere",
    )
    .await;
    check("/api/models/a/b/tree/main?cursor=a", "goes on elsewhere").await;
    check(&tree, "does not end").await;
}
