//! Where things are on the screen of a kiosk: learned once from the driver, which does not outlive the page that it looks at.

use crate::window::Desk;

/// Where a visitor presses, in pixels of the screen, and what the screen's lower right corner looks like.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) middle: (u32, u32),
    pub(super) card: (u32, u32),
    pub(super) field: (u32, u32),
    pub(super) start_over: (u32, u32),
    pub(super) in_loop: String,
    pub(super) in_visit: String,
}

impl Places {
    /// Somebody comes, only looks, and goes: the driver tells where things are, as long as its page lives.
    pub(super) async fn learn(desk: &Desk) -> Self {
        let (width, height) = desk.screen().size();
        let middle = (width / 2, height / 2);
        desk.see("@kiosk-scene").await;
        desk.stand_still().await;
        let in_loop = desk.screen().colour(corner(desk));
        press(desk, middle);
        desk.see("@kiosk-field").await;
        desk.stand_still().await;
        let places = Self {
            middle,
            card: place(desk, "@kiosk-card").await,
            field: place(desk, "@kiosk-field").await,
            start_over: place(desk, "@kiosk-start-over").await,
            in_loop,
            in_visit: desk.screen().colour(corner(desk)),
        };
        assert_ne!(places.in_loop, places.in_visit);
        press(desk, places.start_over);
        places
    }
}

/// The pixel that tells the loop from a visit.
pub(super) fn corner(desk: &Desk) -> (u32, u32) {
    let (width, height) = desk.screen().size();
    (width - 2, height - 2)
}

async fn place(desk: &Desk, selector: &str) -> (u32, u32) {
    let middle = format!(
        "(({{ left, top, width, height }}) => [left + width / 2, top + height / 2].map(Math.round))\
         (document.querySelector('{selector}').getBoundingClientRect())"
    );
    let place = desk.eval(&middle, "").await;
    let pixel = |at: usize| place[at].as_u64().and_then(|at| u32::try_from(at).ok());
    pixel(0).zip(pixel(1)).expect("a place on the screen")
}

/// Presses the mouse there.
pub(super) fn press(desk: &Desk, (x, y): (u32, u32)) {
    let (x, y) = (x.to_string(), y.to_string());
    desk.screen().point(&["mousemove", &x, &y, "click", "1"]);
}
