//! SHA-NI on CPUs that have AVX-512 too: four messages in flight, and
//! no word of theirs leaves the registers.
//!
//! Two rounds take four cycles from one to the next, so it takes four messages to keep the unit
//! busy. Their states and schedules are 24 vectors. The SHA instructions can name sixteen registers
//! only, and a compiler puts what does not fit on the stack; then a message waits for its own
//! stores, at 65 cycles a chunk (Zen 4). AVX-512VL has sixteen registers more, which other
//! instructions can name, and a move between registers costs no cycle. So the states and what is at
//! work have the low ones, the schedules the high ones: 53 cycles a chunk, where the SHA
//! instructions alone take 39. Compilers do not find this; hence the assembly.

use std::arch::asm;
use std::arch::x86_64::*;

use crate::cpu::{ShaNiVl, entries};

use super::super::group::Group;
use super::super::streams::{self, Stream};
use super::super::word::Word;
use super::sha_ni::{CHUNK, State};

entries! {
    ShaNiVl: "sha,ssse3,sse4.1,avx512f,avx512bw,avx512vl";
    pub(in crate::hash) fn sha256_x4(group: Group<'_, u32>) = streams::hash::<Wide, 4, CHUNK>;
}

/// The state of a message, for the assembly.
#[derive(Clone, Copy)]
struct Wide(State, ShaNiVl);

impl Stream<4, CHUNK> for Wide {
    type Word = u32;
    type Cpu = ShaNiVl;

    #[inline(always)]
    fn new(cpu: ShaNiVl, state: &[u32; 8]) -> Wide {
        Wide(<State as Stream<4, CHUNK>>::new(cpu.sha_ni(), state), cpu)
    }

    #[inline(always)]
    fn words(self) -> [u32; 8] {
        <State as Stream<4, CHUNK>>::words(self.0)
    }

    #[inline(always)]
    fn compress(states: &mut [Wide; 4], chunks: &[&[u8; CHUNK]; 4]) {
        let [Wide(_, cpu), ..] = *states;
        // SAFETY: `cpu` is a token.
        unsafe { rounds(cpu, states, chunks) }
    }
}

/// In lines of their own, since every four rounds read them.
#[repr(align(64))]
struct Constants([u32; 64]);

static CONSTANTS: Constants = Constants(constants());

const fn constants() -> [u32; 64] {
    let mut constants = [0; 64];
    let mut round = 0;
    while round < 64 {
        constants[round] = <u32 as Word>::K[round];
        round += 1;
    }
    constants
}

/// Rounds 4 `$i` to 4 `$i` + 3 of a message, whose words for them are in `$w0`.
macro_rules! four_rounds {
    ($i:literal, $abef:literal $cdgh:literal, $w0:literal $($more:literal)*) => {
        concat!(
            "vpaddd xmm0, ",
            $w0,
            ", xmmword ptr [{k} + 16 * ",
            $i,
            "]\n",
            "sha256rnds2 ",
            $cdgh,
            ", ",
            $abef,
            ", xmm0\n",
            "vpshufd xmm0, xmm0, 0x0e\n",
            "sha256rnds2 ",
            $abef,
            ", ",
            $cdgh,
            ", xmm0\n",
        )
    };
}

/// The words of the schedule that take the place of those in `$w0`;
/// `$t`, `$u` and `$v` are scratch.
macro_rules! expand {
    ($w0:literal $w1:literal $w2:literal $w3:literal, $t:literal $u:literal $v:literal) => {
        concat!(
            "vmovdqa32 ",
            $t,
            ", ",
            $w0,
            "\n",
            "vmovdqa32 ",
            $u,
            ", ",
            $w1,
            "\n",
            "sha256msg1 ",
            $t,
            ", ",
            $u,
            "\n",
            "vmovdqa32 ",
            $u,
            ", ",
            $w3,
            "\n",
            "vpalignr ",
            $v,
            ", ",
            $u,
            ", ",
            $w2,
            ", 4\n",
            "vpaddd ",
            $t,
            ", ",
            $t,
            ", ",
            $v,
            "\n",
            "sha256msg2 ",
            $t,
            ", ",
            $u,
            "\n",
            "vmovdqa32 ",
            $w0,
            ", ",
            $t,
            "\n",
        )
    };
}

/// Four rounds of all messages, and the words that take the place of
/// the used ones if the rest is given too.
macro_rules! all {
    ($i:literal, $a:tt $b:tt $c:tt $d:tt) => {
        concat!(
            all!(@ $i, "xmm1" "xmm5", $a, "xmm9" "xmm10" "xmm11"),
            all!(@ $i, "xmm2" "xmm6", $b, "xmm12" "xmm13" "xmm14"),
            all!(@ $i, "xmm3" "xmm7", $c, "xmm9" "xmm10" "xmm11"),
            all!(@ $i, "xmm4" "xmm8", $d, "xmm12" "xmm13" "xmm14"),
        )
    };
    (@ $i:literal, $abef:literal $cdgh:literal, [$($w:literal)*],
     $t:literal $u:literal $v:literal) => {
        concat!(four_rounds!($i, $abef $cdgh, $($w)*), expand!($($w)*, $t $u $v))
    };
    (@ $i:literal, $abef:literal $cdgh:literal, ($w:literal),
     $t:literal $u:literal $v:literal) => {
        four_rounds!($i, $abef $cdgh, $w)
    };
}

macro_rules! sixteen_rounds_expanding {
    ($i0:literal $i1:literal $i2:literal $i3:literal) => {
        concat!(
            all!($i0, ["xmm16" "xmm17" "xmm18" "xmm19"] ["xmm20" "xmm21" "xmm22" "xmm23"]
                      ["xmm24" "xmm25" "xmm26" "xmm27"] ["xmm28" "xmm29" "xmm30" "xmm31"]),
            all!($i1, ["xmm17" "xmm18" "xmm19" "xmm16"] ["xmm21" "xmm22" "xmm23" "xmm20"]
                      ["xmm25" "xmm26" "xmm27" "xmm24"] ["xmm29" "xmm30" "xmm31" "xmm28"]),
            all!($i2, ["xmm18" "xmm19" "xmm16" "xmm17"] ["xmm22" "xmm23" "xmm20" "xmm21"]
                      ["xmm26" "xmm27" "xmm24" "xmm25"] ["xmm30" "xmm31" "xmm28" "xmm29"]),
            all!($i3, ["xmm19" "xmm16" "xmm17" "xmm18"] ["xmm23" "xmm20" "xmm21" "xmm22"]
                      ["xmm27" "xmm24" "xmm25" "xmm26"] ["xmm31" "xmm28" "xmm29" "xmm30"]),
        )
    };
}

/// Loads the words of a message.
macro_rules! load {
    ($chunk:literal, $($at:literal $w:literal)*) => {
        concat!($(
            "vmovdqu xmm9, xmmword ptr [{", $chunk, "} + ", $at, "]\n",
            "vpshufb ", $w, ", xmm9, xmm15\n",
        )*)
    };
}

/// The 64 rounds of one chunk a message.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1,avx512f,avx512bw,avx512vl")]
fn rounds(_cpu: ShaNiVl, states: &mut [Wide; 4], chunks: &[&[u8; CHUNK]; 4]) {
    let before = *states;
    let [Wide(s0, _), Wide(s1, _), Wide(s2, _), Wide(s3, _)] = states;
    // SAFETY:
    // 1. The instructions are those of the enabled features, for which there is a token.
    // 2. Memory is only read: 64 bytes of each chunk and the 256 bytes of `CONSTANTS`, by
    //    instructions that demand no alignment.
    // 3. Every register that is written is an output or a clobber; flags and stack are left alone.
    unsafe {
        asm!(
            // The SHA instructions know nothing of the upper halves of registers. Intel's CPUs save
            // and restore what is there at every change between them and the others, hundreds of
            // times a chunk, unless it is nothing.
            "vzeroupper",
            load!("p0", 0 "xmm16" 16 "xmm17" 32 "xmm18" 48 "xmm19"),
            load!("p1", 0 "xmm20" 16 "xmm21" 32 "xmm22" 48 "xmm23"),
            load!("p2", 0 "xmm24" 16 "xmm25" 32 "xmm26" 48 "xmm27"),
            load!("p3", 0 "xmm28" 16 "xmm29" 32 "xmm30" 48 "xmm31"),
            sixteen_rounds_expanding!(0 1 2 3),
            sixteen_rounds_expanding!(4 5 6 7),
            sixteen_rounds_expanding!(8 9 10 11),
            all!(12, ("xmm16") ("xmm20") ("xmm24") ("xmm28")),
            all!(13, ("xmm17") ("xmm21") ("xmm25") ("xmm29")),
            all!(14, ("xmm18") ("xmm22") ("xmm26") ("xmm30")),
            all!(15, ("xmm19") ("xmm23") ("xmm27") ("xmm31")),
            p0 = in(reg) chunks[0].as_ptr(),
            p1 = in(reg) chunks[1].as_ptr(),
            p2 = in(reg) chunks[2].as_ptr(),
            p3 = in(reg) chunks[3].as_ptr(),
            k = in(reg) CONSTANTS.0.as_ptr(),
            inout("xmm1") s0.abef, inout("xmm5") s0.cdgh,
            inout("xmm2") s1.abef, inout("xmm6") s1.cdgh,
            inout("xmm3") s2.abef, inout("xmm7") s2.cdgh,
            inout("xmm4") s3.abef, inout("xmm8") s3.cdgh,
            inout("xmm15") _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203) => _,
            out("xmm0") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _,
            out("xmm16") _, out("xmm17") _, out("xmm18") _, out("xmm19") _,
            out("xmm20") _, out("xmm21") _, out("xmm22") _, out("xmm23") _,
            out("xmm24") _, out("xmm25") _, out("xmm26") _, out("xmm27") _,
            out("xmm28") _, out("xmm29") _, out("xmm30") _, out("xmm31") _,
            options(nostack, preserves_flags, readonly),
        );
    }
    for (state, before) in states.iter_mut().zip(before) {
        state.0.abef = _mm_add_epi32(state.0.abef, before.0.abef);
        state.0.cdgh = _mm_add_epi32(state.0.cdgh, before.0.cdgh);
    }
}
