//! Notices of the desktop: a download that is over while nobody looks at Wick.
//!
//! Through the session's bus, by the desktop's own convention (freedesktop.org, Desktop Notifications 1.2). A desktop that
//! shows none has none: nothing depends on it.

use gtk::gio::{BusType, Cancellable, DBusCallFlags, bus_get_sync};
use gtk::glib::{ToVariant, Variant, VariantTy};
use std::collections::HashMap;
use studio::{Download, DownloadState};
use tauri::{AppHandle, Manager};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// How long a desktop may take to answer, in milliseconds.
const TIMEOUT_MS: i32 = 2000;

/// Tells of the downloads that have ended since, unless the person has Wick before their eyes.
pub(crate) fn of_ends(app: &AppHandle, before: &[Download], now: &[Download]) {
    let texts: Vec<_> = now
        .iter()
        .filter_map(|download| end(before, download))
        .collect();
    let looked_at = app
        .webview_windows()
        .values()
        .any(|window| window.is_focused().unwrap_or(false));
    if texts.is_empty() || looked_at {
        return;
    }
    // The bus is asked on a thread of its own: a desktop that hangs must not hold up what follows.
    tauri::async_runtime::spawn_blocking(move || {
        for (title, text) in &texts {
            show(title, text);
        }
    });
}

/// What there is to say of a download that was not over before.
fn end(before: &[Download], now: &Download) -> Option<(String, String)> {
    let was = before.iter().find(|download| download.id == now.id)?;
    if was.state == now.state {
        return None;
    }
    let name = format!("{} {}", now.repo, now.label);
    match &now.state {
        DownloadState::Complete => Some((
            format!("{name} is there"),
            "It was checked and is in the library.".into(),
        )),
        DownloadState::Failed { error } | DownloadState::Paused { error: Some(error) } => {
            Some((format!("{name} stopped"), error.message.clone()))
        }
        _ => None,
    }
}

fn show(title: &str, text: &str) {
    let shown = bus_get_sync(BusType::Session, Cancellable::NONE).and_then(|bus| {
        let actions: Vec<String> = Vec::new();
        let hints = HashMap::<String, Variant>::from([(
            "desktop-entry".into(),
            "wick-studio".to_variant(),
        )]);
        let call = (
            "Wick",
            0_u32,
            "wick-studio",
            title,
            text,
            actions,
            hints,
            -1_i32,
        )
            .to_variant();
        let reply = VariantTy::new("(u)").ok();
        bus.call_sync(
            Some(NAME),
            PATH,
            NAME,
            "Notify",
            Some(&call),
            reply,
            DBusCallFlags::NONE,
            TIMEOUT_MS,
            Cancellable::NONE,
        )
    });
    if let Err(error) = shown {
        tracing::debug!(%error, "the desktop shows no notices");
    }
}
