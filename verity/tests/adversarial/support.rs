//! Images in memory, and short words for what a verification says of them.

use std::num::NonZeroUsize;
use std::ops::Range;

use verity::{
    BlockRef, CorruptRange, Corruption, Digest, Error, HashArea, Params, Pins, Report, RootHash,
    Superblock, TrustedParams, Verified, Verifier,
};
use verity_testdata::pattern::sha256_stream;
use verity_testdata::reference::{self, Scheme};

pub(crate) use crate::common::params;

pub(crate) const UUID: [u8; 16] = [0x5a; 16];

/// An image with its hash file and everything that belongs to it, made by the slow twin.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) scheme: Scheme,
    pub(crate) params: Params,
    pub(crate) area: HashArea,
    pub(crate) root_hash: RootHash,
    pub(crate) data: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

/// sha256, type 1, no salt, and 512 bytes for both block sizes: 16 digests in a hash block, so that
/// few bytes make many levels.
pub(crate) fn small() -> Scheme {
    Scheme { data_block_size: 512, hash_block_size: 512, ..Scheme::default() }
}

impl Image {
    /// An image whose blocks are all different, with a superblock.
    pub(crate) fn new(scheme: &Scheme, data_blocks: u64) -> Image {
        let data = sha256_stream(usize_of(data_blocks * u64::from(scheme.data_block_size)));
        Image::of(scheme, data)
    }

    /// The image with this data, and a superblock.
    pub(crate) fn of(scheme: &Scheme, data: Vec<u8>) -> Image {
        let params = params(scheme, data.len() as u64 / u64::from(scheme.data_block_size));
        let root_hash = root(&reference::format(&data, scheme).root_hash);
        Image {
            area: HashArea::new(&params, 0, true).expect("a place at the start"),
            hash: reference::hash_file(&data, scheme, Some(&UUID), 0),
            scheme: scheme.clone(),
            params,
            root_hash,
            data,
        }
    }

    pub(crate) fn pinned(&self) -> TrustedParams {
        TrustedParams::pinned(self.params.clone(), self.root_hash, self.area).expect("consistent")
    }

    /// What the superblock in the hash file says, taken at its word.
    pub(crate) fn trusting_superblock(&self) -> TrustedParams {
        let superblock = Superblock::parse(&self.hash).expect("a superblock");
        TrustedParams::from_unauthenticated_superblock(&superblock, 0, self.root_hash)
            .expect("consistent")
    }

    pub(crate) fn verify(&self) -> Result<Verified, Error> {
        Verifier::new(self.pinned()).verify(&self.data, &self.hash)
    }

    pub(crate) fn verify_all(&self) -> Result<Verified, Error> {
        Verifier::new(self.pinned()).verify_all(&self.data, &self.hash)
    }

    pub(crate) fn levels(&self) -> u8 {
        u8::try_from(self.params.geometry().levels().len()).expect("few levels")
    }

    pub(crate) fn hash_blocks_of(&self, level: u8) -> u64 {
        self.params.geometry().levels()[usize::from(level)].blocks
    }

    /// Every block: higher hash levels, lower ones, data.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = BlockRef> + '_ {
        let hash = (0..self.levels()).rev().flat_map(|level| {
            (0..self.hash_blocks_of(level)).map(move |block| BlockRef::Hash { level, block })
        });
        hash.chain((0..self.params.data_blocks()).map(|block| BlockRef::Data { block }))
    }

    /// Where a block lies in the data or in the hash file.
    pub(crate) fn range(&self, block: BlockRef) -> Range<usize> {
        let (start, size) = match block {
            BlockRef::Data { block } => {
                (block * u64::from(self.scheme.data_block_size), self.scheme.data_block_size)
            }
            BlockRef::Hash { level, block } => {
                let level = self.params.geometry().levels()[usize::from(level)];
                let size = self.scheme.hash_block_size;
                (self.area.tree_range().start + (level.start + block) * u64::from(size), size)
            }
        };
        usize_of(start)..usize_of(start + u64::from(size))
    }

    pub(crate) fn bytes_mut(&mut self, block: BlockRef) -> &mut [u8] {
        let range = self.range(block);
        match block {
            BlockRef::Data { .. } => &mut self.data[range],
            BlockRef::Hash { .. } => &mut self.hash[range],
        }
    }

    pub(crate) fn bytes(&self, block: BlockRef) -> &[u8] {
        let range = self.range(block);
        match block {
            BlockRef::Data { .. } => &self.data[range],
            BlockRef::Hash { .. } => &self.hash[range],
        }
    }

    /// The tree alone.
    pub(crate) fn tree(&self) -> &[u8] {
        &self.hash[usize_of(self.area.tree_range().start)..]
    }

    pub(crate) fn spoil(&mut self, block: BlockRef) {
        self.bytes_mut(block)[7] ^= 0x10;
    }

    /// The hash block that holds a block's digest; none above the top.
    pub(crate) fn parent(&self, block: BlockRef) -> Option<BlockRef> {
        let level = block.level().map_or(0, |level| level + 1);
        let parent = block.block() / self.params.geometry().hashes_per_block();
        (level < self.levels()).then_some(BlockRef::Hash { level, block: parent })
    }

    /// The hash blocks above a block, the nearest first.
    pub(crate) fn ancestors(&self, block: BlockRef) -> impl Iterator<Item = BlockRef> + '_ {
        std::iter::successors(self.parent(block), |block| self.parent(*block))
    }

    /// Writes the digest of a block, as it is now, into its parent, and so on up to the root hash.
    pub(crate) fn rehash_above(&mut self, block: BlockRef) {
        let digest = reference::hash_block(&self.scheme, self.bytes(block));
        let Some(parent) = self.parent(block) else {
            self.root_hash = root(&digest);
            return;
        };
        let level = parent.level().expect("a hash block");
        let slot = self.params.geometry().locate(level, block.block());
        let offset = usize::try_from(slot.offset).expect("within a block");
        self.bytes_mut(parent)[offset..][..digest.len()].copy_from_slice(&digest);
        self.rehash_above(parent);
    }
}

pub(crate) fn root(digest: &[u8]) -> RootHash {
    RootHash::new(Digest::new(digest).expect("a digest"))
}

pub(crate) fn usize_of(size: u64) -> usize {
    usize::try_from(size).expect("fits memory")
}

pub(crate) fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("some threads")
}

/// The report of a verification that must have found corruption.
#[track_caller]
pub(crate) fn report(result: Result<Verified, Error>) -> Report {
    match result {
        Err(Error::Corrupt(report)) => report,
        other => panic!("corruption expected, got {other:?}"),
    }
}

/// Every block that a report lists.
pub(crate) fn listed(report: &Report) -> Vec<BlockRef> {
    let each = |range: &CorruptRange| {
        let (first, blocks) = (range.first, range.blocks);
        (0..blocks).map(move |index| match first {
            BlockRef::Data { block } => BlockRef::Data { block: block + index },
            BlockRef::Hash { level, block } => BlockRef::Hash { level, block: block + index },
        })
    };
    report.corruptions.iter().flat_map(each).collect()
}

/// The one corruption of a report that must have exactly one.
#[track_caller]
pub(crate) fn only(report: &Report) -> (BlockRef, Corruption) {
    assert_eq!((report.corruptions.len(), report.corrupt_blocks), (1, 1), "{report:?}");
    (report.corruptions[0].first, report.corruptions[0].corruption)
}

/// Every one of these parameters, pinned.
pub(crate) fn all_pins(params: &Params) -> Pins {
    Pins {
        algorithm: Some(params.algorithm()),
        hash_type: Some(params.hash_type()),
        data_block_size: Some(params.data_block_size()),
        hash_block_size: Some(params.hash_block_size()),
        data_blocks: Some(params.data_blocks()),
        salt: Some(params.salt().clone()),
    }
}
