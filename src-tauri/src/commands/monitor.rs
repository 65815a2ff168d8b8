//! What the machine does and did, and the end of a worker that is stuck.

use super::App;
use studio::{Error, MonitorNow, Span, Timeline};

/// What was read of the machine in a stretch of time that ends now, as far as it is newer than `since_ms`.
#[tauri::command]
#[specta::specta]
pub(crate) async fn timeline(app: App<'_>, span: Span, since_ms: f64) -> Result<Timeline, Error> {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
    app.timeline(span, since_ms as i64)
}

/// What is going on now.
#[tauri::command]
#[specta::specta]
pub(crate) async fn monitor_now(app: App<'_>) -> Result<MonitorNow, Error> {
    Ok(app.monitor_now())
}

/// Ends the worker of the loaded model and loads the model again.
#[tauri::command]
#[specta::specta]
pub(crate) async fn restart_model(app: App<'_>) -> Result<(), Error> {
    app.restart_model().await
}
