//! Kernels for x86-64: methods of the tokens of `cpu`, each in the file of its instructions.

mod avx2;
mod avx512;
mod operations;
mod rows;
mod sha_ni;
mod sha_ni_vl;
