//! Where windows are shown without a monitor: an X server or a Wayland compositor, and pictures of what would be seen.
//!
//! What its outputs do when a cable is pulled is in `outputs.rs`.

use super::process::{tied, tied_stranger};
use super::server::Server;
use super::{Home, PATIENCE, manager};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What a screen is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Xvfb with one output of this size, which never changes.
    Plain(u32, u32),
    /// Xorg with its dummy driver: DUMMY0 with 1280 × 800 pixels, at its right DUMMY1 with 1920 × 1080.
    TwoMonitors,
    /// Sway: HEADLESS-1 with 1280 × 800 pixels, at its right HEADLESS-2 with 1920 × 1080, and X11-1 with 1024 × 768, which
    /// alone can be pulled: wlroots' headless outputs stay.
    Sway,
    /// Cage, which shows one window on all there is, in a window of Xvfb of this size.
    Cage(u32, u32),
}

/// One screen, with one output or several.
pub struct Screen {
    /// The innermost first, since it ends first.
    servers: Vec<Server>,
    /// The X server, if there is one.
    pub(super) x11: Option<String>,
    /// The socket of the Wayland compositor, if there is one.
    wayland: Option<PathBuf>,
    /// The socket of sway's orders.
    pub(super) sway: Option<PathBuf>,
    size: (u32, u32),
}

impl Screen {
    /// Starts what is to be shown on.
    pub async fn start(show: Show, home: &Home) -> Self {
        match show {
            Show::Plain(width, height) => Self::xvfb((width, height), home),
            Show::TwoMonitors => Self::two_monitors(home),
            Show::Sway => Self::in_sway(home).await,
            Show::Cage(width, height) => Self::in_cage((width, height), home).await,
        }
    }

    fn xvfb(size: (u32, u32), home: &Home) -> Self {
        let (width, height) = size;
        let mut command = tied("Xvfb");
        command
            .args(["-screen", "0"])
            .arg(format!("{width}x{height}x24"));
        Self::x11(command, size, home)
    }

    fn two_monitors(home: &Home) -> Self {
        let (config, log) = (home.path("xorg.conf"), home.path("xorg.log"));
        fs::write(&config, XORG).expect("a file");
        let mut command = tied("Xorg");
        command
            .args(["-novtswitch", "-sharevts", "-config"])
            .arg(config)
            .arg("-logfile")
            .arg(log);
        let screen = Self::x11(command, (1280, 800), home);
        screen.set_size("DUMMY0", (1280, 800));
        screen.put_back("DUMMY1", (1920, 1080));
        screen
    }

    /// Starts an X server on the first free number.
    fn x11(mut command: Command, size: (u32, u32), home: &Home) -> Self {
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-noreset"]);
        home.move_in(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let started = command.spawn();
        let mut server = Server(started.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let display = display_of(&mut server);
        Self {
            servers: vec![server],
            x11: Some(display),
            wayland: None,
            sway: None,
            size,
        }
    }

    async fn in_sway(home: &Home) -> Self {
        let mut screen = Self::xvfb((1024, 768), home);
        // It can close a window, which for sway is to pull the cable of a monitor.
        let manager = manager::start(home, &screen).await;
        screen.servers.insert(0, manager);
        let folder = home.path("sway");
        let (config, ipc) = (folder.join("config"), folder.join("sway.sock"));
        fs::create_dir(&folder).expect("a folder");
        fs::write(&config, SWAY).expect("a file");
        let mut command = compositor("sway", "headless,x11", &folder, home);
        command
            .arg("--config")
            .arg(config)
            .envs(screen.x11.as_ref().map(|name| ("DISPLAY", name)))
            .env("WLR_HEADLESS_OUTPUTS", "2")
            .env("SWAYSOCK", &ipc);
        let socket = folder.join("wayland-1");
        let server = Server::start(command, &socket).await;
        screen.servers.insert(0, server);
        screen.wayland = Some(socket);
        screen.sway = Some(ipc);
        screen.size = (1280, 800);
        until("sway has its outputs", || {
            ["HEADLESS-2", "X11-1"]
                .iter()
                .all(|name| screen.area(name).is_some())
        });
        screen
    }

    async fn in_cage(size: (u32, u32), home: &Home) -> Self {
        let mut screen = Self::xvfb(size, home);
        let folder = home.path("cage");
        fs::create_dir(&folder).expect("a folder");
        let mut command = compositor("cage", "x11", &folder, home);
        // It ends with its program; the app comes later and from outside, as often as the test wants.
        command.args([
            "-d",
            "--",
            "setpriv",
            "--pdeathsig",
            "KILL",
            "sleep",
            "infinity",
        ]);
        command.envs(screen.x11.as_ref().map(|name| ("DISPLAY", name)));
        let socket = folder.join("wayland-0");
        let server = Server::start(command, &socket).await;
        screen.servers.insert(0, server);
        screen.wayland = Some(socket);
        screen.fill_with_cage(size);
        screen
    }

    /// Width and height in pixels, of the first output where there are several.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Makes a program draw here, in a way of which true pictures can be taken.
    pub fn show(&self, command: &mut Command) {
        for name in ["DISPLAY", "WAYLAND_DISPLAY"] {
            command.env_remove(name);
        }
        command.env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
        match (&self.wayland, &self.x11) {
            (Some(socket), _) => command
                .env("WAYLAND_DISPLAY", socket)
                .env("GDK_BACKEND", "wayland"),
            (None, display) => command
                .envs(display.iter().map(|name| ("DISPLAY", name)))
                .env("GDK_BACKEND", "x11"),
        };
    }

    /// Writes what is on the screen, on all its outputs, into a PNG file.
    pub fn picture(&self, file: &Path) {
        let mut command = match (&self.x11, &self.wayland) {
            (Some(display), _) if self.sway.is_none() => {
                let mut command = Command::new("import");
                command
                    .args(["-window", "root"])
                    .env("DISPLAY", display)
                    .env_remove("WAYLAND_DISPLAY");
                command
            }
            (_, socket) => {
                let mut command = Command::new("grim");
                command.envs(socket.iter().map(|path| ("WAYLAND_DISPLAY", path)));
                command
            }
        };
        let taken = command.arg(file).status();
        let taken = taken.is_ok_and(|status| status.success());
        assert!(
            taken || std::thread::panicking(),
            "no picture {}",
            file.display()
        );
    }

    /// The colour of a point of the screen, such as `srgb(18,16,14)`.
    pub fn colour(&self, (x, y): (u32, u32)) -> String {
        let told = match &self.x11 {
            Some(display) if self.sway.is_none() => Command::new("import")
                .args(["-window", "root", "-crop", &format!("1x1+{x}+{y}")])
                .args(["+repage", "-depth", "8"])
                .args(["-format", "%[pixel:u.p{0,0}]", "info:-"])
                .env("DISPLAY", display)
                .output(),
            _ => self.colour_in_picture((x, y)),
        };
        let told = told.expect("ImageMagick is installed").stdout;
        // Where all have the alpha channel of a picture by grim, it says nothing.
        String::from_utf8_lossy(&told)
            .replace("srgba", "srgb")
            .replace(",1)", ")")
    }

    fn colour_in_picture(&self, (x, y): (u32, u32)) -> std::io::Result<Output> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("screen.png");
        self.picture(&file);
        let point = format!("%[pixel:u.p{{{x},{y}}}]");
        Command::new("convert")
            .arg(file)
            .args(["-depth", "8", "-format", &point, "info:"])
            .output()
    }

    /// What `xdotool` does: keys that reach the window manager, windows by their class.
    pub fn point(&self, arguments: &[&str]) {
        self.tell("xdotool", arguments);
    }

    pub(super) fn end(&mut self) {
        for server in &mut self.servers {
            server.end();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until something that the screen says is so.
pub(super) fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn display_of(server: &mut Server) -> String {
    let output = server.0.stdout.take().expect("a pipe");
    let mut number = String::new();
    let read = BufReader::new(output).read_line(&mut number);
    let number = number.trim();
    assert!(
        read.is_ok() && !number.is_empty(),
        "the X server does not start"
    );
    format!(":{number}")
}

/// A compositor of wlroots, in a folder of its own. They refuse root.
fn compositor(program: &str, backend: &str, folder: &Path, home: &Home) -> Command {
    let mut command = tied_stranger(program);
    home.move_in(&mut command);
    for name in ["DISPLAY", "WAYLAND_DISPLAY"] {
        command.env_remove(name);
    }
    command
        .env("XDG_RUNTIME_DIR", folder)
        .env("WLR_BACKENDS", backend)
        .env("WLR_RENDERER", "pixman")
        .env("WLR_LIBINPUT_NO_DEVICES", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("log")).expect("a file"));
    command
}

/// Two outputs, and nothing of the machine's own devices.
const XORG: &str = r#"
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoEnableDevices" "false"
EndSection
Section "Device"
  Identifier "card"
  Driver "dummy"
  VideoRam 256000
EndSection
Section "Monitor"
  Identifier "monitor"
  HorizSync 1-2000
  VertRefresh 1-200
EndSection
Section "Screen"
  Identifier "screen"
  Device "card"
  Monitor "monitor"
  DefaultDepth 24
EndSection
"#;

const SWAY: &str = "\
default_border none
xwayland disable
output HEADLESS-1 resolution 1280x800 position 0 0
output HEADLESS-2 resolution 1920x1080 position 1280 0
output X11-1 position 3200 0
";
