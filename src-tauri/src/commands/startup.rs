//! Opening the database, and what to do when it is refused.

use super::App;
use studio::{Error, Startup};

/// Opens the database.
#[tauri::command]
#[specta::specta]
pub(crate) async fn startup(app: App<'_>) -> Result<Startup, Error> {
    Ok(app.startup().await)
}

/// Leaves the database alone and starts with another one beside it.
#[tauri::command]
#[specta::specta]
pub(crate) async fn start_beside(app: App<'_>) -> Result<Startup, Error> {
    Ok(app.start_beside().await)
}
