//! The hub: what it has, asked over HTTP.
//!
//! Invariant: the access token goes to the hub's own origin alone, and into no trace.

mod access_token;
mod account;
mod answer;
mod card;
mod facts;
mod headers;
mod http;
mod refusal;
mod repo;
mod safetensors;
mod search;
mod settings;
mod tree;
mod variants;

pub use access_token::TokenState;
pub(crate) use http::{Asked, target};
pub use repo::{Commit, Format, Gate, Repo, RepoFile, RepoId, Variant};
pub use search::{Found, SearchPage, SearchQuery, Sort};
pub use settings::{HubSettings, Secret};

use crate::Error;
use access_token::AccessToken;
use http::Http;
use std::path::Path;
use std::sync::Arc;

/// The hub and the cache that its files come into. Clones are cheap and are the same.
#[derive(Debug, Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: HubSettings,
    http: Http,
}

impl Hub {
    /// Nothing is asked and nothing is read yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an endpoint that is no address.
    pub fn new(settings: HubSettings) -> Result<Self, Error> {
        let token = AccessToken::new(&settings);
        let http = Http::new(&settings, token)?;
        let inner = Arc::new(Inner { settings, http });
        Ok(Self { inner })
    }

    /// The folder of the cache.
    pub fn cache_dir(&self) -> &Path {
        &self.inner.settings.cache_dir
    }

    pub(crate) fn http(&self) -> &Http {
        &self.inner.http
    }
}
