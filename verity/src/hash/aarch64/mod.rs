//! Kernels for 64-bit ARM. Each file has a token that stands for instructions which this CPU was found to have:
//! who holds one may run its kernels.

pub(super) mod neon;
pub(super) mod sha2;
