//! The outputs of the machine, named as `xrandr` and `swaymsg -t get_outputs` name them.
//!
//! It deliberately holds nothing: outputs come and go, so they are asked for anew each time. Main thread only.

mod flash;
mod wayland;

pub(crate) use flash::flash;

use gtk::gdk::{Display, Monitor, Rectangle};
use gtk::prelude::{DisplayExtManual, MonitorExt};

/// An output, now.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// Its place in GDK's list.
    pub(crate) number: i32,
    /// As `--display` takes it, such as `HDMI-1`.
    pub(crate) name: String,
    /// The maker's name for it, if it is known.
    pub(crate) description: Option<String>,
    /// Where it lies, in the pixels of pages.
    pub(crate) place: Rectangle,
    /// Pixels of its own for one of a page's.
    pub(crate) scale: f64,
    /// Whether it is the first choice of the desktop.
    pub(crate) is_primary: bool,
}

impl Output {
    /// Width and height in its own pixels.
    pub(crate) fn pixels(&self) -> (u32, u32) {
        let own = |length: i32| (f64::from(length) * self.scale).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a length of a screen"
        )]
        let own = |length| own(length).max(0.0) as u32;
        (own(self.place.width()), own(self.place.height()))
    }
}

/// All outputs that are on.
pub(crate) fn outputs() -> Vec<Output> {
    let Some(display) = Display::default() else {
        return Vec::new();
    };
    let monitors =
        (0..display.n_monitors()).filter_map(|number| Some((number, display.monitor(number)?)));
    let mut told = told_names(&display).into_iter();
    monitors
        .map(|(number, monitor)| output(number, &monitor, told.next().unwrap_or_default()))
        .collect()
}

/// What GDK does not tell on Wayland. Both lists are in the order in which the compositor announced its outputs; while
/// they differ, an output is just coming or going, and this is asked again.
fn told_names(display: &Display) -> Vec<wayland::Told> {
    if !display.backend().is_wayland() {
        return Vec::new();
    }
    let told = wayland::outputs()
        .inspect_err(|error| tracing::warn!(%error, "the compositor does not name its outputs"))
        .unwrap_or_default();
    let known = display.n_monitors();
    let complete = i32::try_from(told.len()) == Ok(known);
    if !complete {
        tracing::debug!(told = told.len(), known, "outputs are coming or going");
    }
    told.into_iter().take_while(|_| complete).collect()
}

fn output(number: i32, monitor: &Monitor, told: wayland::Told) -> Output {
    let place = monitor.geometry();
    let model = monitor.model().map(String::from);
    let unnamed = || format!("output-{}", number + 1);
    // On X11 GDK gives RandR's name as the model.
    let name = told.name.or_else(|| model.clone());
    Output {
        number,
        name: name.unwrap_or_else(unnamed),
        description: told.description,
        place,
        scale: told
            .pixels
            .and_then(|pixels| scale(place, pixels))
            .unwrap_or_else(|| f64::from(monitor.scale_factor())),
        is_primary: monitor.is_primary(),
    }
}

/// By areas, since a turned output tells its pixels as if it were not turned.
fn scale(place: Rectangle, pixels: (i32, i32)) -> Option<f64> {
    let area = |width, height| f64::from(width) * f64::from(height);
    let scale = (area(pixels.0, pixels.1) / area(place.width(), place.height())).sqrt();
    (scale.is_finite() && scale > 0.0).then_some(scale)
}
