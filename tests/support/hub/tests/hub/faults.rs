//! What was ordered goes wrong, as often as ordered, and nothing else.

use crate::client::{Answer, get, get_with, send};
use fake_hub::{Content, FakeHub, Fault, Host};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const REPO: &str = "org/model";
const LARGE: u64 = 1_000_000;

fn content() -> Content {
    Content::Random {
        seed: 1,
        len: LARGE,
    }
}

/// A hub with one repository: `small`, and `large` in LFS.
async fn hub() -> FakeHub {
    let hub = FakeHub::start().await;
    let files = [("small", "0123456789".into()), ("large", content().large())];
    hub.commit(REPO, "main", &files);
    hub
}

fn resolve(hub: &FakeHub, path: &str) -> String {
    format!("{}/{REPO}/resolve/main/{path}", hub.endpoint())
}

/// The large file, or a part of it, by way of a link.
async fn large(hub: &FakeHub, range: &str) -> Answer {
    let link = get(&resolve(hub, "large"))
        .await
        .header("location")
        .to_owned();
    let headers = [("Range", range)];
    get_with(&link, if range.is_empty() { &[] } else { &headers }).await
}

async fn is_well(hub: &FakeHub) {
    assert_eq!(hub.faults_left(), 0);
    assert!(
        large(hub, "").await.body == content().to_vec(),
        "the whole file"
    );
}

#[tokio::test]
async fn a_cut_lets_exactly_so_many_bytes_through() {
    let hub = hub().await;
    for after in [0, 1, 65_536, 300_000, LARGE - 1] {
        hub.fault(Fault::cut(after));
        let answer = large(&hub, "").await;
        assert_eq!(answer.body.len() as u64, after);
        assert!(
            answer.body == content().to_vec()[..answer.body.len()],
            "{after}"
        );
        assert_eq!(answer.header("content-length"), LARGE.to_string());
        assert_eq!(
            hub.requests().last().map(|seen| seen.bytes_sent),
            Some(after)
        );
    }
    is_well(&hub).await;
}

#[tokio::test]
async fn a_stall_goes_on_when_released() {
    let hub = hub().await;
    hub.fault(Fault::stall(400_000));
    let stalled = async {
        let seen = hub.seen(|seen| seen.bytes_sent >= 400_000).await;
        assert_eq!(seen.bytes_sent, 400_000);
        hub.release();
    };
    let (answer, ()) = tokio::join!(large(&hub, ""), stalled);
    assert!(answer.body == content().to_vec(), "the whole file");
    is_well(&hub).await;
}

#[tokio::test]
async fn silence_goes_on_when_released() {
    let hub = hub().await;
    hub.fault(Fault::silence());
    let silent = async {
        hub.seen(|_| true).await;
        assert_eq!(hub.requests()[0].status, 0);
        hub.release();
    };
    let url = resolve(&hub, "small");
    let (answer, ()) = tokio::join!(get(&url), silent);
    assert_eq!(answer.body, b"0123456789");
}

#[tokio::test]
async fn slow_bytes_all_arrive() {
    let hub = hub().await;
    hub.fault(Fault::slow(3, Duration::from_millis(1)).path("small"));
    assert_eq!(get(&resolve(&hub, "small")).await.body, b"0123456789");
    is_well(&hub).await;
}

#[tokio::test]
async fn a_wrong_byte_is_one_byte_in_a_body_that_has_it() {
    let hub = hub().await;
    hub.fault(Fault::flip(500_000));
    let part = large(&hub, "bytes=0-499999").await.body;
    assert!(part == content().to_vec()[..500_000], "it is not in there");
    let part = large(&hub, "bytes=499999-500001").await.body;
    let right = &content().to_vec()[499_999..500_002];
    let wrong: Vec<_> = (0..3)
        .filter(|place| part[*place] != right[*place])
        .collect();
    assert_eq!(wrong, [1]);
    is_well(&hub).await;
}

#[tokio::test]
async fn lengths_lie() {
    let hub = hub().await;
    let check = async |fault: Fault, length: &str, bytes: usize| {
        hub.fault(fault);
        let answer = large(&hub, "").await;
        assert_eq!(answer.header("content-length"), length);
        assert_eq!(answer.body.len(), bytes);
    };
    check(Fault::shorter(10), "999990", 999_990).await;
    check(Fault::longer(10), "1000010", 1_000_010).await;
    hub.fault(Fault::no_length());
    let answer = large(&hub, "").await;
    assert_eq!(answer.header("transfer-encoding"), "chunked");
    is_well(&hub).await;
}

#[tokio::test]
async fn ranges_lie() {
    let hub = hub().await;
    let check = async |fault: Fault, status: u16, said: &str, start: usize, len: usize| {
        hub.fault(fault);
        let answer = large(&hub, "bytes=100-199").await;
        assert_eq!(
            (answer.status, answer.header("content-range")),
            (status, said)
        );
        assert!(
            answer.body == content().to_vec()[start..start + len],
            "{said}"
        );
        answer.header("accept-ranges").to_owned()
    };
    let whole = 1_000_000;
    assert_eq!(
        check(Fault::ignore_range(), 200, "", 0, whole).await,
        "bytes"
    );
    assert_eq!(check(Fault::no_ranges(), 200, "", 0, whole).await, "none");
    let later = "bytes 150-249/1000000";
    check(Fault::other_range(50), 206, later, 150, 100).await;
    let earlier = "bytes 0-49/1000000";
    check(Fault::other_range(-150), 206, earlier, 0, 50).await;
    is_well(&hub).await;
}

#[tokio::test]
async fn refusals_come_as_often_as_ordered() {
    let hub = hub().await;
    let url = resolve(&hub, "small");
    hub.fault(Fault::status(503).times(2));
    hub.fault(Fault::rate_limited(Some(7)));
    hub.fault(Fault::rate_limited(None));
    hub.fault(Fault::rubbish("{]"));
    let mut found = Vec::new();
    for _ in 0..6 {
        let answer = get(&url).await;
        found.push((answer.status, answer.header("retry-after").to_owned()));
    }
    let found: Vec<_> = found
        .iter()
        .map(|(status, wait)| (*status, &wait[..]))
        .collect();
    assert_eq!(
        found,
        [
            (503, ""),
            (503, ""),
            (429, "7"),
            (429, ""),
            (200, ""),
            (200, "")
        ]
    );
    is_well(&hub).await;
}

#[tokio::test]
async fn a_hang_up_is_no_answer() {
    let hub = hub().await;
    hub.fault(Fault::hang_up());
    let url = resolve(&hub, "small");
    assert!(send("GET", &url, &[], "").await.is_none());
    is_well(&hub).await;
}

#[tokio::test]
async fn links_expire() {
    let hub = hub().await;
    hub.fault(Fault::expired());
    assert_eq!(large(&hub, "").await.status, 403);
    hub.fault(Fault::link_uses(1));
    let link = get(&resolve(&hub, "large"))
        .await
        .header("location")
        .to_owned();
    assert_eq!(get(&link).await.status, 200);
    assert_eq!(get(&link).await.status, 403);
    is_well(&hub).await;
}

#[tokio::test]
async fn redirects_go_astray() {
    let hub = hub().await;
    for path in ["small", "large"] {
        hub.fault(Fault::relative_redirect());
        let answer = get(&resolve(&hub, path)).await;
        assert_eq!(
            (answer.status, answer.header("x-linked-etag").is_empty()),
            (307, false)
        );
        let target = answer.header("location");
        assert!(target.starts_with("/api/resolve-cache/"), "{target}");
        let answer = get(&format!("{}{target}", hub.endpoint())).await;
        let etag = hub.hash(REPO, "main", path).expect("a file");
        assert_eq!(answer.status, 200);
        let said = [answer.header("etag"), answer.header("x-linked-etag")];
        assert!(said.contains(&format!("\"{etag}\"").as_str()), "{path}");
        assert!(answer.is_whole(), "{path}");
    }
    hub.fault(Fault::redirect_loop());
    let url = resolve(&hub, "large");
    let answer = get(&url).await;
    assert!(url.ends_with(answer.header("location").trim_end_matches('?')));
    is_well(&hub).await;
}

#[tokio::test]
async fn headers_lie() {
    let hub = hub().await;
    hub.fault(Fault::etag("abc"));
    hub.fault(Fault::size(7));
    hub.fault(Fault::commit("0123"));
    let url = resolve(&hub, "large");
    assert_eq!(get(&url).await.header("x-linked-etag"), "\"abc\"");
    assert_eq!(get(&url).await.header("x-linked-size"), "7");
    assert_eq!(get(&url).await.header("x-repo-commit"), "0123");
    hub.fault(Fault::etag("abc"));
    assert_eq!(get(&resolve(&hub, "small")).await.header("etag"), "\"abc\"");
    is_well(&hub).await;
}

#[tokio::test]
async fn a_fault_waits_for_whom_it_is_meant_for() {
    let hub = hub().await;
    hub.fault(Fault::status(500).path("large").on(Host::Cdn));
    hub.fault(Fault::cut(1).covering(10).times(2));
    assert_eq!(get(&resolve(&hub, "small")).await.status, 200);
    assert_eq!(large(&hub, "").await.status, 500);
    assert_eq!(large(&hub, "bytes=0-9").await.body.len(), 10);
    assert_eq!(hub.faults_left(), 1);
    assert_eq!(large(&hub, "bytes=5-10").await.body.len(), 1);
    assert_eq!(large(&hub, "bytes=5-10").await.body.len(), 1);
    is_well(&hub).await;
}

#[tokio::test]
async fn a_fault_for_always_goes_on_beside_the_others() {
    let hub = hub().await;
    hub.fault(Fault::longer(1).always());
    hub.fault(Fault::cut(5));
    assert_eq!(large(&hub, "").await.body.len(), 5);
    assert_eq!(large(&hub, "").await.body.len() as u64, LARGE + 1);
    assert_eq!(large(&hub, "").await.body.len() as u64, LARGE + 1);
    hub.behave();
    is_well(&hub).await;
}

#[tokio::test]
async fn offline_ends_what_runs_and_refuses_what_comes() {
    let mut hub = hub().await;
    hub.fault(Fault::stall(1000));
    let link = get(&resolve(&hub, "large"))
        .await
        .header("location")
        .to_owned();
    let running = tokio::spawn(async move { get(&link).await });
    hub.seen(|seen| seen.bytes_sent == 1000).await;
    hub.go_offline().await;
    let answer = running.await.expect("an end");
    assert!(answer.body.len() <= 1000);
    let url = resolve(&hub, "small");
    assert!(send("GET", &url, &[], "").await.is_none());
    hub.go_online().await;
    assert_eq!(get(&url).await.status, 200);
    is_well(&hub).await;
}

#[tokio::test]
async fn offline_ends_connections_that_wait() {
    let mut hub = hub().await;
    let address = hub.endpoint().replace("http://", "");
    let mut idle = tokio::net::TcpStream::connect(&address)
        .await
        .expect("a connection");
    let request = "GET /api/whoami-v2 HTTP/1.1\r\nHost: x\r\n\r\n";
    idle.write_all(request.as_bytes())
        .await
        .expect("it takes it");
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.expect("an answer");
    hub.go_offline().await;
    hub.go_online().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("an end");
    is_well(&hub).await;
}

#[tokio::test]
async fn unsafe_names_are_in_the_tree_as_ordered() {
    let hub = FakeHub::start().await;
    let names = ["../x", "/etc/passwd", "a/../../b", "c\\d"];
    hub.commit(REPO, "main", &names.map(|name| (name, Content::from("x"))));
    let url = format!(
        "{}/api/models/{REPO}/tree/main?recursive=true",
        hub.endpoint()
    );
    let tree = get(&url).await.json();
    for name in names {
        let entries = tree.as_array().expect("a list");
        assert!(entries.iter().any(|entry| entry["path"] == name), "{name}");
    }
}

#[tokio::test]
async fn random_contents_are_the_same_from_anywhere() {
    let hub = hub().await;
    let all = content().to_vec();
    for start in [0_usize, 1, 262_143, 262_144, 999_999] {
        let part = large(&hub, &format!("bytes={start}-")).await.body;
        assert!(part == all[start..], "{start}");
    }
    let other = Content::Random {
        seed: 2,
        len: LARGE,
    };
    assert!(other.to_vec() != all);
    assert!(all[..262_144] != all[262_144..524_288]);
}
