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
