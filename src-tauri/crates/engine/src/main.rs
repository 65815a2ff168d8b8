//! `wick-engine`: the worker that computes on the processor.

fn main() {
    wick_engine::program::run();
}
