//! The kiosk: one page for strangers, on all of one output, with no way out of it.
//!
//! What a visitor says and sees is [`studio::Kiosk`]'s; here are only its [`window`] and the way out of it ([`leave`]), the
//! window's place ([`place`]), its lock ([`lock`], [`grab`]), and what keeps page and screen alive ([`life`], [`awake`]).
//! *Invariant:* while its window is there, the desk's is not on the screen.

mod awake;
mod grab;
mod leave;
mod life;
mod lock;
mod notify;
pub(crate) mod place;
mod window;

pub(crate) use leave::{end, leave};
pub(crate) use window::output_of_desk;

use super::KIOSK;
use gtk::gdk;
use life::Life;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use studio::{Error, KioskPhase, Studio, VisitId};
use tauri::{AppHandle, Manager};
use tokio::sync::watch;
use window::LOOK;

/// Whose the screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Screen {
    /// The desk's.
    Free,
    Kiosk,
    /// Still the kiosk's, whose window may go now.
    Leaving,
}

/// What the shell knows of its kiosk.
#[derive(Debug)]
pub(crate) struct Shell {
    screen: watch::Sender<Screen>,
    /// The output that was asked for on the command line.
    asked_for: Mutex<Option<String>>,
    /// The output to be on.
    wanted: Mutex<Option<String>>,
    /// Whether the program begins anew when it ends.
    again: AtomicBool,
    /// How often its window was built.
    openings: AtomicU32,
    /// What `WebKit` makes for a window, though nothing is kept in it.
    folder: Mutex<Option<PathBuf>>,
    life: Life,
}

impl Shell {
    /// No kiosk yet.
    pub(crate) fn new() -> Self {
        Self {
            screen: watch::Sender::new(Screen::Free),
            asked_for: Mutex::default(),
            wanted: Mutex::default(),
            again: AtomicBool::default(),
            openings: AtomicU32::default(),
            folder: Mutex::default(),
            life: Life::new(),
        }
    }

    /// The page is alive and paints.
    pub(crate) fn beat(&self) {
        self.life.beat();
    }

    /// Whether a kiosk has the screen.
    pub(crate) fn is_on(&self) -> bool {
        !self.has(Screen::Free)
    }

    /// Returns as soon as no kiosk has the screen.
    pub(crate) async fn closed(&self) {
        let mut screen = self.screen.subscribe();
        // It lives as long as the app.
        let _ = screen.wait_for(|screen| *screen == Screen::Free).await;
    }

    /// The program ends on purpose: the window may go.
    pub(crate) fn release(&self) {
        self.screen.send_if_modified(|screen| {
            let was_on = *screen == Screen::Kiosk;
            if was_on {
                *screen = Screen::Leaving;
            }
            was_on
        });
    }

    fn has(&self, screen: Screen) -> bool {
        *self.screen.borrow() == screen
    }

    fn wanted(&self) -> Option<String> {
        self.wanted.lock().ok()?.clone()
    }

    fn count_opening(&self) -> u32 {
        self.openings.fetch_add(1, Ordering::Relaxed)
    }

    /// When the window is gone.
    fn remove_folder(&self) {
        let folder = self.folder.lock().ok().and_then(|mut folder| folder.take());
        if let Some(Err(error)) = folder.map(std::fs::remove_dir_all) {
            tracing::debug!(%error, "the window's folder stays");
        }
    }

    fn begin_anew_at_end(&self) {
        self.again.store(true, Ordering::Relaxed);
    }
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
    shell.screen.send_replace(Screen::Kiosk);
    set(&shell.wanted, display.clone().or(in_settings));
    set(&shell.asked_for, display);
    if app.get_webview_window(KIOSK).is_none() {
        shell.life.begin();
        window::build(app)?;
        tauri::async_runtime::spawn(life::watch(app.clone()));
        tauri::async_runtime::spawn(leave::restart_when_due(app.clone()));
    }
    let handle = app.clone();
    app.run_on_main_thread(move || window::present(&handle))
}

fn set<T>(place: &Mutex<T>, value: T) {
    if let Ok(mut place) = place.lock() {
        *place = value;
    }
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
