//! The GPU's kernels, behind plain functions over device memory: what stands beside [`crate::cpu`].
//!
//! The kernels are our own CUDA C++ (`kernels/`), one unit that nvcc compiles in seconds, launched through the driver alone:
//! no CUDA library is linked, and none need be installed. `device` is memory and launches, `matrix` weights as they lie there,
//! the other files are one kernel each with the checks that the kernel can't make.
//!
//! Without a GPU the same kernels run on the processor, thread by thread, on a strict machine (`tests/support/on-host`): that
//! is what the tests here do. Invariant: what a row gets does not depend on what the rows beside it are. It is weaker than the
//! CPU's: few rows and many have kernels of their own. Matrices sum in another order there, attention rounds to half precision what
//! it multiplies, so that a row's result tells a little of how many there were.

pub mod attention;
pub mod decoder;
pub mod device;
#[cfg(feature = "cuda")]
pub mod driver;
pub mod matrix;
pub mod mixture;
pub mod prove;
pub mod recording;
pub mod rows;
pub mod shortlist;
#[cfg(test)]
mod tests;

pub use device::{Argument, Buffer, Device, DeviceError};
pub use matrix::DeviceMatrix;
pub use recording::Recording;
pub use rows::{Prepared, Quants};
