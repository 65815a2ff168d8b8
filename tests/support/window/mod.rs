//! The real window: Wick on a screen of its own, driven through `WebDriver` as a person would drive it.
//!
//! A [`Desk`] is one person's desk: a [`Home`] with data and models, an X server, and the app in it, which can be
//! ended in several ways and started again. It deliberately knows no story; those are in `e2e/`.
//!
//! Invariants: nothing waits for a fixed time, only for something to come true, with a bound; however a test ends, all
//! that it started ends too, and a desk that leaves a process behind fails its test; one desk stands at a time, since
//! all share the same cores.

#![expect(
    clippy::missing_panics_doc,
    reason = "each of these is a step of a test: it panics when the window is not as the story has it"
)]

mod app;
mod chat;
mod home;
mod manager;
mod outputs;
mod page;
mod process;
mod screen;
mod server;
mod unit;

pub use chat::{Message, Messages};
pub use home::Home;
pub use outputs::Area;
pub use page::{CONTROL, ENTER, ESCAPE};
pub use process::{Hogs, Process};
pub use screen::{Screen, Show};
pub use unit::{Service, State, Unit};

use app::App;
use server::Server;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// How long anything may take to come true. Long, since other programs may hold the cores; nothing waits it out.
pub const PATIENCE: Duration = Duration::from_secs(120);

static TURN: Mutex<()> = Mutex::const_new(());

/// One person's desk.
pub struct Desk {
    name: String,
    /// What the app is started with.
    arguments: Vec<String>,
    app: Option<App>,
    manager: Option<Server>,
    screen: Screen,
    home: Home,
    _turn: MutexGuard<'static, ()>,
}

/// How the app is ended.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// Its window is closed by the driver.
    Closed,
    /// Its window is closed by the window manager, which was told so with Alt+F4.
    AltF4,
    /// Its connection to the display is cut, as by `xkill` or when the display itself ends.
    Disconnected,
    /// SIGTERM, as when the person logs out.
    Terminated,
    /// SIGKILL: it has no say.
    Killed,
}

impl Desk {
    /// Waits for its turn, then opens the app on a screen of 1280 × 800. `name` is the test's, for what it leaves in
    /// `target/e2e/`.
    pub async fn open(name: &str, home: Home) -> Self {
        Self::open_on(name, home, (1280, 800)).await
    }

    /// Opens the app on a screen of this width and height, which it fills.
    pub async fn open_on(name: &str, home: Home, size: (u32, u32)) -> Self {
        let mut desk = Self::prepare(name, home, Show::Plain(size.0, size.1)).await;
        desk.start().await;
        desk
    }

    /// Opens the app on a screen that has a window manager.
    pub async fn open_managed(name: &str, home: Home) -> Self {
        let mut desk = Self::prepare(name, home, Show::Plain(1280, 800)).await;
        desk.manage().await;
        desk.start().await;
        desk
    }

    /// A desk at which no app has been started yet.
    pub async fn prepare(name: &str, home: Home, show: Show) -> Self {
        let turn = TURN.lock().await;
        let _ = std::fs::remove_file(log_file(name));
        Self {
            name: name.into(),
            arguments: Vec::new(),
            app: None,
            manager: None,
            screen: Screen::start(show, &home).await,
            home,
            _turn: turn,
        }
    }

    /// Starts a window manager, which stays with the screen.
    pub async fn manage(&mut self) {
        self.manager = Some(manager::start(&self.home, &self.screen).await);
    }

    /// Starts the app, once it has been ended.
    pub async fn start(&mut self) {
        self.launch().await;
        self.fill_screen().await;
        self.until(
            "the page is ready",
            "document.documentElement.dataset.ready",
        )
        .await;
    }

    /// Starts the app as a kiosk, with more arguments than that. It finds its own size.
    pub async fn start_kiosk(&mut self, more: &[&str]) {
        self.arguments = ["--kiosk"]
            .iter()
            .chain(more)
            .map(ToString::to_string)
            .collect();
        self.launch().await;
        self.until(
            "the page is ready",
            "document.documentElement.dataset.ready",
        )
        .await;
    }

    async fn launch(&mut self) {
        assert!(self.app.is_none(), "the app is there already");
        let log = log_file(&self.name);
        let app = App::start(&self.home, &self.screen, &log, &self.arguments);
        self.app = Some(app.await);
    }

    async fn fill_screen(&self) {
        let (width, height) = self.screen.size();
        if (width, height) != (1280, 800) {
            let sized = self.client().set_window_rect(0, 0, width, height).await;
            sized.expect("the window takes a size");
        }
        let size = format!("innerWidth === {width} && innerHeight === {height}");
        self.until("the window fills the screen", &size).await;
    }

    /// Ends the app and waits for its end.
    pub async fn end(&mut self, how: End) {
        let app = self.app.take().expect("the app is there");
        app.end(how, &self.screen).await;
    }

    /// The second start that a person makes by mistake: the same program on the same data.
    pub fn another_start(&self) -> Command {
        let mut command = self.home.command("wick-studio");
        self.screen.show(&mut command);
        command.stdin(Stdio::null());
        command
    }

    /// Presses keys of the window manager, such as `alt+F9`.
    pub fn press_outside(&self, keys: &str) {
        self.screen.point(&["key", keys]);
    }

    /// The screen that the app is on.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// What the app says goes here.
    pub fn log(&self) -> PathBuf {
        log_file(&self.name)
    }

    /// How often the app has said this in its log.
    pub fn said(&self, words: &str) -> usize {
        let log = std::fs::read_to_string(log_file(&self.name));
        log.unwrap_or_default().matches(words).count()
    }

    /// The folders that the app works in.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The process of the app.
    pub fn process(&self) -> &Process {
        self.app().process()
    }

    /// The running workers of the app.
    pub fn engines(&self) -> Vec<Process> {
        self.home.engines()
    }

    /// Takes a picture of the screen once nothing moves on it: `target/e2e/<name>.png`.
    pub async fn picture(&self, name: &str) {
        self.stand_still().await;
        self.screen.picture(&artifact(&format!("{name}.png")));
    }

    /// A file that a test leaves for a person to look at, in `target/e2e/`.
    pub fn artifact(name: &str) -> PathBuf {
        artifact(name)
    }

    fn app(&self) -> &App {
        self.app.as_ref().expect("the app is there")
    }

    fn client(&self) -> &fantoccini::Client {
        self.app().client()
    }

    #[expect(clippy::print_stderr, reason = "read beside the panic's message")]
    fn report_failure(&self) {
        let picture = artifact(&format!("failed-{}.png", self.name));
        self.screen.picture(&picture);
        let log = log_file(&self.name);
        eprintln!(
            "the screen: {}\nthe app's log: {}",
            picture.display(),
            log.display()
        );
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            self.report_failure();
        }
        drop(self.app.take());
        drop(self.manager.take());
        self.screen.end();
        let left = self.home.end_what_is_left();
        assert!(failed || left.is_empty(), "left behind: {left:?}");
    }
}

/// A file that a test leaves for a person to look at.
fn artifact(name: &str) -> PathBuf {
    let folder = crate::root().join("target/e2e");
    std::fs::create_dir_all(&folder).expect("target/ can be written");
    folder.join(name)
}

fn log_file(name: &str) -> PathBuf {
    artifact(&format!("{name}.log"))
}
