//! `wick kiosk install` and `remove`, in a folder that stands for the machine, and what a console's unit starts.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use wick_tests::programs::program;

const CONSOLE: &str = "etc/systemd/system/wick-kiosk.service";
const SESSION: &str = "home/ann/.config/systemd/user/wick-kiosk.service";
const DATA: &str = "home/ann/.local/share/wick";
const AUTOSTART: &str = "home/ann/.config/autostart/wick-kiosk.desktop";

/// A machine with systemd, cage and what that needs, and ann, who has set a PIN.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir_all(machine.at("run/systemd/system")).expect("a folder");
        machine.write(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nann:x:1000:1000:Ann:/home/ann:/bin/bash\n",
        );
        machine.set_pin("4711");
        for program in ["usr/bin/cage", "usr/bin/Xwayland"] {
            machine.write(program, "");
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(machine.at(program), mode).expect("a mode");
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn set_pin(&self, pin: &str) {
        let mut command = Command::new(program("wick"));
        command.args(["kiosk", "pin"]).stdin(Stdio::piped());
        command
            .env("WICK_DATA_DIR", self.at(DATA))
            .env_remove("WICK_LOG");
        let mut asked = command.stderr(Stdio::null()).spawn().expect("wick starts");
        let input = asked.stdin.take().expect("a pipe");
        writeln!(&input, "{pin}").expect("it reads");
        assert!(asked.wait().expect("it ends").success());
    }

    /// `wick kiosk …` as ann calls it.
    fn wick(&self, line: &str) -> Output {
        let mut command = Command::new(program("wick"));
        command.arg("kiosk").args(line.split(' '));
        command.arg("--root").arg(self.0.path());
        for name in [
            "WICK_DATA_DIR",
            "WICK_MODELS_DIR",
            "WICK_ENGINE",
            "HF_HOME",
            "XDG_CONFIG_HOME",
            "WICK_LOG",
        ] {
            command.env_remove(name);
        }
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "SUDO_USER"] {
            command.env_remove(name);
        }
        command
            .env("HOME", "/home/ann")
            .output()
            .expect("wick starts")
    }

    fn done(&self, line: &str) -> String {
        let output = self.wick(line);
        assert!(output.status.success(), "{line}: {}", said(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    /// All files and links, sorted.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder").flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                } else {
                    let path = entry.path();
                    let path = path.strip_prefix(self.0.path()).expect("below");
                    found.push(path.display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The settings of a unit in order, comments aside.
fn settings(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_console_gets_a_unit_that_starts_cage_and_returns() {
    let machine = Machine::new();
    machine.done("install --console --user ann --display HDMI-A-1");
    let unit = machine.read(CONSOLE);
    let (wick, app) = (program("wick"), program("wick-studio"));
    let command = format!(
        "ExecStart={} kiosk console -- {} --kiosk --display HDMI-A-1",
        wick.display(),
        app.display()
    );
    let settings = settings(&unit);
    for expected in [
        &command,
        "User=ann",
        "PAMName=login",
        "TTYPath=/dev/tty1",
        "Conflicts=getty@tty1.service display-manager.service",
        "Type=notify",
        "NotifyAccess=main",
        "Restart=on-failure",
        "RestartSec=1",
        "RestartPreventExitStatus=2",
        "StartLimitIntervalSec=0",
        "WatchdogSec=15",
        "OOMPolicy=continue",
        "LimitCORE=0",
        "MemorySwapMax=0",
        "WantedBy=multi-user.target",
    ] {
        assert!(settings.contains(&expected), "{expected} is not in\n{unit}");
    }
    for never in [
        "NoNewPrivileges",
        "PrivateDevices",
        "MemoryDenyWriteExecute",
        "NotifyAccess=all",
    ] {
        assert!(
            !settings.iter().any(|line| line.starts_with(never)),
            "{never}"
        );
    }
    let link = machine.at("etc/systemd/system/multi-user.target.wants/wick-kiosk.service");
    assert_eq!(
        fs::read_link(link).expect("a link"),
        Path::new("/").join(CONSOLE)
    );
}

#[test]
fn a_session_gets_a_unit_and_an_entry_that_starts_it() {
    let machine = Machine::new();
    let said = machine.done("install --session");
    let unit = machine.read(SESSION);
    let command = format!("ExecStart={} --kiosk", program("wick-studio").display());
    for expected in [
        &command,
        "Type=notify",
        "WatchdogSec=15",
        "PartOf=graphical-session.target",
    ] {
        assert!(
            settings(&unit).contains(&expected),
            "{expected} is not in\n{unit}"
        );
    }
    assert!(!unit.contains("User="), "{unit}");
    let entry = machine.read(AUTOSTART);
    assert!(
        entry.contains("exec systemctl --user start wick-kiosk.service"),
        "{entry}"
    );
    for path in [SESSION, AUTOSTART] {
        assert!(said.contains(&format!("wrote  /{path}\n")), "{said}");
    }
    assert!(
        said.contains("systemctl --user start wick-kiosk.service"),
        "{said}"
    );
}

/// systemd itself has no word against them, where it is installed.
#[test]
fn systemd_takes_the_units() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        return;
    }
    let machine = Machine::new();
    for (scope, path, line) in [
        (
            "--system",
            CONSOLE,
            "install --console --user ann --display 50%_of_$HOME",
        ),
        ("--user", SESSION, "install --session"),
    ] {
        machine.done(line);
        let file = machine.at(path);
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", scope])
            .arg(&file)
            .output();
        let output = output.expect("it starts");
        let ours: Vec<_> = said(&output)
            .lines()
            .filter(|line| line.contains("wick-kiosk"))
            .map(str::to_owned)
            .collect();
        assert_eq!(ours, [""; 0], "{path}");
    }
}

#[test]
fn installing_twice_is_installing_once_and_removing_leaves_nothing() {
    let machine = Machine::new();
    let before = machine.files();
    for line in ["install --console --user ann", "install --session"] {
        assert!(machine.done(line).contains("wrote "));
        let files = machine.files();
        let again = machine.done(line);
        assert!(
            !again.contains("wrote ") && again.contains("kept "),
            "{again}"
        );
        assert_eq!(machine.files(), files);
    }
    assert!(
        machine
            .done("install --console --user ann --display DP-1")
            .contains(&format!("wrote  /{CONSOLE}"))
    );
    assert!(machine.read(CONSOLE).contains("DP-1"));

    let told = machine.done("remove --dry-run");
    assert_eq!(told.matches("would delete").count(), 5, "{told}");
    assert!(machine.at(CONSOLE).exists());
    let told = machine.done("remove");
    assert_eq!(told.matches("deleted").count(), 5, "{told}");
    assert_eq!(machine.files(), before);
    assert!(said(&machine.wick("remove")).contains("No kiosk is installed"));
}

#[test]
fn what_is_not_ours_is_neither_replaced_nor_deleted() {
    let machine = Machine::new();
    machine.write(CONSOLE, "[Service]\nExecStart=/bin/true\n");
    let output = machine.wick("install --console --user ann");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("is not Wick's"), "{}", said(&output));
    let before = machine.files();
    assert!(said(&machine.wick("remove")).contains("is not Wick's and stays"));
    assert_eq!(machine.files(), before);
    assert_eq!(machine.read(CONSOLE), "[Service]\nExecStart=/bin/true\n");

    let machine = Machine::new();
    let link = machine.at("etc/systemd/system/multi-user.target.wants/wick-kiosk.service");
    fs::create_dir_all(link.parent().expect("a parent")).expect("a folder");
    symlink("/elsewhere", &link).expect("a link");
    assert_eq!(
        machine.wick("install --console --user ann").status.code(),
        Some(1)
    );
    assert!(!machine.at(CONSOLE).exists(), "half of it was written");
    machine.wick("remove");
    assert_eq!(
        fs::read_link(link).expect("it stays"),
        Path::new("/elsewhere")
    );
}

#[test]
fn what_is_missing_is_named_with_its_remedy_and_nothing_is_written() {
    let check = |line: &str, spoil: &dyn Fn(&Machine), words: &[&str]| {
        let machine = Machine::new();
        spoil(&machine);
        let before = machine.files();
        let output = machine.wick(line);
        assert_eq!(output.status.code(), Some(1), "{line}: {}", said(&output));
        for words in words {
            assert!(
                said(&output).contains(words),
                "{line}: {} lacks {words:?}",
                said(&output)
            );
        }
        assert_eq!(machine.files(), before, "{line}");
    };
    let console = "install --console --user ann";
    let without = |path: &'static str| {
        move |machine: &Machine| fs::remove_file(machine.at(path)).expect("a file")
    };
    let no_pin = without("home/ann/.local/share/wick/kiosk.pin");
    check(console, &no_pin, &["No PIN", "wick kiosk pin"]);
    check("install --session", &no_pin, &["No PIN", "wick kiosk pin"]);
    check(
        console,
        &without("usr/bin/cage"),
        &["cage is missing", "apt-get install cage"],
    );
    check(
        console,
        &without("usr/bin/Xwayland"),
        &["Xwayland is missing", "apt-get install cage xwayland"],
    );
    let no_systemd =
        |machine: &Machine| fs::remove_dir(machine.at("run/systemd/system")).expect("a folder");
    check(
        "install --session",
        &no_systemd,
        &["not run by systemd", "--kiosk"],
    );
    let nothing = |_: &Machine| {};
    check(
        "install --session --program /nowhere/wick-studio",
        &nothing,
        &["/nowhere/wick-studio", "--program"],
    );
    check(
        "install --console --user bob",
        &nothing,
        &["bob", "useradd"],
    );
    check(
        "install --console --user root",
        &nothing,
        &["root it can't be", "--user"],
    );
    check(
        "install --console",
        &nothing,
        &["who the kiosk runs as", "--user"],
    );
}

#[test]
fn a_dry_run_prints_all_of_it_and_writes_nothing() {
    let machine = Machine::new();
    let before = machine.files();
    let printed = machine.done("install --console --user ann --dry-run");
    assert_eq!(machine.files(), before);
    machine.done("install --console --user ann");
    let expected = format!("# /{CONSOLE}\n{}\n", machine.read(CONSOLE));
    assert!(printed.starts_with(&expected), "{printed}");
    assert!(printed.contains("multi-user.target.wants/wick-kiosk.service"));
    for line in [
        "install --session --console",
        "install --session --user ann",
    ] {
        assert_eq!(machine.wick(line).status.code(), Some(2), "{line}");
    }
}
