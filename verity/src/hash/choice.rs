//! Which kernels are the fastest: what a platform's ladder has, and which platform is the first
//! choice on this CPU.
//!
//! Whether a kernel *can* run is for the tokens to say, and settled before. What the choice depends
//! on besides is the CPU's make (`cpu::Identity`). For x86-64 it is a function of plain numbers,
//! [`sha256_steps`] and its neighbours, which can be asked about any CPU on any other. There is no
//! calibration: what decides are latency and width, which belong to a design, and a short
//! measurement cannot tell a slow kernel from a busy neighbour.
//!
//! GB/s of one thread, blocks of 4096 bytes in the level-2 cache behind a salt of 32 bytes, and how
//! many times `ring`'s one stream:
//!
//! | sha256 | Zen 4, 2026-11-24 | Zen 5, 2026-11-23 (prototypes) |
//! |---|---|---|
//! | AVX-512, 2 groups of 16 lanes | 2.9, 1.7x | 7.0, 4.0x |
//! | AVX-512, 16 lanes, intrinsics | 3.2, 1.8x | 4.8, 2.8x |
//! | SHA-NI, 4 streams in 32 registers | 4.4, 2.5x | |
//! | SHA-NI, 4 streams in 16 registers | 3.5, 2.0x | 2.8, 1.6x |
//! | AVX2, 8 lanes | 1.75, 1.0x | 1.3, 0.8x |
//! | portable | 0.33, 0.2x | |
//!
//! So the SHA extensions are first where AVX-512 has half the width, and second elsewhere. sha512
//! has no such rival: AVX-512 has 4.3 times `ring` (2.55 GB/s) on Zen 4 too, 8 lanes as well as 2
//! groups of them.
//!
//! Bytes a cycle on Intel (family 6 model 207, 2026-11-29), with the core to itself, and with
//! strangers on its other thread:
//!
//! | sha256 | alone | shared |
//! |---|---|---|
//! | AVX-512, 16 lanes by hand (prototype) | 1.18 | 1.065 |
//! | AVX-512, 16 lanes, intrinsics | 1.09 | 0.946 |
//! | AVX-512, 2 groups of 16 lanes | 1.12 | 0.898 |
//! | SHA-NI, 4 streams | 0.64 | 0.44 to 0.48 |
//! | SHA-NI, 4 streams, one of them idle | 0.479 | 0.33 to 0.37 |
//! | SHA-NI, 2 streams | 0.606 | 0.491 |
//! | SHA-NI, 1 stream | 0.473 | 0.45 |
//! | AVX2, 8 lanes | 0.403 | 0.320 |
//!
//! There a group of 16 lanes takes as long as 8.6 blocks by SHA-NI.
//!
//! Bytes a cycle by SHA-NI where there is no AVX-512 (Zen 3, 2026-11-30), in 16 registers:
//!
//! | sha256 | alone | shared |
//! |---|---|---|
//! | 4 streams | 1.02 | 0.60 to 0.64 |
//! | 2 streams | 0.97 | 0.77 to 0.80 |
//! | 3 blocks as 4 streams, one of them idle | 0.77 | 0.48 |
//! | 3 blocks as 2 streams and 1 | 0.73 | 0.64 |
//! | 1 stream, of `ring` too | 0.49 | 0.46 |
//!
//! Four streams gain a twentieth on a core that nobody shares and lose a fifth on one that somebody
//! does, as every core does that hashes on both its threads. Such CPUs hash in pairs.
//!
//! Words of 64 bits by AVX2, four lanes, beside the crates that hash one block after the other (Zen
//! 3, 2026-11-30): SHA-3 3.5 to 3.8 times `sha3`, BLAKE2b 2.8 to 3.1 times `blake2`, SHA-512 2.3 to
//! 2.6 times `sha2`.
//!
//! On 64-bit ARM nothing could be measured so far: what is there follows from tables of others
//! (docs/PERFORMANCE.md, "64-bit ARM: counted, and computed"). All instructions for SHA-2 go
//! through one unit, which two streams keep busy, on Neoverse V2 as on Apple's cores. Four streams
//! wait for the same unit.

use crate::Algorithm;
#[cfg(target_arch = "aarch64")]
use crate::cpu::Sha512;
#[cfg(target_arch = "x86_64")]
use crate::cpu::{Avx2, Avx512, Avx512Units, Identity, ShaNi, ShaNiVl};

use super::little::LittleRung;
use super::platform::Platform;
use super::rung::Rung;
#[cfg(target_arch = "x86_64")]
use super::text::Texts;
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
        match self {
            Platform::Avx512(_) => is_avx512_first(algorithm, Identity::this()),
            Platform::ShaNiVl(_) | Platform::ShaNi(_) => !has_kernels_beside_sha(algorithm),
            Platform::Avx2(_) | Platform::Portable => true,
        }
    }

    /// Whether nothing after it in the list is faster.
    #[cfg(not(target_arch = "x86_64"))]
    fn is_fast_for(self, _algorithm: Algorithm) -> bool {
        true
    }

    /// The kernels for sha256 and sha224, widest first. The last one takes single blocks.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn sha256(self) -> Vec<Rung<u32>> {
        let steps = sha256_steps(self.allowed(), Identity::this());
        steps.into_iter().filter_map(sha256_rung).collect()
    }

    /// The kernels for sha512 and sha384, widest first; what they leave
    /// is hashed one by one, by the crate.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn sha512(self) -> Vec<Rung<u64>> {
        let steps = sha512_steps(self.allowed(), Identity::this());
        steps.into_iter().filter_map(sha512_rung).collect()
    }

    /// The kernel for SHA-3 or BLAKE2b, if there is one; what it leaves is hashed one by one, by
    /// the crate.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn little(self, algorithm: Algorithm) -> Option<LittleRung> {
        if self == Platform::Portable {
            return None;
        }
        let cpu = Avx2::found()?;
        let hash: Box<dyn Fn(Texts<'_>) + Send + Sync> = match algorithm {
            Algorithm::Sha3_256 | Algorithm::Sha3_384 | Algorithm::Sha3_512 => {
                Box::new(move |group| cpu.keccak_x4(group))
            }
            Algorithm::Blake2b256 | Algorithm::Blake2b512 => {
                Box::new(move |group| cpu.blake2b_x4(group))
            }
            _ => return None,
        };
        // Four take as long as 1.2 (SHA-3) and 1.4 (BLAKE2b) by the crates.
        Some(LittleRung { name: "AVX2", lanes: 4, least: 2, hash })
    }

    /// The kernel for SHA-3 or BLAKE2b: none.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn little(self, _algorithm: Algorithm) -> Option<LittleRung> {
        None
    }

    /// The instructions of this platform and of those after it, as far as this CPU has them.
    #[cfg(target_arch = "x86_64")]
    fn allowed(self) -> Allowed {
        let mut allowed = Allowed::default();
        for platform in Platform::available().skip_while(|platform| *platform != self) {
            match platform {
                Platform::Avx512(_) => allowed.avx512 = true,
                Platform::ShaNiVl(_) => allowed.sha_ni_vl = true,
                Platform::ShaNi(_) => allowed.sha_ni = true,
                Platform::Avx2(_) => allowed.avx2 = true,
                Platform::Portable => {}
            }
        }
        allowed
    }

    /// The kernels for sha256 and sha224, widest first. The last one takes single blocks.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn sha256(self) -> Vec<Rung<u32>> {
        match self {
            #[cfg(target_arch = "aarch64")]
            Platform::Sha2(cpu) => vec![
                Rung::new("SHA-2 instructions", 2, 2, move |group| cpu.sha256_x2(group)),
                Rung::new("SHA-2 instructions", 1, 1, move |group| cpu.sha256_x1(group)),
            ],
            #[cfg(target_arch = "aarch64")]
            Platform::Neon(cpu) => vec![
                Rung::new("NEON, two groups", 8, 6, move |group| cpu.sha256_x8(group)),
                Rung::new("NEON", 4, 2, move |group| cpu.sha256_x4(group)),
                portable(),
            ],
            Platform::Portable => vec![portable()],
        }
    }

    /// The kernels for sha512 and sha384, widest first; what they leave is hashed one by one, by
    /// the crate.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn sha512(self) -> Vec<Rung<u64>> {
        match self {
            #[cfg(target_arch = "aarch64")]
            Platform::Sha2(_) => {
                let Some(cpu) = Sha512::found() else { return Vec::new() };
                vec![
                    Rung::new("SHA-512 instructions", 2, 2, move |group| cpu.sha512_x2(group)),
                    Rung::new("SHA-512 instructions", 1, 1, move |group| cpu.sha512_x1(group)),
                ]
            }
            _ => Vec::new(),
        }
    }
}

/// Why a ladder is what it is, for people.
#[cfg(target_arch = "x86_64")]
pub(super) fn reason(algorithm: Algorithm) -> &'static str {
    let platform = Platform::detect(algorithm);
    if is_little(algorithm) {
        return "AVX2 has four words of 64 bits in a vector";
    }
    let has_avx512 = Avx512::found().is_some();
    match (has_avx512, Identity::this().avx512_units(), platform) {
        (true, Avx512Units::Half, Platform::ShaNiVl(_)) => {
            "AVX-512 works by halves here, which the SHA extensions outdo"
        }
        (true, Avx512Units::Half, _) => "AVX-512 works by halves here: one group has no gaps",
        (true, Avx512Units::Whole, _) => "AVX-512 has its results after a cycle: no gaps",
        (true, Avx512Units::WholeInTwoCycles, _) => {
            "AVX-512 has its results after two cycles: a second group fills the gaps of the first"
        }
        (false, _, Platform::ShaNi(_)) => "there is no AVX-512, and the SHA extensions are next",
        (false, _, Platform::Avx2(_)) if has_kernels_beside_sha(algorithm) => {
            "there is no AVX-512, and AVX2 has four words of 64 bits in a vector"
        }
        (false, _, Platform::Avx2(_)) => "there is neither AVX-512 nor the SHA extensions",
        (false, ..) => "there is no faster instruction",
    }
}

/// Why a ladder is what it is, for people.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn reason(algorithm: Algorithm) -> &'static str {
    match Platform::detect(algorithm) {
        Platform::Portable => "there is no faster instruction",
        #[cfg(target_arch = "aarch64")]
        Platform::Sha2(_) if matches!(algorithm, Algorithm::Sha384 | Algorithm::Sha512) => {
            "the CPU has instructions for SHA-512 itself"
        }
        #[cfg(target_arch = "aarch64")]
        Platform::Sha2(_) => "the CPU has instructions for SHA-256 itself",
        #[cfg(target_arch = "aarch64")]
        Platform::Neon(_) => "the CPU has no instructions for SHA-256 itself",
    }
}

/// The kernel of any CPU: one block after the other.
fn portable() -> Rung<u32> {
    Rung::new("ordinary code", 1, 1, |group| walk::hash::<[u32; 1]>((), group))
}

/// Which instructions a ladder may use.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Allowed {
    avx512: bool,
    sha_ni_vl: bool,
    sha_ni: bool,
    avx2: bool,
}

/// A kernel on a ladder.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Two groups of AVX-512 lanes.
    Avx512Pair,
    Avx512,
    /// Four streams of SHA-NI in the registers of AVX-512.
    ShaNiVl,
    /// So many streams of SHA-NI.
    ShaNi2,
    ShaNi1,
    Avx2,
    Portable,
}

/// The ladder for sha256 and sha224: kernels, widest first, each with the least number of blocks
/// for which it is worth it.
#[cfg(target_arch = "x86_64")]
fn sha256_steps(allowed: Allowed, cpu: Identity) -> Vec<(Step, usize)> {
    let Allowed { avx512, sha_ni_vl, sha_ni, avx2 } = allowed;
    let has_sha = sha_ni || sha_ni_vl;
    let mut steps = Vec::new();
    if avx512 {
        match cpu.avx512_units() {
            Avx512Units::WholeInTwoCycles => {
                steps.extend([(Step::Avx512Pair, 26), (Step::Avx512, 12)]);
            }
            Avx512Units::Half => steps.push((Step::Avx512, 12)),
            // Beside AVX2, whose group of half as many lanes takes longer, it is always worth it.
            Avx512Units::Whole => steps.push((Step::Avx512, if has_sha { 9 } else { 2 })),
        }
    }
    if has_sha {
        match (cpu.is_intel(), avx512) {
            _ if !sha_ni_vl => {}
            // Four streams are hardly faster than two, lose more beside strangers, and most with
            // one of them idle.
            (true, true) => {}
            (true, false) => steps.push((Step::ShaNiVl, 4)),
            (false, _) => steps.push((Step::ShaNiVl, 3)),
        }
        steps.extend([(Step::ShaNi2, 2), (Step::ShaNi1, 1)]);
        return steps;
    }
    // A vector that is half empty is still faster than one block after the other.
    if avx2 && !avx512 {
        steps.push((Step::Avx2, 2));
    }
    steps.push((Step::Portable, 1));
    steps
}

/// The ladder for sha512 and sha384.
#[cfg(target_arch = "x86_64")]
fn sha512_steps(allowed: Allowed, cpu: Identity) -> Vec<(Step, usize)> {
    match cpu.avx512_units() {
        _ if !allowed.avx512 && allowed.avx2 => vec![(Step::Avx2, 2)],
        _ if !allowed.avx512 => Vec::new(),
        Avx512Units::WholeInTwoCycles => vec![(Step::Avx512Pair, 12), (Step::Avx512, 3)],
        Avx512Units::Half | Avx512Units::Whole => vec![(Step::Avx512, 3)],
    }
}

/// Whether there are kernels for an algorithm, none of which has the SHA extensions.
#[cfg(target_arch = "x86_64")]
fn has_kernels_beside_sha(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Sha384 | Algorithm::Sha512) || is_little(algorithm)
}

/// Whether it is of those whose words are little-endian, and of 64 bits.
#[cfg(target_arch = "x86_64")]
fn is_little(algorithm: Algorithm) -> bool {
    use Algorithm::{Blake2b256, Blake2b512, Sha3_256, Sha3_384, Sha3_512};
    matches!(algorithm, Sha3_256 | Sha3_384 | Sha3_512 | Blake2b256 | Blake2b512)
}

/// Whether AVX-512 comes before the other instructions on such a CPU.
#[cfg(target_arch = "x86_64")]
fn is_avx512_first(algorithm: Algorithm, cpu: Identity) -> bool {
    if is_little(algorithm) {
        return false;
    }
    let is_sha256 = matches!(algorithm, Algorithm::Sha224 | Algorithm::Sha256);
    !(is_sha256 && cpu.avx512_units() == Avx512Units::Half)
}

/// The kernel of a step; `None` if this CPU has not its instructions.
#[cfg(target_arch = "x86_64")]
fn sha256_rung((step, least): (Step, usize)) -> Option<Rung<u32>> {
    Some(match step {
        Step::Avx512Pair => {
            let cpu = Avx512::found()?;
            Rung::new("AVX-512, two groups", 32, least, move |group| cpu.sha256_x32(group))
        }
        Step::Avx512 => {
            let cpu = Avx512::found()?;
            Rung::new("AVX-512", 16, least, move |group| cpu.sha256_rows(group))
        }
        Step::ShaNiVl => {
            let cpu = ShaNiVl::found()?;
            Rung::new("SHA-NI in 32 registers", 4, least, move |group| cpu.sha256_x4(group))
        }
        Step::ShaNi2 => {
            let cpu = ShaNi::found()?;
            Rung::new("SHA-NI", 2, least, move |group| cpu.sha256_x2(group))
        }
        Step::ShaNi1 => {
            let cpu = ShaNi::found()?;
            Rung::new("SHA-NI", 1, least, move |group| cpu.sha256_x1(group))
        }
        Step::Avx2 => {
            let cpu = Avx2::found()?;
            Rung::new("AVX2", 8, least, move |group| cpu.sha256_x8(group))
        }
        Step::Portable => portable(),
    })
}

/// The kernel of a step; `None` if there is none, or this CPU has not its instructions.
#[cfg(target_arch = "x86_64")]
fn sha512_rung((step, least): (Step, usize)) -> Option<Rung<u64>> {
    Some(match step {
        Step::Avx512Pair => {
            let cpu = Avx512::found()?;
            Rung::new("AVX-512, two groups", 16, least, move |group| cpu.sha512_x16(group))
        }
        Step::Avx512 => {
            let cpu = Avx512::found()?;
            Rung::new("AVX-512", 8, least, move |group| cpu.sha512_rows(group))
        }
        Step::Avx2 => {
            let cpu = Avx2::found()?;
            Rung::new("AVX2", 4, least, move |group| cpu.sha512_x4(group))
        }
        _ => return None,
    })
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::cpu::identity;

    const ALL: Allowed = Allowed { avx512: true, sha_ni_vl: true, sha_ni: true, avx2: true };
    const NO_SHA: Allowed = Allowed { sha_ni_vl: false, sha_ni: false, ..ALL };
    const NO_AVX512: Allowed = Allowed { avx512: false, sha_ni_vl: false, ..ALL };

    #[test]
    fn ladders_follow_from_what_a_cpu_says_of_itself() {
        let zen_3 = identity(b"AuthenticAMD", 0x00a0_0f11, 0b0110);
        let zen_4 = identity(b"AuthenticAMD", 0x00a1_0f11, 0b0110);
        let zen_5 = identity(b"AuthenticAMD", 0x00b0_0f21, 0b1110);
        let sapphire_rapids = identity(b"GenuineIntel", 0x0008_06f8, 0);
        let skylake_x = identity(b"GenuineIntel", 0x0005_0654, 0);
        let alder_lake = identity(b"GenuineIntel", 0x0009_0672, 0);
        let hidden = identity(b"KVMKVMKVM\0\0\0", 0x00a1_0f11, 0);
        use Step::*;
        let streams = [(ShaNi2, 2), (ShaNi1, 1)];
        let behind =
            |first: &[(Step, usize)]| first.iter().copied().chain(streams).collect::<Vec<_>>();
        assert_eq!(sha256_steps(NO_AVX512, zen_3), streams);
        assert_eq!(sha256_steps(ALL, zen_4), behind(&[(Avx512, 12), (ShaNiVl, 3)]));
        let zen_5_steps = behind(&[(Avx512Pair, 26), (Avx512, 12), (ShaNiVl, 3)]);
        assert_eq!(sha256_steps(ALL, zen_5), zen_5_steps);
        assert_eq!(sha256_steps(ALL, sapphire_rapids), behind(&[(Avx512, 9)]));
        assert_eq!(sha256_steps(NO_SHA, skylake_x), [(Avx512, 2), (Portable, 1)]);
        assert_eq!(sha256_steps(NO_AVX512, alder_lake), streams);
        assert_eq!(sha256_steps(ALL, hidden), behind(&[(Avx512, 9), (ShaNiVl, 3)]));
        let avx2 = Allowed { avx2: true, ..Allowed::default() };
        assert_eq!(sha256_steps(avx2, skylake_x), [(Avx2, 2), (Portable, 1)]);
        assert_eq!(sha256_steps(Allowed::default(), skylake_x), [(Portable, 1)]);
        assert_eq!(sha512_steps(ALL, zen_5), [(Avx512Pair, 12), (Avx512, 3)]);
        for cpu in [zen_4, sapphire_rapids, skylake_x, hidden] {
            assert_eq!(sha512_steps(NO_SHA, cpu), [(Avx512, 3)]);
        }
        assert_eq!(sha512_steps(NO_AVX512, zen_3), [(Avx2, 2)]);
        assert!(sha512_steps(Allowed::default(), zen_3).is_empty());
    }

    #[test]
    fn avx512_is_first_but_for_sha256_in_two_halves() {
        let zen_4 = identity(b"AuthenticAMD", 0x00a1_0f11, 0b0110);
        let zen_5 = identity(b"AuthenticAMD", 0x00b0_0f21, 0b1110);
        assert!(!is_avx512_first(Algorithm::Sha224, zen_4));
        assert!(!is_avx512_first(Algorithm::Sha256, zen_4));
        assert!(is_avx512_first(Algorithm::Sha512, zen_4));
        assert!(is_avx512_first(Algorithm::Sha256, zen_5));
    }

    /// Wide kernels come first, and whoever takes one block comes last.
    #[test]
    fn every_ladder_ends_with_single_blocks() {
        for platform in Platform::available() {
            let rungs = platform.sha256();
            assert!(rungs.windows(2).all(|pair| pair[0].lanes > pair[1].lanes), "{platform}");
            assert!(rungs.last().is_some_and(|rung| rung.least == 1), "{platform}");
        }
    }
}
