//! The kiosk with workers that do what the test says: visitors who come, talk, go and leave nothing.

mod faults;
mod models;
mod scenes;
mod stand;
mod talk;
mod wipe;
