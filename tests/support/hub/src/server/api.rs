//! `/api/…`: what repositories are and hold. Source: `huggingface_hub`'s `hf_api.py`.

use super::access::Person;
use super::asked::pairs;
use super::refusal::Refusal;
use super::site::Call;
use super::{facts, listing, resolve};
use crate::log::locked;
use crate::repo::Snapshot;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const TREE_PAGE: usize = 1000;
/// With `expand`, which costs the real hub more.
const EXPANDED_TREE_PAGE: usize = 50;
const LONGEST_FORM: usize = 1 << 20;

pub(crate) async fn answer(call: &Call, path: &[&str], body: Body) -> Result<Response, Refusal> {
    match path {
        ["whoami-v2"] => whoami(call),
        ["models"] => listing::answer(call),
        ["resolve-cache", "models", rest @ ..] => resolve::answer_from_cache(call, rest),
        ["models", rest @ ..] => {
            let (repo, rest) = split(rest);
            about(call, &repo, rest, body).await
        }
        _ => Err(Refusal::no_page()),
    }
}

/// The repository's name, which may have one part or two, and what is behind it.
fn split<'a, 'b>(path: &'a [&'b str]) -> (String, &'a [&'b str]) {
    let parts = match path {
        [_, "revision" | "tree" | "paths-info", _, ..] | [_] => 1,
        _ => 2,
    };
    let (repo, rest) = path.split_at(parts.min(path.len()));
    (repo.join("/"), rest)
}

async fn about(call: &Call, repo: &str, path: &[&str], body: Body) -> Result<Response, Refusal> {
    match path {
        [] => model(call, repo, None),
        ["revision", revision] => model(call, repo, Some(revision)),
        ["tree", revision, folder @ ..] => tree(call, repo, revision, &folder.join("/")),
        ["paths-info", revision] if call.asked.method == Method::POST => {
            paths_info(call, repo, revision, body).await
        }
        _ => Err(Refusal::no_page()),
    }
}

fn whoami(call: &Call) -> Result<Response, Refusal> {
    match call
        .site
        .access
        .person(call.asked.header("authorization"))?
    {
        Person::Stranger => Err(Refusal::no_token()),
        Person::Known(_) => {
            let token = json!({ "displayName": "wick", "role": "read" });
            let auth = json!({ "type": "access_token", "accessToken": token });
            let about = json!({
                "type": "user", "id": "0123456789abcdef01234567", "name": "person", "fullname": "A Person",
                "isPro": false, "orgs": [], "auth": auth
            });
            Ok(Json(about).into_response())
        }
    }
}

fn model(call: &Call, repo: &str, revision: Option<&str>) -> Result<Response, Refusal> {
    let person = call
        .site
        .access
        .person(call.asked.header("authorization"))?;
    let repos = locked(&call.site.repos);
    let stored = repos.get(repo);
    let stored = stored.filter(|stored| call.site.access.sees(&person, &stored.about));
    let stored = stored.ok_or_else(|| Refusal::no_repo(person.is_known()))?;
    let snapshot = match revision {
        Some(name) => Some(
            stored
                .snapshot(name)
                .ok_or_else(|| Refusal::no_revision(name))?,
        ),
        None => stored.main(),
    };
    let all = facts::model(&stored.about, snapshot.as_deref(), call.asked.flag("blobs"));
    let facts = facts::expanded(&call.asked, all, facts::OF_ONE)?;
    Ok(Json(facts).into_response())
}

/// A commit, for who may know of it.
fn snapshot(call: &Call, repo: &str, revision: &str) -> Result<Arc<Snapshot>, Refusal> {
    let person = call
        .site
        .access
        .person(call.asked.header("authorization"))?;
    let repos = locked(&call.site.repos);
    let stored = repos.get(repo);
    let stored = stored.filter(|stored| call.site.access.sees(&person, &stored.about));
    let stored = stored.ok_or_else(|| Refusal::no_repo(person.is_known()))?;
    stored
        .snapshot(revision)
        .ok_or_else(|| Refusal::no_revision(revision))
}

fn tree(call: &Call, repo: &str, revision: &str, folder: &str) -> Result<Response, Refusal> {
    let asked = &call.asked;
    let snapshot = snapshot(call, repo, revision)?;
    let recursive = asked.flag("recursive");
    let expand = asked.flag("expand");
    let inside = |path: &str| match path.strip_prefix(folder) {
        Some(rest) if folder.is_empty() => recursive || !rest.contains('/'),
        Some(rest) => rest
            .strip_prefix('/')
            .is_some_and(|rest| recursive || !rest.contains('/')),
        None => false,
    };
    let entries: Vec<_> = entries(&snapshot, expand)
        .into_iter()
        .filter(|(path, _)| inside(path))
        .map(|(_, entry)| entry)
        .collect();
    if entries.is_empty() && !folder.is_empty() {
        return Err(Refusal::no_entry(&snapshot.commit));
    }
    let most = if expand {
        EXPANDED_TREE_PAGE
    } else {
        TREE_PAGE
    };
    Ok(listing::page(call, &entries, most, most))
}

/// Files and folders by their paths.
fn entries(snapshot: &Snapshot, expand: bool) -> BTreeMap<String, Value> {
    let mut entries = BTreeMap::new();
    for (path, file) in &snapshot.files {
        for (slash, _) in path.match_indices('/').filter(|(slash, _)| *slash > 0) {
            let folder = path[..slash].to_owned();
            let facts = facts::folder(snapshot, &folder, expand);
            entries.entry(folder).or_insert(facts);
        }
        entries.insert(path.clone(), facts::file(snapshot, path, file, expand));
    }
    entries
}

/// What is there of the paths in a form (the Python client's) or in JSON (hf-hub's).
async fn paths_info(
    call: &Call,
    repo: &str,
    revision: &str,
    body: Body,
) -> Result<Response, Refusal> {
    let snapshot = snapshot(call, repo, revision)?;
    let body = to_bytes(body, LONGEST_FORM).await;
    let body = body.map_err(|_| Refusal::bad_request("the body is too long"))?;
    let kind = call
        .asked
        .header(header::CONTENT_TYPE.as_str())
        .unwrap_or_default();
    let (paths, expand) = if kind.starts_with("application/json") {
        from_json(&body).ok_or_else(|| Refusal::bad_request("\"paths\" is missing"))?
    } else {
        from_form(&String::from_utf8_lossy(&body))
    };
    let entries = entries(&snapshot, expand);
    let there = paths.iter().filter_map(|path| entries.get(path));
    Ok(Json(there.collect::<Vec<_>>()).into_response())
}

fn from_json(body: &[u8]) -> Option<(Vec<String>, bool)> {
    let said: Value = serde_json::from_slice(body).ok()?;
    let paths = said.get("paths")?.as_array()?.iter();
    let paths = paths
        .filter_map(|path| path.as_str().map(str::to_owned))
        .collect();
    let expand = said.get("expand").and_then(Value::as_bool);
    Some((paths, expand.unwrap_or(false)))
}

fn from_form(body: &str) -> (Vec<String>, bool) {
    let (paths, others): (Vec<_>, Vec<_>) = pairs(body)
        .into_iter()
        .partition(|(name, _)| name == "paths");
    let expand = others
        .iter()
        .any(|(name, value)| name == "expand" && value.eq_ignore_ascii_case("true"));
    (paths.into_iter().map(|(_, path)| path).collect(), expand)
}
