//! Which kernels this CPU can run, and which of them are the fastest.

use std::fmt;

use crate::Algorithm;

use super::rung::Rung;
use super::walk;

#[cfg(target_arch = "aarch64")]
use super::aarch64::{neon::Neon, sha2::Sha2};
#[cfg(target_arch = "x86_64")]
use super::x86_64::{self, avx2::Avx2, avx512::Avx512, sha_ni::ShaNi, sha_ni_vl::ShaNiVl};

/// A way to hash blocks that this CPU has. Every one gives the same digests; they differ in speed alone.
///
/// The variants carry proofs that nothing outside of this library can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Ordinary instructions.
    Portable,
    /// AVX2, eight blocks side by side.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// The SHA extensions, four blocks in flight.
    #[cfg(target_arch = "x86_64")]
    ShaNi(ShaNi),
    /// The SHA extensions, four blocks in the 32 registers of AVX-512.
    #[cfg(target_arch = "x86_64")]
    ShaNiVl(ShaNiVl),
    /// AVX-512, sixteen or thirty-two blocks side by side; fewer go to the SHA extensions or to AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// NEON, eight blocks side by side.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// ARMv8's SHA-2 extension, four blocks in flight.
    #[cfg(target_arch = "aarch64")]
    Sha2(Sha2),
}

impl Platform {
    /// The fastest one here for an algorithm.
    ///
    /// GB/s of one thread, blocks of 4096 bytes in the level-2 cache behind a salt of 32 bytes, and how many
    /// times `ring`'s one stream:
    ///
    /// | sha256 | Zen 4, 2026-11-24 | Zen 5, 2026-11-23 (prototypes) |
    /// |---|---|---|
    /// | AVX-512, 2 groups of 16 lanes | 2.9, 1.7x | 7.0, 4.0x |
    /// | AVX-512, 16 lanes | 3.2, 1.8x | 4.8, 2.8x |
    /// | SHA-NI, 4 streams in 32 registers | 4.4, 2.5x | |
    /// | SHA-NI, 4 streams in 16 registers | 3.5, 2.0x | 2.8, 1.6x |
    /// | AVX2, 8 lanes | 1.75, 1.0x | 1.3, 0.8x |
    /// | portable | 0.33, 0.2x | |
    ///
    /// So the SHA extensions are first where AVX-512 has half the width, and second elsewhere. sha512 has no
    /// such rival: AVX-512 has 4.3 times `ring` (2.55 GB/s) on Zen 4 too, 8 lanes as well as 2 groups of them.
    pub fn detect(algorithm: Algorithm) -> Platform {
        let prefers = |platform: &Platform| platform.is_fastest_for(algorithm);
        let best = Platform::available().find(prefers);
        best.or_else(|| Platform::available().next()).unwrap_or(Platform::Portable)
    }

    #[cfg(target_arch = "x86_64")]
    fn is_fastest_for(self, algorithm: Algorithm) -> bool {
        let is_sha256 = matches!(algorithm, Algorithm::Sha224 | Algorithm::Sha256);
        match self {
            Platform::Avx512(_) => !(is_sha256 && x86_64::has_half_width_avx512()),
            _ => true,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_fastest_for(self, _algorithm: Algorithm) -> bool {
        true
    }

    /// All that can run here, the one with the widest kernels first.
    #[cfg(target_arch = "x86_64")]
    pub fn available() -> impl Iterator<Item = Platform> {
        let avx512 = Avx512::detect().map(Platform::Avx512);
        let sha_ni_vl = ShaNiVl::detect().map(Platform::ShaNiVl);
        let sha_ni = ShaNi::detect().map(Platform::ShaNi);
        let avx2 = Avx2::detect().map(Platform::Avx2);
        [avx512, sha_ni_vl, sha_ni, avx2, Some(Platform::Portable)].into_iter().flatten()
    }

    /// All that can run here, the one with the fastest kernels first.
    #[cfg(target_arch = "aarch64")]
    pub fn available() -> impl Iterator<Item = Platform> {
        let sha2 = Sha2::detect().map(Platform::Sha2);
        let neon = Neon::detect().map(Platform::Neon);
        [sha2, neon, Some(Platform::Portable)].into_iter().flatten()
    }

    /// All that can run here.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub fn available() -> impl Iterator<Item = Platform> {
        std::iter::once(Platform::Portable)
    }

    /// The one with this name, if it can run here.
    pub fn named(name: &str) -> Option<Platform> {
        Platform::available().find(|platform| platform.name() == name)
    }

    /// Its name: `portable`, `avx2`, `sha-ni`, `sha-ni-vl` or `avx512` on x86-64; `portable`, `neon` or `sha2` on ARM.
    pub fn name(self) -> &'static str {
        match self {
            Platform::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Platform::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Platform::ShaNi(_) => "sha-ni",
            #[cfg(target_arch = "x86_64")]
            Platform::ShaNiVl(_) => "sha-ni-vl",
            #[cfg(target_arch = "x86_64")]
            Platform::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Platform::Neon(_) => "neon",
            #[cfg(target_arch = "aarch64")]
            Platform::Sha2(_) => "sha2",
        }
    }

    /// The kernels for sha256 and sha224, widest first. The last one takes single blocks.
    pub(super) fn sha256(self) -> Vec<Rung<u32>> {
        let mut rungs = Vec::new();
        match self {
            Platform::Portable => {}
            #[cfg(target_arch = "x86_64")]
            Platform::Avx2(cpu) => {
                // A vector that is half empty is still faster than one block after the other.
                rungs.push(Rung::new(8, 2, move |group| cpu.sha256_x8(group)));
            }
            #[cfg(target_arch = "x86_64")]
            Platform::ShaNi(cpu) => {
                rungs.push(Rung::new(4, 3, move |group| cpu.sha256_x4(group)));
                rungs.push(Rung::new(2, 2, move |group| cpu.sha256_x2(group)));
                rungs.push(Rung::new(1, 1, move |group| cpu.sha256_x1(group)));
                return rungs;
            }
            #[cfg(target_arch = "x86_64")]
            Platform::ShaNiVl(cpu) => {
                rungs.push(Rung::new(4, 3, move |group| cpu.sha256_x4(group)));
                rungs.extend(Platform::ShaNi(cpu.sha_ni()).sha256().into_iter().skip(1));
                return rungs;
            }
            #[cfg(target_arch = "x86_64")]
            Platform::Avx512(cpu) => {
                if !x86_64::has_half_width_avx512() {
                    rungs.push(Rung::new(32, 26, move |group| cpu.sha256_x32(group)));
                }
                rungs.push(Rung::new(16, 12, move |group| cpu.sha256_x16(group)));
                rungs.extend(self.below().sha256());
                return rungs;
            }
            #[cfg(target_arch = "aarch64")]
            Platform::Neon(cpu) => {
                rungs.push(Rung::new(8, 6, move |group| cpu.sha256_x8(group)));
                rungs.push(Rung::new(4, 2, move |group| cpu.sha256_x4(group)));
            }
            #[cfg(target_arch = "aarch64")]
            Platform::Sha2(cpu) => {
                rungs.push(Rung::new(4, 3, move |group| cpu.sha256_x4(group)));
                rungs.push(Rung::new(2, 2, move |group| cpu.sha256_x2(group)));
                rungs.push(Rung::new(1, 1, move |group| cpu.sha256_x1(group)));
                return rungs;
            }
        }
        rungs.push(Rung::new(1, 1, |group| walk::hash::<[u32; 1]>((), group)));
        rungs
    }

    /// The kernels for sha512 and sha384, widest first; what they leave is hashed one by one, by the crate.
    pub(super) fn sha512(self) -> Vec<Rung<u64>> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Platform::Avx512(cpu) => {
                let mut rungs = Vec::new();
                if !x86_64::has_half_width_avx512() {
                    rungs.push(Rung::new(16, 12, move |group| cpu.sha512_x16(group)));
                }
                rungs.push(Rung::new(8, 3, move |group| cpu.sha512_x8(group)));
                rungs
            }
            _ => Vec::new(),
        }
    }

    /// The next one here.
    #[cfg(target_arch = "x86_64")]
    fn below(self) -> Platform {
        let mut platforms = Platform::available().skip_while(|platform| *platform != self);
        platforms.nth(1).unwrap_or(Platform::Portable)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
