//! The proxy of the environment. Since an environment is a process's, this test starts itself once more as a child.

use crate::{Desk, hub_of, id};
use hub::Error;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const NAME: &str = "proxy::the_proxy_of_the_environment_is_asked";
const CHILD: &str = "WICK_TEST_ENDPOINT";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[tokio::test]
async fn the_proxy_of_the_environment_is_asked() {
    if let Ok(endpoint) = std::env::var(CHILD) {
        return ask(&endpoint).await;
    }
    let head = heard("http://hub.test", "HTTP_PROXY", &answer()).await;
    assert!(
        head.starts_with("GET http://hub.test/api/models/a/b/revision/main?expand=sha "),
        "{head}"
    );
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    let head = heard("https://hub.test", "HTTPS_PROXY", refusal).await;
    assert!(head.starts_with("CONNECT hub.test:443 "), "{head}");
    assert!(!head.contains("hf_secret"), "{head}");
}

/// As the child.
async fn ask(endpoint: &str) {
    let desk = Desk::new().await;
    let home = desk.home.path().to_str().expect("UTF-8");
    let hub = hub_of(&[
        ("HF_ENDPOINT", endpoint),
        ("HF_HOME", home),
        ("HF_TOKEN", "hf_secret"),
    ]);
    let commit = hub.newest(&id("a/b"), "main").await;
    if endpoint.starts_with("https") {
        assert!(matches!(commit, Err(Error::Offline { .. })), "{commit:?}");
    } else {
        assert_eq!(commit.expect("the proxy's answer").as_str(), COMMIT);
    }
}

/// What a proxy hears first of a child that asks this hub; the proxy answers with this.
async fn heard(endpoint: &str, variable: &str, answer: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let program = std::env::current_exe().expect("this program");
    let mut child = std::process::Command::new(program)
        .args([NAME, "--exact"])
        .env(CHILD, endpoint)
        .env(variable, format!("http://{address}"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stdout(Stdio::null())
        .spawn()
        .expect("a child");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    stream
        .write_all(answer.as_bytes())
        .await
        .expect("it listens");
    let status = tokio::task::spawn_blocking(move || child.wait()).await;
    let status = status.expect("a thread").expect("a child");
    assert!(status.success(), "{status}");
    String::from_utf8(head).expect("UTF-8")
}

fn answer() -> String {
    let body = format!(r#"{{"id": "a/b", "sha": "{COMMIT}"}}"#);
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
