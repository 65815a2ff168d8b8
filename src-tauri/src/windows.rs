//! The windows and what they may do: show Wick's own page, and nothing else.

use gtk::prelude::{FileChooserExt, GtkSettingsExt, NativeDialogExt};
use gtk::{FileChooserAction, FileChooserNative, ResponseType};
use tauri::utils::config::Color;
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder, webview::NewWindowResponse};

const MAIN: &str = "main";
/// The page's ground, so that nothing flashes before its first paint.
const GROUND: Color = Color(0x12, 0x10, 0x0e, 0xff);

/// Opens the desk's window.
pub(crate) fn open_main(app: &AppHandle) -> tauri::Result<()> {
    still_caret();
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title("Wick")
        .inner_size(1280.0, 800.0)
        .min_inner_size(900.0, 600.0)
        .background_color(GROUND)
        .on_navigation(|url| url.scheme() == "tauri")
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    Ok(())
}

/// Makes the caret stand still: `WebKit` paints at each blink for as long as the window is open, which cost an idle window
/// more than all else. It takes the time between two from GTK; without blinking at all (`gtk-cursor-blink`) it would
/// paint sixty times a second.
fn still_caret() {
    if let Some(settings) = gtk::Settings::default() {
        settings.set_gtk_cursor_blink_time(i32::MAX);
    }
}

/// Brings the desk's window to the front.
pub(crate) fn raise_main(app: &AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else {
        return;
    };
    let raised = window
        .unminimize()
        .and_then(|()| window.show())
        .and_then(|()| window.set_focus());
    if let Err(error) = raised {
        tracing::warn!(%error, "the window could not be raised");
    }
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
