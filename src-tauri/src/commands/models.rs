//! The loaded model, and the status.

use super::App;
use studio::{Error, ModelId, Status};

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
