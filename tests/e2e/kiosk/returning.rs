//! Whatever is killed or hangs, the kiosk is back: the worker, the page, the app. The unit that `wick kiosk install` prints
//! is what brings the app back, played by [`Service`].

use super::{GROUND, NO_HASTE, phase, prepared, touch};
use wick_tests::window::{Desk, Home, Process, Screen, Service, Show, Unit};

/// The unit that install would write here.
fn unit(home: &Home, arguments: &[&str]) -> Unit {
    let mut command = home.command("wick");
    command
        .args(["kiosk", "install", "--dry-run"])
        .args(arguments);
    let output = command.output().expect("wick starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Unit::read(&String::from_utf8(output.stdout).expect("text"))
}

/// The unit of a session; root has none, so its dry run is that of a machine below `/`.
fn session_unit(home: &Home) -> Unit {
    unit(home, &["--session", "--root", "/"])
}

fn only(mut processes: Vec<Process>) -> Process {
    assert_eq!(processes.len(), 1, "{processes:?}");
    processes.remove(0)
}

#[tokio::test]
async fn a_killed_worker_costs_a_visitor_nothing() {
    let home = prepared(Home::with_parrot(), NO_HASTE);
    let mut desk = Desk::prepare("kiosk-worker", home, Show::Plain(1280, 800)).await;
    desk.start_kiosk(&[]).await;
    touch(&desk).await;
    let long = "word ".repeat(3000);
    desk.home().teach(&long);
    desk.fill("@kiosk-field", "a long one").await;
    desk.click("@kiosk-send").await;
    let begun = "document.querySelector('@kiosk-message[aria-busy]')?.innerText.length > 50";
    desk.until("the answer is being written", begun).await;
    let worker = only(desk.engines());
    worker.kill();
    worker.ended().await;
    let answer = "[...document.querySelectorAll('@kiosk-message[data-from=model]:not([aria-busy])')].at(-1)?.innerText";
    let answer = desk.until("the whole answer all the same", answer).await;
    let words = answer.as_str().unwrap_or_default().split_whitespace();
    assert_eq!(
        words.filter(|word| *word == "word").count(),
        3000,
        "it was said once"
    );
    phase(&desk, "visit").await;
}

#[tokio::test]
async fn a_killed_app_and_a_killed_page_are_back() {
    let home = prepared(Home::with_parrot(), NO_HASTE);
    let screen = Screen::start(Show::Plain(1280, 800), &home).await;
    let service = Service::start(session_unit(&home), &home, &screen);
    service
        .until("the page is there", |now| now.readies == 1)
        .await;
    let grounded = || screen.colour((1, 798)) == GROUND;
    assert!(grounded());

    let page = only(home.processes("WebKitWebProcess"));
    page.kill();
    service
        .until("the page is back", |now| now.readies == 2)
        .await;

    let page = only(home.processes("WebKitWebProcess"));
    page.stop();
    service
        .until("a page that hangs is noticed", |now| now.readies == 3)
        .await;
    assert!(!page.is_alive(), "it is another one");

    let state = service
        .until("it was started once", |now| now.starts == 1)
        .await;
    Process::find(state.process).expect("the app").kill();
    service
        .until("the app is back", |now| (now.starts, now.readies) == (2, 4))
        .await;
    assert!(grounded());

    let app = only(home.processes("wick-studio"));
    app.stop();
    let state = service
        .until("an app that hangs is back", |now| {
            (now.starts, now.readies) == (3, 5)
        })
        .await;
    assert_eq!(state.barks, 1);
}

#[tokio::test]
async fn without_a_pin_it_ends_for_good() {
    let home = Home::with_parrot();
    let screen = Screen::start(Show::Plain(1280, 800), &home).await;
    let service = Service::start(session_unit(&home), &home, &screen);
    let state = service.until("it gave up", |now| now.ended.is_some()).await;
    assert_eq!((state.ended, state.starts), (Some(2), 1));
}

/// As on a console: cage is started by the unit, and all of the row ends and returns together.
#[tokio::test]
async fn on_a_console_the_whole_row_returns() {
    let home = prepared(Home::with_parrot(), NO_HASTE);
    let screen = Screen::start(Show::Plain(1024, 768), &home).await;
    let unit = unit(&home, &["--console", "--user", "nobody", "--root", "/"]);
    let service = Service::start_console(unit, &home, &screen);
    service
        .until("the page is there", |now| now.readies == 1)
        .await;
    assert_eq!(screen.colour((1, 766)), GROUND);

    only(home.processes("wick-studio")).kill();
    service
        .until("the app is back", |now| (now.starts, now.readies) == (2, 2))
        .await;

    let old = only(home.processes("wick-studio"));
    only(home.processes("cage")).kill();
    service
        .until("cage is back", |now| (now.starts, now.readies) == (3, 3))
        .await;
    assert!(!old.is_alive());

    // What systemd does when the watchdog barks: the unit's first process is killed, and nobody else.
    let (old, app) = (
        only(home.processes("cage")),
        only(home.processes("wick-studio")),
    );
    app.stop();
    let state = service
        .until("a frozen app is back", |now| {
            (now.starts, now.readies) == (4, 4)
        })
        .await;
    assert_eq!(state.barks, 1);
    assert!(!old.is_alive() && !app.is_alive());
}
