//! The app as `WebKitWebDriver` starts it, and its ways to end.

use super::process::tied;
use super::{End, Home, PATIENCE, Process, Screen};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A running app with its driver, which lead a process group of their own: whoever ends the group ends both. A driver
/// that is ended alone would leave the app behind.
pub(super) struct App {
    _driver: Driver,
    client: Client,
    process: Process,
}

impl App {
    /// Returns when the app's page is there. What the app says goes to `log`.
    pub(super) async fn start(
        home: &Home,
        screen: &Screen,
        log: &Path,
        arguments: &[String],
    ) -> Self {
        let driver = Driver::start(home, screen, log);
        driver.listens().await;
        let client = driver.connect(arguments).await;
        let mut processes = home.processes("wick-studio");
        assert_eq!(processes.len(), 1, "the app: {processes:?}");
        Self {
            _driver: driver,
            client,
            process: processes.remove(0),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    pub(super) async fn end(self, how: End, screen: &Screen) {
        match how {
            // The answer may be lost with the page.
            End::Closed => drop(self.client.close_window().await),
            End::AltF4 => screen.point(&["key", "alt+F4"]),
            End::Disconnected => {
                screen.point(&[
                    "search",
                    "--onlyvisible",
                    "--class",
                    "wick-studio",
                    "windowkill",
                ]);
            }
            End::Terminated => self.process.terminate(),
            End::Killed => self.process.kill(),
        }
        self.process.ended().await;
    }
}

struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start(home: &Home, screen: &Screen, log: &Path) -> Self {
        let port = free_port();
        let log = File::options().create(true).append(true).open(log);
        let log = log.expect("the log can be written");
        let mut command = tied("WebKitWebDriver");
        home.move_in(&mut command);
        screen.show(&mut command);
        let child = command
            .args(["--host=127.0.0.1", &format!("--port={port}")])
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("WebKitWebDriver is installed");
        Self { child, port }
    }

    async fn listens(&self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .await
            .is_err()
        {
            assert!(Instant::now() < deadline, "WebKitWebDriver does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A new session, which starts the app.
    async fn connect(&self, arguments: &[String]) -> Client {
        let program = crate::programs::program("wick-studio");
        let options = json!({ "binary": program, "args": arguments });
        let capabilities = [("webkitgtk:browserOptions".to_owned(), options)];
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.into_iter().collect());
        let address = format!("http://127.0.0.1:{}", self.port);
        let session = tokio::time::timeout(PATIENCE, builder.connect(&address)).await;
        session.expect("the app comes up").expect("a session")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on. Somebody could take it before the driver does; then the test says so.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    listener.local_addr().expect("an address").port()
}
