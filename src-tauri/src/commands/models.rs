//! The loaded model, whether another one fits, what is set about memory, and the status.

use super::App;
use studio::{Admission, Error, LoadWish, MemoryChoice, MemorySettings, ModelId, Status};

/// Whether a model may be loaded like this, and what would help if not.
#[tauri::command]
#[specta::specta]
pub(crate) async fn admission(
    app: App<'_>,
    model_id: ModelId,
    wish: LoadWish,
) -> Result<Admission, Error> {
    app.admission(model_id, wish).await
}

/// Loads a model in place of the loaded one; without a wish as Wick would.
#[tauri::command]
#[specta::specta]
pub(crate) async fn load_model(
    app: App<'_>,
    model_id: ModelId,
    wish: Option<LoadWish>,
) -> Result<(), Error> {
    app.load_model(model_id, wish.unwrap_or_default()).await
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

/// What is set about memory.
#[tauri::command]
#[specta::specta]
pub(crate) async fn memory_settings(app: App<'_>) -> Result<MemorySettings, Error> {
    Ok(app.memory_settings())
}

/// Sets when idle models go, and what stays free for the desktop.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_memory_settings(app: App<'_>, choice: MemoryChoice) -> Result<(), Error> {
    app.set_memory_settings(choice)
}
