//! The windows: the desk's and the kiosk's. Each shows a page of Wick's own, and nothing else.

pub(crate) mod desk;
pub(crate) mod displays;
pub(crate) mod gate;
pub(crate) mod kiosk;

use tauri::utils::config::Color;

/// The label of the desk's window.
pub(crate) const DESK: &str = "main";
/// The label of the kiosk's window.
pub(crate) const KIOSK: &str = "kiosk";
/// The page's ground, so that nothing flashes before its first paint.
const GROUND: Color = Color(0x12, 0x10, 0x0e, 0xff);

/// Makes the caret stand still: `WebKit` paints at each blink for as long as the window is open, which cost an idle window
/// more than all else. It takes the time between two from GTK; without blinking at all (`gtk-cursor-blink`) it would
/// paint sixty times a second.
fn still_caret() {
    use gtk::prelude::GtkSettingsExt;
    if let Some(settings) = gtk::Settings::default() {
        settings.set_gtk_cursor_blink_time(i32::MAX);
    }
}
