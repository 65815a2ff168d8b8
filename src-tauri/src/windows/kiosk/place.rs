//! Where the kiosk's window is: on all of one output, also after outputs came, went or changed.
//!
//! It decides nothing but which output: the one that was asked for, else what there is. *Invariant:* as long as there is
//! an output, the window covers one.

use crate::windows::displays::{Output, outputs};
use gtk::gdk;
use gtk::glib::IsA;
use gtk::prelude::{DisplayExtManual, GtkWindowExt, MonitorExt, WidgetExt};

/// The output to be on: the one with this name; while there is none, the desktop's first choice.
pub(crate) fn choose<'a>(outputs: &'a [Output], wanted: Option<&str>) -> Option<&'a Output> {
    let named = outputs
        .iter()
        .find(|output| Some(output.name.as_str()) == wanted);
    let primary = || outputs.iter().find(|output| output.is_primary);
    named.or_else(primary).or_else(|| outputs.first())
}

/// Lays a window over all of this output. Each of these calls alone fails somewhere: without a window manager nobody
/// makes a window fullscreen, with one nobody may move a fullscreen window, and on Wayland nobody may move any.
pub(crate) fn on(window: &impl IsA<gtk::Window>, output: &Output) {
    let place = output.place;
    window.move_(place.x(), place.y());
    window.resize(place.width(), place.height());
    if let Some(screen) = gdk::Screen::default() {
        window.fullscreen_on_monitor(&screen, output.number);
    }
}

/// Lays a window that is not on the screen yet over the output that is wanted.
pub(super) fn first(window: &gtk::ApplicationWindow, wanted: Option<&str>) {
    let outputs = outputs();
    let Some(output) = choose(&outputs, wanted) else {
        return;
    };
    if wanted.is_some_and(|wanted| wanted != output.name) {
        tracing::warn!(
            wanted,
            "there is no such output; the kiosk is on {}",
            output.name
        );
    }
    if is_wayland(window) {
        // First where the focus is, and from there to its output: sway gives no focus to a window that begins elsewhere.
        window.fullscreen();
    } else {
        on(window, output);
    }
}

/// Asks a Wayland compositor once more for the output, after outputs came or went: sway keeps a window of one that went
/// on a workspace that nobody sees, with the size of the one that is seen.
pub(super) fn again(window: &gtk::ApplicationWindow, wanted: Option<&str>) {
    let outputs = outputs();
    if let Some(output) = choose(&outputs, wanted).filter(|_| is_wayland(window)) {
        on(window, output);
    }
}

/// Puts the window where it belongs, if it is not there.
pub(super) fn keep(window: &gtk::ApplicationWindow, wanted: Option<&str>) {
    let outputs = outputs();
    let Some(output) = choose(&outputs, wanted) else {
        return;
    };
    if !covers(window, output) {
        tracing::info!(output = output.name, "the kiosk takes its place");
        if !is_wayland(window) {
            // A window manager leaves a fullscreen window where it is.
            window.unfullscreen();
        }
        on(window, output);
    }
}

fn covers(window: &gtk::ApplicationWindow, output: &Output) -> bool {
    let (place, size) = (output.place, window.allocation());
    let right_size = (size.width(), size.height()) == (place.width(), place.height());
    right_size && lies_at(window, output) && seen_on(window, std::slice::from_ref(output)).is_some()
}

fn is_wayland(window: &gtk::ApplicationWindow) -> bool {
    window.display().backend().is_wayland()
}

/// On Wayland a window does not know where it lies, and the compositor lays it right.
fn lies_at(window: &gtk::ApplicationWindow, output: &Output) -> bool {
    let corner = window.window().map(|window| window.origin());
    let (x, y) = (output.place.x(), output.place.y());
    window.display().backend().is_wayland()
        || corner.is_some_and(|(_, left, top)| (left, top) == (x, y))
}

/// The output of these on which most of the window is.
pub(super) fn seen_on<'a>(
    window: &gtk::ApplicationWindow,
    outputs: &'a [Output],
) -> Option<&'a Output> {
    let monitor = gdk::Display::default()?.monitor_at_window(&window.window()?)?;
    outputs
        .iter()
        .find(|output| output.place == monitor.geometry())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(name: &str, is_primary: bool) -> Output {
        Output {
            number: 0,
            name: name.into(),
            description: None,
            place: gdk::Rectangle::new(0, 0, 1920, 1080),
            scale: 2.0,
            is_primary,
        }
    }

    #[test]
    fn there_is_always_an_output_while_there_is_one() {
        let both = [output("eDP-1", false), output("HDMI-1", true)];
        for (outputs, wanted, expected) in [
            (&both[..], Some("eDP-1"), Some("eDP-1")),
            (&both, Some("HDMI-1"), Some("HDMI-1")),
            (&both, Some("DP-9"), Some("HDMI-1")),
            (&both, None, Some("HDMI-1")),
            (&both[..1], Some("HDMI-1"), Some("eDP-1")),
            (&[], Some("HDMI-1"), None),
        ] {
            let chosen = choose(outputs, wanted).map(|output| output.name.as_str());
            assert_eq!(chosen, expected, "{wanted:?} of {}", outputs.len());
        }
    }

    #[test]
    fn an_output_has_its_own_pixels() {
        assert_eq!(output("HDMI-1", true).pixels(), (3840, 2160));
    }
}
