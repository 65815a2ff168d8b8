//! The desktop shell: starts the application, opens its window, ends both in order.
//!
//! It deliberately decides nothing: commands are thin over [`studio::Studio`], and every fact comes from there.

mod bindings;
mod commands;
mod display;
mod instance;
mod windows;

use instance::Instance;
use std::process::ExitCode;
use studio::{Machine, Paths, Studio};
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};
use tauri_specta::Event;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("WICK_LOG"))
        .with_writer(std::io::stderr)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "without a window this is the only place to speak"
)]
fn complain(error: &dyn std::error::Error) {
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
    app.run(|app, event| match event {
        RunEvent::Exit => tauri::async_runtime::block_on(app.state::<Studio>().shutdown()),
        // Behind another window, minimised or on another desktop: the status may come more rarely.
        RunEvent::WindowEvent {
            event: WindowEvent::Focused(focused),
            ..
        } => app.state::<Studio>().set_watched(focused),
        _ => {}
    });
    Ok(())
}

fn start(app: &AppHandle, paths: Paths, instance: Instance) -> tauri::Result<()> {
    let studio = tauri::async_runtime::block_on(async { Studio::open(paths, Machine::local()) });
    app.manage(studio.clone());
    app.manage(commands::chat::Asked::default());
    tauri::async_runtime::spawn(tell_status(app.clone(), studio));
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
