//! `kiosk.toml` is picked up while the kiosk runs, and a mistake leaves what was good.

use super::{configure, phase, prepared};
use wick_tests::window::{Desk, Home, Show};

const SCENES: &str = "
[[scene]]
type = \"title\"
heading = \"HEADING\"
text = \"For a test.\"
seconds = 600
";

#[tokio::test]
async fn an_edit_is_seen_and_a_mistake_is_not() {
    let form = |heading: &str| SCENES.replace("HEADING", heading);
    let home = prepared(Home::with_parrot(), &form("First light"));
    let mut desk = Desk::prepare("kiosk-edits", home, Show::Plain(1280, 800)).await;
    desk.start_kiosk(&[]).await;
    desk.see_words("@kiosk-scene", "First light").await;
    configure(
        desk.home(),
        &format!("mottto = \"x\"\n{}", form("A mistake")),
    );
    desk.until_true("the mistake is named", || desk.said("kiosk.toml") > 0)
        .await;
    assert!(desk.text("@kiosk-scene").await.contains("First light"));
    configure(desk.home(), &form("Second light"));
    desk.see_words("@kiosk-scene", "Second light").await;
    phase(&desk, "attract").await;
}
