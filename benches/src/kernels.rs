//! Ways to turn blocks into digests: every kernel of ours, and the crates it is measured against.

use ring::digest::Context;
use sha2::Digest as _;
use verity::internals::{BlockHasher, Platform, to_len};
use verity::{Algorithm, BlockSize, HashType, Params, Salt};
use verity_testdata::reference::{self, Scheme};

/// The name of our kernels; the platform beside it says which one.
pub const VERITY: &str = "verity";
/// One block after the other by the crate `sha2`.
pub const SHA2: &str = "crate sha2";
/// One block after the other by the crate `sha3`.
pub const SHA3: &str = "crate sha3";
/// One block after the other by the crate `blake2`.
pub const BLAKE2: &str = "crate blake2";
/// The hash functions that `ring` has too.
const SHA2_NAMES: [&str; 2] = ["sha256", "sha512"];
/// One block after the other by the crate `ring`.
pub const RING: &str = "crate ring";
/// Many blocks at once by the crate `tape-sha256`.
pub const TAPE: &str = "crate tape-sha256";

/// One way to hash blocks.
pub struct Contender {
    /// The name of the project or crate.
    pub name: &'static str,
    /// The kernel, where there is a choice.
    pub platform: Option<&'static str>,
    hash_many: HashMany,
}

/// Hashes blocks into as many digests.
type HashMany = Box<dyn Fn(&[u8], &mut [u8])>;

impl Contender {
    /// Hashes whole blocks into as many digests.
    pub fn hash_many(&self, blocks: &[u8], out: &mut [u8]) {
        (self.hash_many)(blocks, out);
    }

    /// Name and kernel, as in `verity avx512`.
    pub fn label(&self) -> String {
        [self.name].into_iter().chain(self.platform).collect::<Vec<_>>().join(" ")
    }
}

/// Every contender that can hash the data blocks of such a tree: our kernels first, the fastest in
/// front.
///
/// # Panics
/// If `verity` does not know the scheme, or it is not of sha256 or sha512.
pub fn contenders(scheme: &Scheme) -> Vec<Contender> {
    let mut contenders: Vec<_> = Platform::available().map(|it| ours(scheme, it)).collect();
    contenders.push(by_crate(scheme));
    if SHA2_NAMES.contains(&scheme.algorithm.as_str()) {
        contenders.push(ring(scheme));
        contenders.extend(tape(scheme));
    }
    contenders
}

/// The digests that the slow twin gives.
pub fn expected(scheme: &Scheme, blocks: &[u8]) -> Vec<u8> {
    blocks
        .chunks_exact(block_size(scheme))
        .flat_map(|block| reference::hash_block(scheme, block))
        .collect()
}

/// The kernel of `tape-sha256` that it takes on this CPU, if it is compiled in.
pub fn tape_backend() -> Option<&'static str> {
    #[cfg(feature = "tape")]
    return Some(tape_sha256::backend());
    #[cfg(not(feature = "tape"))]
    None
}

/// The crates that are measured beside ours.
const CRATES: [&str; 7] =
    ["sha2", "sha3", "blake2", "ring", "tape-sha256", "reed-solomon", "gf256"];

/// They, with their versions, out of the file by which cargo builds.
pub fn crates() -> Vec<String> {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let named = CRATES.iter().filter_map(|name| Some(format!("{name} {}", version(LOCK, name)?)));
    named.collect()
}

/// The newest of a crate: it is ours, older ones are others'.
fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock.rsplit_once(&entry)?;
    rest.split_once('"').map(|(version, _)| version)
}

fn ours(scheme: &Scheme, platform: Platform) -> Contender {
    let hasher = BlockHasher::with_platform(&params(scheme), platform);
    let size = block_size(scheme);
    Contender {
        name: VERITY,
        platform: Some(platform.name()),
        hash_many: Box::new(move |blocks, out| hasher.hash_many(blocks, size, out)),
    }
}

/// The crate that has this hash function, one block after the other.
fn by_crate(scheme: &Scheme) -> Contender {
    let (name, hash_many) = match scheme.algorithm.as_str() {
        "sha256" => (SHA2, by_digest(sha2::Sha256::new(), scheme)),
        "sha512" => (SHA2, by_digest(sha2::Sha512::new(), scheme)),
        "sha3-256" => (SHA3, by_digest(sha3::Sha3_256::new(), scheme)),
        "blake2b-512" => (BLAKE2, by_digest(blake2::Blake2b512::new(), scheme)),
        other => panic!("no contender for {other}"),
    };
    Contender { name, platform: None, hash_many }
}

fn by_digest<H: sha2::Digest + Clone + 'static>(empty: H, scheme: &Scheme) -> HashMany {
    let (before, after) = around(scheme);
    let salted = empty.chain_update(before);
    each_block(scheme, move |block, out| {
        out.copy_from_slice(&salted.clone().chain_update(block).chain_update(&after).finalize());
    })
}

fn ring(scheme: &Scheme) -> Contender {
    let mut salted = Context::new(match scheme.algorithm.as_str() {
        "sha256" => &ring::digest::SHA256,
        "sha512" => &ring::digest::SHA512,
        other => panic!("no contender for {other}"),
    });
    let (before, after) = around(scheme);
    salted.update(&before);
    let hash_many = each_block(scheme, move |block, out| {
        let mut context = salted.clone();
        context.update(block);
        context.update(&after);
        out.copy_from_slice(context.finish().as_ref());
    });
    Contender { name: RING, platform: None, hash_many }
}

/// The crate `tape-sha256`, which knows sha256 alone, and no salt behind a block.
#[cfg(feature = "tape")]
fn tape(scheme: &Scheme) -> Option<Contender> {
    /// Enough blocks to fill its lanes, few enough that their list stays in the level-1 cache.
    const BATCH: usize = 128;
    let (before, after) = around(scheme);
    let size = block_size(scheme);
    let hash_many: HashMany = Box::new(move |blocks, out| {
        let mut bodies: [&[u8]; BATCH] = [&[]; BATCH];
        let (out, _) = out.as_chunks_mut();
        for (blocks, out) in blocks.chunks(BATCH * size).zip(out.chunks_mut(BATCH)) {
            for (body, block) in bodies.iter_mut().zip(blocks.chunks_exact(size)) {
                *body = block;
            }
            tape_sha256::hash_many_prefixed(&before, &bodies[..out.len()], out);
        }
    });
    let known = scheme.algorithm == "sha256" && after.is_empty();
    known.then_some(Contender { name: TAPE, platform: tape_backend(), hash_many })
}

#[cfg(not(feature = "tape"))]
fn tape(_scheme: &Scheme) -> Option<Contender> {
    None
}

fn each_block(scheme: &Scheme, hash: impl Fn(&[u8], &mut [u8]) + 'static) -> HashMany {
    let (size, digest_size) = (block_size(scheme), digest_size(scheme));
    Box::new(move |blocks, out| {
        for (block, out) in blocks.chunks_exact(size).zip(out.chunks_exact_mut(digest_size)) {
            hash(block, out);
        }
    })
}

/// What is hashed before and after each block.
fn around(scheme: &Scheme) -> (Vec<u8>, Vec<u8>) {
    match scheme.hash_type {
        0 => (Vec::new(), scheme.salt.clone()),
        _ => (scheme.salt.clone(), Vec::new()),
    }
}

/// Parameters of a tree over one block, which hash any number of blocks.
fn params(scheme: &Scheme) -> Params {
    let block_size = |bytes| BlockSize::new(bytes).expect("a block size");
    Params::builder()
        .algorithm(scheme.algorithm.parse::<Algorithm>().expect("a known algorithm"))
        .hash_type(if scheme.hash_type == 0 { HashType::ChromeOs } else { HashType::Normal })
        .data_block_size(block_size(scheme.data_block_size))
        .hash_block_size(block_size(scheme.hash_block_size))
        .salt(Salt::new(&scheme.salt).expect("a short salt"))
        .data_blocks(1)
        .build()
        .expect("valid parameters")
}

fn block_size(scheme: &Scheme) -> usize {
    to_len(scheme.data_block_size.into())
}

fn digest_size(scheme: &Scheme) -> usize {
    to_len(reference::digest_size(&scheme.algorithm).into())
}

#[cfg(test)]
mod tests {
    use verity_testdata::pattern;

    use super::*;

    #[test]
    fn versions_of_crates_are_those_that_are_built() {
        let lock = "name = \"sha2\"\nversion = \"0.10.9\"\n\n\
                    name = \"sha2\"\nversion = \"0.11.1\"\nsource\n";
        assert_eq!(version(lock, "sha2"), Some("0.11.1"));
        assert_eq!(version(lock, "ring"), None);
        assert_eq!(crates().len(), CRATES.len());
    }

    #[test]
    fn every_contender_gives_the_digests_of_the_twin() {
        for (algorithm, hash_type, salt) in
            [("sha256", 1, 32), ("sha256", 1, 13), ("sha256", 0, 32), ("sha512", 1, 0)]
        {
            let scheme = Scheme {
                algorithm: algorithm.to_owned(),
                hash_type,
                data_block_size: 512,
                salt: pattern::painted(salt),
                ..Scheme::default()
            };
            let blocks = pattern::painted(300 * 512);
            let expected = expected(&scheme, &blocks);
            for contender in contenders(&scheme) {
                let mut out = vec![0; expected.len()];
                contender.hash_many(&blocks, &mut out);
                assert!(out == expected, "{} on {scheme:?}", contender.label());
            }
        }
    }
}
