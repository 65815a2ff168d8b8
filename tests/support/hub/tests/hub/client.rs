//! A client that believes nothing: one request a connection, and what came back byte for byte.

use std::collections::HashMap;
use std::fmt::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("an answer in JSON")
    }

    /// Whether all came that `Content-Length` says.
    pub(crate) fn is_whole(&self) -> bool {
        self.header("content-length").parse() == Ok(self.body.len())
    }
}

/// `None` when no answer came.
pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let port: u16 = host.split_once(':')?.1.parse().ok()?;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let length = body.len();
    let mut text = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n"
    );
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").expect("a text takes it");
    }
    text += "\r\n";
    text += body;
    stream.write_all(text.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    // A connection that was cut gives what came before.
    let _ = stream.read_to_end(&mut bytes).await;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Answer {
        status,
        headers: headers.collect(),
        body: bytes[end + 4..].to_vec(),
    })
}

pub(crate) async fn get(url: &str) -> Answer {
    get_with(url, &[]).await
}

pub(crate) async fn get_with(url: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = send("GET", url, headers, "").await;
    answer.unwrap_or_else(|| panic!("no answer for {url}"))
}
