//! The desktop shell: starts the application, opens its window, ends both in order.
//!
//! It deliberately decides nothing: commands are thin over [`studio::Studio`], and every fact comes from there.

mod arguments;
mod bindings;
mod commands;
mod display;
mod instance;
mod notice;
mod tell;
mod windows;

use arguments::{HOPELESS, Order, complain};
use instance::Instance;
use std::process::ExitCode;
use studio::{ErrorCode, Paths, Studio};
use tauri::{AppHandle, Manager, RunEvent};
use windows::kiosk;

fn main() -> ExitCode {
    display::see_off_predecessor();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("WICK_LOG"))
        .with_writer(std::io::stderr)
        .init();
    let arguments = std::env::args_os().skip(1);
    match arguments::read(arguments.map(|argument| argument.to_string_lossy().into_owned())) {
        Ok(Order::Say(words)) => say(&words),
        Ok(order) => run(order).unwrap_or_else(|error| complain(&error, 1)),
        Err(words) => complain(&words, HOPELESS),
    }
}

#[expect(clippy::print_stdout, reason = "it was asked for")]
fn say(words: &str) -> ExitCode {
    println!("{words}");
    ExitCode::SUCCESS
}

fn run(order: Order) -> Result<ExitCode, Box<dyn std::error::Error>> {
    display::prepare()?;
    let paths = Paths::from_environment()?;
    let instance = match Instance::claim(&paths.data_dir, &order) {
        Ok(Some(instance)) => instance,
        Ok(None) => return Ok(ExitCode::SUCCESS),
        Err(refused @ instance::Error::Refused(_)) => return Ok(complain(&refused, HOPELESS)),
        Err(error) => return Err(error.into()),
    };
    let machine = studio::machine_from_environment();
    let studio = tauri::async_runtime::block_on(async { Studio::open(paths, machine) });
    if matches!(order, Order::Kiosk { .. })
        && let Err(refused) = tauri::async_runtime::block_on(open_kiosk(&studio))
    {
        tauri::async_runtime::block_on(studio.shutdown());
        return Ok(refuse(&refused));
    }
    show(order, studio, instance)?;
    Ok(ExitCode::SUCCESS)
}

/// Without a database the kiosk serves all the same, and counts nobody.
async fn open_kiosk(studio: &Studio) -> Result<(), studio::Error> {
    let startup = studio.startup().await;
    if startup != studio::Startup::Ready {
        tracing::error!(?startup, "the kiosk's sessions are not kept");
    }
    studio.kiosk().open().await
}

/// Without a window the words go to whoever started it.
fn refuse(error: &studio::Error) -> ExitCode {
    let words = match &error.hint {
        Some(hint) => format!("{} {hint}", error.message),
        None => error.message.clone(),
    };
    let hopeless = matches!(error.code, ErrorCode::InvalidRequest);
    complain(&words, if hopeless { HOPELESS } else { 1 })
}

fn show(order: Order, studio: Studio, instance: Instance) -> tauri::Result<()> {
    let bindings = bindings::builder();
    let app = tauri::Builder::default()
        .invoke_handler(windows::gate::guarded(bindings.invoke_handler()))
        .setup(move |app| {
            bindings.mount_events(app);
            start(app.handle(), order, &studio, instance)?;
            Ok(())
        })
        .build(tauri::generate_context!())?;
    app.run(|app, event| {
        if matches!(event, RunEvent::Exit) {
            tauri::async_runtime::block_on(app.state::<Studio>().shutdown());
            kiosk::end(app);
        }
    });
    Ok(())
}

fn start(app: &AppHandle, order: Order, studio: &Studio, instance: Instance) -> tauri::Result<()> {
    app.manage(studio.clone());
    app.manage(commands::chat::Asked::default());
    app.manage(kiosk::Shell::new());
    tell::everything(app, studio);
    tauri::async_runtime::spawn(studio.clone().tell_readings());
    tauri::async_runtime::spawn(end_on_signal(app.clone()));
    instance.on_second_start({
        let app = app.clone();
        move |order| second_start(&app, order)
    });
    match order {
        Order::Kiosk { display } => {
            let app = app.clone();
            tauri::async_runtime::spawn(async move { kiosk::show(&app, display).await });
            Ok(())
        }
        _ => windows::desk::open(app),
    }
}

/// What another Wick was started for, which this one does in its place. The error says why not.
fn second_start(app: &AppHandle, order: Order) -> Result<(), String> {
    match order {
        Order::Kiosk { display } => {
            tauri::async_runtime::block_on(kiosk::open(app, display)).map_err(|error| error.message)
        }
        // A stranger's screen stays a stranger's screen.
        _ if app.state::<kiosk::Shell>().is_on() => Ok(()),
        _ => {
            windows::desk::raise(app);
            Ok(())
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
    app.state::<kiosk::Shell>().release();
    app.exit(0);
}
