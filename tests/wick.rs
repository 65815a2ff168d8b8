//! All tests over public surfaces, in one binary.
//!
//! `e2e` opens the real window under Xvfb; `cargo test -p wick-tests -- --skip e2e` leaves it out.

mod architecture;
mod broken_models;
mod cli;
mod cli_kiosk;
mod cli_top;
mod e2e;
mod engine;
mod guarding;
mod keeping;
mod kiosking;
mod scheduling;
mod worker;
