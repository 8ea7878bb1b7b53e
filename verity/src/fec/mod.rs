//! Forward error correction: parity that lets lost blocks be recovered.
//!
//! dm-verity's code is Reed-Solomon over bytes. Blocks that lie far apart make a round
//! (`layout::fec_area`); the bytes at the same place of each make a codeword (`code`). As the code
//! is linear, parity is a sum of block times constant (`map`, with a kernel for each instruction
//! set), whatever the order in which blocks come.
//!
//! Encoding is in `encode`; rows that are known to be lost are recovered in `decode`, errors at
//! unknown places are found in `blind`. Both are bytes only: what they give is right if it hashes
//! right, which is up to `crate::repair`.

#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "vector instructions, each behind the proof that the CPU has them")]
mod aarch64;
mod blind;
mod code;
mod decode;
mod encode;
mod field;
mod map;
mod platform;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions, each behind the proof that the CPU has them")]
mod x86_64;

/// Tests go through all numbers of roots up to this one. Under Miri, which takes a thousand times
/// as long, some must do.
#[cfg(test)]
const MOST_ROOTS: usize = if cfg!(miri) { 4 } else { 24 };

pub use self::decode::Decoder;
pub use self::encode::Encoder;
pub use self::platform::FecPlatform;
