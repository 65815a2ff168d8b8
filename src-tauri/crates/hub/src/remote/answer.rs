//! Answers as a whole: JSON, texts, and the way to the next page.
//!
//! It deliberately knows no endpoint. Invariant: whatever a server sends, no more is held than the bound that the caller gave.

use super::http::{Asked, Http};
use crate::Error;
use reqwest::header::LINK;
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;

/// Longer JSON is refused: a page of a thousand files has a third of a megabyte.
const MAX_JSON_BYTES: usize = 16 << 20;

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// What it says.
    pub(crate) content: T,
    /// Where it goes on.
    pub(crate) next: Next,
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nowhere: that was all.
    End,
    /// At the same address with this query.
    Query(String),
    /// Where nobody should follow.
    Elsewhere,
}

impl Http {
    /// JSON from an address of the hub.
    ///
    /// # Errors
    /// Those of [`Http::get`], [`Error::Server`] for what is longer than 16 MiB or is something else.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        url: Url,
        asked: &Asked<'_>,
    ) -> Result<T, Error> {
        Ok(self.page_of(url, asked).await?.content)
    }

    /// JSON from an address of the hub, and where it goes on.
    ///
    /// # Errors
    /// Those of [`Http::json`].
    pub(crate) async fn page_of<T: DeserializeOwned>(
        &self,
        url: Url,
        asked: &Asked<'_>,
    ) -> Result<Page<T>, Error> {
        let answer = self.get(url, None, asked).await?;
        let next = self.next(&answer);
        let body = self.whole(answer, MAX_JSON_BYTES).await?;
        let content = serde_json::from_slice(&body)
            .map_err(|error| Error::server(format!("{asked} makes no sense: {error}")))?;
        Ok(Page { content, next })
    }

    /// The body, which is refused if it is longer than that.
    pub(crate) async fn whole(&self, answer: Response, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let body = self.beginning(answer, max_bytes + 1).await?;
        if body.len() > max_bytes {
            return Err(Error::server(format!(
                "an answer of more than {max_bytes} bytes"
            )));
        }
        Ok(body)
    }

    /// The first bytes of the body, fewer where it is shorter. The rest is not read.
    pub(crate) async fn beginning(
        &self,
        mut answer: Response,
        bytes: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while body.len() < bytes {
            let chunk = answer.chunk().await;
            let Some(chunk) = chunk.map_err(|error| self.broken(&error))? else {
                break;
            };
            let room = bytes - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(body)
    }

    /// Where `Link: <…>; rel="next"` leads. Only a page of the same list on the hub itself counts: the access token goes
    /// there.
    fn next(&self, answer: &Response) -> Next {
        let links = answer.headers().get(LINK).map(|links| links.to_str());
        let address = links.and_then(|links| links.ok()?.split(',').find_map(next_address));
        let Some(address) = address else {
            return Next::End;
        };
        let url = answer.url().join(address).ok();
        let url = url.filter(|url| self.is_own(url) && url.path() == answer.url().path());
        let query = url.and_then(|url| url.query().map(str::to_owned));
        query.map_or(Next::Elsewhere, Next::Query)
    }
}

/// The address of a link whose relation is `next`. Source: RFC 8288, section 3.
fn next_address(link: &str) -> Option<&str> {
    let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = |parameter: &str| matches!(parameter.trim(), "rel=next" | "rel=\"next\"");
    parameters.split(';').any(is_next).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_what_its_relation_says() {
        let check = |link: &str, expected: Option<&str>| {
            assert_eq!(next_address(link), expected, "{link}");
        };
        check(r#"<https://h/a?b=c>; rel="next""#, Some("https://h/a?b=c"));
        check("</a?b=c>;rel=next", Some("/a?b=c"));
        check(r#" <x>; title="t"; rel="next""#, Some("x"));
        check(r#"<x>; rel="prev""#, None);
        check(r#"x; rel="next""#, None);
        check(r#"<x; rel="next""#, None);
        check("", None);
    }
}
