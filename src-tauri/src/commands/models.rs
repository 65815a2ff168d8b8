//! The library, the loaded model, and the status of both.

use super::App;
use studio::{Error, Model, ModelId, Status};

/// The models on the disk.
#[tauri::command]
#[specta::specta]
pub(crate) async fn models(app: App<'_>) -> Result<Vec<Model>, Error> {
    app.models().await
}

/// Loads a model in place of the loaded one.
#[tauri::command]
#[specta::specta]
pub(crate) async fn load_model(app: App<'_>, model_id: ModelId) -> Result<(), Error> {
    app.load_model(model_id).await
}

/// Gives the loaded model's memory back.
#[tauri::command]
#[specta::specta]
pub(crate) async fn unload_model(app: App<'_>) -> Result<(), Error> {
    app.unload_model().await
}

/// The loaded model, the memory and the throughput.
#[tauri::command]
#[specta::specta]
pub(crate) async fn status(app: App<'_>) -> Result<Status, Error> {
    Ok(app.status())
}
