//! The outputs of a screen: where each lies, and what a person does with their cables.

use super::Screen;
use super::screen::until;
use serde_json::Value;
use std::process::{Command, Stdio};

/// The part of a screen that one output shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// From the left.
    pub x: u32,
    /// From above.
    pub y: u32,
    /// In pixels of the screen.
    pub width: u32,
    /// In pixels of the screen.
    pub height: u32,
}

impl Screen {
    /// Where an output lies; `None` while its cable is pulled.
    pub fn area(&self, name: &str) -> Option<Area> {
        if self.sway.is_some() {
            area_in_sway(&self.tell("swaymsg", &["-r", "-t", "get_outputs"]), name)
        } else {
            // Without `--current`: asked so, the server looks at its cables, and tells those who listen.
            area_in_x(&self.tell("xrandr", &["--query"]), name)
        }
    }

    /// Pulls the cable of an output.
    pub fn pull(&self, name: &str) {
        if self.sway.is_some() {
            // Sway's window is a monitor to it. The manager around closes it.
            self.point(&["key", "alt+F4"]);
        } else {
            self.tell("xrandr", &["--output", name, "--off"]);
        }
        until("the cable is pulled", || self.area(name).is_none());
    }

    /// Puts the cable back in: the output is there again, with this size and to the right of the first.
    pub fn put_back(&self, name: &str, size: (u32, u32)) {
        self.set_mode(name, size, &["--right-of", "DUMMY0"]);
        until("the output is there", || self.area(name).is_some());
    }

    /// Plugs in a monitor that was never there. Only sway can; the first one is HEADLESS-3, of 1920 × 1080 pixels.
    pub fn plug_in(&self, name: &str) {
        self.tell("swaymsg", &["create_output"]);
        until("the output is there", || self.area(name).is_some());
    }

    /// Changes the resolution of an output.
    pub fn set_size(&self, name: &str, size: (u32, u32)) {
        if self.sway.is_some() {
            let (width, height) = size;
            let size = format!("{width}x{height}");
            self.tell("swaymsg", &["output", name, "resolution", &size]);
        } else {
            self.set_mode(name, size, &[]);
        }
        let is_so = || {
            self.area(name)
                .is_some_and(|area| (area.width, area.height) == size)
        };
        until("the size is another", is_so);
    }

    /// Changes how many pixels of an output one of a page takes. Only sway can.
    pub fn set_scale(&self, name: &str, scale: f64) {
        self.tell("swaymsg", &["output", name, "scale", &scale.to_string()]);
    }

    fn set_mode(&self, name: &str, (width, height): (u32, u32), place: &[&str]) {
        let mode = format!("wick-{width}x{height}");
        if !self.tell("xrandr", &["--current"]).contains(&mode) {
            // Any timing is good enough for what has no tube.
            let [w, h] = [width, height].map(|size| size.to_string());
            let timing = ["100", &w, &w, &w, &w, &h, &h, &h, &h];
            self.tell("xrandr", &[&["--newmode", &mode][..], &timing].concat());
        }
        self.tell("xrandr", &["--addmode", name, &mode]);
        let set = ["--output", name, "--mode", &mode];
        self.tell("xrandr", &[&set[..], place].concat());
    }

    /// Makes cage's window as large as the screen: for cage, that is its monitor.
    pub(super) fn fill_with_cage(&self, (width, height): (u32, u32)) {
        let window = self.only_window();
        let [width, height] = [width, height].map(|size| size.to_string());
        self.tell(
            "xdotool",
            &["windowsize", "--sync", &window, &width, &height],
        );
    }

    /// The compositor's window on the X server.
    fn only_window(&self) -> String {
        let windows = [
            "search",
            "--maxdepth",
            "1",
            "--onlyvisible",
            "--class",
            ".*",
        ];
        // The root comes first.
        let window = || {
            let found = self.tell("xdotool", &windows);
            found.lines().nth(1).map(str::to_owned)
        };
        until("there is a window", || window().is_some());
        window().expect("a window")
    }

    /// The answer of a program that speaks to this screen.
    pub(super) fn tell(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            .envs(self.x11.iter().map(|name| ("DISPLAY", name)))
            .envs(self.sway.iter().map(|socket| ("SWAYSOCK", socket)))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{program} {arguments:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// `DUMMY1 connected 1920x1080+1280+0 …`
fn area_in_x(said: &str, name: &str) -> Option<Area> {
    let line = said
        .lines()
        .find(|line| line.split(' ').next() == Some(name))?;
    let numbers = |word: &str| -> Option<Vec<u32>> {
        word.split(['x', '+'])
            .map(|number| number.parse().ok())
            .collect()
    };
    line.split(' ').find_map(|word| match numbers(word)?[..] {
        [width, height, x, y] => Some(Area {
            x,
            y,
            width,
            height,
        }),
        _ => None,
    })
}

fn area_in_sway(said: &str, name: &str) -> Option<Area> {
    let outputs: Value = serde_json::from_str(said).expect("JSON");
    let output = outputs
        .as_array()?
        .iter()
        .find(|output| output["name"] == name)?;
    let number = |field: &str| u32::try_from(output["rect"][field].as_u64()?).ok();
    let is_on = output["active"] == true;
    is_on.then_some(())?;
    Some(Area {
        x: number("x")?,
        y: number("y")?,
        width: number("width")?,
        height: number("height")?,
    })
}
