//! What must be true before GTK starts.

use rustix::process::{WaitOptions, waitpid};
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

/// Without it a `WebKit` window is blank white on NVIDIA's drivers, the DGX Spark's among them.
const NO_DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// How long `WebKit`'s processes of a predecessor may take to see that it is gone.
const LEAVE_TAKING: Duration = Duration::from_secs(1);

/// Why no window can be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set. Start it in a desktop session, \
         or use `wick run \"prompt\"` in this terminal"
    )]
    None,
    #[error(
        "the display can't be opened: nothing answers at {0}, or it lets nobody in. Start it in a desktop session, \
         or use `wick run \"prompt\"` in this terminal"
    )]
    Dead(String),
    #[error("it can't start itself again with {NO_DMABUF}=1: {0}")]
    Restart(std::io::Error),
}

/// Opens the display and sees to it that `WebKit` draws on every GPU.
///
/// The variable has to stand in the environment when the process begins: changing it later is not safe once other
/// threads may read it. So the program replaces itself, once.
pub(crate) fn prepare() -> Result<(), Error> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
        return Err(Error::None);
    }
    if set(NO_DMABUF) {
        // Here, since the window library panics when GTK doesn't start.
        return gtk::init().map_err(|_| Error::Dead(named()));
    }
    let program = std::env::current_exe().map_err(Error::Restart)?;
    let arguments = std::env::args_os().skip(1);
    let error = std::process::Command::new(program)
        .args(arguments)
        .env(NO_DMABUF, "1")
        .exec();
    Err(Error::Restart(error))
}

/// Waits for the end of what the program left that this one took the place of: a kiosk that begins anew is the same
/// process, and `WebKit`'s would stay its children for ever. Whoever has no children is through at once.
pub(crate) fn see_off_predecessor() {
    let deadline = Instant::now() + LEAVE_TAKING;
    while Instant::now() < deadline {
        match waitpid(None, WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(_) => return,
        }
    }
}

/// The display as the environment names it.
fn named() -> String {
    let variables = ["WAYLAND_DISPLAY", "DISPLAY"];
    let named = variables.map(|name| (name, std::env::var(name).unwrap_or_default()));
    let named = named.iter().filter(|(_, value)| !value.is_empty());
    let named: Vec<_> = named
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    named.join(" or ")
}
