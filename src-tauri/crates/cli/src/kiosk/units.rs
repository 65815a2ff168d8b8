//! What install writes: systemd's units, and an entry for desktops that know no `graphical-session.target`.
//!
//! Sources: systemd.unit(5), systemd.service(5), systemd.exec(5); the Desktop Application Autostart Specification.

use super::own_files::Own;
use std::path::{Path, PathBuf};

/// The name of the unit.
pub(super) const UNIT: &str = "wick-kiosk.service";

/// What the unit starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// The running `wick`.
    pub(super) wick: PathBuf,
    /// `wick-studio`.
    pub(super) program: PathBuf,
    /// The output, as `--display` takes it.
    pub(super) display: Option<String>,
    /// Variables that said where Wick's things lie when this was installed.
    pub(super) env: Vec<(String, String)>,
}

impl Start {
    fn app(&self) -> Vec<String> {
        let program = self.program.display().to_string();
        let display = self.display.iter();
        let display = display.flat_map(|name| ["--display".to_owned(), name.clone()]);
        [program, "--kiosk".into()]
            .into_iter()
            .chain(display)
            .collect()
    }

    fn console(&self) -> Vec<String> {
        let wick = self.wick.display().to_string();
        let outer = [wick, "kiosk".into(), "console".into(), "--".into()];
        outer.into_iter().chain(self.app()).collect()
    }

    fn environment(&self) -> String {
        let line = |(name, value): &(String, String)| {
            format!("Environment={}\n", quoted(&format!("{name}={value}")))
        };
        self.env.iter().map(line).collect()
    }
}

/// How it comes back, alike in both units.
const RETURN: &str = "\
# Back within a second, however often and however it ended; but not when it was asked for wrongly or has no PIN (2).
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=2
# The app says that it lives only while its page does.
WatchdogSec=15
WatchdogSignal=SIGKILL
TimeoutStartSec=60
TimeoutStopSec=10
# A worker that the kernel ends when memory runs out is the app's to replace.
OOMPolicy=continue
# Neither a core dump nor the swap shall put a visitor's words on the disk. What logind moves into a session of its own,
# on a console, the second does not reach.
LimitCORE=0
MemorySwapMax=0
";

/// The units as a package brings them, enabled by nobody: for any desktop, and for any person's console
/// (`wick-kiosk@ann.service`). Paths are below `/`.
pub(super) fn packaged() -> [(&'static str, String); 2] {
    let start = Start {
        wick: "/usr/bin/wick".into(),
        program: "/usr/bin/wick-studio".into(),
        display: None,
        env: Vec::new(),
    };
    [
        (
            "usr/lib/systemd/user/wick-kiosk.service",
            session_unit(&start),
        ),
        (
            "usr/lib/systemd/system/wick-kiosk@.service",
            console_unit(&start, "%i"),
        ),
    ]
}

/// The unit of a console: `cage` on the first virtual terminal, as `user`.
pub(super) fn console(start: &Start, user: &str) -> Vec<Own> {
    let folder = Path::new("/etc/systemd/system");
    unit_in(folder, "multi-user.target", console_unit(start, user)).into()
}

fn console_unit(start: &Start, user: &str) -> String {
    format!(
        "\
[Unit]
Description=Wick as a kiosk on the console
ConditionPathExists=/dev/tty0
Wants=dbus.socket systemd-logind.service
After=dbus.socket systemd-logind.service systemd-user-sessions.service plymouth-quit-wait.service
# The screen is its own: neither a login prompt nor a desktop starts beside it.
Conflicts=getty@tty1.service display-manager.service
After=getty@tty1.service display-manager.service
# An operator who quits finds the login prompt.
OnSuccess=getty@tty1.service
StartLimitIntervalSec=0

[Service]
Type=notify
# `wick kiosk console` hands on what the app says: what logind moves into its session is not heard itself.
NotifyAccess=main
ExecStart={command}
{environment}User={user}
WorkingDirectory=~
PAMName=login
TTYPath=/dev/tty1
TTYReset=yes
TTYVHangup=yes
TTYVTDisallocate=yes
StandardInput=tty-force
StandardOutput=journal
StandardError=journal
UtmpIdentifier=tty1
UtmpMode=user
{RETURN}# No more than this: what forbids new privileges or devices keeps CUDA from making its device files.
ProtectSystem=full
PrivateTmp=yes
UMask=0077

[Install]
WantedBy=multi-user.target
",
        command = command_line(&start.console()),
        environment = start.environment(),
    )
}

/// The unit of a desktop session, and what starts it where the session has no such target.
pub(super) fn session(start: &Start, config: &Path) -> Vec<Own> {
    let folder = config.join("systemd/user");
    let [unit, link] = unit_in(&folder, "graphical-session.target", session_unit(start));
    let autostart = Own::File {
        path: config.join("autostart/wick-kiosk.desktop"),
        text: AUTOSTART.into(),
    };
    vec![unit, link, autostart]
}

fn session_unit(start: &Start) -> String {
    format!(
        "\
[Unit]
Description=Wick as a kiosk
PartOf=graphical-session.target
After=graphical-session.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command}
{environment}{RETURN}
[Install]
WantedBy=graphical-session.target
",
        command = command_line(&start.app()),
        environment = start.environment(),
    )
}

/// Starting what runs already does nothing, so it does no harm where the target starts it too.
const AUTOSTART: &str = "\
[Desktop Entry]
Type=Application
Name=Wick kiosk
Comment=Starts wick-kiosk.service where the desktop has no graphical-session.target
Exec=sh -c \"systemctl --user import-environment DISPLAY WAYLAND_DISPLAY XAUTHORITY; exec systemctl --user start wick-kiosk.service\"
Terminal=false
NoDisplay=true
";

fn unit_in(folder: &Path, target: &str, text: String) -> [Own; 2] {
    let path = folder.join(UNIT);
    let link = Own::Link {
        path: folder.join(format!("{target}.wants")).join(UNIT),
        target: path.clone(),
    };
    [Own::File { path, text }, link]
}

fn command_line(words: &[String]) -> String {
    let words: Vec<_> = words
        .iter()
        // In a command line alone, `$` begins a variable.
        .map(|word| quoted(&word.replace('$', "$$")))
        .collect();
    words.join(" ")
}

/// A word as systemd reads it: quoted where it must be, `%` doubled (systemd.syntax(7), systemd.unit(5)).
fn quoted(word: &str) -> String {
    let word = word.replace('%', "%%");
    let plain = |letter: char| letter.is_alphanumeric() || "-_./=:,+@%$".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_reads_a_word_as_it_was_meant() {
        let check = |word: &str, expected: &str| {
            assert_eq!(command_line(&[word.to_owned()]), expected);
        };
        check("/usr/bin/wick-studio", "/usr/bin/wick-studio");
        check("HDMI-A-1", "HDMI-A-1");
        check("/home/ann/My Programs/x", "\"/home/ann/My Programs/x\"");
        check("50%", "50%%");
        check("$HOME", "$$HOME");
        check("a\"b\\c", "\"a\\\"b\\\\c\"");
        check("", "\"\"");
        check("a;b", "\"a;b\"");
    }
}
