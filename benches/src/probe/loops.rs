//! Loops of single instructions, whose time says what a core can do.
//!
//! Nobody looks at what they compute. All code of this crate that a compiler must not choose
//! stands here.

#![expect(unsafe_code, reason = "which instructions a loop has is what it is for")]

/// A loop that runs as often as it is told to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    /// Runs it so many times.
    pub(super) run: fn(u64),
    /// How many of what is counted each turn has: instructions, or bytes of input.
    pub(super) each: f64,
}

/// Loops for hashing by one instruction set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mixture {
    /// The kernels that these instructions bound.
    pub(super) platforms: &'static [&'static str],
    /// Counts bytes of messages.
    pub(super) bytes: Loop,
}

#[cfg(target_arch = "x86_64")]
pub(super) use self::x86_64::{adds, independent, mixtures};

#[cfg(target_arch = "aarch64")]
pub(super) use self::aarch64::{adds, independent, mixtures};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use self::other::{adds, independent, mixtures};

// SAFETY of every block of assembly below: it names each register that it changes as an output, or
// as one that it clobbers; it touches no memory and no stack (`nomem`, `nostack`); its only jump is
// back to its own beginning, as often as its counter says, which is at least once. Instructions
// that a CPU may lack are in functions with a target feature, called only where the feature was
// found.

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::asm;

    use super::{Loop, Mixture};

    /// Additions each of which needs the sum before it: one a cycle.
    ///
    /// Both operands are registers: additions of a constant take no time on some CPUs.
    pub(in super::super) fn adds() -> Option<Loop> {
        Some(Loop { run: run_adds, each: 64.0 })
    }

    fn run_adds(turns: u64) {
        // SAFETY: see the top of the file.
        unsafe {
            asm!(
                "2:",
                ".rept 64",
                "add {sum}, {term}",
                ".endr",
                "dec {turns}",
                "jnz 2b",
                sum = inout(reg) turns => _,
                term = in(reg) turns,
                turns = inout(reg) turns.max(1) => _,
                options(nomem, nostack),
            );
        }
    }

    /// Instructions that need nothing but a place in the front end, which the threads of a core
    /// share: `nop`, and the two of the loop, which count as one.
    pub(in super::super) fn independent() -> Option<Loop> {
        Some(Loop { run: run_nops, each: 97.0 })
    }

    fn run_nops(turns: u64) {
        // SAFETY: see the top of the file.
        unsafe {
            asm!(
                "2:",
                ".rept 96",
                "nop",
                ".endr",
                "dec {turns}",
                "jnz 2b",
                turns = inout(reg) turns.max(1) => _,
                options(nomem, nostack),
            );
        }
    }

    /// What this CPU has.
    pub(in super::super) fn mixtures() -> Vec<Mixture> {
        let mut mixtures = Vec::new();
        if is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") {
            mixtures.push(Mixture {
                platforms: &["sha-ni", "sha-ni-vl"],
                // SAFETY: the CPU has the instructions.
                bytes: Loop { run: |turns| unsafe { run_sha(turns) }, each: 16.0 },
            });
        }
        if is_x86_feature_detected!("avx2") {
            mixtures.push(Mixture {
                platforms: &["avx2"],
                // SAFETY: the CPU has the instructions.
                bytes: Loop { run: |turns| unsafe { run_avx2(turns) }, each: 32.0 },
            });
        }
        if is_x86_feature_detected!("avx512f") {
            mixtures.push(Mixture {
                platforms: &["avx512"],
                // SAFETY: the CPU has the instructions.
                bytes: Loop { run: |turns| unsafe { run_avx512(turns) }, each: 64.0 },
            });
        }
        mixtures
    }

    /// A quarter of a chunk by SHA-NI, without a register that waits for another turn: 8 double
    /// rounds, 3 of each message instruction, 3 `palignr`, 7 additions, 4 shuffles and a swap of
    /// bytes.
    #[target_feature(enable = "sha,sse4.1")]
    fn run_sha(turns: u64) {
        // SAFETY: see the top of the file.
        unsafe {
            asm!(
                "2:",
                "sha256rnds2 xmm1, xmm15, xmm0",
                "movdqa xmm9, xmm15",
                "sha256msg1 xmm9, xmm15",
                "sha256rnds2 xmm2, xmm15, xmm0",
                "pshufd xmm10, xmm15, 0x0e",
                "paddd xmm11, xmm15",
                "sha256rnds2 xmm3, xmm15, xmm0",
                "movdqa xmm12, xmm15",
                "sha256msg2 xmm12, xmm15",
                "palignr xmm13, xmm15, 4",
                "sha256rnds2 xmm4, xmm15, xmm0",
                "pshufd xmm10, xmm15, 0x0e",
                "paddd xmm14, xmm15",
                "movdqa xmm9, xmm15",
                "sha256msg1 xmm9, xmm15",
                "sha256rnds2 xmm5, xmm15, xmm0",
                "paddd xmm11, xmm15",
                "movdqa xmm12, xmm15",
                "sha256msg2 xmm12, xmm15",
                "palignr xmm13, xmm15, 4",
                "sha256rnds2 xmm6, xmm15, xmm0",
                "pshufd xmm10, xmm15, 0x0e",
                "paddd xmm14, xmm15",
                "movdqa xmm9, xmm15",
                "sha256msg1 xmm9, xmm15",
                "sha256rnds2 xmm7, xmm15, xmm0",
                "paddd xmm11, xmm15",
                "movdqa xmm12, xmm15",
                "sha256msg2 xmm12, xmm15",
                "palignr xmm13, xmm15, 4",
                "sha256rnds2 xmm8, xmm15, xmm0",
                "pshufd xmm10, xmm15, 0x0e",
                "paddd xmm14, xmm15",
                "paddd xmm11, xmm15",
                "pshufb xmm10, xmm15",
                "dec {turns}",
                "jnz 2b",
                turns = inout(reg) turns.max(1) => _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nomem, nostack),
            );
        }
    }

    /// Four rounds and three words of the schedule for 8 lanes of 256 bits, a sixteenth of a chunk:
    /// 78 shifts, 80 additions and exclusive ors and 49 other operations, none of which waits for
    /// another.
    #[target_feature(enable = "avx2")]
    fn run_avx2(turns: u64) {
        // SAFETY: see the top of the file.
        unsafe {
            asm!(
                "vpxor xmm0, xmm0, xmm0",
                "vpxor xmm1, xmm1, xmm1",
                "2:",
                ".rept 13",
                "vpslld ymm2, ymm0, 7",
                "vpxor ymm3, ymm0, ymm1",
                "vpsrld ymm4, ymm1, 25",
                "vpor ymm5, ymm0, ymm1",
                "vpaddd ymm6, ymm0, ymm1",
                "vpslld ymm7, ymm0, 6",
                "vpand ymm8, ymm0, ymm1",
                "vpsrld ymm9, ymm1, 26",
                "vpxor ymm10, ymm0, ymm1",
                "vpaddd ymm11, ymm0, ymm1",
                "vpslld ymm12, ymm0, 11",
                "vpor ymm13, ymm0, ymm1",
                "vpsrld ymm14, ymm1, 21",
                "vpxor ymm15, ymm0, ymm1",
                "vpaddd ymm2, ymm0, ymm1",
                "vpand ymm3, ymm0, ymm1",
                ".endr",
                "dec {turns}",
                "jnz 2b",
                "vzeroupper",
                turns = inout(reg) turns.max(1) => _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nomem, nostack),
            );
        }
    }

    /// Four rounds and three words of the schedule for 16 lanes of 512 bits, a sixteenth of a
    /// chunk: 36 rotates and 6 shifts, 22 ternary operations and 37 additions, none of which waits
    /// for another.
    #[target_feature(enable = "avx512f")]
    fn run_avx512(turns: u64) {
        // SAFETY: see the top of the file.
        unsafe {
            asm!(
                "vpxor xmm0, xmm0, xmm0",
                "vpxor xmm1, xmm1, xmm1",
                "2:",
                ".rept 6",
                "vprord zmm2, zmm0, 6",
                "vpaddd zmm3, zmm0, zmm1",
                "vprord zmm4, zmm1, 11",
                "vpternlogd zmm5, zmm0, zmm1, 0x96",
                "vpaddd zmm6, zmm0, zmm1",
                "vprord zmm7, zmm0, 25",
                "vpternlogd zmm8, zmm0, zmm1, 0xca",
                "vpaddd zmm9, zmm0, zmm1",
                "vprord zmm10, zmm1, 2",
                "vpaddd zmm11, zmm0, zmm1",
                "vpsrld zmm12, zmm0, 10",
                "vpternlogd zmm13, zmm0, zmm1, 0xe8",
                "vprord zmm14, zmm1, 13",
                "vpaddd zmm15, zmm0, zmm1",
                "vprord zmm2, zmm0, 22",
                "vpaddd zmm3, zmm0, zmm1",
                ".endr",
                ".rept 4",
                "vpternlogd zmm5, zmm0, zmm1, 0x96",
                ".endr",
                "vpaddd zmm6, zmm0, zmm1",
                "dec {turns}",
                "jnz 2b",
                "vzeroupper",
                turns = inout(reg) turns.max(1) => _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nomem, nostack),
            );
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use std::arch::asm;
    use std::arch::is_aarch64_feature_detected;

    use super::{Loop, Mixture};

    /// Additions each of which needs the sum before it: one a cycle.
    pub(in super::super) fn adds() -> Option<Loop> {
        Some(Loop { run: run_adds, each: 64.0 })
    }

    fn run_adds(turns: u64) {
        // SAFETY: see the top of the file.
        unsafe {
            asm!(
                "2:",
                ".rept 64",
                "add {sum}, {sum}, {term}",
                ".endr",
                "subs {turns}, {turns}, #1",
                "b.ne 2b",
                sum = inout(reg) turns => _,
                term = in(reg) turns,
                turns = inout(reg) turns.max(1) => _,
                options(nomem, nostack),
            );
        }
    }

    /// Additions of which none needs another, and the two instructions of the loop.
    pub(in super::super) fn independent() -> Option<Loop> {
        Some(Loop { run: run_independent_adds, each: 98.0 })
    }

    fn run_independent_adds(turns: u64) {
        // SAFETY: see the top of the file.
        unsafe {
            asm!(
                "2:",
                ".rept 12",
                "add {a}, {term}, {term}",
                "add {b}, {term}, {term}",
                "add {c}, {term}, {term}",
                "add {d}, {term}, {term}",
                "add {e}, {term}, {term}",
                "add {f}, {term}, {term}",
                "add {g}, {term}, {term}",
                "add {h}, {term}, {term}",
                ".endr",
                "subs {turns}, {turns}, #1",
                "b.ne 2b",
                a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
                e = out(reg) _, f = out(reg) _, g = out(reg) _, h = out(reg) _,
                term = in(reg) turns,
                turns = inout(reg) turns.max(1) => _,
                options(nomem, nostack),
            );
        }
    }

    /// What this CPU has.
    pub(in super::super) fn mixtures() -> Vec<Mixture> {
        let mut mixtures = Vec::new();
        if is_aarch64_feature_detected!("sha2") {
            mixtures.push(Mixture {
                platforms: &["sha2"],
                // SAFETY: the CPU has the instructions.
                bytes: Loop { run: |turns| unsafe { run_sha2(turns) }, each: 16.0 },
            });
        }
        mixtures
    }

    /// A quarter of a chunk by the SHA-2 extension, without a register that waits for another but
    /// for the state of its stream: 4 of each instruction of the rounds, 3 of each of the schedule,
    /// 4 additions and a swap of bytes.
    #[target_feature(enable = "neon,sha2")]
    fn run_sha2(turns: u64) {
        // SAFETY: see the top of the file.
        unsafe {
            asm!(
                "2:",
                "sha256h q16, q0, v1.4s",
                "sha256su0 v24.4s, v1.4s",
                "sha256h2 q20, q0, v1.4s",
                "add v28.4s, v0.4s, v1.4s",
                "sha256h q17, q0, v1.4s",
                "sha256su1 v25.4s, v0.4s, v1.4s",
                "sha256h2 q21, q0, v1.4s",
                "add v29.4s, v0.4s, v1.4s",
                "sha256h q18, q0, v1.4s",
                "sha256su0 v26.4s, v1.4s",
                "sha256h2 q22, q0, v1.4s",
                "add v30.4s, v0.4s, v1.4s",
                "sha256su1 v27.4s, v0.4s, v1.4s",
                "sha256h q19, q0, v1.4s",
                "sha256su0 v2.4s, v1.4s",
                "sha256h2 q23, q0, v1.4s",
                "add v31.4s, v0.4s, v1.4s",
                "sha256su1 v3.4s, v0.4s, v1.4s",
                "rev32 v4.16b, v0.16b",
                "subs {turns}, {turns}, #1",
                "b.ne 2b",
                turns = inout(reg) turns.max(1) => _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _,
                out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                out("v24") _, out("v25") _, out("v26") _, out("v27") _,
                out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                options(nomem, nostack),
            );
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod other {
    use super::{Loop, Mixture};

    /// No loop is known for this CPU.
    pub(in super::super) fn adds() -> Option<Loop> {
        None
    }

    /// No loop is known for this CPU.
    pub(in super::super) fn independent() -> Option<Loop> {
        None
    }

    /// None is known for this CPU.
    pub(in super::super) fn mixtures() -> Vec<Mixture> {
        Vec::new()
    }
}
