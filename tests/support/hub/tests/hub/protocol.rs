//! What the real hub answers for files, and to whom, the fake one answers too.

use crate::client::{get, get_with, send};
use fake_hub::{FakeHub, Gated, Host, Repo};

pub(crate) const REPO: &str = "org/model";

/// A hub with one repository: a small file, one in a folder, and a large one of ten bytes.
pub(crate) async fn hub() -> (FakeHub, String) {
    let hub = FakeHub::start().await;
    hub.add_repo(
        Repo::new(REPO)
            .licence("mit")
            .task("text-generation")
            .likes(7),
    );
    let commit = hub.commit(
        REPO,
        "main",
        &[
            ("config.json", "{}".into()),
            ("a folder/vocab.txt", "words\n".into()),
            ("model.gguf", "0123456789".into()),
        ],
    );
    (hub, commit)
}

fn resolve(hub: &FakeHub, rest: &str) -> String {
    format!("{}/{REPO}/resolve/{rest}", hub.endpoint())
}

#[tokio::test]
async fn a_small_file_comes_from_the_hub_itself() {
    let (hub, commit) = hub().await;
    let answer = get(&resolve(&hub, "main/config.json")).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
    assert_eq!(answer.header("x-repo-commit"), commit);
    // `printf '{}' | git hash-object --stdin`
    let oid = "9e26dfeeb6e641a33dae4961196235bdb965b21b";
    assert_eq!(answer.header("etag"), format!("\"{oid}\""));
    assert_eq!(answer.header("x-linked-etag"), "");
    assert_eq!(hub.hash(REPO, "main", "config.json").as_deref(), Some(oid));
    let answer = get(&resolve(&hub, &format!("{commit}/a%20folder/vocab.txt"))).await;
    assert_eq!(answer.body, b"words\n");
}

#[tokio::test]
async fn a_large_file_comes_from_the_cdn_by_a_link() {
    let (hub, commit) = hub().await;
    // `printf 0123456789 | sha256sum`
    let sha256 = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    for method in ["HEAD", "GET"] {
        let url = resolve(&hub, "main/model.gguf");
        let answer = send(method, &url, &[], "").await.expect("an answer");
        assert_eq!(answer.status, 302, "{method}");
        assert_eq!(answer.header("x-repo-commit"), commit);
        assert_eq!(answer.header("x-linked-etag"), format!("\"{sha256}\""));
        assert_eq!(answer.header("x-linked-size"), "10");
        let link = answer.header("location");
        assert!(link.starts_with(&hub.cdn()), "{link}");
        let answer = get(link).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"0123456789"[..]));
        assert_eq!(answer.header("etag"), format!("\"{sha256}\""));
        assert_eq!(answer.header("accept-ranges"), "bytes");
    }
}

#[tokio::test]
async fn a_head_says_the_length_and_sends_nothing() {
    let (hub, _) = hub().await;
    let url = resolve(&hub, "main/config.json");
    let answer = send("HEAD", &url, &[], "").await.expect("an answer");
    assert_eq!((answer.status, answer.header("content-length")), (200, "2"));
    assert!(answer.body.is_empty());
    assert_eq!(hub.requests()[0].bytes_sent, 0);
}

#[tokio::test]
async fn a_link_is_good_for_nothing_else() {
    let (hub, _) = hub().await;
    let answer = get(&resolve(&hub, "main/model.gguf")).await;
    let link = answer.header("location").to_owned();
    assert_eq!(
        get(&link.replace("model.gguf", "other.gguf")).await.status,
        403
    );
    assert_eq!(
        get(&link.replace("Expires=1", "Expires=2")).await.status,
        403
    );
    assert_eq!(get(&format!("{}/lfs/x", hub.cdn())).await.status, 403);
    hub.expire_links();
    assert_eq!(get(&link).await.status, 403);
}

#[tokio::test]
async fn a_range_brings_its_bytes() {
    let (hub, _) = hub().await;
    let answer = get(&resolve(&hub, "main/model.gguf")).await;
    let link = answer.header("location").to_owned();
    let check = async |range: &str, status: u16, said: &str, body: &str| {
        let answer = get_with(&link, &[("Range", range)]).await;
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(answer.header("content-range"), said, "{range}");
        assert_eq!(answer.body, body.as_bytes(), "{range}");
        assert!(answer.is_whole(), "{range}");
    };
    check("bytes=0-0", 206, "bytes 0-0/10", "0").await;
    check("bytes=2-5", 206, "bytes 2-5/10", "2345").await;
    check("bytes=7-", 206, "bytes 7-9/10", "789").await;
    check("bytes=-3", 206, "bytes 7-9/10", "789").await;
    check("bytes=8-99", 206, "bytes 8-9/10", "89").await;
    check("bytes=10-", 416, "bytes */10", "").await;
    check("bytes=-0", 416, "bytes */10", "").await;
    // What makes no sense is no Range.
    check("bytes=5-2", 200, "", "0123456789").await;
    check("lines=1-2", 200, "", "0123456789").await;
    check("bytes=0-1,4-5", 200, "", "0123456789").await;
    let other = [("Range", "bytes=2-5"), ("If-Range", "\"another\"")];
    assert_eq!(get_with(&link, &other).await.status, 200);
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let (hub, commit) = hub().await;
    hub.accept_token("hf_a");
    let endpoint = hub.endpoint();
    let check = async |path: &str, token: &str, status: u16, code: &str| {
        let token = format!("Bearer {token}");
        let headers = [("Authorization", token.as_str())];
        let headers = if token.len() > 7 { &headers[..] } else { &[] };
        let answer = get_with(&format!("{endpoint}/{path}"), headers).await;
        let found = (answer.status, answer.header("x-error-code"));
        assert_eq!(found, (status, code), "{path} {token}");
        let error = answer.json()["error"].clone();
        assert_eq!(error, answer.header("x-error-message"), "{path}");
        answer
    };
    check("org/none/resolve/main/x", "", 401, "RepoNotFound").await;
    check("org/none/resolve/main/x", "hf_a", 404, "RepoNotFound").await;
    check("api/models/org/none", "", 401, "RepoNotFound").await;
    check("api/models/org/none", "hf_a", 404, "RepoNotFound").await;
    check("api/models/org/none/tree/main", "hf_a", 404, "RepoNotFound").await;
    check("org/model/resolve/none/x", "", 404, "RevisionNotFound").await;
    check(
        "api/models/org/model/revision/none",
        "",
        404,
        "RevisionNotFound",
    )
    .await;
    check(
        "api/models/org/model/tree/none",
        "",
        404,
        "RevisionNotFound",
    )
    .await;
    check(
        "api/models/org/model/tree/main/none",
        "",
        404,
        "EntryNotFound",
    )
    .await;
    check("api/models/org/model", "hf_wrong", 401, "").await;
    check("org/model/resolve/main/config.json", "hf_wrong", 401, "").await;
    let answer = check("org/model/resolve/main/none", "", 404, "EntryNotFound").await;
    assert_eq!(answer.header("x-repo-commit"), commit);
}

#[tokio::test]
async fn gated_and_private_ones_let_in_whom_they_know() {
    let (hub, _) = hub().await;
    hub.add_repo(Repo::new("org/gated").gated(Gated::Manual));
    hub.commit("org/gated", "main", &[("x", "1".into())]);
    hub.add_repo(Repo::new("org/private").private());
    hub.commit("org/private", "main", &[("x", "1".into())]);
    hub.accept_token("hf_out");
    hub.let_in("hf_in", "org/gated");
    hub.let_in("hf_in", "org/private");
    let endpoint = hub.endpoint();
    let check = async |path: &str, token: &str, status: u16, code: &str| {
        let token = format!("Bearer {token}");
        let headers = [("Authorization", token.as_str())];
        let headers = if token.len() > 7 { &headers[..] } else { &[] };
        let answer = get_with(&format!("{endpoint}/{path}"), headers).await;
        let found = (answer.status, answer.header("x-error-code"));
        assert_eq!(found, (status, code), "{path} {token}");
    };
    check("org/gated/resolve/main/x", "", 401, "GatedRepo").await;
    check("org/gated/resolve/main/x", "hf_out", 403, "GatedRepo").await;
    check("org/gated/resolve/main/x", "hf_in", 200, "").await;
    check("api/models/org/gated", "", 200, "").await;
    check("api/models/org/gated/tree/main", "", 200, "").await;
    check("org/private/resolve/main/x", "", 401, "RepoNotFound").await;
    check("org/private/resolve/main/x", "hf_out", 404, "RepoNotFound").await;
    check("org/private/resolve/main/x", "hf_in", 200, "").await;
    check("api/models/org/private", "hf_out", 404, "RepoNotFound").await;
    check("api/whoami-v2", "", 401, "").await;
    check("api/whoami-v2", "hf_in", 200, "").await;
    hub.shut_out("hf_in", "org/gated");
    check("org/gated/resolve/main/x", "hf_in", 403, "GatedRepo").await;
}

#[tokio::test]
async fn a_commit_moves_its_branch_and_leaves_the_others() {
    let (hub, first) = hub().await;
    let second = hub.commit(REPO, "main", &[("config.json", "[]".into())]);
    let branch = hub.commit(REPO, "refs/pr/1", &[("config.json", "1".into())]);
    let check = async |revision: &str, commit: &str, body: &str| {
        let answer = get(&resolve(&hub, &format!("{revision}/config.json"))).await;
        let found = (answer.header("x-repo-commit"), &answer.body[..]);
        assert_eq!(found, (commit, body.as_bytes()), "{revision}");
        let url = format!("{}/api/models/{REPO}/revision/{revision}", hub.endpoint());
        assert_eq!(get(&url).await.json()["sha"], commit, "{revision}");
    };
    check("main", &second, "[]").await;
    check(&first, &first, "{}").await;
    check(&second, &second, "[]").await;
    check("refs%2Fpr%2F1", &branch, "1").await;
}

#[tokio::test]
async fn the_log_says_who_was_asked_what() {
    let (hub, _) = hub().await;
    hub.accept_token("hf_a");
    let headers = [("Authorization", "Bearer hf_a"), ("Range", "bytes=1-3")];
    let answer = get_with(&resolve(&hub, "main/model.gguf"), &headers).await;
    get_with(answer.header("location"), &headers[1..]).await;
    let [first, second] = &hub.requests()[..] else {
        panic!("two requests");
    };
    assert_eq!(
        (first.host, first.status, first.bytes_sent),
        (Host::Hub, 302, 0)
    );
    assert_eq!(first.path, "/org/model/resolve/main/model.gguf");
    assert_eq!(first.authorization.as_deref(), Some("Bearer hf_a"));
    assert_eq!(
        (second.host, second.status, second.bytes_sent),
        (Host::Cdn, 206, 3)
    );
    assert_eq!((&second.range, &second.authorization), (&Some(1..4), &None));
    assert!(second.path.ends_with("/model.gguf"));
    hub.forget();
    assert_eq!(hub.requests(), []);
}
