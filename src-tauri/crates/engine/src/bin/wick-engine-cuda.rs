//! `wick-engine-cuda`: the worker that computes on an NVIDIA GPU.

fn main() {
    wick_engine::program::run();
}
