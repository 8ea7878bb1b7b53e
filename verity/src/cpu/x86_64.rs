//! What kernels for x86-64 ask of a CPU.

use std::arch::x86_64::{__cpuid, CpuidResult};
use std::sync::OnceLock;

use super::token::token;

token! {
    /// The proof that this CPU has AVX2.
    Avx2 = is_x86_feature_detected: "avx2"
}

token! {
    /// The proof that this CPU has AVX-512 F and BW.
    Avx512 = is_x86_feature_detected: "avx512f" "avx512bw"
}

token! {
    /// The proof that this CPU multiplies bits by matrices in vectors of 64 bytes.
    Gfni = is_x86_feature_detected: "gfni" "avx512f" "avx512bw"
}

token! {
    /// The proof that this CPU has the SHA extensions and SSE4.1.
    ShaNi = is_x86_feature_detected: "sha" "ssse3" "sse4.1"
}

token! {
    /// The proof that this CPU has the SHA extensions and AVX-512 F, BW and VL.
    ShaNiVl =
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
}

impl Identity {
    /// That of this CPU, asked once: a virtual machine takes its time to answer.
    pub(crate) fn this() -> Identity {
        static THIS: OnceLock<Identity> = OnceLock::new();
        *THIS.get_or_init(|| Identity::new(cpuid(0), cpuid(1)))
    }

    /// That of a CPU which gives these answers to CPUID leaves 0 and 1.
    fn new(vendor: CpuidResult, signature: CpuidResult) -> Identity {
        let mut name = [0; 12];
        let registers = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
        name.copy_from_slice(registers.as_flattened());
        Identity { vendor: name, family: family(signature.eax) }
    }

    /// Whether 512-bit instructions go through units of half that width, two cycles each: AMD's
    /// family 19h (Zen 4). Source: AMD, Software Optimization Guide for the AMD Zen 4
    /// Microarchitecture, 2.11.
    pub(crate) fn has_half_width_avx512(self) -> bool {
        self.vendor == *b"AuthenticAMD" && self.family == 0x19
    }
}

/// The sum of two fields when the first is full (AMD, APM volume 3, CPUID Fn0000_0001).
fn family(signature: u32) -> u32 {
    match signature >> 8 & 0xf {
        0xf => 0xf + (signature >> 20 & 0xff),
        family => family,
    }
}

fn cpuid(leaf: u32) -> CpuidResult {
    #[allow(unused_unsafe, reason = "a safe function in newer standard libraries")]
    // SAFETY: every CPU of this architecture has this instruction, and leaves 0 and 1.
    unsafe {
        __cpuid(leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What leaf 0 has in EBX, EDX and ECX, and leaf 1 in EAX.
    fn identity(vendor: &[u8; 12], eax: u32) -> Identity {
        let (words, _) = vendor.as_chunks();
        let [ebx, edx, ecx] = [0, 1, 2].map(|index: usize| u32::from_le_bytes(words[index]));
        let leaf_1 = CpuidResult { eax, ebx: 0, ecx: 0, edx: 0 };
        Identity::new(CpuidResult { eax: 0, ebx, ecx, edx }, leaf_1)
    }

    #[test]
    fn only_zen_4_has_half_width_avx512() {
        let is_half = |vendor, eax| identity(vendor, eax).has_half_width_avx512();
        assert!(is_half(b"AuthenticAMD", 0x00a1_0f11), "Zen 4, Genoa");
        assert!(!is_half(b"AuthenticAMD", 0x00b0_0f21), "Zen 5, Turin");
        assert!(!is_half(b"AuthenticAMD", 0x0083_0f10), "Zen 2, Rome");
        assert!(!is_half(b"GenuineIntel", 0x0008_06f8), "Sapphire Rapids");
        assert!(!is_half(b"GenuineIntel", 0x00a1_0f11), "of that family, but not of that vendor");
    }

    #[test]
    fn this_cpu_says_who_it_is() {
        assert!(Identity::this().vendor.is_ascii(), "{:?}", Identity::this());
        assert_eq!(Identity::this(), Identity::new(cpuid(0), cpuid(1)));
    }
}
