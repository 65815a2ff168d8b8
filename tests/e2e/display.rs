//! The app is started where no window can be.

use std::process::Stdio;
use wick_tests::window::Home;

#[test]
fn without_a_display_it_says_so_in_a_line() {
    check(None, "neither DISPLAY nor WAYLAND_DISPLAY is set");
    check(Some(":60123"), "nothing answers at DISPLAY=:60123");
}

fn check(display: Option<&str>, expected: &str) {
    let home = Home::without_model();
    let mut command = home.command("wick-studio");
    for name in [
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "WEBKIT_DISABLE_DMABUF_RENDERER",
    ] {
        command.env_remove(name);
    }
    command.envs(display.map(|value| ("DISPLAY", value)));
    let ended = command.stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let own: Vec<_> = said
        .lines()
        .filter(|line| line.contains("wick-studio: "))
        .collect();
    let [line] = own[..] else { panic!("{said}") };
    assert!(
        line.contains(expected) && line.contains("wick run"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn what_needs_no_window_opens_none() {
    let home = Home::with_parrot();
    let ask = |argument: &str| {
        let mut command = home.command("wick-studio");
        command
            .arg(argument)
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        command.output().expect("it starts")
    };
    let version = ask("--version");
    assert!(version.status.success());
    assert!(version.stdout.starts_with(b"wick-studio "), "{version:?}");
    assert!(ask("--help").stdout.starts_with(b"Wick, a model studio"));
    let unknown = ask("--nonsense");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("--help"),
        "{unknown:?}"
    );
}
