//! A random image, what was done to it, and how it is to be read.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use verity::internals::Platform;
use verity::{BlockRef, HashArea, Params, Repair, RootHash, TrustedParams};
use verity_testdata::pattern::Prng;
use verity_testdata::reading::{self, Readable};
use verity_testdata::reference::{self, ALGORITHMS, BadBlock, Geometry, Scheme};

use super::disk::{Disk, Flaky};
use crate::common::params;

/// The most bytes of data; hashing them is what takes the time.
const MOST_DATA: u64 = 512 * 1024;

/// An image without its hash area's place.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) scheme: Scheme,
    pub(crate) geometry: Geometry,
    pub(crate) data: Vec<u8>,
    pub(crate) tree: Vec<u8>,
    pub(crate) root_hash: Vec<u8>,
}

/// How it is read.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) cache_size: Option<u64>,
    pub(crate) preload: bool,
    pub(crate) check_at_most_once: bool,
    pub(crate) ignore_zero_blocks: bool,
    pub(crate) repair: Option<Kind>,
    pub(crate) platform: Option<Platform>,
    pub(crate) threads: u64,
    pub(crate) reads: u64,
    pub(crate) flaky: Option<Flaky>,
}

/// What a repair is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Has the right bytes.
    Honest,
    /// Has other ones.
    Lying,
    /// Says it has put in what was there before.
    Unchanged,
    /// Has none, and spoils the buffer.
    Empty,
    /// Fails, and spoils the buffer.
    Failing,
    /// One of these for each block.
    Mixed,
}

pub(crate) struct Case {
    pub(crate) image: Image,
    /// Before the damage.
    pub(crate) good: Arc<Image>,
    pub(crate) unreadable: Arc<HashSet<BadBlock>>,
    pub(crate) options: Options,
    pub(crate) params: Params,
    pub(crate) area: HashArea,
}

impl Case {
    pub(crate) fn random(prng: &mut Prng) -> Case {
        let mut image = random_image(prng);
        // What goes up to the root hash comes first: all else is told apart from it.
        for _ in 0..*prng.pick(&[0, 0, 0, 0, 1, 2]) {
            image.damage_with_digests(prng);
        }
        let good = Arc::new(image.clone());
        let mut unreadable = HashSet::new();
        for _ in 0..*prng.pick(&[0, 1, 1, 2, 3, 6]) {
            match prng.one_in(4) {
                true => drop(unreadable.insert(image.random_block(prng))),
                false => image.damage(prng),
            }
        }
        image.misbelieve(prng);
        let blocks = u64::try_from(image.data.len()).expect("in memory")
            / u64::from(image.scheme.data_block_size);
        let params = params(&image.scheme, blocks);
        let superblock = prng.one_in(2);
        let grid = if superblock { 512 } else { u64::from(image.scheme.hash_block_size) };
        let area = HashArea::new(&params, prng.below(9) * grid, superblock).expect("a place");
        let options = Options::random(&image, prng);
        let unreadable = Arc::new(unreadable);
        Case { image, good, unreadable, options, params, area }
    }

    pub(crate) fn trusted(&self) -> TrustedParams {
        let digest = verity::Digest::new(&self.image.root_hash).expect("a digest");
        TrustedParams::pinned(self.params.clone(), RootHash::new(digest), self.area)
            .expect("consistent")
    }

    pub(crate) fn data_disk(&self, prng: &mut Prng) -> Disk {
        let block_size = self.image.scheme.data_block_size;
        let mut bytes = self.image.data.clone();
        // Bytes behind the end are none of the reader's business.
        bytes.resize(bytes.len() + size(*prng.pick(&[0, 0, 1, 700])), 0xee);
        self.disk(bytes, 0, block_size, BadBlock::Data, prng)
    }

    pub(crate) fn hash_disk(&self, prng: &mut Prng) -> Disk {
        let start = size(self.area.tree_range().start);
        let mut bytes = prng.bytes(start);
        bytes.extend(&self.image.tree);
        let name = |block| self.image.hash_block_name(block);
        self.disk(bytes, start, self.image.scheme.hash_block_size, name, prng)
    }

    fn disk(
        &self,
        bytes: Vec<u8>,
        start: usize,
        block_size: u32,
        name: impl Fn(u64) -> BadBlock,
        prng: &mut Prng,
    ) -> Disk {
        let block_size = size(block_size);
        let blocks = (bytes.len() - start) / block_size;
        let is_broken = |block| self.unreadable.contains(&name(block));
        Disk {
            broken: (0..).take(blocks).map(is_broken).collect(),
            most: *prng.pick(&[usize::MAX, usize::MAX, 4096, 1000]),
            interrupts: *prng.pick(&[0, 0, 0, 5]),
            flaky: self.options.flaky.map(|flaky| Flaky { seed: prng.next_u64(), ..flaky }),
            calls: AtomicU64::new(1),
            bytes,
            start,
            block_size,
        }
    }

    pub(crate) fn readable(&self) -> Readable {
        let repair = self.repair();
        reading::read(&reading::Storage {
            scheme: &self.image.scheme,
            root_hash: &self.image.root_hash,
            data: &self.image.data,
            tree: &self.image.tree,
            unreadable: &|block| self.unreadable.contains(&block),
            repair: &|block| repair.as_ref().and_then(|repair| repair.offer(block)),
            ignore_zero_blocks: self.options.ignore_zero_blocks,
        })
    }

    pub(crate) fn repair(&self) -> Option<Mirror> {
        let (good, unreadable) = (Arc::clone(&self.good), Arc::clone(&self.unreadable));
        self.options.repair.map(|kind| Mirror { good, unreadable, kind })
    }
}

impl Options {
    fn random(image: &Image, prng: &mut Prng) -> Options {
        // What a hash block takes with its book-keeping.
        let one = u64::from(image.scheme.hash_block_size) + 128;
        let all = u64::try_from(image.geometry.hash_blocks).expect("a small tree") * one;
        let cache_size = match prng.below(8) {
            0 => Some(0),
            1 => Some(one - 1),
            2 => Some(one),
            3 => Some(one * prng.range(2..=6)),
            4 => Some(prng.range(0..=all)),
            5 => Some(all),
            6 => Some(u64::MAX),
            _ => None,
        };
        let flaky = prng.one_in(5).then(|| Flaky {
            seed: 0,
            one_in: *prng.pick(&[3, 10, 100]),
            lies: prng.one_in(2),
        });
        let lies = flaky.is_some_and(|flaky| flaky.lies);
        let kinds = [Kind::Honest, Kind::Lying, Kind::Unchanged, Kind::Empty, Kind::Failing];
        let repair = match prng.below(6) {
            0 => Some(Kind::Honest),
            1 => Some(Kind::Mixed),
            2 => Some(*prng.pick(&kinds)),
            _ => None,
        };
        let levels = u64::try_from(image.geometry.levels.len()).expect("few");
        let a_read = 2 * u64::from(image.scheme.data_block_size)
            + levels * u64::from(image.scheme.hash_block_size);
        let platforms: Vec<_> = Platform::available().collect();
        Options {
            cache_size,
            preload: prng.one_in(3),
            // What is not checked again may be anything when the source lies.
            check_at_most_once: !lies && prng.one_in(4),
            ignore_zero_blocks: prng.one_in(4),
            repair,
            platform: prng.one_in(2).then(|| *prng.pick(&platforms)),
            threads: *prng.pick(&[1, 1, 1, 1, 2, 3, 8, 16]),
            reads: (3 * (1 << 20) / a_read).clamp(50, 600),
            flaky,
        }
    }
}

fn random_image(prng: &mut Prng) -> Image {
    let scheme = random_scheme(prng);
    let blocks = random_block_count(&scheme, prng);
    let mut data = prng.bytes(size(blocks * u64::from(scheme.data_block_size)));
    for _ in 0..prng.below(4) {
        let block_size = u64::from(scheme.data_block_size);
        let first = prng.below(blocks);
        let count = prng.range(1..=(blocks - first).min(9));
        data[size(first * block_size)..][..size(count * block_size)].fill(0);
    }
    let built = reference::format(&data, &scheme);
    let geometry = reference::geometry(blocks.into(), &scheme);
    Image { scheme, geometry, data, tree: built.tree, root_hash: built.root_hash }
}

fn random_scheme(prng: &mut Prng) -> Scheme {
    let sizes = [512, 512, 512, 512, 512, 1024, 2048, 4096, 4096, 8192, 65536];
    // With eight digests a hash block even a small image may have four levels.
    let deep = prng.one_in(8);
    let algorithm = match prng.one_in(2) {
        _ if deep => "sha512",
        true => "sha256",
        false => prng.pick(ALGORITHMS),
    };
    let salt = match prng.below(3) {
        0 => 0,
        1 => 32,
        _ => prng.range(0..=256),
    };
    let large = if prng.one_in(4) { sizes.len() } else { 6 };
    Scheme {
        algorithm: algorithm.to_owned(),
        hash_type: u32::from(!prng.one_in(3)),
        data_block_size: if deep { 512 } else { *prng.pick(&sizes) },
        hash_block_size: if deep { 512 } else { *prng.pick(&sizes[..large]) },
        salt: prng.bytes(size(salt)),
    }
}

/// Often where the number of levels changes.
fn random_block_count(scheme: &Scheme, prng: &mut Prng) -> u64 {
    let hashes = reference::geometry(2, scheme).hashes_per_block;
    let per_block = u64::try_from(hashes).expect("a few");
    let most = MOST_DATA / u64::from(scheme.data_block_size);
    // More levels than two take some luck.
    let kind = if per_block == 8 && prng.one_in(2) { 3 } else { prng.below(8) };
    let most = if kind == 3 { most } else { (most / 4).max(2) };
    let blocks = match kind {
        0 => prng.range(1..=3),
        1 => per_block + prng.below(3) - 1,
        2 => per_block * per_block + prng.below(3) - 1,
        3 => per_block * per_block * per_block + 1,
        4 => per_block * prng.range(1..=5),
        _ => prng.range(1..=most.min(8 * per_block)),
    };
    blocks.clamp(1, most)
}

impl Image {
    fn data_blocks(&self) -> u64 {
        self.data.len() as u64 / u64::from(self.scheme.data_block_size)
    }

    fn hash_block_name(&self, number: u64) -> BadBlock {
        let number = u128::from(number);
        let holds = |place: &reference::LevelPlace| {
            (place.start..place.start + place.blocks).contains(&number)
        };
        let level = self.geometry.levels.iter().position(holds).expect("in the tree");
        let block = number - self.geometry.levels[level].start;
        BadBlock::Hash { level, block: u64::try_from(block).expect("a small tree") }
    }

    /// Data as often as hash blocks, and each level as often as any other.
    pub(crate) fn random_block(&self, prng: &mut Prng) -> BadBlock {
        let levels = self.geometry.levels.len() as u64;
        match size(prng.below(2 * levels + 1).saturating_sub(levels)) {
            0 => BadBlock::Data(prng.below(self.data_blocks())),
            level => {
                let level = level - 1;
                let blocks = u64::try_from(self.geometry.levels[level].blocks).expect("a few");
                BadBlock::Hash { level, block: prng.below(blocks) }
            }
        }
    }

    fn range(&self, block: BadBlock) -> Range<usize> {
        let (number, block_size) = match block {
            BadBlock::Data(block) => (size(block), size(self.scheme.data_block_size)),
            BadBlock::Hash { level, block } => {
                let start = size(self.geometry.levels[level].start);
                (start + size(block), size(self.scheme.hash_block_size))
            }
        };
        number * block_size..(number + 1) * block_size
    }

    pub(crate) fn bytes(&self, block: BadBlock) -> &[u8] {
        let range = self.range(block);
        match block {
            BadBlock::Data(_) => &self.data[range],
            BadBlock::Hash { .. } => &self.tree[range],
        }
    }

    fn bytes_mut(&mut self, block: BadBlock) -> &mut [u8] {
        let range = self.range(block);
        match block {
            BadBlock::Data(_) => &mut self.data[range],
            BadBlock::Hash { .. } => &mut self.tree[range],
        }
    }

    fn rehash_above(&mut self, block: BadBlock) {
        let digest = reference::hash_block(&self.scheme, self.bytes(block));
        let (level, position) = match block {
            BadBlock::Data(block) => (0, block),
            BadBlock::Hash { level, block } => (level + 1, block),
        };
        if level == self.geometry.levels.len() {
            self.root_hash = digest;
            return;
        }
        let (block, offset) = self.geometry.locate(level, position.into());
        let parent = BadBlock::Hash { level, block: u64::try_from(block).expect("a small tree") };
        self.bytes_mut(parent)[size(offset)..][..digest.len()].copy_from_slice(&digest);
        self.rehash_above(parent);
    }

    /// Changes a hash block, and all digests above it and the root hash with it: any byte of it, a
    /// spare one or one of a digest; that one is now the digest of nothing.
    fn damage_with_digests(&mut self, prng: &mut Prng) {
        if self.geometry.levels.is_empty() {
            return;
        }
        let block = loop {
            let block = self.random_block(prng);
            if matches!(block, BadBlock::Hash { .. }) {
                break block;
            }
        };
        let bytes = self.bytes_mut(block);
        let index = match prng.one_in(2) {
            true => prng.below(bytes.len() as u64),
            // The end is where spare bytes are.
            false => bytes.len() as u64 - 1 - prng.below(8),
        };
        bytes[size(index)] ^= 1 << prng.below(8);
        self.rehash_above(block);
    }

    fn damage(&mut self, prng: &mut Prng) {
        let (block, other) = (self.random_block(prng), self.random_block(prng));
        let other = self.bytes(other).to_vec();
        let bytes = self.bytes_mut(block);
        match prng.below(5) {
            0 => bytes.fill(0),
            1 => prng.fill(bytes),
            2 => {
                // Another block's bytes, as after a read from the wrong place.
                let len = bytes.len().min(other.len());
                bytes[..len].copy_from_slice(&other[..len]);
            }
            _ => bytes[size(prng.below(bytes.len() as u64))] ^= 1 << prng.below(8),
        }
    }

    /// Now and then the reader is told another root hash, or another salt.
    fn misbelieve(&mut self, prng: &mut Prng) {
        match prng.below(60) {
            0 => {
                let index = size(prng.below(self.root_hash.len() as u64));
                self.root_hash[index] ^= 1 << prng.below(8);
            }
            1 if !self.scheme.salt.is_empty() => {
                let index = size(prng.below(self.scheme.salt.len() as u64));
                self.scheme.salt[index] ^= 1 << prng.below(8);
            }
            _ => {}
        }
    }
}

/// Other bytes for blocks, of that kind.
pub(crate) struct Mirror {
    good: Arc<Image>,
    unreadable: Arc<HashSet<BadBlock>>,
    kind: Kind,
}

impl Mirror {
    fn kind_for(&self, block: BadBlock) -> Kind {
        let place = match block {
            BadBlock::Data(block) => block,
            BadBlock::Hash { level, block } => block * 7 + level as u64 + 1,
        };
        match (self.kind, place % 5) {
            (Kind::Mixed, 0) => Kind::Lying,
            (Kind::Mixed, 1) => Kind::Failing,
            (Kind::Mixed, 2) => Kind::Empty,
            (Kind::Mixed, _) => Kind::Honest,
            // What is unchanged where nothing was read may be anything.
            (Kind::Unchanged, _) if self.unreadable.contains(&block) => Kind::Lying,
            (kind, _) => kind,
        }
    }

    /// What the model takes it to offer.
    fn offer(&self, block: BadBlock) -> Option<Vec<u8>> {
        match self.kind_for(block) {
            Kind::Honest => Some(self.good.bytes(block).to_vec()),
            Kind::Lying => {
                let mut bytes = self.good.bytes(block).to_vec();
                *bytes.last_mut().expect("a block") ^= 1;
                Some(bytes)
            }
            _ => None,
        }
    }
}

impl Repair for Mirror {
    fn repair(&self, block: BlockRef, bytes: &mut [u8]) -> io::Result<bool> {
        let block = named(block);
        match self.kind_for(block) {
            Kind::Unchanged => return Ok(true),
            Kind::Empty | Kind::Failing => bytes.copy_from_slice(self.good.bytes(block)),
            _ => bytes.copy_from_slice(&self.offer(block).expect("some bytes")),
        }
        match self.kind_for(block) {
            Kind::Empty => Ok(false),
            Kind::Failing => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(true),
        }
    }
}

pub(crate) fn named(block: BlockRef) -> BadBlock {
    match block {
        BlockRef::Data { block } => BadBlock::Data(block),
        BlockRef::Hash { level, block } => BadBlock::Hash { level: level.into(), block },
    }
}

/// A number that counts bytes or blocks in memory.
pub(crate) fn size<N: TryInto<usize>>(number: N) -> usize {
    number.try_into().ok().expect("in memory")
}
