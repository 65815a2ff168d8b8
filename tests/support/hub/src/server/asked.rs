//! What a request asks.

use crate::log::{Host, Seen};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use std::fmt::Write;
use std::ops::Range;

/// A request, read.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) host: Host,
    pub(crate) method: Method,
    /// Decoded; for looking at, since a `/` in a name and one between names look the same.
    pub(crate) path: String,
    /// The path between its slashes, each part decoded.
    parts: Vec<String>,
    /// As it came.
    pub(crate) raw_path: String,
    pub(crate) raw_query: String,
    query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    pub(crate) fn read(host: Host, request: &Parts) -> Self {
        let raw_path = request.uri.path();
        let parts = raw_path.split('/').filter(|part| !part.is_empty());
        let raw_query = request.uri.query().unwrap_or_default();
        Self {
            host,
            method: request.method.clone(),
            path: decoded(raw_path),
            parts: parts.map(decoded).collect(),
            raw_path: raw_path.to_owned(),
            raw_query: raw_query.to_owned(),
            query: pairs(raw_query),
            headers: request.headers.clone(),
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            host: self.host,
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.raw_query.clone(),
            range: None,
            authorization: self
                .header(header::AUTHORIZATION.as_str())
                .map(str::to_owned),
            bytes_sent: 0,
            status: 0,
        }
    }

    pub(crate) fn segments(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn is_get(&self) -> bool {
        self.method == Method::GET
    }

    /// A value of the query.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(key, _)| is_named(key, name))?;
        Some(&pair.1)
    }

    /// All values of a name, which may be repeated, also with `[]` behind it.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.query.iter();
        let named = pairs.filter(move |(key, _)| is_named(key, name));
        named.map(|(_, value)| value.as_str())
    }

    /// Whether the query says yes, in either client's letters.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let yes = |value: &str| matches!(value, "true" | "True" | "1");
        self.value(name).is_some_and(yes)
    }

    /// The query without these, to be asked with again.
    pub(crate) fn query_without(&self, names: &[&str]) -> String {
        let pairs = self.raw_query.split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.is_empty() && !names.contains(&name)
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The bytes of a file of this length that a single Range asks for: `None` without one, or with one that makes no sense;
    /// an error for one outside of the file. Source: RFC 9110, 14.1.2 and 14.2.
    pub(crate) fn range(&self, len: u64) -> Result<Option<Range<u64>>, ()> {
        let wanted = self.header("range").and_then(|text| bounds(text, len));
        match wanted {
            Some(range) if range.start >= range.end => Err(()),
            wanted => Ok(wanted),
        }
    }
}

fn is_named(key: &str, name: &str) -> bool {
    key.strip_suffix("[]").unwrap_or(key) == name
}

/// What a query or a form says, in its order. Source: WHATWG URL, application/x-www-form-urlencoded.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let text = text.replace('+', " ");
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    pairs.map(pair).collect()
}

/// The bounds of `bytes=A-B`, `bytes=A-` or `bytes=-N`; not ascending when nothing of it is in the file.
fn bounds(text: &str, len: u64) -> Option<Range<u64>> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    if first.trim().is_empty() {
        return Some(len.saturating_sub(number(last)?)..len);
    }
    let first = number(first)?;
    if last.trim().is_empty() {
        return Some(first..len);
    }
    let last = number(last)?;
    (first <= last).then(|| first..last.saturating_add(1).min(len))
}

/// Percent-encoding undone. Source: RFC 3986, 2.1.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(high * 16 + low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Percent-encoding of a path, whose slashes stay.
pub(crate) fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing into a text never fails.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
