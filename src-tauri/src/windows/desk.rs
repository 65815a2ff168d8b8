//! The desk's window, and the dialog that it opens.

use super::{DESK, GROUND, still_caret};
use gtk::prelude::{FileChooserExt, NativeDialogExt};
use gtk::{FileChooserAction, FileChooserNative, ResponseType};
use tauri::{
    AppHandle, Manager, WebviewUrl, WebviewWindow, WebviewWindowBuilder, webview::NewWindowResponse,
};

/// Opens the desk's window. Main thread only.
pub(crate) fn open(app: &AppHandle) -> tauri::Result<()> {
    still_caret();
    WebviewWindowBuilder::new(app, DESK, WebviewUrl::App("index.html".into()))
        .title("Wick")
        .inner_size(1280.0, 800.0)
        .min_inner_size(900.0, 600.0)
        .background_color(GROUND)
        .on_navigation(|url| url.scheme() == "tauri")
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    Ok(())
}

/// Brings the desk's window to the front; opens it if a kiosk was all there was. From any thread.
pub(crate) fn raise(app: &AppHandle) {
    let handle = app.clone();
    let raised = app.run_on_main_thread(move || {
        let raised = match handle.get_webview_window(DESK) {
            Some(window) => show(&window),
            None => open(&handle),
        };
        if let Err(error) = raised {
            tracing::warn!(%error, "the window could not be raised");
        }
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the window could not be raised");
    }
}

fn show(window: &WebviewWindow) -> tauri::Result<()> {
    window.unminimize()?;
    window.show()?;
    window.set_focus()
}

/// Takes the desk's window off the screen, for as long as a kiosk has it.
pub(crate) fn hide(app: &AppHandle) -> tauri::Result<()> {
    app.get_webview_window(DESK)
        .map_or(Ok(()), |window| window.hide())
}

/// Asks for a folder with the desktop's own dialog, and waits for the answer. On the main thread only.
pub(crate) fn choose_folder() -> Option<String> {
    let dialog = FileChooserNative::new(
        Some("A folder with models"),
        None::<&gtk::Window>,
        FileChooserAction::SelectFolder,
        Some("Add"),
        Some("Cancel"),
    );
    let chosen = dialog.run() == ResponseType::Accept;
    let folder = dialog.filename().filter(|_| chosen)?;
    folder.into_os_string().into_string().ok()
}
