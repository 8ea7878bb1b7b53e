//! Which kernels are the fastest: what a platform's ladder has, and which platform is the first
//! choice on this CPU.
//!
//! Whether a kernel *can* run is for the tokens to say, and settled before. What the choice depends
//! on besides is the CPU's make (`cpu::Identity`), through functions of plain numbers, which can
//! be asked about any CPU on any other.
//!
//! GB/s of one thread, blocks of 4096 bytes in the level-2 cache behind a salt of 32 bytes, and how
//! many times `ring`'s one stream:
//!
//! | sha256 | Zen 4, 2026-11-24 | Zen 5, 2026-11-23 (prototypes) |
//! |---|---|---|
//! | AVX-512, 2 groups of 16 lanes | 2.9, 1.7x | 7.0, 4.0x |
//! | AVX-512, 16 lanes | 3.2, 1.8x | 4.8, 2.8x |
//! | SHA-NI, 4 streams in 32 registers | 4.4, 2.5x | |
//! | SHA-NI, 4 streams in 16 registers | 3.5, 2.0x | 2.8, 1.6x |
//! | AVX2, 8 lanes | 1.75, 1.0x | 1.3, 0.8x |
//! | portable | 0.33, 0.2x | |
//!
//! So the SHA extensions are first where AVX-512 has half the width, and second elsewhere. sha512
//! has no such rival: AVX-512 has 4.3 times `ring` (2.55 GB/s) on Zen 4 too, 8 lanes as well as 2
//! groups of them.

use crate::Algorithm;
#[cfg(target_arch = "x86_64")]
use crate::cpu::Identity;

use super::platform::Platform;
use super::rung::Rung;
use super::walk;

impl Platform {
    /// The fastest one here for an algorithm.
    pub fn detect(algorithm: Algorithm) -> Platform {
        let mut fast = Platform::available().filter(|platform| platform.is_fast_for(algorithm));
        fast.next().unwrap_or(Platform::Portable)
    }

    /// Whether nothing after it in the list is faster.
    #[cfg(target_arch = "x86_64")]
    fn is_fast_for(self, algorithm: Algorithm) -> bool {
        !matches!(self, Platform::Avx512(_)) || is_avx512_first(algorithm, Identity::this())
    }

    /// Whether nothing after it in the list is faster.
    #[cfg(not(target_arch = "x86_64"))]
    fn is_fast_for(self, _algorithm: Algorithm) -> bool {
        true
    }

    /// The kernels for sha256 and sha224, widest first. The last one takes single blocks.
    pub(super) fn sha256(self) -> Vec<Rung<u32>> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Platform::Avx512(cpu) => {
                let pair = Rung::new(32, 26, move |group| cpu.sha256_x32(group));
                let one = Rung::new(16, 12, move |group| cpu.sha256_x16(group));
                let pair = has_pairs_of_avx512(Identity::this()).then_some(pair);
                pair.into_iter().chain([one]).chain(self.below().sha256()).collect()
            }
            #[cfg(target_arch = "x86_64")]
            Platform::ShaNiVl(cpu) => {
                let four = Rung::new(4, 3, move |group| cpu.sha256_x4(group));
                let fewer = Platform::ShaNi(cpu.sha_ni()).sha256().into_iter().skip(1);
                [four].into_iter().chain(fewer).collect()
            }
            #[cfg(target_arch = "x86_64")]
            Platform::ShaNi(cpu) => vec![
                Rung::new(4, 3, move |group| cpu.sha256_x4(group)),
                Rung::new(2, 2, move |group| cpu.sha256_x2(group)),
                Rung::new(1, 1, move |group| cpu.sha256_x1(group)),
            ],
            // A vector that is half empty is still faster than one block after the other.
            #[cfg(target_arch = "x86_64")]
            Platform::Avx2(cpu) => {
                vec![Rung::new(8, 2, move |group| cpu.sha256_x8(group)), portable()]
            }
            #[cfg(target_arch = "aarch64")]
            Platform::Sha2(cpu) => vec![
                Rung::new(4, 3, move |group| cpu.sha256_x4(group)),
                Rung::new(2, 2, move |group| cpu.sha256_x2(group)),
                Rung::new(1, 1, move |group| cpu.sha256_x1(group)),
            ],
            #[cfg(target_arch = "aarch64")]
            Platform::Neon(cpu) => vec![
                Rung::new(8, 6, move |group| cpu.sha256_x8(group)),
                Rung::new(4, 2, move |group| cpu.sha256_x4(group)),
                portable(),
            ],
            Platform::Portable => vec![portable()],
        }
    }

    /// The kernels for sha512 and sha384, widest first; what they leave
    /// is hashed one by one, by the crate.
    pub(super) fn sha512(self) -> Vec<Rung<u64>> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Platform::Avx512(cpu) => {
                let pair = Rung::new(16, 12, move |group| cpu.sha512_x16(group));
                let one = Rung::new(8, 3, move |group| cpu.sha512_x8(group));
                let pair = has_pairs_of_avx512(Identity::this()).then_some(pair);
                pair.into_iter().chain([one]).collect()
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

/// The kernel of any CPU: one block after the other.
fn portable() -> Rung<u32> {
    Rung::new(1, 1, |group| walk::hash::<[u32; 1]>((), group))
}

/// Whether AVX-512 comes before the SHA extensions on such a CPU.
#[cfg(target_arch = "x86_64")]
fn is_avx512_first(algorithm: Algorithm, cpu: Identity) -> bool {
    let is_sha256 = matches!(algorithm, Algorithm::Sha224 | Algorithm::Sha256);
    !(is_sha256 && cpu.has_half_width_avx512())
}

/// Whether two groups of lanes at once are faster than one on such a CPU.
#[cfg(target_arch = "x86_64")]
fn has_pairs_of_avx512(cpu: Identity) -> bool {
    !cpu.has_half_width_avx512()
}
