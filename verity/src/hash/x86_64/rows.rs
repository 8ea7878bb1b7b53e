//! One group of lanes by hand: state and schedule in registers, the next chunk of every lane on
//! its way while this one is hashed.
//!
//! In intrinsics (`avx512`, the twin in the tests) the compiler keeps the schedule in memory and
//! orders the additions anew, which costs 6 to 9 % on Intel.
//!
//! ```text
//!  zmm0-7    a to h, which change places from round to round
//!  zmm8-23   the sixteen words of the schedule, each of all lanes
//!  zmm24-30  what a round needs besides
//!  zmm31     the order of bytes that makes big-endian words
//!
//!  for each chunk:
//!      16 rounds with the words as they came, each loaded from `now`, its bytes swapped
//!      16 rounds at a time with words worked out
//!      meanwhile the next chunk of each lane is copied to `next`
//!      state += the state before; `now` and `next` change places
//! ```
//!
//! **Turning.** A vector has one word of each lane, and a lane's words lie together in memory. They
//! are turned by copying them, one by one, to where the vectors want them, a chunk ahead: loads and
//! stores of a word take none of the ports that vectors need, and when the vector is loaded, its
//! small stores are long done.
//!
//! **Where chunks are** is told by segments: a pointer for each lane, an offset that grows by a
//! chunk, and a count. Chunks that have bytes of salt and block, or of block and padding, are
//! staged; so a salt of any length needs no shifting of words, and a lane without a block of its
//! own has that of another.
//!
//! # Safety
//!
//! - Instructions: AVX-512 F and BW, of which `Avx512` is the proof. Nothing here is reached
//!   without one.
//! - Reads: a chunk at `lanes[i] + offset + n * chunk`, for each lane i, each segment, and each n
//!   below its count; of the segment behind the last chunk the first one, which is copied and not
//!   used. [`Way`] has them from checked subslices, which outlive the call. Prefetches read
//!   nothing and cannot fault.
//! - Writes: `state` and `scratch`, whole, each behind an exclusive reference for as long as the
//!   function runs, and aligned to the 64 bytes that its loads and stores ask for.
//! - The calling convention is written down (`sysv64`), not the platform's: general registers that
//!   a caller keeps are pushed and popped, and of vectors it keeps none. Nothing is called;
//!   direction flag and control words are left alone.
//! - `vzeroupper` at the end: what follows may be SSE code, which is slow beside dirty upper
//!   halves.

use std::arch::naked_asm;

use crate::cpu::Avx512;

use crate::io::Ahead;

use super::super::group::Group;
use super::super::lanes::block_start;
use super::super::message::Message;
use super::super::word::Word;

impl Avx512 {
    /// sha256 and sha224, up to sixteen blocks.
    pub(in crate::hash) fn sha256_rows(self, group: Group<'_, u32>) {
        hash::<u32, 16, 64>(self, group, compress_256);
    }

    /// sha512 and sha384, up to eight blocks.
    pub(in crate::hash) fn sha512_rows(self, group: Group<'_, u64>) {
        hash::<u64, 8, 128>(self, group, compress_512);
    }
}

/// The words of the state, each of all lanes.
#[repr(C, align(64))]
struct State<W, const LANES: usize>([[W; LANES]; 8]);

/// Two chunks of all lanes, turned: this one and the next.
#[repr(C, align(64))]
struct Scratch([u8; 2048]);

/// Chunks that follow one another, in every lane.
#[repr(C)]
#[derive(Clone, Copy)]
struct Segment<const LANES: usize> {
    /// Where each lane begins.
    lanes: *const [*const u8; LANES],
    /// How far behind that the first chunk is, in bytes.
    offset: usize,
    /// How many chunks.
    count: usize,
}

/// State, segments, how many chunks they have together, room for two chunks, a constant for each
/// round, and what will soon be asked for: as many bytes as are hashed.
type Compress<W, const LANES: usize> = unsafe extern "sysv64" fn(
    *mut State<W, LANES>,
    *const Segment<LANES>,
    usize,
    *mut Scratch,
    *const W,
    *const u8,
);

/// Segments of a message: salt with block, block, block with padding, five chunks more behind a
/// salt of 256 bytes, and what is copied last and not used.
const MOST: usize = 9;

fn hash<W: Word, const LANES: usize, const CHUNK: usize>(
    _cpu: Avx512,
    group: Group<'_, W>,
    compress: Compress<W, LANES>,
) {
    let Group { message, blocks, next, digests } = group;
    let mut staged = [Staged::<CHUNK> { first: [[0; CHUNK]; 2], joint: [[0; CHUNK]; 2] }; LANES];
    stage(message, blocks, &mut staged);
    let way = Way::new(message, blocks, &staged);
    let segments = way.segments();
    let mut state = State(message.state.map(|word| [word; LANES]));
    let mut scratch = Scratch([0; 2048]);
    // Behind the last group, nothing that is not there already.
    let ahead = if next.is_empty() { Ahead::of(blocks) } else { next };
    // SAFETY: as the top of this file says; `_cpu` is the token.
    unsafe {
        compress(
            &raw mut state,
            segments.as_ptr(),
            way.chunks,
            &raw mut scratch,
            W::K.as_ptr(),
            ahead.start(),
        );
    }
    store(&state.0, message.digest_size, digests);
}

/// The chunks of a lane in which its block is not alone. Each is made of pieces of a whole chunk,
/// since a copy of a size that is known is no call, and so has room for one more.
#[derive(Clone, Copy)]
struct Staged<const CHUNK: usize> {
    /// The first one is salt and the block's first bytes.
    first: [[u8; CHUNK]; 2],
    /// The last one is the block's last bytes and padding.
    joint: [[u8; CHUNK]; 2],
}

/// Makes the chunks in which a block is not alone, if there are such.
fn stage<W: Word, const CHUNK: usize>(
    message: &Message<W>,
    blocks: &[u8],
    staged: &mut [Staged<CHUNK>],
) {
    let Some(end) = message.joint.as_deref() else { return };
    let (size, front) = (message.block_size, message.front.len());
    let mut salt = [0; CHUNK];
    salt[..front].copy_from_slice(&message.front);
    for (lane, Staged { first, joint }) in staged.iter_mut().enumerate() {
        let block = &blocks[block_start(blocks, size, lane)..][..size];
        first[0] = salt;
        put(first, front, block);
        joint[1].copy_from_slice(end);
        put(joint, front, &block[size - CHUNK..]);
    }
}

/// Copies the first chunk of some bytes.
#[inline(always)]
fn put<const CHUNK: usize>(room: &mut [[u8; CHUNK]; 2], at: usize, from: &[u8]) {
    room.as_flattened_mut()[at..][..CHUNK].copy_from_slice(&from[..CHUNK]);
}

/// The chunks of all lanes, in their order.
struct Way<const LANES: usize> {
    lanes: [[*const u8; LANES]; MOST],
    /// Offset and count of each segment.
    spans: [(usize, usize); MOST],
    used: usize,
    /// How many chunks there are.
    chunks: usize,
}

impl<const LANES: usize> Way<LANES> {
    fn new<W: Word, const CHUNK: usize>(
        message: &Message<W>,
        blocks: &[u8],
        staged: &[Staged<CHUNK>; LANES],
    ) -> Self {
        let (size, front) = (message.block_size, message.front.len());
        let block = |lane| &blocks[block_start(blocks, size, lane)..][..size];
        let own: [*const u8; LANES] = std::array::from_fn(|lane| block(lane).as_ptr());
        let mut way = Way { lanes: [own; MOST], spans: [(0, 1); MOST], used: 0, chunks: 0 };
        if front == 0 {
            way.push(own, 0, size / CHUNK);
        } else {
            way.push(staged.each_ref().map(|lane| lane.first[0].as_ptr()), 0, 1);
            way.push(own, CHUNK - front, size / CHUNK - 1);
            way.push(staged.each_ref().map(|lane| lane.joint[1].as_ptr()), 0, 1);
        }
        for constant in &message.rest {
            way.push([constant.bytes[..CHUNK].as_ptr(); LANES], 0, 1);
        }
        way
    }

    /// # Panics
    ///
    /// If the last place would be taken, which is for the chunk behind them all.
    fn push(&mut self, lanes: [*const u8; LANES], offset: usize, count: usize) {
        assert!(self.used + 1 < MOST, "more segments than a message has");
        self.lanes[self.used] = lanes;
        self.spans[self.used] = (offset, count);
        self.used += 1;
        self.chunks += count;
    }

    fn segments(&self) -> [Segment<LANES>; MOST] {
        std::array::from_fn(|index| {
            let (offset, count) = self.spans[index];
            Segment { lanes: &raw const self.lanes[index], offset, count }
        })
    }
}

/// Writes the digests of as many lanes as there is room for.
fn store<W: Word, const LANES: usize>(
    state: &[[W; LANES]; 8],
    digest_size: usize,
    digests: &mut [u8],
) {
    for (lane, digest) in digests.chunks_exact_mut(digest_size).enumerate() {
        for (bytes, words) in digest.chunks_mut(W::BYTES).zip(state) {
            words[lane].write(bytes);
        }
    }
}

/// A function that takes chunks into a state.
///
/// Registers: rdi the state, rsi the next segment, rdx chunks left, rbx `now`, rbp `next`, r8 round
/// constants, r9 what is prefetched; of the segment r11 its lanes, r12 its offset, r14 its chunks
/// left; r10 the lane that is copied, rax what is copied, r15 counts. Labels are numbers above 1:
/// 0 and 1 could be binary numbers.
macro_rules! compress {
    (
        $(#[doc = $doc:literal])*
        $name:ident: $Word:ty, $lanes:literal lanes;
        // The letter of instructions, the size of a word in bytes, and what has one.
        $d:literal $size:literal $pointer:literal $rax:literal;
        swap $low:literal $high:literal;
        big $a0:literal $a1:literal $a2:literal, $e0:literal $e1:literal $e2:literal;
        small $f0:literal $f1:literal $f2:literal, $n0:literal $n1:literal $n2:literal;
        // Copying a word: part and word of the sixteen, and the lane of those of this pass.
        copy $($copy:literal)*;
        // Whether the first sixteen rounds copy; how many passes there are besides.
        first $first:literal;
        passes $passes:literal;
        before $($before:literal)*;
        after $($after:literal)*;
        back $($back:literal)*;
        // What each of sixteen rounds copies: lane of this pass, and part.
        copied
            $c0:literal $c1:literal $c2:literal $c3:literal $c4:literal $c5:literal
            $c6:literal $c7:literal $c8:literal $c9:literal $c10:literal $c11:literal
            $c12:literal $c13:literal $c14:literal $c15:literal;
    ) => {
        $(#[doc = $doc])*
        #[unsafe(naked)]
        unsafe extern "sysv64" fn $name(
            state: *mut State<$Word, $lanes>,
            segments: *const Segment<$lanes>,
            chunks: usize,
            scratch: *mut Scratch,
            constants: *const $Word,
            ahead: *const u8,
        ) {
            naked_asm!(
                ".macro verity_copy lane part word",
                ".if verity_copies",
                $($copy,)*
                ".endif",
                ".endm",
                // One round, t of sixteen. h becomes the new a, d the new e.
                ".macro verity_round a b c d e f g h t w lane part",
                concat!(
                    r"vpadd", $d, r" zmm24, zmm\w, ", $pointer,
                    r" ptr [r8 + ", $size, r"*\t]{{1to", $lanes, r"}}"
                ),
                r"verity_copy \lane \part 0",
                concat!(r"vpror", $d, r" zmm25, zmm\e, ", $e0),
                r"vmovdqa64 zmm28, zmm\e",
                concat!(r"vpror", $d, r" zmm26, zmm\e, ", $e1),
                concat!(r"vpadd", $d, r" zmm\h, zmm\h, zmm24"),
                r"verity_copy \lane \part 1",
                concat!(r"vpror", $d, r" zmm27, zmm\e, ", $e2),
                concat!(r"vpternlog", $d, r" zmm28, zmm\f, zmm\g, 0xca"),
                concat!(r"vpternlog", $d, r" zmm25, zmm26, zmm27, 0x96"),
                concat!(r"vpadd", $d, r" zmm\h, zmm\h, zmm28"),
                concat!(r"vpror", $d, r" zmm29, zmm\a, ", $a0),
                r"verity_copy \lane \part 2",
                concat!(r"vpadd", $d, r" zmm\h, zmm\h, zmm25"),
                concat!(r"vpror", $d, r" zmm30, zmm\a, ", $a1),
                r"vmovdqa64 zmm24, zmm\a",
                concat!(r"vpadd", $d, r" zmm\d, zmm\d, zmm\h"),
                r"verity_copy \lane \part 3",
                concat!(r"vpror", $d, r" zmm26, zmm\a, ", $a2),
                concat!(r"vpternlog", $d, r" zmm24, zmm\b, zmm\c, 0xe8"),
                concat!(r"vpternlog", $d, r" zmm29, zmm30, zmm26, 0x96"),
                concat!(r"vpadd", $d, r" zmm\h, zmm\h, zmm24"),
                concat!(r"vpadd", $d, r" zmm\h, zmm\h, zmm29"),
                ".endm",
                ".macro verity_given a b c d e f g h t w w1 w9 w14 lane part",
                r"vmovdqa64 zmm\w, [rbx + 64*\t]",
                r"vpshufb zmm\w, zmm\w, zmm31",
                r"verity_round \a \b \c \d \e \f \g \h \t \w \lane \part",
                ".endm",
                ".macro verity_expanded a b c d e f g h t w w1 w9 w14 lane part",
                concat!(r"vpror", $d, r" zmm24, zmm\w1, ", $f0),
                concat!(r"vpadd", $d, r" zmm\w, zmm\w, zmm\w9"),
                concat!(r"vpror", $d, r" zmm25, zmm\w1, ", $f1),
                concat!(r"vpsrl", $d, r" zmm26, zmm\w1, ", $f2),
                concat!(r"vpternlog", $d, r" zmm24, zmm25, zmm26, 0x96"),
                concat!(r"vpror", $d, r" zmm27, zmm\w14, ", $n0),
                concat!(r"vpror", $d, r" zmm28, zmm\w14, ", $n1),
                concat!(r"vpadd", $d, r" zmm\w, zmm\w, zmm24"),
                concat!(r"vpsrl", $d, r" zmm29, zmm\w14, ", $n2),
                concat!(r"vpternlog", $d, r" zmm27, zmm28, zmm29, 0x96"),
                concat!(r"vpadd", $d, r" zmm\w, zmm\w, zmm27"),
                r"verity_round \a \b \c \d \e \f \g \h \t \w \lane \part",
                ".endm",
                ".macro verity_sixteen step",
                concat!(r"\step 0 1 2 3 4 5 6 7   0   8  9 17 22  ", $c0),
                concat!(r"\step 7 0 1 2 3 4 5 6   1   9 10 18 23  ", $c1),
                concat!(r"\step 6 7 0 1 2 3 4 5   2  10 11 19  8  ", $c2),
                concat!(r"\step 5 6 7 0 1 2 3 4   3  11 12 20  9  ", $c3),
                concat!(r"\step 4 5 6 7 0 1 2 3   4  12 13 21 10  ", $c4),
                concat!(r"\step 3 4 5 6 7 0 1 2   5  13 14 22 11  ", $c5),
                concat!(r"\step 2 3 4 5 6 7 0 1   6  14 15 23 12  ", $c6),
                concat!(r"\step 1 2 3 4 5 6 7 0   7  15 16  8 13  ", $c7),
                concat!(r"\step 0 1 2 3 4 5 6 7   8  16 17  9 14  ", $c8),
                concat!(r"\step 7 0 1 2 3 4 5 6   9  17 18 10 15  ", $c9),
                concat!(r"\step 6 7 0 1 2 3 4 5  10  18 19 11 16  ", $c10),
                concat!(r"\step 5 6 7 0 1 2 3 4  11  19 20 12 17  ", $c11),
                concat!(r"\step 4 5 6 7 0 1 2 3  12  20 21 13 18  ", $c12),
                concat!(r"\step 3 4 5 6 7 0 1 2  13  21 22 14 19  ", $c13),
                concat!(r"\step 2 3 4 5 6 7 0 1  14  22 23 15 20  ", $c14),
                concat!(r"\step 1 2 3 4 5 6 7 0  15  23  8 16 21  ", $c15),
                ".endm",
                ".macro verity_segment",
                "mov r11, [rsi]",
                "mov r12, [rsi + 8]",
                "mov r14, [rsi + 16]",
                "add rsi, 24",
                ".endm",
                ".macro verity_next_chunk",
                concat!("add r12, 16*", $size),
                "dec r14",
                "jnz 22f",
                "verity_segment",
                "22:",
                ".endm",
                "push rbx",
                "push rbp",
                "push r12",
                "push r14",
                "push r15",
                "mov rbx, rcx",
                "lea rbp, [rcx + 1024]",
                concat!("movabs rax, ", $low),
                "vmovq xmm8, rax",
                concat!("movabs rax, ", $high),
                "vpinsrq xmm8, xmm8, rax, 1",
                "vshufi32x4 zmm31, zmm8, zmm8, 0",
                ".irp i, 0, 1, 2, 3, 4, 5, 6, 7",
                r"vmovdqa64 zmm\i, [rdi + 64*\i]",
                ".endr",
                // The first chunk, to `now`.
                "verity_segment",
                "xor r15d, r15d",
                "33:",
                "mov r10, [r11 + 8*r15]",
                "add r10, r12",
                ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                concat!("mov ", $rax, ", [r10 + ", $size, r"*\i]"),
                concat!("mov [rbx + ", $size, r"*r15 + 64*\i], ", $rax),
                ".endr",
                "inc r15",
                concat!("cmp r15, ", $lanes),
                "jne 33b",
                "verity_next_chunk",
                ".p2align 6",
                "44:",
                concat!(".set verity_copies, ", $first),
                "verity_sixteen verity_given",
                ".set verity_copies, 1",
                concat!("mov r15d, ", $passes),
                "55:",
                concat!("add r8, 16*", $size),
                $($before,)*
                "verity_sixteen verity_expanded",
                $($after,)*
                "dec r15d",
                "jnz 55b",
                concat!("sub r8, 16*", $size, "*", $passes),
                $($back,)*
                ".irp i, 0, 1, 2, 3, 4, 5, 6, 7",
                concat!(r"vpadd", $d, r" zmm\i, zmm\i, [rdi + 64*\i]"),
                ".endr",
                ".irp i, 0, 1, 2, 3, 4, 5, 6, 7",
                r"vmovdqa64 [rdi + 64*\i], zmm\i",
                ".endr",
                "xchg rbx, rbp",
                "verity_next_chunk",
                "dec rdx",
                "jnz 44b",
                "pop r15",
                "pop r14",
                "pop r12",
                "pop rbp",
                "pop rbx",
                "vzeroupper",
                "ret",
                ".purgem verity_copy",
                ".purgem verity_round",
                ".purgem verity_given",
                ".purgem verity_expanded",
                ".purgem verity_sixteen",
                ".purgem verity_segment",
                ".purgem verity_next_chunk",
            )
        }
    };
}

compress! {
    /// Sixteen lanes of sha256; each pass copies four of them.
    compress_256: u32, 16 lanes;
    "d" 4 "dword" "eax";
    swap "0x0405060700010203" "0x0c0d0e0f08090a0b";
    big 2 13 22, 6 11 25;
    small 7 18 3, 17 19 10;
    copy
        r".if \part + \word == 0"
        r"mov r10, [r11 + 8*\lane]"
        r"add r10, r12"
        r"prefetcht1 [r9 + 64*\lane]"
        r".endif"
        r"mov eax, [r10 + 16*\part + 4*\word]"
        r"mov [rbp + 256*\part + 64*\word + 4*\lane], eax";
    first 1;
    passes 3;
    before "add r11, 32" "add rbp, 16" "add r9, 256";
    after;
    back "sub r11, 96" "sub rbp, 48" "add r9, 256";
    copied
        "0 0" "0 1" "0 2" "0 3" "1 0" "1 1" "1 2" "1 3"
        "2 0" "2 1" "2 2" "2 3" "3 0" "3 1" "3 2" "3 3";
}

compress! {
    /// Eight lanes of sha512; each pass but the first copies two of them.
    compress_512: u64, 8 lanes;
    "q" 8 "qword" "rax";
    swap "0x0001020304050607" "0x08090a0b0c0d0e0f";
    big 28 34 39, 14 18 41;
    small 1 8 7, 19 61 6;
    copy
        r".if \part + \word == 0"
        r"mov r10, [r11 + 8*\lane]"
        r"add r10, r12"
        r".endif"
        r".if \part % 4 + \word == 0"
        r"prefetcht1 [r9 + 128*\lane + 16*\part]"
        r".endif"
        r".if \word < 2"
        r"mov rax, [r10 + 16*\part + 8*\word]"
        r"mov [rbp + 128*\part + 64*\word + 8*\lane], rax"
        r".endif";
    first 0;
    passes 4;
    before;
    after "add r11, 16" "add rbp, 16" "add r9, 256";
    back "sub r11, 64" "sub rbp, 64";
    copied
        "0 0" "0 1" "0 2" "0 3" "0 4" "0 5" "0 6" "0 7"
        "1 0" "1 1" "1 2" "1 3" "1 4" "1 5" "1 6" "1 7";
}
