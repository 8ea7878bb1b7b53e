//! BLAKE2b (RFC 7693), once, over any [`LittleLanes`].

use super::prefetch::{Cache, prefetch};
use super::text::{LittleLanes, Staged, Text, Texts, store};
use crate::number::to_u64;
use crate::{HashType, Salt};

/// The size of a chunk, in bytes.
const CHUNK: usize = 128;

/// The messages of blocks for a digest of that size, in bytes.
pub(super) fn text(
    digest_size: usize,
    hash_type: HashType,
    salt: &Salt,
    block_size: usize,
) -> Text {
    Text::new(hash_type, salt, block_size, (CHUNK, digest_size), (0, 0))
}

/// Hashes a group of at most `LANES` blocks, as many as `L` has.
#[inline(always)]
pub(super) fn hash<L: LittleLanes, const LANES: usize>(cpu: L::Cpu, group: Texts<'_>) {
    const { assert!(LANES == L::LANES) }
    let Texts { text, blocks, next, digests } = group;
    let staged = Staged::<LANES>::new(text, blocks);
    let mut state = splat_all(cpu, IV);
    // 2.5: the parameter block of a digest without a key.
    state[0] = L::splat(cpu, IV[0] ^ 0x0101_0000 ^ to_u64(text.digest_size));
    let chunks = text.chunks();
    for index in 0..chunks {
        let (blocks, size, offset) = staged.chunk(index);
        prefetch(next.part(index * CHUNK * LANES, CHUNK * LANES), Cache::Second);
        let mut words = [L::splat(cpu, 0); 16];
        for (four, words) in words.chunks_exact_mut(4).enumerate() {
            let [a, b, c, d] = L::load_four(cpu, blocks, size, offset + 32 * four);
            (words[0], words[1], words[2], words[3]) = (a, b, c, d);
        }
        let counted = ((index + 1) * CHUNK).min(text.len);
        compress(cpu, &mut state, &words, to_u64(counted), index + 1 == chunks);
    }
    store(&state, text.digest_size, digests);
}

#[inline(always)]
fn splat_all<L: LittleLanes>(cpu: L::Cpu, words: [u64; 8]) -> [L; 8] {
    let mut lanes = [L::splat(cpu, 0); 8];
    for (lanes, word) in lanes.iter_mut().zip(words) {
        *lanes = L::splat(cpu, word);
    }
    lanes
}

/// The mixing function G (3.1), with words of these numbers.
macro_rules! mix {
    ($m:ident, $a:ident $b:ident $c:ident $d:ident, $x:literal $y:literal) => {
        $a = $a.add($b).add($m[$x]);
        $d = $d.xor($a).rotr(32);
        $c = $c.add($d);
        $b = $b.xor($c).rotr(24);
        $a = $a.add($b).add($m[$y]);
        $d = $d.xor($a).rotr(16);
        $c = $c.add($d);
        $b = $b.xor($c).rotr(63);
    };
}

/// The compression function F (3.2), with `counted` bytes taken in.
#[inline(always)]
fn compress<L: LittleLanes>(
    cpu: L::Cpu,
    state: &mut [L; 8],
    m: &[L; 16],
    counted: u64,
    is_last: bool,
) {
    let [mut v0, mut v1, mut v2, mut v3, mut v4, mut v5, mut v6, mut v7] = *state;
    let [mut v8, mut v9, mut v10, mut v11, _, mut v13, _, mut v15] = splat_all::<L>(cpu, IV);
    let mut v12 = L::splat(cpu, IV[4] ^ counted);
    let mut v14 = L::splat(cpu, if is_last { !IV[6] } else { IV[6] });
    macro_rules! round {
        ($i0:literal $i1:literal $i2:literal $i3:literal $i4:literal $i5:literal $i6:literal
         $i7:literal $i8:literal $i9:literal $i10:literal $i11:literal $i12:literal $i13:literal
         $i14:literal $i15:literal) => {
            mix!(m, v0 v4 v8 v12, $i0 $i1);
            mix!(m, v1 v5 v9 v13, $i2 $i3);
            mix!(m, v2 v6 v10 v14, $i4 $i5);
            mix!(m, v3 v7 v11 v15, $i6 $i7);
            mix!(m, v0 v5 v10 v15, $i8 $i9);
            mix!(m, v1 v6 v11 v12, $i10 $i11);
            mix!(m, v2 v7 v8 v13, $i12 $i13);
            mix!(m, v3 v4 v9 v14, $i14 $i15);
        };
    }
    // 2.7: the schedule.
    round!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    round!(14 10 4 8 9 15 13 6 1 12 0 2 11 7 5 3);
    round!(11 8 12 0 5 2 15 13 10 14 3 6 7 1 9 4);
    round!(7 9 3 1 13 12 11 14 2 6 5 10 4 0 15 8);
    round!(9 0 5 7 2 4 10 15 14 1 11 12 6 8 3 13);
    round!(2 12 6 10 0 11 8 3 4 13 7 5 15 14 1 9);
    round!(12 5 1 15 14 13 4 10 0 7 6 3 9 2 8 11);
    round!(13 11 7 14 12 1 3 9 5 0 15 4 8 6 2 10);
    round!(6 15 14 9 11 3 0 8 12 2 13 7 1 4 10 5);
    round!(10 2 8 4 7 6 1 5 15 11 9 14 3 12 13 0);
    round!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    round!(14 10 4 8 9 15 13 6 1 12 0 2 11 7 5 3);
    let [h0, h1, h2, h3, h4, h5, h6, h7] = *state;
    *state = [
        h0.xor3(v0, v8),
        h1.xor3(v1, v9),
        h2.xor3(v2, v10),
        h3.xor3(v3, v11),
        h4.xor3(v4, v12),
        h5.xor3(v5, v13),
        h6.xor3(v6, v14),
        h7.xor3(v7, v15),
    ];
}

/// The initial state (2.6), which is that of SHA-512.
const IV: [u64; 8] = super::word::SHA512;
