//! The screens that the kiosk's stories stand on: what they say of their outputs is so.

use wick_tests::window::{Area, Home, Screen, Show};

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
async fn an_output_goes_and_returns_with_its_cable() {
    for (show, first, second) in [
        (Show::TwoMonitors, "DUMMY0", "DUMMY1"),
        (Show::Sway, "HEADLESS-1", "HEADLESS-2"),
    ] {
        let home = Home::without_model();
        let screen = Screen::start(show, &home).await;
        let seen = || (screen.area(first), screen.area(second));
        assert_eq!(seen(), (Some(FIRST), Some(SECOND)), "{show:?}");
        screen.pull(second);
        assert_eq!(seen(), (Some(FIRST), None), "{show:?}");
        screen.put_back(second, (1920, 1080));
        assert_eq!(seen(), (Some(FIRST), Some(SECOND)), "{show:?}");
        screen.set_size(second, (3840, 2160));
        let larger = Area {
            width: 3840,
            height: 2160,
            ..SECOND
        };
        assert_eq!(seen(), (Some(FIRST), Some(larger)), "{show:?}");
    }
}
