//! How fast answers come: the medians of each model, the memory behind them, and the way into a file.

use super::App;
use std::path::PathBuf;
use studio::{Error, ExportFormat, MemoryBandwidth, ThroughputByModel};
use tauri::{AppHandle, Manager};

/// What is usual for each model.
#[tauri::command]
#[specta::specta]
pub(crate) async fn throughput_by_model(app: App<'_>) -> Result<Vec<ThroughputByModel>, Error> {
    app.throughput_by_model().await
}

/// Writes the throughput of all answers into a new file among the person's downloads, and says where it is.
#[tauri::command]
#[specta::specta]
pub(crate) async fn export_throughput(
    app: App<'_>,
    handle: AppHandle,
    format: ExportFormat,
) -> Result<String, Error> {
    app.export_throughput(format, downloads(&handle)?).await
}

/// Measures how fast this machine reads its memory.
#[tauri::command]
#[specta::specta]
pub(crate) async fn measure_bandwidth(app: App<'_>) -> Result<MemoryBandwidth, Error> {
    app.measure_bandwidth().await
}

/// The person's folder for downloads, as the desktop says (`user-dirs.dirs` of XDG), else `Downloads` at home.
pub(super) fn downloads(handle: &AppHandle) -> Result<PathBuf, Error> {
    let paths = handle.path();
    let at_home = |_| paths.home_dir().map(|home| home.join("Downloads"));
    paths.download_dir().or_else(at_home).map_err(|error| {
        Error::internal(format!(
            "Nothing was exported: no folder for downloads is known ({error})."
        ))
        .hint("Set HOME, then start Wick again.")
    })
}
