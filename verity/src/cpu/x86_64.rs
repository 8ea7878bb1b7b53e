//! What kernels for x86-64 ask of a CPU.

use std::arch::x86_64::{__cpuid, CpuidResult};
use std::sync::OnceLock;

use super::token::token;

token! {
    /// The proof that this CPU has AVX2.
    pub Avx2 = is_x86_feature_detected: "avx2"
}

token! {
    /// The proof that this CPU has AVX-512 F and BW.
    pub Avx512 = is_x86_feature_detected: "avx512f" "avx512bw"
}

token! {
    /// The proof that this CPU multiplies bits by matrices in vectors of 64 bytes.
    pub Gfni = is_x86_feature_detected: "gfni" "avx512f" "avx512bw"
}

token! {
    /// The proof that this CPU has the SHA extensions and SSE4.1.
    pub ShaNi = is_x86_feature_detected: "sha" "ssse3" "sse4.1"
}

token! {
    /// The proof that this CPU has the SHA extensions and AVX-512 F, BW and VL.
    pub ShaNiVl =
        is_x86_feature_detected: "sha" "ssse3" "sse4.1" "avx512f" "avx512bw" "avx512vl"
}

impl ShaNiVl {
    /// What such a CPU has too.
    pub(crate) fn sha_ni(self) -> ShaNi {
        ShaNi(())
    }
}

/// What a CPU says of its make: no proof of anything, only a hint at what is fast.
///
/// Plain numbers, so that what follows from them can be asked of any CPU on any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    vendor: [u8; 12],
    family: u32,
    /// What AMD's CPUs say of the width of their units; 0 if they say nothing.
    optimizations: u32,
}

/// How a CPU does 512-bit operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Avx512Units {
    /// In two halves, one after the other: AMD's Zen 4.
    Half,
    /// Whole, with the result a cycle later: Intel's.
    Whole,
    /// Whole, with the result two cycles later, so that one group of lanes leaves gaps: AMD's
    /// Zen 5.
    WholeInTwoCycles,
}

impl Identity {
    /// That of this CPU, asked once: a virtual machine takes its time to answer.
    pub(crate) fn this() -> Identity {
        static THIS: OnceLock<Identity> = OnceLock::new();
        *THIS.get_or_init(|| {
            let most = cpuid(0x8000_0000).eax;
            let optimizations = if most < OPTIMIZATIONS { 0 } else { cpuid(OPTIMIZATIONS).eax };
            Identity::new(cpuid(0), cpuid(1), optimizations)
        })
    }

    /// That of a CPU which gives these answers to CPUID leaves 0 and 1, and has this in EAX of leaf
    /// 8000_001Ah (0 if there is none).
    pub(crate) fn new(vendor: CpuidResult, signature: CpuidResult, optimizations: u32) -> Identity {
        let mut name = [0; 12];
        let registers = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
        name.copy_from_slice(registers.as_flattened());
        Identity { vendor: name, family: family(signature.eax), optimizations }
    }

    pub(crate) fn is_intel(self) -> bool {
        self.vendor == *b"GenuineIntel"
    }

    /// How it does 512-bit operations, if it has them. Of a vendor that is not known, or hidden by
    /// a virtual machine, the simplest is assumed.
    ///
    /// AMD's CPUs say how wide their units are, in bits of EAX of leaf 8000_001Ah: 2 is FP256, 3 is
    /// FP512 (AMD, APM volume 3, appendix E). A virtual machine may leave that out: then the family
    /// decides, of which 19h is Zen 4 (AMD, Software Optimization Guide for the AMD Zen 4
    /// Microarchitecture, 2.11) and those after it are Zen 5 and later.
    pub(crate) fn avx512_units(self) -> Avx512Units {
        let is_whole = match self.optimizations & (FP256 | FP512) {
            _ if self.vendor != *b"AuthenticAMD" => return Avx512Units::Whole,
            0 => self.family != 0x19,
            width => width & FP512 != 0,
        };
        if is_whole { Avx512Units::WholeInTwoCycles } else { Avx512Units::Half }
    }
}

/// The leaf with AMD's performance optimization identifiers.
const OPTIMIZATIONS: u32 = 0x8000_001a;
const FP256: u32 = 1 << 2;
const FP512: u32 = 1 << 3;

/// The sum of two fields when the first is full (AMD, APM volume 3, CPUID Fn0000_0001).
fn family(signature: u32) -> u32 {
    match signature >> 8 & 0xf {
        0xf => 0xf + (signature >> 20 & 0xff),
        family => family,
    }
}

fn cpuid(leaf: u32) -> CpuidResult {
    // Under Miri there is no instruction of assembly: a CPU that says nothing of itself.
    if cfg!(miri) {
        return CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    }
    #[allow(unused_unsafe, reason = "a safe function in newer standard libraries")]
    // SAFETY: every CPU of this architecture has this instruction, which answers to any leaf.
    unsafe {
        __cpuid(leaf)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Of a CPU with this vendor, this in EAX of leaf 1, and this in EAX of leaf 8000_001Ah.
    pub(crate) fn identity(vendor: &[u8; 12], eax: u32, optimizations: u32) -> Identity {
        let (words, _) = vendor.as_chunks();
        let [ebx, edx, ecx] = [0, 1, 2].map(|index: usize| u32::from_le_bytes(words[index]));
        let leaf_1 = CpuidResult { eax, ebx: 0, ecx: 0, edx: 0 };
        Identity::new(CpuidResult { eax: 0, ebx, ecx, edx }, leaf_1, optimizations)
    }

    #[test]
    fn units_are_known_by_their_width_and_else_by_the_family() {
        let units =
            |vendor, eax, optimizations| identity(vendor, eax, optimizations).avx512_units();
        let amd = |eax, optimizations| units(b"AuthenticAMD", eax, optimizations);
        assert_eq!(amd(0x00a1_0f11, 0b0110), Avx512Units::Half, "Zen 4, Genoa");
        assert_eq!(amd(0x00b0_0f21, 0b1110), Avx512Units::WholeInTwoCycles, "Zen 5, Turin");
        assert_eq!(amd(0x00b2_0f40, 0b0110), Avx512Units::Half, "Zen 5 with narrow units");
        assert_eq!(amd(0x00a1_0f11, 0), Avx512Units::Half, "Zen 4 that says nothing of it");
        assert_eq!(amd(0x00b0_0f21, 0), Avx512Units::WholeInTwoCycles, "Zen 5, the same");
        assert_eq!(units(b"GenuineIntel", 0x0008_06f8, 0), Avx512Units::Whole, "Sapphire Rapids");
        assert_eq!(units(b"GenuineIntel", 0x00a1_0f11, 0b0110), Avx512Units::Whole, "no AMD");
        assert_eq!(units(b"KVMKVMKVM\0\0\0", 0x00a1_0f11, 0), Avx512Units::Whole, "hidden");
    }

    #[test]
    fn this_cpu_says_who_it_is() {
        let this = Identity::this();
        assert!(this.vendor.is_ascii(), "{this:?}");
        assert_eq!(this, Identity::new(cpuid(0), cpuid(1), this.optimizations));
    }
}
