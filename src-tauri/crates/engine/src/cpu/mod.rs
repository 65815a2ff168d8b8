//! The CPU's kernels, behind plain functions over slices: the seam at which another device stands beside this one.
//!
//! Invariant, which "batched equals alone" rests on: what a kernel gives for one token depends on that token's inputs
//! alone, to the last bit, however many tokens are computed with it and however many threads compute.

pub mod causal_conv;
pub mod gated_delta;
pub mod selective_scan;

mod stand_in;
pub use stand_in::*;
