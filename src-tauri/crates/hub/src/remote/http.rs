//! Requests to the hub, and to where it sends us.
//!
//! It follows redirects itself, so that the access token stays with the hub's own origin. It deliberately tries nothing
//! twice: whether waiting helps is the caller's to know.

use super::HubSettings;
use super::access_token::AccessToken;
use super::settings::Secret;
use crate::{Commit, Error, RepoId};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Client, Response, Url, redirect};
use std::ops::Range;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Silence of this length is a failure.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 10;
const USER_AGENT: &str = concat!("wick/", env!("CARGO_PKG_VERSION"));

/// The HTTP client of the house.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    endpoint: Url,
    offline: bool,
    token: AccessToken,
}

impl Http {
    pub(crate) fn new(settings: &HubSettings, token: AccessToken) -> Result<Self, Error> {
        let bad = |error: &dyn std::fmt::Display| {
            Error::Invalid(format!(
                "{:?} is no address of a hub: {error}",
                settings.endpoint
            ))
        };
        let endpoint = Url::parse(&settings.endpoint).map_err(|error| bad(&error))?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            return Err(bad(&"it begins neither with https: nor with http:"));
        }
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            // HTTP/2 would send all parts of a file over one connection, which is what asking for parts is to avoid.
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|error| bad(&error))?;
        Ok(Self {
            client,
            endpoint,
            offline: settings.offline,
            token,
        })
    }

    /// An address on the hub: these parts of a path, each encoded whole but for the slashes in it.
    pub(crate) fn url(&self, parts: &[&str]) -> Result<Url, Error> {
        let mut url = self.endpoint.clone();
        let mut path = url.path_segments_mut().map_err(|()| {
            Error::Invalid(format!("{} is no address of a hub", self.shown_endpoint()))
        })?;
        path.pop_if_empty();
        path.extend(parts.iter().flat_map(|part| part.split('/')));
        drop(path);
        Ok(url)
    }

    /// An address of the hub's API for a repository at a revision, which is one part of the path, slashes and all.
    pub(crate) fn api_url(&self, repo: &RepoId, kind: &str, revision: &str) -> Result<Url, Error> {
        // A part that is only dots is dropped from a path, and would ask for something else.
        if revision.is_empty() || revision.bytes().all(|letter| letter == b'.') {
            return Err(Error::Invalid(format!("{revision:?} is no revision")));
        }
        let mut url = self.url(&["api/models", repo.as_str(), kind])?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(revision);
        }
        Ok(url)
    }

    /// Where a file of a commit is; it may lead elsewhere.
    pub(crate) fn file_url(
        &self,
        repo: &RepoId,
        commit: &Commit,
        path: &str,
    ) -> Result<Url, Error> {
        self.url(&[repo.as_str(), "resolve", commit.as_str(), path])
    }

    /// The hub's address without what a person may have put into it to get in.
    fn shown_endpoint(&self) -> String {
        without_secrets(self.endpoint.clone()).into()
    }

    /// The page of a repository, for a person.
    pub(crate) fn page(&self, repo: &RepoId) -> String {
        self.url(&[repo.as_str()])
            .map_or_else(|_| self.shown_endpoint(), String::from)
    }

    /// Asks once and follows nothing: the answer may be a redirect or a refusal.
    pub(crate) async fn ask(&self, url: Url, range: Option<Range<u64>>) -> Result<Response, Error> {
        let token = self.token_for(&url);
        self.send(url, range, token).await
    }

    /// As [`Http::ask`], for the hub's own address and with this access token instead of the one there is.
    pub(crate) async fn ask_as(&self, url: Url, token: &Secret) -> Result<Response, Error> {
        let token = bearer(token).filter(|_| self.is_own(&url));
        self.send(url, None, token).await
    }

    async fn send(
        &self,
        url: Url,
        range: Option<Range<u64>>,
        token: Option<HeaderValue>,
    ) -> Result<Response, Error> {
        if self.offline {
            return Err(self.unreachable("HF_HUB_OFFLINE is set"));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = range {
            let text = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
            headers.insert(RANGE, HeaderValue::from_str(&text).map_err(Error::server)?);
        }
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token);
        }
        let sent = self.client.get(url).headers(headers).send().await;
        sent.map_err(|error| self.broken(&error))
    }

    /// Asks and follows redirects to an answer.
    ///
    /// # Errors
    /// [`Error::Offline`], what [`Http::refusal`] makes of a refusal.
    pub(crate) async fn get(
        &self,
        mut url: Url,
        range: Option<Range<u64>>,
        what: &Asked<'_>,
    ) -> Result<Response, Error> {
        for _ in 0..MAX_REDIRECTS {
            let answer = self.ask(url.clone(), range.clone()).await?;
            if !answer.status().is_redirection() {
                return if answer.status().is_success() {
                    Ok(answer)
                } else {
                    Err(self.refusal(&answer, what))
                };
            }
            url = target(&answer)?;
        }
        Err(Error::server(format!(
            "more than {MAX_REDIRECTS} redirects for {what}"
        )))
    }

    /// The token's header for an address; none for another origin than the hub's.
    fn token_for(&self, url: &Url) -> Option<HeaderValue> {
        self.is_own(url).then(|| bearer(&self.token.get()?))?
    }

    /// Whether an address is the hub's own, to which the access token may go.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.origin()
    }

    /// Whether nothing may be asked.
    pub(crate) fn is_offline(&self) -> bool {
        self.offline
    }

    /// Where the access token is.
    pub(crate) fn token(&self) -> &AccessToken {
        &self.token
    }

    /// What a request is that got no answer, or only a part of one.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> Error {
        self.unreachable(cause(error))
    }

    /// That nothing can be asked, with the reason.
    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Offline {
            endpoint: self.shown_endpoint(),
            reason: reason.into(),
        }
    }
}

/// The token's header; `None` for what can't be one.
fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.0)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What was asked for, for an error's words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The repository, if it is one's.
    pub(crate) repo: Option<&'a RepoId>,
    /// The thing.
    pub(crate) what: &'a str,
}

impl std::fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.repo {
            Some(repo) => write!(f, "{} of {repo}", self.what),
            None => f.write_str(self.what),
        }
    }
}

/// An address without a name and a password in it. One that can hold none has none.
fn without_secrets(mut url: Url) -> Url {
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url
}

/// Where a redirect leads.
pub(crate) fn target(answer: &Response) -> Result<Url, Error> {
    let location = answer
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let joined = location.and_then(|location| answer.url().join(location).ok());
    let joined = joined.filter(|url| matches!(url.scheme(), "http" | "https"));
    joined.ok_or_else(|| Error::server("a redirect to nowhere"))
}

/// The innermost reason, which is the one that tells a person something; never an address, which may carry a signature.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".into();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[tokio::test]
    async fn a_failure_is_told_by_its_reason_and_never_by_the_address() {
        let check = async |address: &str, expected: &str| {
            let client = Client::builder().timeout(Duration::from_millis(200));
            let client = client.build().expect("a client");
            let url = format!("{address}/signed?Signature=secret");
            let error = client.get(url).send().await.expect_err(expected);
            let reason = cause(&error);
            assert!(reason.contains(expected), "{reason}");
            assert!(!reason.contains("secret"), "{reason}");
        };
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = silent.local_addr().expect("an address").port();
        check(
            &format!("http://127.0.0.1:{port}"),
            "does not answer in time",
        )
        .await;
        check(
            &format!("https://127.0.0.1:{port}"),
            "does not answer in time",
        )
        .await;
        drop(silent);
        check(&format!("http://127.0.0.1:{port}"), "refused").await;
    }

    #[test]
    fn an_address_has_each_part_as_it_is() {
        let settings = HubSettings {
            endpoint: "https://hub.test/mirror/".into(),
            cache_dir: "cache".into(),
            token_file: "token".into(),
            token: None,
            offline: true,
        };
        let http = Http::new(&settings, AccessToken::new(&settings)).expect("a client");
        let repo: RepoId = "a/b".parse().expect("a repository");
        let commit = "0".repeat(40);
        let check = |url: Result<Url, Error>, expected: &str| {
            let expected = format!("https://hub.test/mirror/{expected}");
            assert_eq!(url.expect("an address").as_str(), expected);
        };
        check(
            http.api_url(&repo, "revision", "refs/pr/1"),
            "api/models/a/b/revision/refs%2Fpr%2F1",
        );
        check(
            http.file_url(
                &repo,
                &commit.clone().try_into().expect("a commit"),
                "a b/c?d#e%2e.gguf",
            ),
            &format!("a/b/resolve/{commit}/a%20b/c%3Fd%23e%252e.gguf"),
        );
        assert_eq!(http.page(&repo), "https://hub.test/mirror/a/b");
    }
}
