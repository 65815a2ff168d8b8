//! Downloads, and how models are brought.

use super::App;
use studio::{Commit, DownloadId, DownloadList, DownloadSettings, Error, RepoId};

/// Brings one variant of a repository that was shown.
#[tauri::command]
#[specta::specta]
pub(crate) async fn start_download(
    app: App<'_>,
    repo: RepoId,
    commit: Commit,
    key: String,
    with_projector: bool,
) -> Result<DownloadId, Error> {
    app.start_download(repo, commit, key, with_projector).await
}

/// All downloads.
#[tauri::command]
#[specta::specta]
pub(crate) async fn downloads(app: App<'_>) -> Result<DownloadList, Error> {
    let now = app.subscribe_downloads().borrow().clone();
    Ok(DownloadList::between(&[], &now))
}

/// Stops one until it is wanted again.
#[tauri::command]
#[specta::specta]
pub(crate) async fn pause_download(app: App<'_>, id: DownloadId) -> Result<(), Error> {
    app.pause_download(id).await
}

/// Lets one go on.
#[tauri::command]
#[specta::specta]
pub(crate) async fn resume_download(app: App<'_>, id: DownloadId) -> Result<(), Error> {
    app.resume_download(id).await
}

/// Takes one from the list, with its unfinished files.
#[tauri::command]
#[specta::specta]
pub(crate) async fn cancel_download(app: App<'_>, id: DownloadId) -> Result<(), Error> {
    app.cancel_download(id).await
}

/// Puts one before another, or behind all.
#[tauri::command]
#[specta::specta]
pub(crate) async fn move_download(
    app: App<'_>,
    id: DownloadId,
    before: Option<DownloadId>,
) -> Result<(), Error> {
    app.move_download(id, before).await
}

/// How models are brought.
#[tauri::command]
#[specta::specta]
pub(crate) async fn download_settings(app: App<'_>) -> Result<DownloadSettings, Error> {
    Ok(app.download_settings())
}

/// Sets how models are brought.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_download_settings(
    app: App<'_>,
    settings: DownloadSettings,
) -> Result<(), Error> {
    app.set_download_settings(settings)
}
