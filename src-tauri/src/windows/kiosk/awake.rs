//! The screen stays bright while the kiosk has it: the X server, the desktop and the login session are each asked, since
//! each blanks by itself. Whoever is not there is not asked.
//!
//! All three requests end with the window or with this program, however it ends, so nothing has to be put back. Compositors
//! without a desktop (sway, cage) blank nothing by themselves.

use gtk::gdk::Display;
use gtk::gio::{
    self, BusType, Cancellable, DBusCallFlags, DBusConnection, DBusConnectionFlags, UnixFDList,
};
use gtk::glib;
use gtk::prelude::{DisplayExtManual, ToVariant, WidgetExt};
use std::cell::RefCell;
use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use x11rb::connection::RequestConnection;
use x11rb::protocol::{dpms, screensaver, xproto};
use x11rb::rust_connection::RustConnection;

const WHY: &str = "visitors look at this screen";

/// What is held of server, desktop and login session, each for as long as its connection is open.
type Held = (
    Option<RustConnection>,
    Option<DBusConnection>,
    Option<UnixFDList>,
);

/// Keeps the screen bright for as long as the window is there. Main thread only.
pub(super) fn hold(window: &gtk::ApplicationWindow) {
    let held = Rc::new(RefCell::new(Some(Held::default())));
    window.connect_destroy({
        let held = held.clone();
        move |_| drop(held.take())
    });
    glib::MainContext::default().spawn_local(async move {
        let asked = (
            told("the X server", ask_server()),
            told("the desktop", ask_desktop().await),
            told("the login session", ask_login().await),
        );
        // The window may be gone by now.
        if let Some(held) = held.borrow_mut().as_mut() {
            *held = asked;
        }
    });
}

fn told<T>(whom: &str, asked: Result<T, Box<dyn Error>>) -> Option<T> {
    asked
        .inspect_err(
            |error| tracing::debug!(%error, "{whom} was not asked to keep the screen bright"),
        )
        .ok()
}

/// Suspends the server's own saver and DPMS until the connection ends: `ScreenSaverSuspend`, X Screen Saver Extension 1.1.
fn ask_server() -> Result<RustConnection, Box<dyn Error>> {
    let display = Display::default().ok_or("no display")?;
    if !display.backend().is_x11() {
        return Err("there is none".into());
    }
    let (server, _) = x11rb::connect(None)?;
    // Whoever suspends without having said its version is an error to the server.
    screensaver::query_version(&server, 1, 1)?.reply()?;
    screensaver::suspend(&server, 1)?.check()?;
    xproto::force_screen_saver(&server, xproto::ScreenSaver::RESET)?.check()?;
    let has_dpms = server.extension_information(dpms::X11_EXTENSION_NAME)?;
    if has_dpms.is_some() && dpms::info(&server)?.reply()?.state {
        dpms::force_level(&server, dpms::DPMSMode::ON)?.check()?;
    }
    Ok(server)
}

/// `org.freedesktop.ScreenSaver`, on a connection of its own: closing it ends the request.
async fn ask_desktop() -> Result<DBusConnection, Box<dyn Error>> {
    if !has_session_bus() {
        return Err("there is none".into());
    }
    let address = gio::dbus_address_get_for_bus_sync(BusType::Session, Cancellable::NONE)?;
    let flags =
        DBusConnectionFlags::AUTHENTICATION_CLIENT | DBusConnectionFlags::MESSAGE_BUS_CONNECTION;
    let desktop = DBusConnection::for_address_future(&address, flags, None).await?;
    desktop
        .call_future(
            Some("org.freedesktop.ScreenSaver"),
            "/org/freedesktop/ScreenSaver",
            "org.freedesktop.ScreenSaver",
            "Inhibit",
            Some(&("Wick", WHY).to_variant()),
            None,
            DBusCallFlags::NO_AUTO_START,
            -1,
        )
        .await?;
    Ok(desktop)
}

/// Asking for the bus where there is none would start one.
fn has_session_bus() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let socket = set("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("bus"));
    set("DBUS_SESSION_BUS_ADDRESS").is_some() || socket.is_some_and(|socket| socket.exists())
}

/// logind's idle action and sleep; the request ends when its descriptor is closed.
async fn ask_login() -> Result<UnixFDList, Box<dyn Error>> {
    let system = gio::bus_get_future(BusType::System).await?;
    let (_, held) = system
        .call_with_unix_fd_list_future(
            Some("org.freedesktop.login1"),
            "/org/freedesktop/login1",
            "org.freedesktop.login1.Manager",
            "Inhibit",
            Some(&("idle:sleep", "Wick", WHY, "block").to_variant()),
            None,
            DBusCallFlags::NO_AUTO_START,
            -1,
            None::<&UnixFDList>,
        )
        .await?;
    Ok(held)
}
