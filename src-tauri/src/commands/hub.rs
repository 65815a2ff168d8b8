//! Hugging Face: searching it, its repositories, and who asks.

use super::App;
use studio::{
    CatalogEntry, Commit, Error, Judged, Repo, RepoId, SearchPage, SearchQuery, TokenState,
};
use tauri::ipc::Channel;

/// A page of what the hub has.
#[tauri::command]
#[specta::specta]
pub(crate) async fn search_hub(
    app: App<'_>,
    query: SearchQuery,
    next: Option<String>,
) -> Result<SearchPage, Error> {
    app.search_hub(&query, next.as_deref()).await
}

/// What we would take ourselves.
#[tauri::command]
#[specta::specta]
pub(crate) async fn catalog(app: App<'_>) -> Result<Vec<CatalogEntry>, Error> {
    Ok(app.catalog())
}

/// A repository with its variants.
#[tauri::command]
#[specta::specta]
pub(crate) async fn repository(
    app: App<'_>,
    repo: RepoId,
    revision: Option<String>,
) -> Result<Repo, Error> {
    app.repository(&repo, revision.as_deref()).await
}

/// What its publisher says of it, as Markdown.
#[tauri::command]
#[specta::specta]
pub(crate) async fn model_card(
    app: App<'_>,
    repo: RepoId,
    commit: Commit,
) -> Result<Option<String>, Error> {
    app.model_card(&repo, &commit).await
}

/// Whether the variants of a repository fit this machine, one after the other.
#[tauri::command]
#[specta::specta]
pub(crate) async fn judge(
    app: App<'_>,
    repo: RepoId,
    commit: Commit,
    context_tokens: Option<u32>,
    judged: Channel<Judged>,
) -> Result<(), Error> {
    app.judge(&repo, &commit, context_tokens, move |verdict| {
        drop(judged.send(verdict));
    })
    .await
}

/// Whether there is an access token.
#[tauri::command]
#[specta::specta]
pub(crate) async fn access_token(app: App<'_>) -> Result<TokenState, Error> {
    app.access_token()
}

/// Asks the hub who this is, and keeps the access token.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_access_token(app: App<'_>, token: String) -> Result<String, Error> {
    app.set_access_token(&token).await
}

/// Removes the access token.
#[tauri::command]
#[specta::specta]
pub(crate) async fn forget_access_token(app: App<'_>) -> Result<(), Error> {
    app.forget_access_token()
}
