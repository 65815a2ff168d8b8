//! The ways out: to the desk, to the end, to a new beginning. Whoever calls has seen the operator's PIN, or is the
//! maintenance hour.

use super::{Screen, Shell};
use crate::windows::{KIOSK, desk};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::Ordering;
use studio::{Leave, Studio};
use tauri::{AppHandle, Manager};

/// Leaves the kiosk; whoever visits is wiped.
pub(crate) async fn leave(app: &AppHandle, how: Leave) -> tauri::Result<()> {
    app.state::<Studio>().kiosk().close().await;
    let shell = app.state::<Shell>();
    shell.screen.send_replace(Screen::Leaving);
    match how {
        Leave::ToDesk => return to_desk(app),
        Leave::Quit => {}
        Leave::Restart => shell.begin_anew_at_end(),
    }
    app.exit(0);
    Ok(())
}

/// The desk comes first: an app without a window ends.
fn to_desk(app: &AppHandle) -> tauri::Result<()> {
    desk::raise(app);
    let handle = app.clone();
    app.run_on_main_thread(move || {
        let window = handle.get_webview_window(KIOSK);
        if let Some(Err(error)) = window.map(|window| window.destroy()) {
            tracing::error!(%error, "the kiosk's window stays");
        }
        handle.state::<Shell>().remove_folder();
        handle.state::<Shell>().screen.send_replace(Screen::Free);
    })
}

/// Restarts everything each time the maintenance hour comes, until the kiosk is left.
pub(super) async fn restart_when_due(app: AppHandle) {
    let kiosk = app.state::<Studio>().kiosk();
    let shell = app.state::<Shell>();
    tokio::select! {
        () = kiosk.upkeep_due() => {}
        () = shell.closed() => return,
    }
    tracing::info!("the kiosk's hour to begin anew has come");
    if let Err(error) = leave(&app, Leave::Restart).await {
        tracing::error!(%error, "the kiosk did not begin anew");
    }
}

/// The last thing that the program does: if the kiosk is to begin anew, it takes its own place.
pub(crate) fn end(app: &AppHandle) {
    let shell = app.state::<Shell>();
    let again = shell.again.load(Ordering::Relaxed);
    shell.life.end(again);
    shell.remove_folder();
    let Some(program) = std::env::args_os().next().filter(|_| again) else {
        return;
    };
    let display = shell.asked_for.lock().ok().and_then(|name| name.clone());
    let display = display.map(|name| format!("--display={name}"));
    let error = Command::new(program).arg("--kiosk").args(display).exec();
    tracing::error!(%error, "the kiosk can't begin anew");
}
