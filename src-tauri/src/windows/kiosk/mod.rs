//! The kiosk's window: one page for strangers, on all of one output, with no way out of it.
//!
//! What a visitor says and sees is [`studio::Kiosk`]'s; here are only the window and its place ([`place`]), its lock
//! ([`lock`]), and what keeps it alive. *Invariant:* while this window is there, the desk's is not on the screen.

mod awake;
mod grab;
mod life;
mod lock;
mod notify;
pub(crate) mod place;

use super::{GROUND, KIOSK, desk, still_caret};
use gtk::prelude::{GtkWindowExt, ObjectExt, WidgetExt};
use gtk::{gdk, glib};
use life::Life;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use studio::{Error, KioskPhase, Leave, Studio, VisitId};
use tauri::webview::NewWindowResponse;
use tauri::{
    AppHandle, Manager, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent,
};
use tokio::sync::watch;

/// How often the window looks whether it is where it belongs, beside being told of changes.
const LOOK: Duration = Duration::from_secs(2);

/// What the shell knows of its kiosk.
#[derive(Debug)]
pub(crate) struct Shell {
    /// Whether the kiosk has the screen.
    on: watch::Sender<bool>,
    /// The output that was asked for on the command line.
    asked_for: Mutex<Option<String>>,
    /// The output to be on.
    wanted: Mutex<Option<String>>,
    /// Whether the program begins anew when it ends.
    again: AtomicBool,
    life: Life,
}

impl Shell {
    /// No kiosk yet.
    pub(crate) fn new() -> Self {
        Self {
            on: watch::Sender::new(false),
            asked_for: Mutex::default(),
            wanted: Mutex::default(),
            again: AtomicBool::default(),
            life: Life::new(),
        }
    }

    /// The page is alive and paints.
    pub(crate) fn beat(&self) {
        self.life.beat();
    }

    /// Returns as soon as no kiosk is open.
    pub(crate) async fn closed(&self) {
        // It lives as long as the app.
        let _ = self.on.subscribe().wait_for(|on| !on).await;
    }

    fn wanted(&self) -> Option<String> {
        self.wanted.lock().ok()?.clone()
    }
}

/// Whether the kiosk has the screen.
pub(crate) fn is_on(app: &AppHandle) -> bool {
    *app.state::<Shell>().on.borrow()
}

/// Turns the kiosk on and opens its window, on this output if it is named. Errors are those of [`studio::Kiosk::open`].
pub(crate) async fn open(app: &AppHandle, display: Option<String>) -> Result<(), Error> {
    app.state::<Studio>().kiosk().open().await?;
    let shown = show(app, display).await;
    shown.map_err(|error| Error::internal(format!("The kiosk's window can't be opened: {error}.")))
}

/// Opens the window of a kiosk that is on: on this output, else on that of the settings, else on the desktop's first.
pub(crate) async fn show(app: &AppHandle, display: Option<String>) -> tauri::Result<()> {
    let setup = app.state::<Studio>().kiosk().setup().await;
    let in_settings = setup.ok().and_then(|setup| setup.display);
    let shell = app.state::<Shell>();
    shell.on.send_replace(true);
    set(&shell.wanted, display.clone().or(in_settings));
    set(&shell.asked_for, display);
    if app.get_webview_window(KIOSK).is_none() {
        build(app)?;
        tauri::async_runtime::spawn(life::watch(app.clone()));
    }
    let handle = app.clone();
    app.run_on_main_thread(move || match app_window(&handle) {
        Some(window) => present(&handle, &window),
        None => tracing::error!("the kiosk's window was gone before it was shown"),
    })
}

fn set<T>(place: &Mutex<T>, value: T) {
    if let Ok(mut place) = place.lock() {
        *place = value;
    }
}

fn build(app: &AppHandle) -> tauri::Result<WebviewWindow> {
    let window = WebviewWindowBuilder::new(app, KIOSK, WebviewUrl::App("kiosk.html".into()))
        .title("Wick")
        .visible(false)
        .decorations(false)
        .skip_taskbar(true)
        .background_color(GROUND)
        .incognito(!is_automated())
        .devtools(false)
        .zoom_hotkeys_enabled(false)
        .on_navigation(is_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false)
        .build()?;
    window.on_window_event(|event| {
        if let WindowEvent::CloseRequested { api, .. } = event {
            api.prevent_close();
        }
    });
    Ok(window)
}

/// Whether a test's WebDriver is at the controls: it can't reach a page in `WebKit`'s private mode.
fn is_automated() -> bool {
    std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some_and(|value| value == "true")
}

fn is_page(url: &Url) -> bool {
    url.scheme() == "tauri" && url.path() == "/kiosk.html" && url.query().is_none()
}

fn app_window(app: &AppHandle) -> Option<gtk::ApplicationWindow> {
    app.get_webview_window(KIOSK)?.gtk_window().ok()
}

/// The name of the output that the desk's window is on. Main thread only.
pub(crate) fn output_of_desk(app: &AppHandle) -> Option<String> {
    let desk = app.get_webview_window(super::DESK)?.gtk_window().ok()?;
    let outputs = super::displays::outputs();
    place::seen_on(&desk, &outputs).map(|output| output.name.clone())
}

/// Locks the window, lays it over its output and shows it. Main thread only.
fn present(app: &AppHandle, window: &gtk::ApplicationWindow) {
    let wanted = app.state::<Shell>().wanted();
    if window.is_visible() {
        place::keep(window, wanted.as_deref());
        return window.present();
    }
    still_caret();
    lock::keys(window);
    let handle = app.clone();
    let page = app.get_webview_window(KIOSK).map(|page| {
        page.with_webview(move |page| {
            lock::page(&page.inner());
            life::revive(&handle, &page.inner());
        })
    });
    if let Some(Err(error)) = page {
        tracing::error!(%error, "the kiosk's page is not locked");
    }
    place::first(window, wanted.as_deref());
    window.show_all();
    window.present();
    if let Err(error) = desk::hide(app) {
        tracing::warn!(%error, "the desk's window stays on the screen");
    }
    grab::hold(window);
    awake::hold(window);
    follow_outputs(app, window);
}

/// Puts the window right after each change of the outputs, for as long as it is there.
fn follow_outputs(app: &AppHandle, window: &gtk::ApplicationWindow) {
    let (app, weak) = (app.clone(), window.downgrade());
    glib::timeout_add_local(LOOK, move || {
        let Some(window) = weak.upgrade().filter(WidgetExt::is_visible) else {
            return glib::ControlFlow::Break;
        };
        place::keep(&window, app.state::<Shell>().wanted().as_deref());
        glib::ControlFlow::Continue
    });
}

/// Leaves the kiosk as the operator chose. Whoever calls has seen the PIN.
pub(crate) async fn leave(app: &AppHandle, how: Leave) -> tauri::Result<()> {
    app.state::<Studio>().kiosk().close().await;
    match how {
        Leave::ToDesk => to_desk(app),
        Leave::Quit => {
            app.exit(0);
            Ok(())
        }
        Leave::Restart => {
            app.state::<Shell>().again.store(true, Ordering::Relaxed);
            app.exit(0);
            Ok(())
        }
    }
}

/// The desk comes first: an app without a window ends.
fn to_desk(app: &AppHandle) -> tauri::Result<()> {
    desk::raise(app);
    app.get_webview_window(KIOSK)
        .map_or(Ok(()), |window| window.destroy())?;
    app.state::<Shell>().on.send_replace(false);
    Ok(())
}

/// Takes the place of this program with itself, if the kiosk is to begin anew. When all else has ended.
pub(crate) fn begin_anew_if_asked(app: &AppHandle) {
    let shell = app.state::<Shell>();
    let again = shell.again.load(Ordering::Relaxed);
    shell.life.end(again);
    let program = std::env::args_os().next().filter(|_| again);
    let Some(program) = program else {
        return;
    };
    let display = shell.asked_for.lock().ok().and_then(|name| name.clone());
    let display = display.map(|name| format!("--display={name}"));
    let error = Command::new(program).arg("--kiosk").args(display).exec();
    tracing::error!(%error, "the kiosk can't begin anew");
}

/// Which visitor is there.
pub(crate) fn visit(phase: &KioskPhase) -> Option<VisitId> {
    match phase {
        KioskPhase::Attract => None,
        KioskPhase::Visit { visit } | KioskPhase::Countdown { visit, .. } => Some(*visit),
    }
}

/// Takes what a visitor cut, copied or selected out of the desktop's hands.
pub(crate) fn forget_selections(app: &AppHandle) {
    let forgotten = app.run_on_main_thread(|| {
        for selection in [gdk::SELECTION_CLIPBOARD, gdk::SELECTION_PRIMARY] {
            let clipboard = gtk::Clipboard::get(&selection);
            // It has to be ours before it can be nobody's.
            clipboard.set_text("");
            clipboard.clear();
        }
    });
    if let Err(error) = forgotten {
        tracing::error!(%error, "the clipboard was not emptied");
    }
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
