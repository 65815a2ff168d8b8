//! Answers that say no, with the headers by which the clients tell them apart.
//! Source: `huggingface_hub`'s `hf_raise_for_status`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: Option<&'static str>,
    message: String,
    commit: Option<String>,
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            commit: None,
            retry_after: None,
        }
    }

    /// What is missing and what is private look the same.
    pub(crate) fn no_repo(known: bool) -> Self {
        let code = Some("RepoNotFound");
        if known {
            Self::new(StatusCode::NOT_FOUND, code, "Repository not found")
        } else {
            let message = "Invalid username or password.";
            Self::new(StatusCode::UNAUTHORIZED, code, message)
        }
    }

    pub(crate) fn wrong_token() -> Self {
        let message = "Invalid credentials in Authorization header";
        Self::new(StatusCode::UNAUTHORIZED, None, message)
    }

    pub(crate) fn no_token() -> Self {
        let message = "Invalid username or password.";
        Self::new(StatusCode::UNAUTHORIZED, None, message)
    }

    pub(crate) fn gated(repo: &str, page: &str, known: bool) -> Self {
        let code = Some("GatedRepo");
        if known {
            let message = format!(
                "Access to model {repo} is restricted and you are not in the authorized list. Visit {page} to ask for access."
            );
            Self::new(StatusCode::FORBIDDEN, code, message)
        } else {
            let message = format!(
                "Access to model {repo} is restricted. You must have access to it and be authenticated to access it. Please log in."
            );
            Self::new(StatusCode::UNAUTHORIZED, code, message)
        }
    }

    pub(crate) fn no_revision(revision: &str) -> Self {
        let message = format!("Invalid rev id: {revision}");
        Self::new(StatusCode::NOT_FOUND, Some("RevisionNotFound"), message)
    }

    /// Says the commit in which there is none, which the clients remember.
    pub(crate) fn no_entry(commit: &str) -> Self {
        let refusal = Self::new(
            StatusCode::NOT_FOUND,
            Some("EntryNotFound"),
            "Entry not found",
        );
        Self {
            commit: Some(commit.to_owned()),
            ..refusal
        }
    }

    pub(crate) fn no_page() -> Self {
        let message = "Sorry, we can't find the page you are looking for.";
        Self::new(StatusCode::NOT_FOUND, None, message)
    }

    pub(crate) fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, None, message)
    }

    pub(crate) fn expired() -> Self {
        Self::new(StatusCode::FORBIDDEN, None, "Request has expired")
    }

    pub(crate) fn rate_limited(retry_after: Option<u64>) -> Self {
        let message = "We had to rate limit you, you hit the quota of requests.";
        Self {
            retry_after,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, None, message)
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.message }).to_string();
        let mut response = (self.status, body).into_response();
        let message = Some(self.message);
        let code = self.code.map(str::to_owned);
        let retry_after = self.retry_after.map(|seconds| seconds.to_string());
        let kind = Some("application/json; charset=utf-8".to_owned());
        let said = [
            (header::CONTENT_TYPE.as_str(), kind),
            ("x-error-code", code),
            ("x-error-message", message),
            ("x-repo-commit", self.commit),
            ("retry-after", retry_after),
        ];
        for (name, value) in said {
            // What no header can hold is not said.
            let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
