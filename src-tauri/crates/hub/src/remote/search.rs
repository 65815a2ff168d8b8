//! Searching the hub, a page at a time.
//!
//! The request is ours, not hf-hub's `list_models`: that of 1.0.0 sends one filter only, can't `expand`, and follows `Link`
//! to any host with the access token (`pagination.rs`). Source: `huggingface_hub` 2.4, `HfApi.list_models`, which sends no
//! direction: the hub sorts from the greatest down. Invariant: a model that can't be read is left out, and hides no other.

use super::Gate;
use super::answer::{Next, Page};
use super::facts::{self, FACTS};
use super::http::Asked;
use crate::{Error, Format, Hub, RepoId};
use hf_hub::repository::ModelInfo;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// As many as a person looks at before scrolling.
const PAGE: &str = "30";

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct SearchQuery {
    /// Any part of a name.
    pub text: String,
    /// Who published it.
    pub author: Option<String>,
    /// What it is for: `text-generation`.
    pub task: Option<String>,
    /// How weights are kept; `None` is either.
    pub format: Option<Format>,
    /// In which order.
    pub sort: Sort,
}

/// In which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// What is being looked at most these days.
    #[default]
    Trending,
    /// What was fetched most in the last month.
    Downloads,
    /// What most people like.
    Likes,
    /// What is newest.
    Newest,
}

impl Sort {
    /// As the hub calls what it sorts by.
    fn field(self) -> &'static str {
        match self {
            Self::Trending => "trendingScore",
            Self::Downloads => "downloads",
            Self::Likes => "likes",
            Self::Newest => "createdAt",
        }
    }
}

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Found {
    /// Which.
    pub id: RepoId,
    /// Its task.
    pub task: Option<String>,
    /// Number of parameters.
    #[specta(type = Option<u32>)]
    pub parameters: Option<u64>,
    /// Its licence as the hub has it.
    pub licence: Option<String>,
    /// Whether anybody may have it.
    pub gate: Gate,
    /// How its weights are kept.
    pub formats: Vec<Format>,
    /// How often it was fetched in the last month.
    #[specta(type = u32)]
    pub downloads: u64,
    /// How many like it.
    #[specta(type = u32)]
    pub likes: u64,
    /// When it last changed, as ISO 8601.
    pub last_modified: Option<String>,
}

/// Some of what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct SearchPage {
    /// In the order that was asked for.
    pub found: Vec<Found>,
    /// What to ask with for the next page; `None` at the end.
    pub next: Option<String>,
}

impl Hub {
    /// A page of what is found; `next` is the one of the page before.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::RateLimited`], [`Error::Server`].
    pub async fn search(
        &self,
        query: &SearchQuery,
        next: Option<&str>,
    ) -> Result<SearchPage, Error> {
        let mut url = self.http().url(&["api/models"])?;
        match next {
            Some(next) => url.set_query(Some(next)),
            None => write_query(&mut url, query),
        }
        let asked = Asked {
            repo: None,
            what: "the search",
        };
        let page: Page<Vec<Value>> = self.http().page_of(url, &asked).await?;
        Ok(SearchPage {
            found: page.content.into_iter().filter_map(found).collect(),
            next: match page.next {
                Next::Query(query) => Some(query),
                Next::End | Next::Elsewhere => None,
            },
        })
    }
}

fn write_query(url: &mut Url, query: &SearchQuery) {
    let mut pairs = url.query_pairs_mut();
    let mut say = |name: &str, value: &str| {
        if !value.is_empty() {
            pairs.append_pair(name, value);
        }
    };
    say("search", query.text.trim());
    say("author", query.author.as_deref().unwrap_or_default().trim());
    say("pipeline_tag", query.task.as_deref().unwrap_or_default());
    say("filter", query.format.map_or("", Format::tag));
    say("sort", query.sort.field());
    say("limit", PAGE);
    for fact in FACTS {
        say("expand", fact);
    }
}

/// What the hub sends of a model; `None` for one that can't be read, or whose weights nobody here can.
fn found(model: Value) -> Option<Found> {
    let model: ModelInfo = serde_json::from_value(model)
        .inspect_err(|error| tracing::debug!(%error, "a model that was found is left out"))
        .ok()?;
    let formats = facts::formats(&model);
    Some(Found {
        parameters: facts::parameters(&model),
        licence: facts::licence(&model),
        gate: facts::gate(&model),
        id: model.id.parse().ok()?,
        task: model.pipeline_tag,
        downloads: model.downloads.unwrap_or_default(),
        likes: model.likes.unwrap_or_default(),
        last_modified: model.last_modified,
        formats,
    })
    .filter(|found| !found.formats.is_empty())
}
