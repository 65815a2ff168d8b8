//! Where the bytes of one file come from: the hub says where, once, and the CDN that it names has them.
//!
//! Sources: `huggingface_hub` 2.4, `file_download.py` (`X-Repo-Commit`, `X-Linked-Etag`, `X-Linked-Size`, relative
//! redirects); RFC 9110, 14 (ranges). The CDN's `ETag` means nothing: it may be the hash of something else.
//!
//! Invariant: what it opens claims to be these bytes of this file at this commit. Whether it is, the hash tells.

use super::Wanted;
use super::trouble::Trouble;
use crate::remote::{Asked, target};
use crate::{Error, FileHash, Hub, RepoFile};
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap};
use reqwest::{Response, StatusCode, Url};
use std::ops::Range;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

const MAX_REDIRECTS: usize = 10;

/// Where the bytes of one file come from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    hub: &'a Hub,
    wanted: &'a Wanted,
    file: &'a RepoFile,
    silence: Duration,
    /// The address on the CDN, good for some time. Held while the hub is asked, so that it is asked once.
    link: Mutex<Option<Link>>,
}

#[derive(Debug)]
struct Link {
    url: Url,
    /// It led to something at least once.
    worked: bool,
}

/// A body, and where in the file it begins.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) body: Response,
    pub(super) at: u64,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        hub: &'a Hub,
        wanted: &'a Wanted,
        file: &'a RepoFile,
        silence: Duration,
    ) -> Self {
        Self {
            hub,
            wanted,
            file,
            silence,
            link: Mutex::new(None),
        }
    }

    /// Asks for these bytes. A server that knows no parts answers with the file from its beginning.
    pub(super) async fn open(&self, range: &Range<u64>) -> Result<Opened, Trouble> {
        let whole = *range == (0..self.file.size_bytes);
        let part = (!whole).then(|| range.clone());
        let link = self.link.lock().await;
        let known = link.as_ref().map(|link| link.url.clone());
        let body = if let Some(url) = known {
            drop(link);
            self.follow(url, part, None).await?
        } else {
            let (repo, commit) = (&self.wanted.repo, &self.wanted.commit);
            let http = self.hub.http();
            let url = http.file_url(repo, commit, &self.file.path)?;
            self.follow(url, part, Some(link)).await?
        };
        let at = self.beginning(&body, range)?;
        Ok(Opened { body, at })
    }

    /// Follows redirects to a body, and keeps the first address that is not the hub's.
    async fn follow(
        &self,
        mut url: Url,
        part: Option<Range<u64>>,
        mut link: Option<MutexGuard<'_, Option<Link>>>,
    ) -> Result<Response, Trouble> {
        let mut elsewhere = None;
        for _ in 0..MAX_REDIRECTS {
            let own = self.hub.http().is_own(&url);
            if !own && elsewhere.is_none() {
                elsewhere = Some(url.clone());
            }
            if let Some(link) = link.as_mut().filter(|_| !own) {
                let (url, worked) = (url.clone(), false);
                **link = Some(Link { url, worked });
            }
            link = link.filter(|_| own);
            let answer = self.ask(url.clone(), part.clone()).await?;
            let status = answer.status();
            if own && (status.is_redirection() || status.is_success()) {
                self.promises(answer.headers(), status.is_redirection())?;
            }
            if status.is_success() {
                self.worked(elsewhere.as_ref()).await;
                return Ok(answer);
            }
            if !status.is_redirection() {
                return Err(self.refused(&answer, elsewhere).await);
            }
            url = target(&answer).map_err(|error| Trouble::Nonsense(error.to_string()))?;
        }
        let path = &self.file.path;
        Err(Trouble::Nonsense(format!(
            "more than {MAX_REDIRECTS} redirects for {path}"
        )))
    }

    async fn ask(&self, url: Url, part: Option<Range<u64>>) -> Result<Response, Trouble> {
        let asked = self.hub.http().ask(url, part);
        match tokio::time::timeout(self.silence, asked).await {
            Ok(Err(Error::Offline { reason, .. })) => Err(Trouble::wait(reason)),
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Trouble::wait("the server does not answer")),
        }
    }

    /// What it means that a server refuses.
    async fn refused(&self, answer: &Response, elsewhere: Option<Url>) -> Trouble {
        let what = &self.file.path;
        let repo = Some(&self.wanted.repo);
        let refusal = self.hub.http().refusal(answer, &Asked { repo, what });
        let status = answer.status();
        match (status, refusal) {
            (_, Error::RateLimited { wait }) => Trouble::Wait {
                reason: "the hub asks to wait".into(),
                at_least: wait,
            },
            (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY, _) => busy(status),
            _ if status.is_server_error() => busy(status),
            (StatusCode::RANGE_NOT_SATISFIABLE, _) => {
                Trouble::Nonsense(format!("{what} is said to be shorter than it is"))
            }
            (_, refusal) if elsewhere.is_none() => Trouble::Over(refusal),
            _ => self.expired(elsewhere.as_ref(), status).await,
        }
    }

    async fn worked(&self, elsewhere: Option<&Url>) {
        if let Some(elsewhere) = elsewhere {
            let mut link = self.link.lock().await;
            if let Some(link) = link.as_mut().filter(|link| link.url == *elsewhere) {
                link.worked = true;
            }
        }
    }

    /// A link that worked for a while may be refused, and so may one that somebody else has replaced already; one that
    /// never worked should not be.
    async fn expired(&self, elsewhere: Option<&Url>, status: StatusCode) -> Trouble {
        let mut link = self.link.lock().await;
        let refused = link.take_if(|link| Some(&link.url) == elsewhere);
        let path = &self.file.path;
        match refused {
            Some(Link { worked: false, .. }) => {
                Trouble::Nonsense(format!("the link to {path} is refused: {status}"))
            }
            _ => Trouble::Expired,
        }
    }

    /// What the hub says of a file must be what was wanted.
    fn promises(&self, headers: &HeaderMap, redirect: bool) -> Result<(), Trouble> {
        let what = &self.file.path;
        let check = |name: &str, wanted: &str| match text(headers, name) {
            Some(told) if told != wanted => Err(Trouble::Nonsense(format!(
                "{what} should have {name} {wanted}, and has {told}"
            ))),
            told => Ok(told.is_some()),
        };
        check("x-repo-commit", self.wanted.commit.as_str())?;
        check("x-linked-size", &self.file.size_bytes.to_string())?;
        if check("x-linked-etag", self.file.hash.hex())? || redirect {
            return Ok(());
        }
        // A server between may make its own; then it looks like no hash.
        match text(headers, ETAG.as_str()).and_then(FileHash::of_name) {
            Some(_) => check(ETAG.as_str(), self.file.hash.hex()).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Where in the file a body begins, by what its headers say.
    fn beginning(&self, body: &Response, range: &Range<u64>) -> Result<u64, Trouble> {
        let nonsense = |what: String| Trouble::Nonsense(format!("{}: {what}", self.file.path));
        let headers = body.headers();
        if let Some(coding) =
            text(headers, CONTENT_ENCODING.as_str()).filter(|it| *it != "identity")
        {
            return Err(nonsense(format!("it comes as {coding}")));
        }
        let size = self.file.size_bytes;
        let (at, length) = match body.status() {
            StatusCode::OK => (0, size),
            StatusCode::PARTIAL_CONTENT => {
                let told = text(headers, CONTENT_RANGE.as_str()).unwrap_or("nothing");
                let fits = content_range(told, size)
                    .filter(|it| it.start == range.start && it.end <= range.end);
                let part =
                    fits.ok_or_else(|| nonsense(format!("asked for {range:?}, it sends {told}")))?;
                (part.start, part.end - part.start)
            }
            status => return Err(nonsense(format!("{status}"))),
        };
        match body.content_length() {
            Some(told) if told != length => {
                Err(nonsense(format!("{told} bytes instead of {length}")))
            }
            _ => Ok(at),
        }
    }
}

fn busy(status: StatusCode) -> Trouble {
    Trouble::wait(format!("the server answers {status}"))
}

/// A header's text; of an `ETag` what stands between the quotes.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.strip_prefix("W/").unwrap_or(text).trim_matches('"'))
}

/// `bytes 0-9/100`, of a file of this length.
fn content_range(text: &str, size_bytes: u64) -> Option<Range<u64>> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let size_fits = size == "*" || size.parse() == Ok(size_bytes);
    (size_fits && first <= last && last < size_bytes).then(|| first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_one_of_this_file_or_none() {
        let check = |text: &str, expected: Option<Range<u64>>| {
            assert_eq!(content_range(text, 100), expected, "{text}");
        };
        check("bytes 0-9/100", Some(0..10));
        check("bytes 99-99/*", Some(99..100));
        check("bytes 0-9/101", None);
        check("bytes 9-0/100", None);
        check("bytes 0-100/100", None);
        check("bytes 0-18446744073709551615/100", None);
        check("bytes */100", None);
        check("0-9/100", None);
        check("nothing", None);
    }
}
