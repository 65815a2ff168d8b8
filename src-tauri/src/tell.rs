//! Tells the windows what changed, each its own.
//!
//! It holds no fact. *Invariant:* while a kiosk is open, nothing of the desk's is told to anybody: a page can listen to
//! every event there is, so what a stranger's page must not hear is not said. It is caught up on afterwards.

use crate::bindings::{DownloadsChanged, GuardActed, KioskChanged, KioskRead, StatusChanged};
use crate::notice;
use crate::windows::kiosk::{self, Shell};
use crate::windows::{DESK, KIOSK};
use serde::Serialize;
use std::time::Duration;
use studio::Studio;
use tauri::{AppHandle, Manager};
use tauri_specta::Event;
use tokio::sync::broadcast::error::RecvError;

/// Begins to tell, for as long as the app runs.
pub(crate) fn everything(app: &AppHandle, studio: &Studio) {
    tauri::async_runtime::spawn(status(app.clone(), studio.clone()));
    tauri::async_runtime::spawn(guard(app.clone(), studio.clone()));
    tauri::async_runtime::spawn(downloads(app.clone(), studio.clone()));
    tauri::async_runtime::spawn(kiosk_changes(app.clone(), studio.clone()));
    tauri::async_runtime::spawn(kiosk_readings(app.clone(), studio.clone()));
}

/// Tells the desk, once no kiosk is open.
async fn desk(app: &AppHandle, event: impl Event + Serialize + Clone) {
    app.state::<Shell>().closed().await;
    to(app, DESK, &event);
}

fn to(app: &AppHandle, window: &str, event: &(impl Event + Serialize + Clone)) {
    if let Err(error) = event.emit_to(app, window) {
        tracing::warn!(%error, window, "the window was not told what changed");
    }
}

async fn status(app: AppHandle, studio: Studio) {
    let mut status = studio.subscribe_status();
    while status.changed().await.is_ok() {
        app.state::<Shell>().closed().await;
        let now = status.borrow_and_update().clone();
        desk(&app, StatusChanged(now)).await;
    }
}

async fn guard(app: AppHandle, studio: Studio) {
    let mut notices = studio.subscribe_guard();
    loop {
        match notices.recv().await {
            Ok(notice) => desk(&app, GuardActed(notice)).await,
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "notices were missed"),
            Err(RecvError::Closed) => return,
        }
    }
}

async fn downloads(app: AppHandle, studio: Studio) {
    let mut downloads = studio.subscribe_downloads();
    let mut before = downloads.borrow().clone();
    while downloads.changed().await.is_ok() {
        app.state::<Shell>().closed().await;
        let now = downloads.borrow_and_update().clone();
        notice::of_ends(&app, &before, &now);
        let changed = studio::DownloadList::between(&before, &now);
        before = now;
        desk(&app, DownloadsChanged(changed)).await;
        // Ten times a second is as often as anybody can see.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn kiosk_changes(app: AppHandle, studio: Studio) {
    let mut changes = studio.kiosk().subscribe();
    let mut before = None;
    while changes.changed().await.is_ok() {
        let now = changes.borrow_and_update().clone();
        let visit = kiosk::visit(&now.phase);
        if before.is_some() && before != visit {
            kiosk::forget_selections(&app);
        }
        before = visit;
        to(&app, KIOSK, &KioskChanged(now));
    }
}

async fn kiosk_readings(app: AppHandle, studio: Studio) {
    let mut readings = studio.kiosk().subscribe_readings();
    while readings.changed().await.is_ok() {
        let now = readings.borrow_and_update().clone();
        to(&app, KIOSK, &KioskRead(now));
    }
}
