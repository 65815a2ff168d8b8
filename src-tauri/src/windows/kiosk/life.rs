//! Keeps the page alive: one that died is loaded anew, one that hangs is ended first, and the supervisor hears of it only
//! while all is well.
//!
//! The page tells every two seconds that it paints. *Invariant:* the supervisor is told that the kiosk is well when the
//! page says so, once more when one that hung is loaded anew, and while no output is on, as long as this program's own
//! loop turns: whatever hangs, the page or this program, it is noticed.

use super::notify::Supervisor;
use super::{KIOSK, Shell};
use gtk::{gdk, glib};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tauri::{AppHandle, Manager};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use webkit2gtk::{WebView, WebViewExt};

/// A page that was heard of is dead after this silence.
const SILENCE: Duration = Duration::from_secs(8);
/// How long a page may take to be loaded and to paint.
const LOADING: Duration = Duration::from_secs(30);
/// A page that dies again this soon is not loaded at once, so as not to do nothing else.
const SOON: Duration = Duration::from_secs(2);

/// What is known of the page's life.
#[derive(Debug)]
pub(super) struct Life {
    page: watch::Sender<Page>,
    supervisor: Supervisor,
}

/// What is heard of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Loading,
    Beating,
}

impl Life {
    pub(super) fn new() -> Self {
        Self {
            page: watch::Sender::new(Page::Loading),
            supervisor: Supervisor::from_environment(),
        }
    }

    /// A page is loaded, and not heard of yet. Returns what it was before.
    pub(super) fn begin(&self) -> Page {
        self.page.send_replace(Page::Loading)
    }

    /// The page paints.
    pub(super) fn beat(&self) {
        if self.page.send_replace(Page::Beating) == Page::Loading {
            tracing::info!("the kiosk's page is there");
            self.supervisor.tell("READY=1");
        }
        self.supervisor.tell("WATCHDOG=1");
    }

    /// The program ends, or begins anew as the same process.
    pub(super) fn end(&self, begins_anew: bool) {
        let state = if begins_anew {
            "WATCHDOG=1"
        } else {
            "STOPPING=1"
        };
        self.supervisor.tell(state);
    }
}

/// Watches the page until no kiosk is open.
pub(super) async fn watch(app: AppHandle) {
    let shell = app.state::<Shell>();
    let mut page = shell.life.page.subscribe();
    let watching = async {
        loop {
            let patience = match *page.borrow_and_update() {
                Page::Loading => LOADING,
                Page::Beating => SILENCE,
            };
            if timeout(patience, page.changed()).await.is_ok() {
                continue;
            }
            if has_no_screen(&app).await {
                // No output, no frames: nobody stands before it, and it paints again when the cable is back.
                shell.life.supervisor.tell("WATCHDOG=1");
                continue;
            }
            tracing::error!("the kiosk's page hangs; it is ended and loaded anew");
            if shell.life.begin() == Page::Beating {
                shell.life.supervisor.tell("WATCHDOG=1");
            }
            end_page(&app);
        }
    };
    tokio::select! {
        () = watching => {}
        () = shell.closed() => {}
    }
}

/// Whether the machine has no output on, as when its only television is switched off. A program whose loop hangs has a
/// screen: its supervisor shall end it.
async fn has_no_screen(app: &AppHandle) -> bool {
    let (tell, told) = oneshot::channel();
    let asked = app.run_on_main_thread(move || {
        let outputs = gdk::Display::default().map(|display| display.n_monitors());
        // Whoever asked waits no longer than a moment.
        let _ = tell.send(outputs == Some(0));
    });
    asked.is_ok() && matches!(timeout(SOON, told).await, Ok(Ok(true)))
}

/// Ends the web process; what notices its end loads the page anew.
fn end_page(app: &AppHandle) {
    let page = app.get_webview_window(KIOSK);
    let ended = page.map(|page| page.with_webview(|page| page.inner().terminate_web_process()));
    if let Some(Err(error)) = ended {
        tracing::error!(%error, "the kiosk's page can't be ended");
    }
}

/// Loads the page anew whenever its process has ended. Main thread only.
pub(super) fn revive(app: &AppHandle, page: &WebView) {
    let app = app.clone();
    let last = Rc::new(Cell::new(None::<Instant>));
    page.connect_web_process_terminated(move |page, reason| {
        tracing::error!(?reason, "the kiosk's page died; it is loaded anew");
        app.state::<Shell>().life.begin();
        let soon = last.get().is_some_and(|last| last.elapsed() < SOON);
        last.set(Some(Instant::now()));
        let page = page.clone();
        let pause = if soon { SOON } else { Duration::ZERO };
        // Not from within the signal: WebKit is still putting the dead process away.
        glib::timeout_add_local_once(pause, move || page.reload());
    });
}
