//! An X server without a monitor, and pictures of what would be on it.

use super::Home;
use super::process::tied;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// One screen.
pub struct Screen {
    server: Child,
    display: String,
    size: (u32, u32),
}

impl Screen {
    /// Starts an X server on the first free number.
    pub fn start(size: (u32, u32), home: &Home) -> Self {
        let (width, height) = size;
        let mut command = tied("Xvfb");
        command
            .args([
                "-displayfd",
                "1",
                "-nolisten",
                "tcp",
                "-noreset",
                "-screen",
                "0",
            ])
            .arg(format!("{width}x{height}x24"));
        home.move_in(&mut command);
        let mut server = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed");
        let display = display_of(&mut server);
        Self {
            server,
            display,
            size,
        }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Makes a program draw here, in a way of which true pictures can be taken.
    pub fn show(&self, command: &mut Command) {
        command
            .env("DISPLAY", &self.display)
            .env("GDK_BACKEND", "x11")
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
            .env_remove("WAYLAND_DISPLAY");
    }

    /// Writes what is on the screen into a PNG file.
    pub fn picture(&self, file: &Path) {
        let taken = Command::new("import")
            .args(["-window", "root"])
            .arg(file)
            .env("DISPLAY", &self.display)
            .status();
        let taken = taken.is_ok_and(|status| status.success());
        assert!(
            taken || std::thread::panicking(),
            "no picture {}",
            file.display()
        );
    }

    /// What `xdotool` does: keys that reach the window manager, windows by their class.
    pub(super) fn point(&self, arguments: &[&str]) {
        let done = Command::new("xdotool")
            .args(arguments)
            .env("DISPLAY", &self.display)
            .stdout(Stdio::null())
            .status();
        let done = done.expect("xdotool is installed");
        assert!(done.success(), "xdotool {arguments:?}");
    }

    pub(super) fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn display_of(server: &mut Child) -> String {
    let output = server.stdout.take().expect("a pipe");
    let mut number = String::new();
    let read = BufReader::new(output).read_line(&mut number);
    let number = number.trim();
    assert!(read.is_ok() && !number.is_empty(), "Xvfb does not start");
    format!(":{number}")
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end();
    }
}
