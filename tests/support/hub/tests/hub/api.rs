//! What the real hub answers under `/api`, the fake one answers too.

use crate::client::{get, get_with, send};
use crate::protocol::{REPO, hub};
use fake_hub::{Content, FakeHub, Gated, Repo};
use serde_json::json;

#[tokio::test]
async fn a_tree_shows_files_and_folders_in_pages() {
    let (hub, _) = hub().await;
    let tree = format!("{}/api/models/{REPO}/tree/main", hub.endpoint());
    let paths = async |rest: &str| {
        let answer = get(&format!("{tree}{rest}")).await;
        let entries = answer.json();
        let entries = entries.as_array().expect("a list").iter();
        let path = |entry: &serde_json::Value| entry["path"].as_str().expect("a path").to_owned();
        let link = answer.header("link").to_owned();
        (entries.map(path).collect::<Vec<_>>(), link)
    };
    let (found, link) = paths("").await;
    assert_eq!(found, ["a folder", "config.json", "model.gguf"]);
    assert_eq!(link, "");
    let (found, _) = paths("?recursive=true").await;
    assert_eq!(
        found,
        [
            "a folder",
            "a folder/vocab.txt",
            "config.json",
            "model.gguf"
        ]
    );
    assert_eq!(paths("/a%20folder").await.0, ["a folder/vocab.txt"]);
    let (found, link) = paths("?recursive=true&limit=3").await;
    assert_eq!(found.len(), 3);
    let next = format!("<{tree}?recursive=true&limit=3&cursor=3>; rel=\"next\"");
    assert_eq!(link, next);
    let (found, link) = paths("?recursive=true&limit=3&cursor=3").await;
    assert_eq!(
        (found, link),
        (vec!["model.gguf".to_owned()], String::new())
    );
}

#[tokio::test]
async fn a_tree_of_ten_thousand_files_has_ten_pages() {
    let hub = FakeHub::start().await;
    let names: Vec<_> = (0..10_000).map(|number| format!("{number:05}")).collect();
    let files = names.iter().map(|name| (name.as_str(), Content::from("")));
    hub.commit(REPO, "main", &files.collect::<Vec<_>>());
    let mut url = format!("{}/api/models/{REPO}/tree/main", hub.endpoint());
    let mut pages = 0;
    loop {
        let answer = get(&url).await;
        assert_eq!(answer.json().as_array().map(Vec::len), Some(1000));
        pages += 1;
        let Some(link) = answer.header("link").strip_prefix('<') else {
            break;
        };
        link.split('>').next().expect("a link").clone_into(&mut url);
    }
    assert_eq!(pages, 10);
}

#[tokio::test]
async fn a_large_file_is_described_alike_everywhere() {
    let (hub, commit) = hub().await;
    let about = format!("{}/api/models/{REPO}", hub.endpoint());
    let sha256 = hub.hash(REPO, "main", "model.gguf").expect("a file");
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 10\n").len();
    let entry = get(&format!("{about}/tree/main")).await.json()[2].clone();
    assert_eq!(
        entry["lfs"],
        json!({"oid": sha256, "size": 10, "pointerSize": pointer})
    );
    assert_eq!(entry["type"], "file");
    assert_eq!(entry.get("lastCommit"), None);
    let expanded = get(&format!("{about}/tree/main?expand=true")).await.json()[2].clone();
    assert_eq!(expanded["lastCommit"]["id"], commit);
    let sibling = get(&format!("{about}?blobs=true")).await.json()["siblings"][2].clone();
    assert_eq!(
        sibling["lfs"],
        json!({"sha256": sha256, "size": 10, "pointerSize": pointer})
    );
    assert_eq!(sibling["blobId"], entry["oid"]);
    assert_eq!(
        get(&about).await.json()["siblings"][2],
        json!({"rfilename": "model.gguf"})
    );
    let url = format!("{about}/paths-info/main");
    let said = r#"{"paths":["model.gguf","none"]}"#;
    let kind = [("Content-Type", "application/json")];
    let answer = send("POST", &url, &kind, said).await.expect("an answer");
    assert_eq!(answer.json(), json!([entry]));
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    let said = "paths=model.gguf&paths=a+folder&expand=false";
    let answer = send("POST", &url, &kind, said).await.expect("an answer");
    assert_eq!(answer.json()[0], entry);
    assert_eq!(answer.json()[1]["type"], "directory");
}

#[tokio::test]
async fn facts_come_as_they_are_asked_for() {
    let (hub, commit) = hub().await;
    hub.add_repo(Repo::new("org/other").gguf_total(5).gated(Gated::Automatic));
    let api = format!("{}/api/models", hub.endpoint());
    let about = get(&format!("{api}/{REPO}")).await.json();
    assert_eq!(
        (&about["sha"], &about["gated"]),
        (&json!(commit), &json!(false))
    );
    assert_eq!(
        about["tags"],
        json!(["gguf", "text-generation", "license:mit", "region:us"])
    );
    assert_eq!(about.get("trendingScore"), None);
    let expanded = get(&format!("{api}/org/other?expand[]=gguf&expand=gated"))
        .await
        .json();
    let keys: Vec<_> = expanded
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, ["_id", "id", "gated", "gguf"]);
    assert_eq!(
        (&expanded["gguf"]["total"], &expanded["gated"]),
        (&json!(5), &json!("auto"))
    );
    assert_eq!(
        get(&format!("{api}/{REPO}?expand[]=nonsense")).await.status,
        400
    );
}

#[tokio::test]
async fn a_search_finds_what_fits_in_order() {
    let hub = FakeHub::start().await;
    let add = |id: &str, downloads, likes, task, file| {
        let repo = Repo::new(id)
            .downloads(downloads)
            .likes(likes)
            .task(task)
            .licence("mit");
        hub.add_repo(repo.trending(likes * 2));
        hub.commit(id, "main", &[(file, "x".into())]);
    };
    add("a/Tiny-GGUF", 1, 30, "text-generation", "x.gguf");
    add("b/tiny-chat", 2, 20, "text-generation", "x.safetensors");
    add("a/embed", 3, 10, "feature-extraction", "x.gguf");
    hub.add_repo(Repo::new("a/secret").private());
    hub.let_in("hf_a", "a/secret");
    let api = format!("{}/api/models", hub.endpoint());
    let check = async |query: &str, expected: &[&str]| {
        let found = get(&format!("{api}?{query}")).await.json();
        let found: Vec<_> = found
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["id"].clone())
            .collect();
        assert_eq!(found, expected, "{query}");
    };
    check("", &["a/Tiny-GGUF", "b/tiny-chat", "a/embed"]).await;
    check(
        "sort=downloads&direction=-1",
        &["a/embed", "b/tiny-chat", "a/Tiny-GGUF"],
    )
    .await;
    check("search=tiny", &["a/Tiny-GGUF", "b/tiny-chat"]).await;
    check("search=tiny+chat", &["b/tiny-chat"]).await;
    check("author=a", &["a/Tiny-GGUF", "a/embed"]).await;
    check(
        "filter=gguf&filter=license:mit",
        &["a/Tiny-GGUF", "a/embed"],
    )
    .await;
    check("filter=gguf&pipeline_tag=text-generation", &["a/Tiny-GGUF"]).await;
    check("limit=1&cursor=1", &["b/tiny-chat"]).await;
    check("search=none", &[]).await;
    let answer = get(&format!("{api}?author=a&limit=1&sort=likes")).await;
    let next = format!("<{api}?author=a&limit=1&sort=likes&cursor=1>; rel=\"next\"");
    assert_eq!(answer.header("link"), next);
    let token = [("Authorization", "Bearer hf_a")];
    let found = get_with(&format!("{api}?search=secret"), &token)
        .await
        .json();
    assert_eq!(found[0]["id"], "a/secret");
}
