//! The fake hub as its clients meet it.

mod api;
mod client;
mod faults;
mod program;
mod protocol;
