//! The CPU's kernels, behind plain functions over slices: the seam at which another device stands beside this one.
//!
//! Invariant, which "batched equals alone" rests on: what a kernel gives for one token depends on that token's inputs
//! alone, to the last bit, however many tokens are computed with it and however many threads compute.

mod attention;
mod avx512;
pub mod causal_conv;
mod codebook;
mod float;
pub mod gated_delta;
mod input;
mod kv_rows;
mod look;
#[cfg(target_arch = "x86_64")]
mod look_avx512;
mod matmul;
mod norm;
mod panel;
mod pool;
mod rows;
pub mod selective_scan;
mod unpack;
pub(crate) mod wide;

pub use attention::{AttentionSpec, Sequence, attention};
pub use input::Input;
pub use kv_rows::write_kv;
pub use matmul::{can_compute, dequantize_row, matmul, matmul_experts};
pub use norm::{exp, rms_factor, rms_norm};
pub use pool::Pool;

#[cfg(test)]
mod tests;
