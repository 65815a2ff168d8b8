//! Transfers from a hub of our own.

mod anything;
mod desk;
mod disk;
mod faults;
mod plain;
mod stopping;
