//! Searching, page by page.

use crate::{Desk, hub_of, parrot};
use fake_hub::{Fault, Gated, Host, Repo};
use hub::{Error, Format, Gate, SearchPage, SearchQuery, Sort};

fn ids(page: &SearchPage) -> Vec<&str> {
    page.found.iter().map(|found| found.id.as_str()).collect()
}

async fn desk() -> Desk {
    let desk = Desk::new().await;
    let repos = [
        Repo::new("ggml-org/gpt-oss-20b-GGUF")
            .tag("gguf")
            .task("text-generation")
            .gguf_total(20_914_757_184)
            .licence("apache-2.0")
            .downloads(900)
            .likes(5)
            .trending(7)
            .created("2025-08-02T00:00:00.000Z"),
        Repo::new("meta-llama/Llama-3.1-8B-Instruct")
            .tag("safetensors")
            .task("text-generation")
            .safetensors_total(8_030_261_248)
            .licence("llama3.1")
            .gated(Gated::Manual)
            .downloads(5000)
            .likes(4000)
            .trending(3)
            .created("2024-07-18T00:00:00.000Z"),
        Repo::new("google/gemma-3-4b-it")
            .tag("safetensors")
            .task("image-text-to-text")
            .gated(Gated::Automatic)
            .downloads(700)
            .likes(800)
            .trending(9)
            .created("2025-02-20T00:00:00.000Z"),
        Repo::new("someone/onnx-only").tag("onnx").trending(99),
    ];
    for repo in repos {
        desk.fake.add_repo(repo);
    }
    desk
}

#[tokio::test]
async fn a_query_says_what_is_found_and_in_which_order() {
    let desk = desk().await;
    let hub = desk.hub();
    let check = async |query: SearchQuery, expected: &[&str]| {
        let page = hub.search(&query, None).await.expect("a page");
        assert_eq!(ids(&page), expected, "{query:?}");
        assert_eq!(page.next, None);
    };
    let [gpt, llama, gemma] = [
        "ggml-org/gpt-oss-20b-GGUF",
        "meta-llama/Llama-3.1-8B-Instruct",
        "google/gemma-3-4b-it",
    ];
    let all = SearchQuery::default;
    let sorted = |sort| SearchQuery { sort, ..all() };
    check(all(), &[gemma, gpt, llama]).await;
    check(sorted(Sort::Downloads), &[llama, gpt, gemma]).await;
    check(sorted(Sort::Likes), &[llama, gemma, gpt]).await;
    check(sorted(Sort::Newest), &[gpt, gemma, llama]).await;
    let text = " llama ".into();
    check(SearchQuery { text, ..all() }, &[llama]).await;
    let author = Some("google".into());
    check(SearchQuery { author, ..all() }, &[gemma]).await;
    let author = Some("gemma".into());
    check(SearchQuery { author, ..all() }, &[]).await;
    let task = Some("text-generation".into());
    check(SearchQuery { task, ..all() }, &[gpt, llama]).await;
    let format = Some(Format::Gguf);
    check(SearchQuery { format, ..all() }, &[gpt]).await;
    let format = Some(Format::Safetensors);
    check(SearchQuery { format, ..all() }, &[gemma, llama]).await;
}

#[tokio::test]
async fn what_is_found_says_what_it_is() {
    let desk = desk().await;
    let page = desk.hub().search(&SearchQuery::default(), None).await;
    let page = page.expect("a page");
    let [gemma, gpt, llama] = &page.found[..] else {
        panic!("{page:?}")
    };
    assert_eq!(gpt.parameters, Some(20_914_757_184));
    assert_eq!(gpt.licence.as_deref(), Some("apache-2.0"));
    assert_eq!(gpt.task.as_deref(), Some("text-generation"));
    assert_eq!((gpt.downloads, gpt.likes), (900, 5));
    assert_eq!(
        (gpt.gate, &gpt.formats[..]),
        (Gate::Open, &[Format::Gguf][..])
    );
    assert_eq!(
        (llama.gate, llama.parameters),
        (Gate::Manual, Some(8_030_261_248))
    );
    assert_eq!(
        (gemma.gate, gemma.licence.as_deref()),
        (Gate::Automatic, None)
    );
    assert_eq!(gemma.formats, [Format::Safetensors]);
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let desk = Desk::new().await;
    for number in 0..71 {
        let name = format!("a/model-{number:02}");
        desk.fake
            .add_repo(Repo::new(&name).tag("gguf").downloads(1000 - number));
    }
    let hub = desk.hub();
    let query = SearchQuery {
        sort: Sort::Downloads,
        ..SearchQuery::default()
    };
    let (mut seen, mut lengths, mut next) = (Vec::new(), Vec::new(), None);
    loop {
        let page = hub.search(&query, next.as_deref()).await.expect("a page");
        lengths.push(page.found.len());
        seen.extend(page.found.into_iter().map(|found| found.id));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(lengths, [30, 30, 11]);
    let expected: Vec<_> = (0..71)
        .map(|number| format!("a/model-{number:02}"))
        .collect();
    let seen: Vec<_> = seen.iter().map(ToString::to_string).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_an_error_and_a_model_that_makes_none_is_left_out() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let search = async |answer: &str| {
        desk.fake.fault(Fault::rubbish(answer));
        hub.search(&SearchQuery::default(), None).await
    };
    for answer in ["<html>", "", "{}", "[1"] {
        let found = search(answer).await;
        assert!(
            matches!(found, Err(Error::Server { .. })),
            "{answer}: {found:?}"
        );
    }
    let long = format!("[{}]", " ".repeat(17 << 20));
    let error = search(&long).await.expect_err("too long").to_string();
    assert!(error.contains("more than 16777216 bytes"), "{error}");
    let strange = r#"[7, {}, {"id": "../../x", "tags": ["gguf"]}, {"id": "a/b", "tags": ["gguf"], "likes": -1},
        {"id": "a/c", "tags": ["gguf"], "gated": 7, "gguf": [], "cardData": "text"}]"#;
    let page = search(strange).await.expect("a page");
    assert_eq!(ids(&page), ["a/c"]);
}

#[tokio::test]
async fn a_cursor_is_only_a_query() {
    let desk = desk().await;
    let next = "@127.0.0.1:1/../../elsewhere?limit=1&sort=downloads";
    let page = desk.hub().search(&SearchQuery::default(), Some(next)).await;
    assert!(page.is_ok(), "{page:?}");
    let asked = &desk.requests(Host::Hub)[0];
    assert_eq!(asked.path, "/api/models");
}

#[tokio::test]
async fn a_list_goes_on_only_on_the_hub_itself() {
    let desk = Desk::new().await;
    let home = desk.home.path().to_str().expect("UTF-8");
    let next = async |link: &str| {
        let header = format!("link: <{link}>; rel=\"next\"");
        let endpoint = parrot(&[("/api/models", header, "[]".into())]).await;
        let hub = hub_of(&[("HF_ENDPOINT", endpoint.as_str()), ("HF_HOME", home)]);
        let page = hub.search(&SearchQuery::default(), None).await;
        page.expect("a page").next
    };
    assert_eq!(
        next("/api/models?cursor=a%3D").await.as_deref(),
        Some("cursor=a%3D")
    );
    assert_eq!(next("/api/datasets?cursor=a").await, None);
    assert_eq!(
        next(&format!("{}/api/models?cursor=a", desk.fake.endpoint())).await,
        None
    );
    assert_eq!(next("//evil.test/api/models?cursor=a").await, None);
    assert_eq!(next("/api/models").await, None);
}
