//! `/{repo}/resolve/{revision}/{path}`: what a file is known by, and where it is.

use super::asked::encoded;
use super::body;
use super::refusal::Refusal;
use super::site::Call;
use crate::fault::{Harm, Stage};
use crate::log::locked;
use crate::repo::{Snapshot, StoredFile};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// A file of a commit, as somebody may have it.
pub(crate) struct Resolved {
    repo: String,
    path: String,
    snapshot: Arc<Snapshot>,
    file: Arc<StoredFile>,
}

pub(crate) fn answer(call: &Call, segments: &[&str]) -> Result<Response, Refusal> {
    let at = segments.iter().take(3).position(|part| *part == "resolve");
    let (Some(at @ 1..), true) = (at, segments.len() > at.unwrap_or(0) + 2) else {
        return Err(Refusal::no_page());
    };
    let (revision, path) = (segments[at + 1], segments[at + 2..].join("/"));
    let resolved = resolve(call, &segments[..at].join("/"), revision, path)?;
    Ok(resolved.answer(call))
}

/// `/api/resolve-cache/models/{repo}/{commit}/{path}`, where the hub may send one for a file that it has itself.
pub(crate) fn answer_from_cache(call: &Call, segments: &[&str]) -> Result<Response, Refusal> {
    let [org, name, commit, path @ ..] = segments else {
        return Err(Refusal::no_page());
    };
    let resolved = resolve(call, &format!("{org}/{name}"), commit, path.join("/"))?;
    let headers = resolved.headers(&[]);
    Ok((headers, body::content(call, &resolved.file)).into_response())
}

fn resolve(call: &Call, repo: &str, revision: &str, path: String) -> Result<Resolved, Refusal> {
    let site = &call.site;
    let person = site.access.person(call.asked.header("authorization"))?;
    let repos = locked(&site.repos);
    let stored = repos
        .get(repo)
        .filter(|stored| site.access.sees(&person, &stored.about));
    let stored = stored.ok_or_else(|| Refusal::no_repo(person.is_known()))?;
    if !site.access.has(&person, &stored.about) {
        let page = format!("{}/{repo}", site.hub_url);
        return Err(Refusal::gated(repo, &page, person.is_known()));
    }
    let snapshot = stored.snapshot(revision);
    let snapshot = snapshot.ok_or_else(|| Refusal::no_revision(revision))?;
    let file = snapshot.files.get(&path).cloned();
    let file = file.ok_or_else(|| Refusal::no_entry(&snapshot.commit))?;
    Ok(Resolved {
        repo: repo.to_owned(),
        path,
        snapshot,
        file,
    })
}

impl Resolved {
    fn answer(&self, call: &Call) -> Response {
        let harms = call.take(Stage::Link);
        let mut headers = self.headers(&harms);
        if harms.contains(&Harm::Loop) {
            let here = format!("{}?{}", call.asked.raw_path, call.asked.raw_query);
            return redirect(StatusCode::FOUND, headers, &here);
        }
        if harms.contains(&Harm::ThroughHub) {
            return redirect(StatusCode::TEMPORARY_REDIRECT, headers, &self.cached());
        }
        if self.file.sha256.is_none() {
            return (headers, body::content(call, &self.file)).into_response();
        }
        let uses = harms.iter().find_map(|harm| match harm {
            Harm::LinkUses(uses) => Some(*uses),
            _ => None,
        });
        let link = call
            .site
            .links
            .make(&self.repo, &self.path, &self.file, uses);
        insert(&mut headers, header::ACCEPT_RANGES, "bytes");
        redirect(
            StatusCode::FOUND,
            headers,
            &format!("{}{link}", call.site.cdn_url),
        )
    }

    fn cached(&self) -> String {
        let (repo, commit) = (&self.repo, &self.snapshot.commit);
        let etag = self.file.etag();
        let path = encoded(&self.path);
        format!("/api/resolve-cache/models/{repo}/{commit}/{path}?etag=%22{etag}%22")
    }

    /// What is said of the file, with the lies that were ordered.
    fn headers(&self, harms: &[Harm]) -> HeaderMap {
        let mut commit = self.snapshot.commit.as_str();
        let mut etag = self.file.etag();
        let mut size = self.file.len();
        for harm in harms {
            match harm {
                Harm::Commit(other) => commit = other,
                Harm::Etag(other) => etag = other,
                Harm::Size(other) => size = *other,
                _ => {}
            }
        }
        let is_large = self.file.sha256.is_some();
        let git = if is_large { &self.file.git_oid } else { etag };
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static;
        insert(&mut headers, name("x-repo-commit"), commit);
        insert(&mut headers, header::ETAG, &format!("\"{git}\""));
        if is_large || harms.contains(&Harm::ThroughHub) {
            insert(&mut headers, name("x-linked-size"), &size.to_string());
            insert(&mut headers, name("x-linked-etag"), &format!("\"{etag}\""));
        }
        headers
    }
}

fn redirect(status: StatusCode, mut headers: HeaderMap, location: &str) -> Response {
    insert(&mut headers, header::LOCATION, location);
    let text = format!(
        "{}. Redirecting to {location}",
        status.canonical_reason().unwrap_or("")
    );
    (status, headers, text).into_response()
}

/// What no header can hold is not said.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
