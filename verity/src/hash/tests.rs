//! One harness for every kernel: the ladders of all platforms here, each rung alone, and the
//! generic code over arrays, against the crates' one-by-one hashing and against the slow twin.
//!
//! Blocks are in slices of just their size, at odd addresses, so that
//! AddressSanitizer sees a byte read too many.

use crate::io::Ahead;
use std::sync::Arc;

use verity_testdata::pattern::painted;
use verity_testdata::reference::{self, Scheme};

#[cfg(target_arch = "x86_64")]
use super::group::Group;
use super::kernel::Kernel;
use super::lanes::{Lanes, Pair};
use super::little::{self, LittleRung};
use super::platform::Platform;
use super::rung::Rung;
use super::text::{LittleLanes, Texts};
use super::word::{SHA224, SHA256, SHA384, SHA512, Word};
use super::{blake2b, keccak, ladder, scalar, walk};
#[cfg(target_arch = "x86_64")]
use crate::cpu::Avx512;
#[cfg(target_arch = "aarch64")]
use crate::cpu::{Neon, Sha2, Sha512};
use crate::{Algorithm, BlockSize, HashType, Params, Salt};

/// How a kernel is made for a tree.
type Make<'a> = &'a dyn Fn(&Params) -> Arc<dyn Kernel>;

const SHA2: [Algorithm; 4] =
    [Algorithm::Sha224, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
/// Those whose words are little-endian, of which some kernels hash several messages.
const LITTLE: [Algorithm; 5] = [
    Algorithm::Sha3_256,
    Algorithm::Sha3_384,
    Algorithm::Sha3_512,
    Algorithm::Blake2b256,
    Algorithm::Blake2b512,
];
const HASH_TYPES: [HashType; 2] = [HashType::ChromeOs, HashType::Normal];
/// The most messages that a kernel hashes at a time.
const WIDEST: usize = if cfg!(target_arch = "x86_64") { 32 } else { 8 };
/// More than two of the widest groups; with every tail.
const MOST: usize = 2 * WIDEST + 3;
/// Around words, chunks of both sizes, and the padding that just fits.
const SALTS: [usize; 21] =
    [0, 1, 3, 4, 13, 31, 32, 33, 55, 56, 60, 63, 64, 65, 111, 112, 127, 128, 129, 255, 256];

fn params(algorithm: Algorithm, hash_type: HashType, salt: usize, block_size: u32) -> Params {
    let block_size = BlockSize::new(block_size).unwrap();
    Params::builder()
        .algorithm(algorithm)
        .hash_type(hash_type)
        .salt(Salt::new(&painted(salt)).unwrap())
        .data_block_size(block_size)
        .hash_block_size(block_size)
        .data_blocks(1)
        .build()
        .unwrap()
}

/// Compares digests of the first 1, 2, 3 ... blocks, or of the numbers given.
fn compare(make: Make<'_>, params: &Params, counts: impl IntoIterator<Item = usize>) {
    let (kernel, crates) = (make(params), one_by_one(params));
    let size = params.data_block_size().buffer_len(1);
    let digest_size = params.algorithm().digest_size() as usize;
    let counts: Vec<_> = counts.into_iter().collect();
    let most = counts.iter().copied().max().unwrap_or(0);
    let blocks = painted(most * size);
    let mut expected = vec![0; most * digest_size];
    crates.hash_many(&blocks, size, &mut expected, Ahead::NOWHERE);
    for count in counts {
        // One byte in front, and none behind.
        let placed: Box<[u8]> = [0].iter().chain(&blocks[..count * size]).copied().collect();
        let mut digests = vec![0xee; count * digest_size + 1];
        kernel.hash_many(&placed[1..], size, &mut digests[..count * digest_size], Ahead::NOWHERE);
        assert!(
            digests[..count * digest_size] == expected[..count * digest_size],
            "{params:?}: {count} blocks"
        );
        assert_eq!(digests[count * digest_size], 0xee, "{params:?}: {count} blocks");
    }
}

fn one_by_one(params: &Params) -> Arc<dyn Kernel> {
    scalar::kernel(params.algorithm(), params.hash_type(), params.salt())
}

fn harness(make: Make<'_>, algorithms: &[Algorithm]) {
    if cfg!(miri) {
        return short_harness(make, algorithms);
    }
    for &algorithm in algorithms {
        for hash_type in HASH_TYPES {
            let params = |salt, block_size| params(algorithm, hash_type, salt, block_size);
            for salt in SALTS {
                compare(make, &params(salt, 512), 0..=MOST);
            }
            for salt in 0..=256 {
                // A group of every width.
                compare(make, &params(salt, 512), [2 * WIDEST - 3]);
            }
            for power in 10..=19 {
                let most = MOST.min((1 << 20) >> power);
                for salt in [0, 33] {
                    compare(make, &params(salt, 1 << power), [most / 2, most]);
                }
            }
        }
    }
}

/// A part of it, for what is slow: arrays, and, with few salts, everything under Miri.
fn short_harness(make: Make<'_>, algorithms: &[Algorithm]) {
    for &algorithm in algorithms {
        for hash_type in HASH_TYPES {
            for salt in SALTS.into_iter().step_by(if cfg!(miri) { 5 } else { 1 }) {
                compare(make, &params(algorithm, hash_type, salt, 512), [1, 3, 9]);
            }
        }
    }
}

/// The ladder of a platform.
fn ladder_of(platform: Platform) -> impl Fn(&Params) -> Arc<dyn Kernel> {
    move |params| ladder::kernel(params, platform)
}

#[test]
fn every_platform_gives_the_digests_of_the_crates() {
    assert_eq!(Platform::available().last(), Some(Platform::Portable));
    for platform in Platform::available() {
        println!("{platform}");
        harness(&ladder_of(platform), &SHA2);
        harness(&ladder_of(platform), &LITTLE);
    }
}

/// A ladder hides its narrow rungs behind the wide ones: here each
/// works alone, on groups that are not full too.
#[test]
fn every_rung_works_alone() {
    for platform in Platform::available() {
        for rung in 0..platform.sha256().len() {
            harness(&|params| alone(platform.sha256(), rung, params), &SHA2[..2]);
        }
        for rung in 0..platform.sha512().len() {
            harness(&|params| alone(platform.sha512(), rung, params), &SHA2[2..]);
        }
    }
}

fn alone<W: Start>(rungs: Vec<Rung<W>>, index: usize, params: &Params) -> Arc<dyn Kernel> {
    let rung = rungs.into_iter().nth(index).unwrap();
    ladder::ladder(vec![rung.for_any_number()], W::start(params.algorithm()), params)
}

/// Two groups of lanes in flight are on the ladder of some CPUs only, and one group in intrinsics
/// on none: it is the twin of the kernel by hand. They run on all.
#[cfg(target_arch = "x86_64")]
#[test]
fn groups_of_avx512_lanes_work_alone() {
    let Some(Platform::Avx512(cpu)) = Platform::named("avx512") else { return };
    let sha256: [fn(Avx512, Group<'_, u32>); 2] = [Avx512::sha256_x32, Avx512::sha256_x16];
    let sha512: [fn(Avx512, Group<'_, u64>); 2] = [Avx512::sha512_x16, Avx512::sha512_x8];
    for (kernel, lanes) in sha256.into_iter().zip([32, 16]) {
        let rung = move || Rung::new("alone", lanes, 1, move |group| kernel(cpu, group));
        harness(&|params| alone(vec![rung()], 0, params), &SHA2[..2]);
    }
    for (kernel, lanes) in sha512.into_iter().zip([16, 8]) {
        let rung = move || Rung::new("alone", lanes, 1, move |group| kernel(cpu, group));
        harness(&|params| alone(vec![rung()], 0, params), &SHA2[2..]);
    }
}

/// Four streams are on no ladder of 64-bit ARM. They are right nevertheless.
#[cfg(target_arch = "aarch64")]
#[test]
fn four_streams_work_alone() {
    if let Some(cpu) = Sha2::found() {
        let rung = || Rung::new("alone", 4, 1, move |group| cpu.sha256_x4(group));
        harness(&|params| alone(vec![rung()], 0, params), &SHA2[..2]);
    }
    if let Some(cpu) = Sha512::found() {
        let rung = || Rung::new("alone", 4, 1, move |group| cpu.sha512_x4(group));
        harness(&|params| alone(vec![rung()], 0, params), &SHA2[2..]);
    }
}

/// A group of usual blocks by each kernel of 64-bit ARM, once: testdata/arm/count.sh counts the
/// instructions of it.
#[cfg(target_arch = "aarch64")]
#[test]
fn each_kernel_hashes_one_group_of_usual_blocks() {
    let sha2 = Sha2::found().expect("an emulator has it");
    let sha512 = Sha512::found().expect("an emulator has it");
    let neon = Neon::found().expect("every CPU has it");
    let sha256: [(usize, &dyn Fn() -> Rung<u32>); 5] = [
        (1, &|| Rung::new("alone", 1, 1, move |group| sha2.sha256_x1(group))),
        (2, &|| Rung::new("alone", 2, 1, move |group| sha2.sha256_x2(group))),
        (4, &|| Rung::new("alone", 4, 1, move |group| sha2.sha256_x4(group))),
        (4, &|| Rung::new("alone", 4, 1, move |group| neon.sha256_x4(group))),
        (8, &|| Rung::new("alone", 8, 1, move |group| neon.sha256_x8(group))),
    ];
    for (blocks, rung) in sha256 {
        let params = params(Algorithm::Sha256, HashType::Normal, 32, 4096);
        compare(&|params| alone(vec![rung()], 0, params), &params, [blocks]);
    }
    let sha512: [(usize, &dyn Fn() -> Rung<u64>); 3] = [
        (1, &|| Rung::new("alone", 1, 1, move |group| sha512.sha512_x1(group))),
        (2, &|| Rung::new("alone", 2, 1, move |group| sha512.sha512_x2(group))),
        (4, &|| Rung::new("alone", 4, 1, move |group| sha512.sha512_x4(group))),
    ];
    for (blocks, rung) in sha512 {
        let params = params(Algorithm::Sha512, HashType::Normal, 32, 4096);
        compare(&|params| alone(vec![rung()], 0, params), &params, [blocks]);
    }
}

trait Start: Word {
    fn start(algorithm: Algorithm) -> [Self; 8];
}

impl Start for u32 {
    fn start(algorithm: Algorithm) -> [u32; 8] {
        if algorithm == Algorithm::Sha224 { SHA224 } else { SHA256 }
    }
}

impl Start for u64 {
    fn start(algorithm: Algorithm) -> [u64; 8] {
        if algorithm == Algorithm::Sha384 { SHA384 } else { SHA512 }
    }
}

/// The generic code over this many lanes of ordinary words, which has no `unsafe`: for Miri too.
fn arrays<L: Lanes<Cpu = ()>>(params: &Params) -> Arc<dyn Kernel>
where
    L::Word: Start,
{
    let rung = Rung::new("alone", L::LANES, 1, |group| walk::hash::<L>((), group));
    ladder::ladder(vec![rung], L::Word::start(params.algorithm()), params)
}

#[test]
fn generic_code_gives_the_digests_of_the_crates() {
    short_harness(&arrays::<Called<[u32; 5], false>>, &SHA2[..2]);
    short_harness(&arrays::<Pair<Called<[u32; 4], true>>>, &SHA2[1..2]);
    short_harness(&arrays::<Called<[u64; 3], true>>, &SHA2[2..]);
    short_harness(&arrays::<Pair<Called<[u64; 2], false>>>, &SHA2[3..]);
    short_harness(&little_arrays, &LITTLE);
}

/// The code of SHA-3 and BLAKE2b over arrays.
fn little_arrays(params: &Params) -> Arc<dyn Kernel> {
    let hash: Box<dyn Fn(Texts<'_>) + Send + Sync> = match params.algorithm() {
        Algorithm::Blake2b256 | Algorithm::Blake2b512 => {
            Box::new(|group| blake2b::hash::<Called<[u64; 3], false>, 3>((), group))
        }
        _ => Box::new(|group| keccak::hash::<Called<[u64; 3], false>, 3>((), group)),
    };
    little::ladder(LittleRung { name: "alone", lanes: 3, least: 1, hash }, params)
}

/// Arrays behind calls: inlined, their operations would keep the compiler busy for minutes. With
/// `AHEAD` they load the next line while one is hashed, as AVX-512 does.
#[derive(Clone, Copy)]
struct Called<L, const AHEAD: bool>(L);

impl<L: Lanes, const AHEAD: bool> Lanes for Called<L, AHEAD> {
    type Word = L::Word;
    type Cpu = L::Cpu;
    const LANES: usize = L::LANES;
    const AHEAD: bool = AHEAD;

    #[inline(never)]
    fn splat(cpu: L::Cpu, word: L::Word) -> Self {
        Called(L::splat(cpu, word))
    }

    #[inline(never)]
    fn load(cpu: L::Cpu, blocks: &[u8], size: usize, offset: usize, quarter: usize) -> [Self; 4] {
        L::load(cpu, blocks, size, offset, quarter).map(Called)
    }

    #[inline(never)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        L::turn(&quarters.map(|lanes| lanes.0)).map(Called)
    }

    #[inline(never)]
    fn store(self, words: &mut [L::Word]) {
        self.0.store(words);
    }

    #[inline(never)]
    fn add(self, other: Self) -> Self {
        Called(self.0.add(other.0))
    }

    #[inline(never)]
    fn xor(self, other: Self) -> Self {
        Called(self.0.xor(other.0))
    }

    #[inline(never)]
    fn and(self, other: Self) -> Self {
        Called(self.0.and(other.0))
    }

    #[inline(never)]
    fn rotr(self, bits: u32) -> Self {
        Called(self.0.rotr(bits))
    }

    #[inline(never)]
    fn shr(self, bits: u32) -> Self {
        Called(self.0.shr(bits))
    }

    #[inline(never)]
    fn shl(self, bits: u32) -> Self {
        Called(self.0.shl(bits))
    }
}

impl<L: LittleLanes> LittleLanes for Called<L, false> {
    #[inline(never)]
    fn load_four(cpu: L::Cpu, blocks: &[u8], size: usize, offset: usize) -> [Self; 4] {
        L::load_four(cpu, blocks, size, offset).map(Called)
    }
}

/// The crates are not the only witness.
#[test]
fn every_platform_gives_the_digests_of_the_slow_twin() {
    let algorithms = SHA2.into_iter().chain(LITTLE);
    for (algorithm, hash_type) in algorithms.zip(HASH_TYPES.into_iter().cycle()) {
        for salt in [0, 13, 32, 64, 200] {
            let params = params(algorithm, hash_type, salt, 1024);
            let scheme = Scheme {
                algorithm: algorithm.name().to_owned(),
                hash_type: u32::from(hash_type == HashType::Normal),
                salt: painted(salt),
                ..Scheme::default()
            };
            let blocks = painted(MOST * 1024);
            let twin = |block| reference::hash_block(&scheme, block);
            let expected: Vec<u8> = blocks.chunks_exact(1024).flat_map(twin).collect();
            for platform in Platform::available() {
                let mut digests = vec![0; expected.len()];
                ladder::kernel(&params, platform).hash_many(
                    &blocks,
                    1024,
                    &mut digests,
                    Ahead::NOWHERE,
                );
                assert!(digests == expected, "{platform}: {params:?}");
            }
        }
    }
}

#[test]
fn platforms_are_found_by_their_names() {
    for platform in Platform::available() {
        assert_eq!(Platform::named(platform.name()), Some(platform));
    }
    assert_eq!(Platform::named("mmx"), None);
    for algorithm in Algorithm::ALL {
        let fastest = Platform::detect(*algorithm);
        assert!(Platform::available().any(|platform| platform == fastest));
    }
}

/// The single-block path, and blocks that are no whole chunks, which no tree has.
#[test]
fn any_size_of_block_is_hashed() {
    let params = params(Algorithm::Sha256, HashType::Normal, 32, 4096);
    for platform in Platform::available() {
        let kernel = ladder::kernel(&params, platform);
        for size in [1, 8, 63, 64, 100, 128, 4095, 4096, 8192] {
            let block = painted(size);
            let (mut digest, mut expected) = ([0; 32], [0; 32]);
            kernel.hash_many(&block, size, &mut digest, Ahead::NOWHERE);
            one_by_one(&params).hash_many(&block, size, &mut expected, Ahead::NOWHERE);
            assert_eq!(digest, expected, "{platform}: {size} bytes");
        }
    }
}
