//! A window manager, openbox: it gives the keyboard to a window, closes and minimises. A screen has none unless asked.

use super::process::tied;
use super::server::Server;
use super::{Home, Screen};
use std::process::Stdio;

/// Windows without a frame, so that the app fills the screen here too, and the two keys that most managers have.
const CONFIG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <focus><focusNew>yes</focusNew></focus>
  <theme><keepBorder>no</keepBorder></theme>
  <keyboard>
    <keybind key="A-F4"><action name="Close"/></keybind>
    <keybind key="A-F9"><action name="Iconify"/></keybind>
  </keyboard>
  <applications>
    <application class="*"><decor>no</decor><position force="yes"><x>0</x><y>0</y></position></application>
  </applications>
</openbox_config>
"#;

/// Returns when it manages the screen.
pub(super) async fn start(home: &Home, screen: &Screen) -> Server {
    let (config, ready) = (home.path("openbox.xml"), home.path("openbox-is-ready"));
    std::fs::write(&config, CONFIG).expect("a file");
    let mut command = tied("openbox");
    home.move_in(&mut command);
    screen.show(&mut command);
    command
        .arg("--config-file")
        .arg(&config)
        .args(["--sm-disable", "--startup"])
        .arg(format!("touch '{}'", ready.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Server::start(command, &ready).await
}
