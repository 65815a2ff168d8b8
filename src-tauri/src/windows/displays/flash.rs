//! A number on each output for a moment, so that a person sees which is which.

use super::{Output, outputs};
use crate::windows::kiosk::place;
use gtk::prelude::{
    ContainerExt, CssProviderExt, GtkWindowExt, LabelExt, StyleContextExt, WidgetExt,
};
use std::time::Duration;

const SHOWN: Duration = Duration::from_secs(2);

/// Shows the numbers, from 1, in the order of [`outputs`]. Main thread only; returns at once.
pub(crate) fn flash() {
    for (output, number) in outputs().iter().zip(1..) {
        let window = window(output, number);
        gtk::glib::timeout_add_local_once(SHOWN, move || window.close());
    }
}

fn window(output: &Output, number: i32) -> gtk::Window {
    let window = gtk::Window::new(gtk::WindowType::Toplevel);
    window.set_title(&output.name);
    window.set_decorated(false);
    window.set_accept_focus(false);
    window.set_skip_taskbar_hint(true);
    let label = gtk::Label::new(None);
    // In 1024ths of a point; a point is 4/3 of a pixel.
    let size = output.place.height().min(output.place.width()) * 1024 * 3 / 4 / 2;
    label.set_markup(&format!(
        "<span font_family=\"Inter, sans-serif\" weight=\"bold\" size=\"{size}\" foreground=\"#ff8a3d\">{number}</span>"
    ));
    let ground = gtk::CssProvider::new();
    if ground.load_from_data(b"* { background: #12100e; }").is_ok() {
        let style = window.style_context();
        style.add_provider(&ground, gtk::STYLE_PROVIDER_PRIORITY_APPLICATION);
    }
    window.add(&label);
    label.show();
    place::on(&window, output);
    window.show();
    window
}
