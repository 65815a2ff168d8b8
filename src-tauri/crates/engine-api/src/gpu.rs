//! What the worker for GPUs asks of a machine: known to it, which looks, and to whoever explains why it computes on the processor.

/// The release of CUDA that NVIDIA's driver must know, major and minor: 13.0, which is driver 580.
pub const CUDA_NEEDED: (u32, u32) = (13, 0);

/// The oldest GPU, by its compute capability: 8.0, Ampere, for which the kernels' PTX is compiled.
pub const OLDEST_CAPABILITY: (u32, u32) = (8, 0);
