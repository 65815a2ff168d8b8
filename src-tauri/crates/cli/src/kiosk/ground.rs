//! The machine as install and remove find it: who asks, what is there, where things lie.
//!
//! Invariant: every path of the machine goes through [`Ground::at`], so that a test can put another root below all of it.

use crate::output::note;
use crate::stop::Stop;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The machine, or a folder that stands for one.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    root: Option<PathBuf>,
    env: fn(&str) -> Option<OsString>,
}

/// Whose systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The machine's.
    System,
    /// The person's who asks.
    User,
}

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// The name.
    pub(super) name: String,
    /// The home folder.
    pub(super) home: PathBuf,
}

impl Ground {
    /// This machine, or what lies below `root`.
    pub(super) fn new(root: Option<&Path>) -> Self {
        Self {
            root: root.map(Path::to_owned),
            env: |name| std::env::var_os(name).filter(|value| !value.is_empty()),
        }
    }

    /// Where a path of the machine lies.
    pub(super) fn at(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// Whether it is another root than the machine's own: then nothing that runs is touched.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.root.is_some()
    }

    /// A variable of the environment, if it says anything.
    pub(super) fn env(&self, name: &str) -> Option<OsString> {
        (self.env)(name)
    }

    /// Whether root asks.
    pub(super) fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Whether who asks may change what belongs to the machine.
    pub(super) fn may_change_the_machine(&self) -> bool {
        self.is_elsewhere() || Self::is_root()
    }

    /// Whether there is a desktop session, and it is the person's own who asks.
    pub(super) fn in_a_session(&self) -> bool {
        let display = self.env("WAYLAND_DISPLAY").or(self.env("DISPLAY"));
        display.is_some() && !Self::is_root()
    }

    /// Whether systemd runs here, as `sd_booted(3)` has it.
    pub(super) fn has_systemd(&self) -> bool {
        self.at(Path::new("/run/systemd/system")).is_dir()
    }

    /// Tells a running systemd. Where it can't be told, the files alone decide at the next start.
    pub(super) fn systemctl(&self, scope: Scope, arguments: &[&str]) {
        if self.is_elsewhere() || !self.has_systemd() {
            return;
        }
        let scope = match scope {
            Scope::System => "--system",
            Scope::User => "--user",
        };
        let mut command = Command::new("systemctl");
        command.arg(scope).args(arguments).stdin(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            let said = arguments.join(" ");
            note(&format!("wick: `systemctl {scope} {said}` did not work."));
        }
    }

    /// The person with this name.
    pub(super) fn user(&self, name: &str) -> Result<User, Stop> {
        let all = fs::read_to_string(self.at(Path::new("/etc/passwd"))).unwrap_or_default();
        let found = all.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            (fields.first() == Some(&name)).then(|| User {
                name: name.to_owned(),
                home: fields.get(5).copied().unwrap_or("/").into(),
            })
        });
        found.ok_or_else(|| {
            Stop::failed(
                format!("There is nobody called {name:?} in /etc/passwd."),
                &format!("Make the account: `sudo useradd --create-home {name}`."),
            )
        })
    }

    /// The home folder of the person who asks.
    pub(super) fn home(&self) -> Result<PathBuf, Stop> {
        self.env("HOME").map(PathBuf::from).ok_or_else(|| {
            Stop::failed(
                "HOME is not set, so it is not known where your units belong.",
                "Set HOME, or install it for a console: `sudo wick kiosk install --console`.",
            )
        })
    }

    /// The folder of the settings of the person who asks.
    pub(super) fn config(&self) -> Result<PathBuf, Stop> {
        let named = self.env("XDG_CONFIG_HOME").map(PathBuf::from);
        match named.filter(|folder| folder.is_absolute()) {
            Some(folder) => Ok(folder),
            None => Ok(self.home()?.join(".config")),
        }
    }

    /// A program in the folders that systemd's services look in too.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        ["/usr/local/bin", "/usr/bin", "/bin"]
            .into_iter()
            .map(|folder| Path::new(folder).join(name))
            .find(|path| self.is_program(path))
    }

    /// Whether a file is there that can be started.
    pub(super) fn is_program(&self, path: &Path) -> bool {
        let found = fs::metadata(self.at(path));
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    }
}
