//! The window itself: how it is built, locked, shown and kept in its place.
//!
//! *Invariant:* it shows the kiosk's page and no other, and nobody but [`super::leave`] closes it.

use super::{Screen, Shell, awake, grab, life, lock, place, set};
use crate::windows::{DESK, GROUND, KIOSK, desk, displays, still_caret};
use gtk::glib::{self, ControlFlow};
use gtk::prelude::{GtkWindowExt, ObjectExt, WidgetExt};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindowBuilder, WindowEvent};

/// How often the window looks whether it is where it belongs, beside being told of changes.
pub(super) const LOOK: Duration = Duration::from_secs(2);
/// Outputs that change do so in several steps.
const SETTLING: Duration = Duration::from_millis(200);

/// Builds the window, hidden.
pub(super) fn build(app: &AppHandle) -> tauri::Result<()> {
    let mut window = WebviewWindowBuilder::new(app, KIOSK, WebviewUrl::App("kiosk.html".into()))
        .title("Wick")
        .visible(false)
        .decorations(false)
        .skip_taskbar(true)
        .background_color(GROUND)
        .devtools(false)
        .zoom_hotkeys_enabled(false)
        .on_navigation(is_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false);
    if !is_automated() {
        // In private mode nothing of the page is written there. But Tauri serves its pages to the first window with such a
        // folder only, and the desk's is another one.
        let name = format!("kiosk-{}", app.state::<Shell>().count_opening());
        let folder = app.path().app_local_data_dir()?.join(name);
        set(&app.state::<Shell>().folder, Some(folder.clone()));
        window = window.incognito(true).data_directory(folder);
    }
    let window = window.build()?;
    let app = app.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. } => api.prevent_close(),
        WindowEvent::Destroyed if app.state::<Shell>().has(Screen::Kiosk) => {
            tracing::error!("something took the kiosk's window away; the kiosk begins anew");
            app.state::<Shell>().begin_anew_at_end();
            app.exit(1);
        }
        _ => {}
    });
    Ok(())
}

/// Whether a test's `WebDriver` is at the controls: it can't reach a page in `WebKit`'s private mode.
fn is_automated() -> bool {
    std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some_and(|value| value == "true")
}

fn is_page(url: &Url) -> bool {
    url.scheme() == "tauri" && url.path() == "/kiosk.html" && url.query().is_none()
}

/// The name of the output that the desk's window is on, if it is on the screen. Main thread only.
pub(crate) fn output_of_desk(app: &AppHandle) -> Option<String> {
    let desk = app.get_webview_window(DESK)?.gtk_window().ok()?;
    let desk = Some(desk).filter(WidgetExt::is_visible)?;
    let outputs = displays::outputs();
    place::seen_on(&desk, &outputs).map(|output| output.name.clone())
}

/// Locks the window, lays it over its output and shows it; if it is shown, it goes to the output that is wanted now. Main
/// thread only.
pub(super) fn present(app: &AppHandle) {
    let page = app.get_webview_window(KIOSK);
    let window = page.as_ref().and_then(|page| page.gtk_window().ok());
    let (Some(page), Some(window)) = (page, window) else {
        tracing::error!("the kiosk's window was gone before it was shown");
        return;
    };
    let shell = app.state::<Shell>();
    if shell.wanted().is_none() {
        // Nobody chose one: the kiosk takes the desk's place.
        set(&shell.wanted, output_of_desk(app));
    }
    let wanted = shell.wanted();
    if window.is_visible() {
        place::keep(&window, wanted.as_deref());
        return window.present();
    }
    still_caret();
    lock::keys(&window);
    let handle = app.clone();
    let locked = page.with_webview(move |page| {
        lock::page(&page.inner());
        life::revive(&handle, &page.inner());
    });
    if let Err(error) = locked {
        tracing::error!(%error, "the kiosk's page is not locked");
    }
    grab::hold(&window);
    place::first(&window, wanted.as_deref());
    window.show_all();
    window.present();
    awake::hold(&window);
    follow_outputs(app, &window);
    if let Err(error) = desk::hide(app) {
        tracing::warn!(%error, "the desk's window stays on the screen");
    }
}

/// Puts the window right, soon after a change of the outputs and now and then, for as long as it is there.
fn follow_outputs(app: &AppHandle, window: &gtk::ApplicationWindow) {
    let (app, weak) = (app.clone(), window.downgrade());
    let keep = Rc::new(move |changed: bool| {
        let Some(window) = weak.upgrade().filter(WidgetExt::is_visible) else {
            return ControlFlow::Break;
        };
        let wanted = app.state::<Shell>().wanted();
        if changed {
            place::again(&window, wanted.as_deref());
        }
        place::keep(&window, wanted.as_deref());
        ControlFlow::Continue
    });
    let soon = {
        let keep = keep.clone();
        move || {
            let keep = keep.clone();
            glib::timeout_add_local_once(SETTLING, move || {
                keep(true);
            });
        }
    };
    soon();
    glib::timeout_add_local(LOOK, move || keep(false));
    let Some(screen) = WidgetExt::screen(window) else {
        return;
    };
    let changed = Cell::new(Some(screen.connect_monitors_changed(move |_| soon())));
    window.connect_destroy(move |_| {
        if let Some(changed) = changed.take() {
            screen.disconnect(changed);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::is_page;

    #[test]
    fn only_its_own_page_is_shown() {
        for (url, expected) in [
            ("tauri://localhost/kiosk.html", true),
            ("tauri://localhost/kiosk.html#top", true),
            ("tauri://localhost/", false),
            ("tauri://localhost/index.html", false),
            ("tauri://localhost/kiosk.html?x", false),
            ("https://example.org/kiosk.html", false),
            ("file:///kiosk.html", false),
            ("about:blank", false),
        ] {
            assert_eq!(is_page(&url.parse().expect("a URL")), expected, "{url}");
        }
    }
}
