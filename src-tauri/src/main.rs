//! The desktop shell: starts the application, opens its window, ends both in order.
//!
//! It deliberately decides nothing: commands are thin over [`studio::Studio`], and every fact comes from there.

mod bindings;
mod commands;
mod display;
mod instance;
mod notice;
mod windows;

use instance::Instance;
use std::process::ExitCode;
use std::time::Duration;
use studio::{Paths, Studio};
use tauri::{AppHandle, Manager, RunEvent};
use tauri_specta::Event;
use tokio::sync::broadcast::error::RecvError;

const HELP: &str = "\
Wick, a model studio for one desk. Without arguments it opens its window.

  -h, --help     this
  -V, --version  its version

`wick` is the same in a terminal. WICK_LOG=debug makes both trace on standard error.";

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("WICK_LOG"))
        .with_writer(std::io::stderr)
        .init();
    if let Some(code) = answer_in_words() {
        return code;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// What was asked for on the command line and needs no window, or can't be done.
#[expect(clippy::print_stdout, reason = "it was asked for")]
fn answer_in_words() -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return None,
        ["--version" | "-V"] => println!("wick-studio {}", env!("CARGO_PKG_VERSION")),
        ["--help" | "-h"] => println!("{HELP}"),
        // Whatever a desktop hands over beside options is no order.
        [first, ..] if !first.starts_with('-') => return None,
        [first, ..] => {
            complain(&format!("{first:?} is not known; see --help"));
            return Some(ExitCode::from(2));
        }
    }
    Some(ExitCode::SUCCESS)
}

#[expect(
    clippy::print_stderr,
    reason = "without a window this is the only place to speak"
)]
fn complain(error: &dyn std::fmt::Display) {
    eprintln!("wick-studio: {error}");
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    display::prepare()?;
    let paths = Paths::from_environment()?;
    let Some(instance) = Instance::claim(&paths.data_dir)? else {
        return Ok(());
    };
    let bindings = bindings::builder();
    let app = tauri::Builder::default()
        .invoke_handler(bindings.invoke_handler())
        .setup(move |app| {
            bindings.mount_events(app);
            start(app.handle(), paths, instance)?;
            Ok(())
        })
        .build(tauri::generate_context!())?;
    app.run(|app, event| {
        if matches!(event, RunEvent::Exit) {
            tauri::async_runtime::block_on(app.state::<Studio>().shutdown());
        }
    });
    Ok(())
}

fn start(app: &AppHandle, paths: Paths, instance: Instance) -> tauri::Result<()> {
    let machine = studio::machine_from_environment();
    let studio = tauri::async_runtime::block_on(async { Studio::open(paths, machine) });
    app.manage(studio.clone());
    app.manage(commands::chat::Asked::default());
    tauri::async_runtime::spawn(tell_status(app.clone(), studio.clone()));
    tauri::async_runtime::spawn(tell_guard(app.clone(), studio.clone()));
    tauri::async_runtime::spawn(studio.tell_readings());
    tauri::async_runtime::spawn(tell_downloads(app.clone(), studio));
    tauri::async_runtime::spawn(end_on_signal(app.clone()));
    instance.on_second_start({
        let app = app.clone();
        move || windows::raise_main(&app)
    });
    windows::open_main(app)
}

async fn tell_status(app: AppHandle, studio: Studio) {
    let mut status = studio.subscribe_status();
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        if let Err(error) = bindings::StatusChanged(now).emit(&app) {
            tracing::warn!(%error, "the window was not told the status");
        }
    }
}

async fn tell_guard(app: AppHandle, studio: Studio) {
    let mut notices = studio.subscribe_guard();
    loop {
        match notices.recv().await {
            Ok(notice) => {
                if let Err(error) = bindings::GuardActed(notice).emit(&app) {
                    tracing::warn!(%error, "the window was not told what the guard did");
                }
            }
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "notices were missed"),
            Err(RecvError::Closed) => return,
        }
    }
}

async fn tell_downloads(app: AppHandle, studio: Studio) {
    let mut downloads = studio.subscribe_downloads();
    let mut before = downloads.borrow().clone();
    while downloads.changed().await.is_ok() {
        let now = downloads.borrow_and_update().clone();
        notice::of_ends(&app, &before, &now);
        let changed = studio::DownloadList::between(&before, &now);
        before = now;
        if let Err(error) = bindings::DownloadsChanged(changed).emit(&app) {
            tracing::warn!(%error, "the window was not told of downloads");
        }
        // Ten times a second is as often as anybody can see.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Logging out or `kill` ends the app as its close button does.
async fn end_on_signal(app: AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    app.exit(0);
}
