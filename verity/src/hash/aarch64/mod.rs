//! Kernels for 64-bit ARM: methods of the tokens of `cpu`, each in the file of its instructions.

mod neon;
mod sha2;
mod sha512;
