//! Stories in the real window, one file each: what a person does, and what they must see then.
//!
//! Where the story is about inference, the starter model answers; where it is about the window alone, the parrot does
//! (support/parrot.rs). Screenshots lie in `target/e2e/`. Nothing here asserts how fast anything is.

mod answer;
mod closing;
mod database;
mod display;
mod guard;
mod hub;
mod keyboard;
mod kiosk;
mod light;
mod models;
mod monitor;
mod pictures;
mod refusal;
mod reload;
mod restart;
mod safety;
mod second_start;
mod stop;
mod throughput;
mod top;
mod worker;

/// The answer is short.
const SHORT: &str = "What is the capital of France? Answer in one sentence.";
/// The answer is long enough to be seen growing.
const SENTENCES: &str = "Why is the sky blue? Explain it in a few sentences.";
/// The answer is so long that there is time to do something meanwhile.
const LONG: &str =
    "Write a long story about a lighthouse keeper, with ten chapters and many details.";
