//! The kiosk is on all of the output that it is told to be on, wherever that goes.

use super::{GROUND, NO_HASTE, prepared, size};
use wick_tests::window::{Area, Desk, End, Home, Screen, Show};

const FIRST: Area = Area {
    x: 0,
    y: 0,
    width: 1280,
    height: 800,
};
const SECOND: Area = Area {
    x: 1280,
    y: 0,
    width: 1920,
    height: 1080,
};

#[tokio::test]
async fn an_output_goes_and_comes_with_its_cable() {
    let home = Home::without_model();
    let screen = Screen::start(Show::TwoMonitors, &home).await;
    let seen = || (screen.area("DUMMY0"), screen.area("DUMMY1"));
    assert_eq!(seen(), (Some(FIRST), Some(SECOND)));
    screen.pull("DUMMY1");
    assert_eq!(seen(), (Some(FIRST), None));
    screen.put_back("DUMMY1", (1920, 1080));
    assert_eq!(seen(), (Some(FIRST), Some(SECOND)));
    screen.set_size("DUMMY1", (3840, 2160));
    let larger = |area: Area| (area.width, area.height) == (3840, 2160);
    assert!(seen().1.is_some_and(larger));
    drop(screen);

    let screen = Screen::start(Show::Sway, &home).await;
    let seen = || (screen.area("HEADLESS-1"), screen.area("HEADLESS-2"));
    assert_eq!(seen(), (Some(FIRST), Some(SECOND)));
    screen.pull("X11-1");
    assert_eq!(seen(), (Some(FIRST), Some(SECOND)));
    screen.plug_in("HEADLESS-3");
    screen.set_size("HEADLESS-2", (3840, 2160));
    assert!(seen().1.is_some_and(larger));
}

/// A kiosk that shows the loop, on the output of this name.
async fn open(name: &str, show: Show, managed: bool, output: &str) -> Desk {
    let home = prepared(Home::with_parrot(), NO_HASTE);
    let mut desk = Desk::prepare(name, home, show).await;
    if managed {
        desk.manage().await;
    }
    desk.start_kiosk(&["--display", output]).await;
    desk
}

/// Waits until the page covers this output: it has its size, and both of its lower corners are the page's ground.
async fn covers(desk: &Desk, output: &str) {
    let area = desk.screen().area(output).expect("an output");
    size(desk, (area.width, area.height)).await;
    let corners = lower_corners(area);
    let grounded = || corners.map(|point| desk.screen().colour(point)) == [GROUND; 2];
    desk.until_true(&format!("{output} is covered"), grounded)
        .await;
}

fn lower_corners(area: Area) -> [(u32, u32); 2] {
    let bottom = area.y + area.height - 2;
    [(area.x + 1, bottom), (area.x + area.width - 2, bottom)]
}

/// The kiosk is nowhere on this output.
fn is_not_on(desk: &Desk, output: &str) {
    let area = desk.screen().area(output).expect("an output");
    for point in lower_corners(area) {
        assert_ne!(desk.screen().colour(point), GROUND, "{output} at {point:?}");
    }
}

async fn follows_its_cable(managed: bool) {
    let name = if managed {
        "kiosk-cable-managed"
    } else {
        "kiosk-cable"
    };
    let desk = open(name, Show::TwoMonitors, managed, "DUMMY1").await;
    covers(&desk, "DUMMY1").await;
    is_not_on(&desk, "DUMMY0");
    desk.screen().pull("DUMMY1");
    covers(&desk, "DUMMY0").await;
    desk.screen().put_back("DUMMY1", (1920, 1080));
    covers(&desk, "DUMMY1").await;
    is_not_on(&desk, "DUMMY0");
    desk.screen().set_size("DUMMY1", (2560, 1440));
    covers(&desk, "DUMMY1").await;
    desk.screen().set_size("DUMMY1", (1280, 720));
    covers(&desk, "DUMMY1").await;
    assert_eq!(desk.windows().await, 1);
}

#[tokio::test]
async fn without_a_window_manager_the_kiosk_follows_its_cable() {
    follows_its_cable(false).await;
}

#[tokio::test]
async fn with_a_window_manager_the_kiosk_follows_its_cable() {
    follows_its_cable(true).await;
}

#[tokio::test]
async fn in_sway_the_kiosk_is_on_the_output_that_it_is_told() {
    let mut desk = open("kiosk-sway", Show::Sway, false, "HEADLESS-2").await;
    covers(&desk, "HEADLESS-2").await;
    is_not_on(&desk, "HEADLESS-1");
    desk.screen().set_size("HEADLESS-2", (2560, 1440));
    covers(&desk, "HEADLESS-2").await;
    desk.screen().set_scale("HEADLESS-2", 2.0);
    size(&desk, (1280, 720)).await;
    desk.until("its pixels are sharp", "devicePixelRatio === 2")
        .await;
    desk.screen().set_scale("HEADLESS-2", 1.0);
    covers(&desk, "HEADLESS-2").await;
    desk.end(End::Terminated).await;

    desk.start_kiosk(&["--display", "X11-1"]).await;
    size(&desk, (1024, 768)).await;
    desk.screen().pull("X11-1");
    covers(&desk, "HEADLESS-1").await;
    desk.end(End::Terminated).await;

    desk.start_kiosk(&["--display", "HEADLESS-3"]).await;
    covers(&desk, "HEADLESS-1").await;
    desk.screen().plug_in("HEADLESS-3");
    covers(&desk, "HEADLESS-3").await;
}

#[tokio::test]
async fn in_cage_the_kiosk_is_all_there_is() {
    let home = prepared(Home::with_parrot(), NO_HASTE);
    let mut desk = Desk::prepare("kiosk-cage", home, Show::Cage(1920, 1080)).await;
    desk.start_kiosk(&[]).await;
    size(&desk, (1920, 1080)).await;
    let corners = [(1, 1078), (1918, 1078)];
    let grounded = || corners.map(|point| desk.screen().colour(point)) == [GROUND; 2];
    desk.until_true("the screen is covered", grounded).await;
}
