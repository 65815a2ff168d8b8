//! `/api/models`: searching; and pages of whatever is too long for one answer.
//! Source: `huggingface_hub`'s `list_models` and `utils/_pagination.py`.

use super::refusal::Refusal;
use super::site::Call;
use super::{Asked, facts};
use crate::log::locked;
use crate::repo::Stored;
use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::cmp::Reverse;

const MODELS_PAGE: usize = 1000;

pub(crate) fn answer(call: &Call) -> Result<Response, Refusal> {
    let (site, asked) = (&call.site, &call.asked);
    let person = site.access.person(asked.header("authorization"))?;
    let repos = locked(&site.repos);
    let visible = repos
        .values()
        .filter(|stored| site.access.sees(&person, &stored.about));
    let mut found: Vec<_> = visible.filter(|stored| is_wanted(asked, stored)).collect();
    sort(asked.value("sort").unwrap_or("trendingScore"), &mut found)?;
    let usual = if asked.flag("full") {
        facts::OF_MANY_IN_FULL
    } else {
        facts::OF_MANY
    };
    let facts = found.into_iter().map(|stored| {
        let all = facts::model(&stored.about, stored.main().as_deref(), false);
        facts::expanded(asked, all, usual)
    });
    let facts = facts.collect::<Result<Vec<_>, _>>()?;
    Ok(page(call, &facts, MODELS_PAGE, MODELS_PAGE))
}

fn is_wanted(asked: &Asked, stored: &Stored) -> bool {
    let repo = &stored.about;
    let id = repo.id.to_lowercase();
    let mut words = asked.value("search").unwrap_or_default().split_whitespace();
    let author = asked.value("author");
    let owner = repo.id.split_once('/').map(|(owner, _)| owner);
    let task = asked.value("pipeline_tag");
    let tags = facts::tags(repo, stored.main().as_deref());
    let mut filters = asked.values("filter").flat_map(|filter| filter.split(','));
    words.all(|word| id.contains(&word.to_lowercase()))
        && (author.is_none() || author == owner)
        && (task.is_none() || task == repo.task.as_deref())
        && filters.all(|filter| tags.iter().any(|tag| tag == filter))
}

/// The greatest first; what is as great, by name.
fn sort(by: &str, found: &mut [&Stored]) -> Result<(), Refusal> {
    match by {
        "trendingScore" => found.sort_by_key(|stored| Reverse(stored.about.trending)),
        "downloads" => found.sort_by_key(|stored| Reverse(stored.about.downloads)),
        "likes" => found.sort_by_key(|stored| Reverse(stored.about.likes)),
        "createdAt" => found.sort_by_key(|stored| Reverse(stored.about.created.clone())),
        "lastModified" => found.sort_by_key(|stored| {
            let main = stored.main();
            Reverse(main.map_or_else(|| stored.about.created.clone(), |main| main.date.clone()))
        }),
        other => {
            return Err(Refusal::bad_request(&format!(
                "\"sort\" does not know {other:?}"
            )));
        }
    }
    Ok(())
}

/// The page that was asked for, and in `Link` where the next one is.
pub(crate) fn page(call: &Call, all: &[Value], usual: usize, most: usize) -> Response {
    let asked = &call.asked;
    let number = |name| {
        asked
            .value(name)
            .and_then(|text| text.parse::<usize>().ok())
    };
    let limit = number("limit").unwrap_or(usual).clamp(1, most);
    let start = number("cursor").unwrap_or(0).min(all.len());
    let end = (start + limit).min(all.len());
    let body = Json(&all[start..end]);
    if end == all.len() {
        return body.into_response();
    }
    let query = asked.query_without(&["cursor"]);
    let and = if query.is_empty() { "" } else { "&" };
    let (hub, path) = (&call.site.hub_url, &asked.raw_path);
    let link = format!("<{hub}{path}?{query}{and}cursor={end}>; rel=\"next\"");
    ([(header::LINK, link)], body).into_response()
}
