//! The visitor's screen. The upper part is what the kiosk's window may call, the lower what the desk's may
//! (`windows::gate` keeps them apart).

use super::App;
use super::throughput::downloads;
use crate::windows::{displays, kiosk};
use studio::{
    Error, KioskAnswer, KioskLog, KioskModelId, KioskSetup, KioskView, Leave, PinAnswer, VisitId,
};
use tauri::ipc::Channel;
use tauri::{AppHandle, State};
use tokio::sync::oneshot;

/// All that the page shows.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_view(app: App<'_>) -> Result<KioskView, Error> {
    app.kiosk().view().await
}

/// A picture of the kiosk's folder as a `data:` address.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_picture(app: App<'_>, name: String) -> Result<String, Error> {
    app.kiosk().picture(name).await
}

/// The page is alive and paints.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_beat(shell: State<'_, kiosk::Shell>) -> Result<(), Error> {
    shell.beat();
    Ok(())
}

/// The answer to a live scene's prompt.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_play(
    app: App<'_>,
    scene: u32,
    events: Channel<KioskAnswer>,
) -> Result<(), Error> {
    app.kiosk()
        .play(scene, move |event| drop(events.send(event)))
        .await
}

/// A visitor is there.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_begin(app: App<'_>) -> Result<VisitId, Error> {
    app.kiosk().begin().await
}

/// The visitor is still there.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_touched(app: App<'_>, visit: VisitId) -> Result<(), Error> {
    app.kiosk().touched(visit).await
}

/// The visitor says something; returns when the answer is over.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_say(
    app: App<'_>,
    visit: VisitId,
    text: String,
    events: Channel<KioskAnswer>,
) -> Result<(), Error> {
    app.kiosk()
        .say(visit, text, move |event| drop(events.send(event)))
        .await
}

/// Stops the answer.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_stop(app: App<'_>, visit: VisitId) -> Result<(), Error> {
    app.kiosk().stop(visit).await
}

/// Another of the allowed models.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_choose_model(
    app: App<'_>,
    visit: VisitId,
    model_id: KioskModelId,
) -> Result<(), Error> {
    app.kiosk().choose_model(visit, model_id).await
}

/// Wipes the visitor.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_start_over(app: App<'_>, visit: VisitId) -> Result<(), Error> {
    app.kiosk().start_over(visit).await
}

/// The operator's PIN.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_try_pin(app: App<'_>, pin: String) -> Result<PinAnswer, Error> {
    app.kiosk().try_pin(pin).await
}

/// Back to the visitors.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_lock(app: App<'_>) -> Result<(), Error> {
    app.kiosk().lock();
    Ok(())
}

/// What happened today, for the operator who gave the PIN.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_today(app: App<'_>) -> Result<KioskLog, Error> {
    app.kiosk().check_unlocked()?;
    app.kiosk().log(1).await
}

/// The way out, for the operator who gave the PIN.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_leave(app: App<'_>, handle: AppHandle, how: Leave) -> Result<(), Error> {
    app.kiosk().check_unlocked()?;
    let left = kiosk::leave(&handle, how).await;
    left.map_err(|error| Error::internal(format!("The kiosk can't be left: {error}.")))
}

/// What Settings shows.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_setup(app: App<'_>) -> Result<KioskSetup, Error> {
    app.kiosk().setup().await
}

/// Sets the PIN.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_kiosk_pin(app: App<'_>, pin: String) -> Result<(), Error> {
    app.kiosk().set_pin(pin).await
}

/// Chooses the output.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_kiosk_display(app: App<'_>, display: Option<String>) -> Result<(), Error> {
    app.kiosk().set_display(display)
}

/// Writes the scenes that come with Wick into the folder.
#[tauri::command]
#[specta::specta]
pub(crate) async fn make_kiosk_folder(app: App<'_>) -> Result<KioskSetup, Error> {
    app.kiosk().make_folder().await
}

/// Shows the kiosk's folder in the desktop's file manager.
#[tauri::command]
#[specta::specta]
pub(crate) async fn open_kiosk_folder(app: App<'_>) -> Result<(), Error> {
    let folder = app.kiosk().setup().await?.folder;
    let opened = tauri::async_runtime::spawn_blocking(move || open::that_detached(folder)).await;
    opened
        .map_err(|error| error.to_string())
        .and_then(|opened| opened.map_err(|error| error.to_string()))
        .map_err(|reason| {
            Error::internal(format!("No file manager could be opened: {reason}."))
                .hint("Open the folder by its path.")
        })
}

/// An output of the machine.
#[derive(Debug, Clone, PartialEq, serde::Serialize, specta::Type)]
pub(crate) struct Display {
    /// As `--display` takes it, such as `HDMI-1`.
    pub(crate) name: String,
    /// The maker's name for it, if it is known.
    pub(crate) description: Option<String>,
    /// In its own pixels.
    pub(crate) width: u32,
    /// In its own pixels.
    pub(crate) height: u32,
    /// Pixels of its own for one of the page.
    #[specta(type = u32)]
    pub(crate) scale: f64,
    /// Whether Wick's window is on it.
    pub(crate) is_current: bool,
}

/// The outputs of the machine.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_displays(handle: AppHandle) -> Result<Vec<Display>, Error> {
    let current = handle.clone();
    on_main_thread(&handle, move || {
        let current = kiosk::output_of_desk(&current);
        let displays = displays::outputs().into_iter();
        displays
            .map(|output| Display::of(output, current.as_deref()))
            .collect()
    })
    .await
}

impl Display {
    fn of(output: displays::Output, current: Option<&str>) -> Self {
        let (width, height) = output.pixels();
        Self {
            is_current: current == Some(&output.name),
            name: output.name,
            description: output.description,
            width,
            height,
            scale: output.scale,
        }
    }
}

/// What only the main thread may ask of the display.
async fn on_main_thread<T: Send + 'static>(
    handle: &AppHandle,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = oneshot::channel();
    let asked = handle.run_on_main_thread(move || drop(tell.send(ask())));
    asked.map_err(|error| Error::internal(format!("The display can't be asked: {error}.")))?;
    told.await
        .map_err(|_| Error::internal("The display was not asked: Wick is ending."))
}

/// Shows a number on each output for a moment, in the order of the list, from 1.
#[tauri::command]
#[specta::specta]
pub(crate) async fn flash_displays(handle: AppHandle) -> Result<(), Error> {
    on_main_thread(&handle, displays::flash).await
}

/// Opens the kiosk on the chosen output; the desk's window is hidden meanwhile.
#[tauri::command]
#[specta::specta]
pub(crate) async fn start_kiosk(handle: AppHandle) -> Result<(), Error> {
    kiosk::open(&handle, None).await
}

/// The sessions of the last days.
#[tauri::command]
#[specta::specta]
pub(crate) async fn kiosk_sessions(app: App<'_>, days: u32) -> Result<KioskLog, Error> {
    app.kiosk().log(days).await
}

/// Writes all sessions into a new CSV file among the person's downloads, and says where it is.
#[tauri::command]
#[specta::specta]
pub(crate) async fn export_kiosk_sessions(
    app: App<'_>,
    handle: AppHandle,
) -> Result<String, Error> {
    app.kiosk().export_log(downloads(&handle)?).await
}
