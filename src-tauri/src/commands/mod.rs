//! What a page can call: each command is a line or two over [`studio::Studio`].

pub(crate) mod chat;
pub(crate) mod conversations;
pub(crate) mod downloads;
pub(crate) mod hub;
pub(crate) mod kiosk;
pub(crate) mod library;
pub(crate) mod links;
pub(crate) mod models;
pub(crate) mod monitor;
pub(crate) mod startup;
pub(crate) mod throughput;

use studio::Studio;
use tauri::State;

/// The application, as commands get it.
type App<'a> = State<'a, Studio>;
