//! What the machine did.

use super::App;
use studio::{Error, Span, Timeline};

/// What was read of the machine in a stretch of time that ends now, as far as it is newer than `since_ms`.
#[tauri::command]
#[specta::specta]
pub(crate) async fn timeline(app: App<'_>, span: Span, since_ms: f64) -> Result<Timeline, Error> {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
    app.timeline(span, since_ms as i64)
}
