//! What an answer means that is neither a success nor a redirect.
//!
//! Sources: the hub's `X-Error-Code` and `X-Error-Message`, as `huggingface_hub` 2.4 reads them (`utils/_http.py`);
//! `RateLimit` of the IETF draft httpapi-ratelimit-headers-09, which the hub sends with 429.

use super::http::{Asked, Http};
use crate::{Access, Error};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::time::Duration;

/// When the hub asks to wait and does not say how long.
const USUAL_WAIT: Duration = Duration::from_secs(60);
/// Nobody waits longer for an answer; it is asked again then.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
const BAD_TOKEN: &str = "Invalid credentials in Authorization header";
const DISABLED: &str = "Access to this resource is disabled.";

impl Http {
    /// What a refusal means: [`Error::RateLimited`], [`Error::AccessDenied`], [`Error::NotOnHub`], [`Error::Server`].
    pub(crate) fn refusal(&self, answer: &Response, asked: &Asked<'_>) -> Error {
        let headers = answer.headers();
        let message = text(headers, "x-error-message");
        match answer.status() {
            StatusCode::TOO_MANY_REQUESTS => Error::RateLimited {
                wait: wait(headers),
            },
            // A CDN says the same of a link that has expired as the hub of a licence.
            status if !self.is_own(answer.url()) => {
                Error::server(format!("{status} for {asked}, from where the hub sent us"))
            }
            StatusCode::FORBIDDEN if message == DISABLED => Error::NotOnHub {
                what: format!("{asked}, which the hub has disabled,"),
            },
            // What is private is missing to others, and the hub says so with 401 or 404.
            status if is_denied(status, headers) => {
                let access = access(status, headers, self.token().get().is_some());
                self.denied(access, status, asked)
            }
            StatusCode::NOT_FOUND => Error::NotOnHub {
                what: asked.to_string(),
            },
            status => Error::server(format!("{status} for {asked}")),
        }
    }

    fn denied(&self, access: Access, status: StatusCode, asked: &Asked<'_>) -> Error {
        match asked.repo {
            Some(repo) => Error::AccessDenied {
                repo: repo.clone(),
                access,
                link: self.page(repo),
            },
            None if access == Access::WrongToken => Error::Invalid(
                "the hub does not accept the access token; give another one, or remove it".into(),
            ),
            None => Error::server(format!("{status} for {asked}")),
        }
    }
}

fn is_denied(status: StatusCode, headers: &HeaderMap) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        || text(headers, "x-error-code") == "RepoNotFound"
}

fn access(status: StatusCode, headers: &HeaderMap, has_token: bool) -> Access {
    let code = text(headers, "x-error-code");
    let unauthorized = status == StatusCode::UNAUTHORIZED;
    match code {
        _ if text(headers, "x-error-message") == BAD_TOKEN => Access::WrongToken,
        "GatedRepo" if !has_token => Access::NoToken,
        "GatedRepo" => Access::LicenceNotAccepted,
        "RepoNotFound" => Access::PrivateOrMissing,
        _ if unauthorized && has_token => Access::WrongToken,
        _ if unauthorized => Access::NoToken,
        _ => Access::LicenceNotAccepted,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn wait(headers: &HeaderMap) -> Duration {
    let after = text(headers, RETRY_AFTER.as_str()).trim().parse().ok();
    let wait = after.or_else(|| reset(text(headers, "ratelimit")));
    wait.map_or(USUAL_WAIT, Duration::from_secs)
        .min(LONGEST_WAIT)
}

/// The seconds in `"api";r=0;t=55` until there is room again.
fn reset(limit: &str) -> Option<u64> {
    let reset = |part: &str| part.trim().strip_prefix("t=")?.parse().ok();
    limit.split(';').find_map(reset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn each_refusal_says_what_is_missing() {
        let check =
            |status: u16, code: &'static str, message: &'static str, has_token, expected| {
                let headers = headers(&[("x-error-code", code), ("x-error-message", message)]);
                let status = StatusCode::from_u16(status).expect("a status");
                let found = access(status, &headers, has_token);
                assert_eq!(found, expected, "{status} {code:?} {message:?} {has_token}");
            };
        check(401, "GatedRepo", "", false, Access::NoToken);
        check(403, "GatedRepo", "", true, Access::LicenceNotAccepted);
        check(401, "RepoNotFound", "", false, Access::PrivateOrMissing);
        check(404, "RepoNotFound", "", true, Access::PrivateOrMissing);
        check(401, "RepoNotFound", BAD_TOKEN, true, Access::WrongToken);
        check(401, "GatedRepo", BAD_TOKEN, true, Access::WrongToken);
        check(401, "", "", true, Access::WrongToken);
        check(401, "", "", false, Access::NoToken);
        check(403, "", "", true, Access::LicenceNotAccepted);
    }

    #[test]
    fn one_waits_as_long_as_the_hub_says() {
        let check = |pairs: &[(&'static str, &'static str)], seconds| {
            assert_eq!(wait(&headers(pairs)).as_secs(), seconds, "{pairs:?}");
        };
        check(&[("retry-after", "7")], 7);
        check(&[("ratelimit", r#""api";r=0;t=55"#)], 55);
        check(
            &[("retry-after", "7"), ("ratelimit", r#""api";r=0;t=55"#)],
            7,
        );
        check(&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], 60);
        check(&[("retry-after", "18446744073709551615")], 86_400);
        check(&[("retry-after", "-1")], 60);
        check(&[], 60);
    }
}
