//! The keyboard is the kiosk's alone: a window manager's own keys (Alt+Tab, Alt+F4, the Windows key) do nothing.
//!
//! It does not look at keys; that is [`super::lock`]'s. Where a display gives no keyboard away, the kiosk runs without.

use super::LOOK;
use gtk::gdk::{Display, GrabStatus, SeatCapabilities};
use gtk::glib::{self, ControlFlow, Propagation};
use gtk::prelude::{ObjectExt, SeatExt, WidgetExt, WidgetExtManual};
use std::cell::Cell;
use std::rc::Rc;

/// Takes the keyboard, and takes it again when it was lost, for as long as the window is there. Main thread only.
///
/// Not when the focus comes: on Wayland taking the keyboard makes the focus come.
pub(super) fn hold(window: &gtk::ApplicationWindow) {
    let held = Rc::new(Cell::new(false));
    window.connect_grab_broken_event({
        let held = held.clone();
        move |_, _| {
            held.set(false);
            Propagation::Proceed
        }
    });
    window.connect_map_event({
        let held = held.clone();
        move |window, _| {
            held.set(take(window));
            Propagation::Proceed
        }
    });
    let weak = window.downgrade();
    glib::timeout_add_local(LOOK, move || {
        let Some(window) = weak.upgrade().filter(WidgetExt::is_visible) else {
            return ControlFlow::Break;
        };
        if !held.get() {
            held.set(take(&window));
        }
        ControlFlow::Continue
    });
}

fn take(window: &gtk::ApplicationWindow) -> bool {
    let seat = Display::default().and_then(|display| display.default_seat());
    let Some((seat, window)) = seat.zip(window.window()) else {
        return false;
    };
    let status = seat.grab(&window, SeatCapabilities::KEYBOARD, true, None, None, None);
    tracing::debug!(?status, "the keyboard was asked for");
    status == GrabStatus::Success
}
