//! Answers.

mod access;
mod api;
mod asked;
mod body;
mod facts;
mod links;
mod listing;
mod plan;
mod refusal;
mod resolve;
mod site;

pub(crate) use asked::Asked;
pub(crate) use site::{Site, router};
