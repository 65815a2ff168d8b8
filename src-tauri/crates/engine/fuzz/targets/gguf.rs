//! Any bytes keep the promise `gguf`.
#![no_main]

#[path = "../promises/mod.rs"]
#[expect(
    dead_code,
    reason = "each target holds its inputs to one of the promises"
)]
mod promises;

// libFuzzer's wrapper ends the process at each panic, also at one that the engine catches; one that comes out does so too.
libfuzzer_sys::fuzz_target!(init: drop(std::panic::take_hook()), |bytes: &[u8]| promises::gguf(bytes));
