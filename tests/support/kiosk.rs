//! A home in which a kiosk may be opened: its PIN and its `kiosk.toml`.

#![expect(
    clippy::missing_panics_doc,
    reason = "each of these is a step of a test: it panics when the kiosk can't be prepared"
)]

use crate::window::Home;
use std::fs;
use std::io::Write;
use std::process::Stdio;

/// What lets its operator in.
pub const PIN: &str = "4711";

/// A home in which a kiosk may be opened: it has a PIN, and this `kiosk.toml`.
pub fn prepared(home: Home, config: &str) -> Home {
    configure(&home, config);
    let mut command = home.command("wick");
    command.args(["kiosk", "pin"]);
    let asked = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut asked = asked.expect("wick starts");
    let input = asked.stdin.take().expect("a pipe");
    writeln!(&input, "{PIN}").expect("it reads");
    drop(input);
    assert!(asked.wait().expect("it ends").success());
    home
}

/// Writes `kiosk.toml`.
pub fn configure(home: &Home, config: &str) {
    let folder = home.data().join("kiosk");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("kiosk.toml"), config).expect("a file");
}
