//! The ladders of kernels that this CPU has, by name.

use crate::cpu::platforms;

#[cfg(target_arch = "x86_64")]
use crate::cpu::{Avx2, Avx512, ShaNi, ShaNiVl};
#[cfg(target_arch = "aarch64")]
use crate::cpu::{Neon, Sha2};

platforms! {
    /// A way to hash blocks that this CPU has. Every one gives the same
    /// digests; they differ in speed alone.
    pub enum Platform {
        /// AVX-512, sixteen or thirty-two blocks side by side; fewer go
        /// to the SHA extensions or to AVX2.
        #[cfg(target_arch = "x86_64")]
        Avx512(Avx512) = "avx512",
        /// The SHA extensions, four blocks in the 32 registers of AVX-512.
        #[cfg(target_arch = "x86_64")]
        ShaNiVl(ShaNiVl) = "sha-ni-vl",
        /// The SHA extensions, two blocks in flight.
        #[cfg(target_arch = "x86_64")]
        ShaNi(ShaNi) = "sha-ni",
        /// AVX2, eight blocks side by side; four where words have 64 bits.
        #[cfg(target_arch = "x86_64")]
        Avx2(Avx2) = "avx2",
        /// ARM's SHA-2 instructions, and those for SHA-512 where the CPU has them; two blocks in
        /// flight.
        #[cfg(target_arch = "aarch64")]
        Sha2(Sha2) = "sha2",
        /// NEON, eight blocks side by side.
        #[cfg(target_arch = "aarch64")]
        Neon(Neon) = "neon",
        _ =>
        /// Ordinary instructions.
        Portable = "portable",
    }
}
