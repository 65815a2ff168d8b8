//! What a person does with the hub: search it, look at a repository, have it judged, say who they are.

use crate::{Error, Studio};
use hub::{CatalogEntry, Commit, Hub, Repo, RepoId, SearchPage, SearchQuery, TokenState};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// The repositories that were looked at last, so that what was shown is what is brought, whatever moves meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<VecDeque<Arc<Repo>>>);

impl Shown {
    const MOST: usize = 50;

    fn put(&self, repo: Arc<Repo>) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|other| !is(other, &repo.id, &repo.commit));
        shown.push_front(repo);
        shown.truncate(Self::MOST);
    }

    fn get(&self, id: &RepoId, commit: &Commit) -> Option<Arc<Repo>> {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.iter().find(|repo| is(repo, id, commit)).cloned()
    }
}

fn is(repo: &Repo, id: &RepoId, commit: &Commit) -> bool {
    repo.id == *id && repo.commit == *commit
}

impl Studio {
    /// The hub, if there is a folder for what comes from it.
    pub(crate) fn hub(&self) -> Result<&Hub, Error> {
        self.inner.hub.as_ref().ok_or_else(Error::no_hub)
    }

    /// A page of what the hub has; `next` is the one of the page before.
    ///
    /// # Errors
    /// [`ErrorCode::Offline`](crate::ErrorCode::Offline), [`ErrorCode::RateLimited`](crate::ErrorCode::RateLimited).
    pub async fn search_hub(
        &self,
        query: &SearchQuery,
        next: Option<&str>,
    ) -> Result<SearchPage, Error> {
        Ok(self.hub()?.search(query, next).await?)
    }

    /// What we would take ourselves.
    pub fn catalog(&self) -> Vec<CatalogEntry> {
        hub::catalog()
    }

    /// A repository as it is now, or as it was at a revision, with its variants.
    ///
    /// # Errors
    /// [`ErrorCode::AuthRequired`](crate::ErrorCode::AuthRequired) with the page where it is mended,
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound), [`ErrorCode::Offline`](crate::ErrorCode::Offline).
    pub async fn repository(&self, repo: &RepoId, revision: Option<&str>) -> Result<Repo, Error> {
        let found = self.hub()?.repo(repo, revision.unwrap_or("main")).await?;
        self.inner.shown.put(Arc::new(found.clone()));
        Ok(found)
    }

    /// What its publisher says of it, as Markdown.
    ///
    /// # Errors
    /// As for [`Studio::repository`].
    pub async fn model_card(
        &self,
        repo: &RepoId,
        commit: &Commit,
    ) -> Result<Option<String>, Error> {
        Ok(self.hub()?.card(repo, commit).await?)
    }

    /// A repository that was shown.
    pub(crate) fn shown_repository(
        &self,
        repo: &RepoId,
        commit: &Commit,
    ) -> Result<Arc<Repo>, Error> {
        self.inner
            .shown
            .get(repo, commit)
            .ok_or_else(|| Error::not_found("repository"))
    }

    /// Whether there is an access token, and from where.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) when there is no place for one.
    pub fn access_token(&self) -> Result<TokenState, Error> {
        Ok(self.hub()?.token_state())
    }

    /// Asks the hub who this is, and keeps the access token where Hugging Face's other tools look. Returns the name.
    ///
    /// # Errors
    /// [`ErrorCode::AuthRequired`](crate::ErrorCode::AuthRequired) when the hub does not know it; it is not kept then.
    pub async fn set_access_token(&self, token: &str) -> Result<String, Error> {
        Ok(self.hub()?.set_token(token).await?)
    }

    /// Removes the file of the access token.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`](crate::ErrorCode::Internal) when the disk fails.
    pub fn forget_access_token(&self) -> Result<(), Error> {
        Ok(self.hub()?.forget_token()?)
    }
}
