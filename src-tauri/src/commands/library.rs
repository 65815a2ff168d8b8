//! The library: what is on the disk, from whom, whether it is whole, and how it goes.

use super::App;
use std::sync::mpsc;
use studio::{
    Checked, DownloadId, Error, Freed, LibraryView, Model, ModelId, Removal, VerifyProgress,
};
use tauri::AppHandle;
use tauri::ipc::Channel;

/// The models on the disk, and what was left out.
#[tauri::command]
#[specta::specta]
pub(crate) async fn library(app: App<'_>) -> Result<LibraryView, Error> {
    app.library().await
}

/// Adds a single file to the library.
#[tauri::command]
#[specta::specta]
pub(crate) async fn add_model(app: App<'_>, path: String) -> Result<Model, Error> {
    app.add_model(path).await
}

/// Adds a folder to the library.
#[tauri::command]
#[specta::specta]
pub(crate) async fn add_folder(app: App<'_>, path: String) -> Result<(), Error> {
    app.add_folder(path).await
}

/// Takes a folder from the library; nothing in it is touched.
#[tauri::command]
#[specta::specta]
pub(crate) async fn remove_folder(app: App<'_>, path: String) -> Result<(), Error> {
    app.remove_folder(&path)
}

/// Asks for a folder with the system's own dialog. `None` if the person chose none.
#[tauri::command]
#[specta::specta]
pub(crate) async fn choose_folder(handle: AppHandle) -> Result<Option<String>, Error> {
    let (tell, chosen) = mpsc::channel();
    let asked =
        handle.run_on_main_thread(move || drop(tell.send(crate::windows::desk::choose_folder())));
    asked.map_err(|error| Error::internal(format!("No dialog could be opened: {error}.")))?;
    // Until the person has chosen: a command may take as long as it likes, a thread of the pool may not.
    let chosen = tauri::async_runtime::spawn_blocking(move || chosen.recv().ok().flatten()).await;
    Ok(chosen.unwrap_or_default())
}

/// What deleting a model would free.
#[tauri::command]
#[specta::specta]
pub(crate) async fn removal(app: App<'_>, model_id: ModelId) -> Result<Removal, Error> {
    app.removal(model_id).await
}

/// Deletes a model, and says what that freed.
#[tauri::command]
#[specta::specta]
pub(crate) async fn remove_model(app: App<'_>, model_id: ModelId) -> Result<Freed, Error> {
    app.remove_model(model_id).await
}

/// Checks the files of a model against their hashes.
#[tauri::command]
#[specta::specta]
pub(crate) async fn verify_model(
    app: App<'_>,
    model_id: ModelId,
    progress: Channel<VerifyProgress>,
) -> Result<Vec<Checked>, Error> {
    app.verify_model(model_id, move |done| drop(progress.send(done)))
        .await
}

/// Brings the damaged files of a model again.
#[tauri::command]
#[specta::specta]
pub(crate) async fn repair_model(app: App<'_>, model_id: ModelId) -> Result<DownloadId, Error> {
    app.repair_model(model_id).await
}

/// Asks the hub which models have a newer commit.
#[tauri::command]
#[specta::specta]
pub(crate) async fn check_for_updates(app: App<'_>) -> Result<(), Error> {
    app.check_for_updates().await
}

/// Brings what changed of a model.
#[tauri::command]
#[specta::specta]
pub(crate) async fn update_model(app: App<'_>, model_id: ModelId) -> Result<DownloadId, Error> {
    app.update_model(model_id).await
}
