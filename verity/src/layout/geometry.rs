//! The shape of a hash tree: how many levels, where each lies, which slot holds which digest.
//!
//! Pure arithmetic over `u64`: no files, no hashing. Every other file asks it, and none recomputes
//! it. Units: block counts and block indices, unless a name says bytes. Source: the kernel's
//! dm-verity document (`Documentation/admin-guide/device-mapper/verity.rst`, "Hash Tree") and
//! cryptsetup's on-disk format.

use crate::number::{to_len, to_u64};

use super::{BlockSize, HashType, Layer, ParamsError};

/// The levels of one hash tree. Level 0, the lowest, holds the digests of the data blocks; the
/// highest has one hash block, whose digest is the root hash. On disk the highest comes first.
///
/// With one data block there is no level: the root hash is the digest of that block.
///
/// ```
/// let params = verity::Params::builder().data_blocks(129).build()?;
/// let geometry = params.geometry();
/// let blocks: Vec<u64> = geometry.levels().iter().map(|level| level.blocks).collect();
/// assert_eq!(blocks, [2, 1]);
/// let slot = geometry.locate(0, 128);
/// assert_eq!((slot.block, slot.offset), (1, 0));
/// # Ok::<(), verity::ParamsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    digest_size: u32,
    slot_size: u32,
    hashes_per_block_bits: u32,
    levels: Vec<Level>,
    hash_blocks: u64,
}

/// One level of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The first hash block of the level, counted from `hash_start`.
    pub start: u64,
    /// How many hash blocks it has.
    pub blocks: u64,
    /// How many digests it holds: as many as there are blocks one level below.
    pub hashes: u64,
}

/// Where one digest lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSlot {
    /// The hash block within its level.
    pub block: u64,
    /// The slot within that hash block.
    pub slot: u64,
    /// Where the slot begins in the hash block, in bytes.
    pub offset: u32,
}

impl Geometry {
    /// The tree over `data_blocks` blocks, at least one.
    pub(crate) fn new(
        data_blocks: u64,
        digest_size: u32,
        hash_type: HashType,
        hash_block_size: BlockSize,
    ) -> Result<Geometry, ParamsError> {
        let hash_block_size = hash_block_size.bytes();
        let hashes_per_block_bits =
            match hash_block_size.checked_div(digest_size).and_then(u32::checked_ilog2) {
                Some(bits) if bits > 0 => bits,
                _ => return Err(ParamsError::DigestTooLarge { hash_block_size, digest_size }),
            };
        let slot_size = match hash_type {
            HashType::ChromeOs => digest_size,
            HashType::Normal => digest_size.next_power_of_two(),
        };
        let mut geometry = Geometry {
            digest_size,
            slot_size,
            hashes_per_block_bits,
            levels: Vec::new(),
            hash_blocks: 0,
        };
        geometry.place_levels(data_blocks);
        geometry
            .hash_blocks
            .checked_mul(u64::from(hash_block_size))
            .ok_or(ParamsError::TreeTooLarge { data_blocks })?;
        Ok(geometry)
    }

    /// Counts the levels from the data up, then places them from the top down.
    fn place_levels(&mut self, data_blocks: u64) {
        let mut hashes = data_blocks;
        while hashes > 1 {
            let blocks = hashes.div_ceil(self.hashes_per_block());
            self.levels.push(Level { start: 0, blocks, hashes });
            hashes = blocks;
        }
        // Each level is at most half of the one below, so the sum is below 2^64.
        for level in self.levels.iter_mut().rev() {
            level.start = self.hash_blocks;
            self.hash_blocks = self.hash_blocks.saturating_add(level.blocks);
        }
    }

    /// The levels, lowest first: no level for one data block, and at most 63.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The numbers of the levels, from the highest down.
    pub(crate) fn levels_down(&self) -> impl Iterator<Item = u8> + use<> {
        (0..self.top_level().map_or(0, |top| top.saturating_add(1))).rev()
    }

    /// The levels from the highest down, then the data: the order in which blocks are checked and
    /// reported.
    pub(crate) fn layers(&self) -> impl Iterator<Item = Layer> + use<> {
        self.levels_down().map(Layer::Level).chain([Layer::Data])
    }

    /// One level of the tree.
    ///
    /// # Panics
    /// If there is no such level.
    pub(crate) fn level(&self, level: u8) -> Level {
        self.levels[usize::from(level)]
    }

    /// The level above a layer, in which the digests of its blocks lie. None stands above the
    /// highest: the root hash is the digest of its only block.
    pub(crate) fn level_above(&self, layer: Layer) -> Option<u8> {
        Some(layer.above()).filter(|level| usize::from(*level) < self.levels.len())
    }

    /// The number of a hash block in the tree, counted from `hash_start`.
    ///
    /// # Panics
    /// If there is no such level.
    pub(crate) fn number_of(&self, level: u8, block: u64) -> u64 {
        self.level(level).start.saturating_add(block)
    }

    /// The number of the highest level, if there is one.
    pub fn top_level(&self) -> Option<u8> {
        // At most 63 levels: each holds at least two digests a block.
        u8::try_from(self.levels.len()).ok()?.checked_sub(1)
    }

    /// The hash blocks of all levels together.
    pub fn hash_blocks(&self) -> u64 {
        self.hash_blocks
    }

    /// How many digests one hash block holds: a power of two, at least 2.
    pub fn hashes_per_block(&self) -> u64 {
        1 << self.hashes_per_block_bits
    }

    /// The bytes one digest takes in a hash block.
    pub fn slot_size(&self) -> u32 {
        self.slot_size
    }

    /// The bytes of a digest.
    pub fn digest_size(&self) -> u32 {
        self.digest_size
    }

    /// Where `level` holds the digest of block `position` of the level below (for level 0: of data
    /// block `position`).
    pub fn locate(&self, level: u8, position: u64) -> HashSlot {
        debug_assert!(self.levels.get(usize::from(level)).is_some_and(|l| position < l.hashes));
        let slot = position & self.hashes_per_block().saturating_sub(1);
        // A slot lies within a hash block, whose size is a u32.
        let offset = u32::try_from(slot).unwrap_or(u32::MAX).saturating_mul(self.slot_size);
        HashSlot { block: self.hash_block_above(position), slot, offset }
    }

    /// The hash block, within its level, that holds the digest of block `position` below.
    pub(crate) fn hash_block_above(&self, position: u64) -> u64 {
        position >> self.hashes_per_block_bits
    }

    /// The digest of block `position` of a layer, which lies in `hash_block` of the level above.
    ///
    /// # Panics
    /// If `hash_block` is not as long as a hash block.
    pub(crate) fn digest_in<'b>(
        &self,
        hash_block: &'b [u8],
        layer: Layer,
        position: u64,
    ) -> &'b [u8] {
        let slot = self.locate(layer.above(), position);
        &hash_block[to_len(slot.offset.into())..][..self.digest_len()]
    }

    /// The first byte of hash block `block` of `level` that belongs to no digest and is not zero.
    pub(crate) fn spare_byte(&self, level: u8, block: u64, bytes: &[u8]) -> Option<u64> {
        let first_hash = block.saturating_mul(self.hashes_per_block());
        let hashes = self.level(level).hashes.saturating_sub(first_hash);
        let hashes = to_len(hashes.min(self.hashes_per_block()));
        let slot_size = to_len(self.slot_size.into());
        let (slots, rest) = bytes.split_at(hashes.saturating_mul(slot_size).min(bytes.len()));
        let is_set = |&byte: &u8| byte != 0;
        let in_slots = || {
            let gap = slot_size.saturating_sub(self.digest_len());
            let mut gaps = slots.chunks_exact(slot_size).enumerate().filter(|_| gap > 0);
            gaps.find_map(|(slot, bytes)| {
                let spare = bytes[self.digest_len()..].iter().position(is_set)?;
                let start = slot.saturating_mul(slot_size).saturating_add(self.digest_len());
                Some(start.saturating_add(spare))
            })
        };
        let in_rest =
            || rest.iter().position(is_set).map(|index| slots.len().saturating_add(index));
        in_slots().or_else(in_rest).map(to_u64)
    }

    fn digest_len(&self) -> usize {
        to_len(self.digest_size.into())
    }

    /// The way from a data block to the root: its slot at every level, lowest first.
    pub fn path(&self, data_block: u64) -> impl Iterator<Item = HashSlot> + '_ {
        let mut position = data_block;
        (0..).zip(&self.levels).map(move |(level, _)| {
            let slot = self.locate(level, position);
            position = slot.block;
            slot
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Params};
    use super::*;

    fn geometry(data_blocks: u64) -> Geometry {
        Params::builder().data_blocks(data_blocks).build().unwrap().geometry().clone()
    }

    fn level_blocks(data_blocks: u64) -> Vec<u64> {
        geometry(data_blocks).levels().iter().map(|level| level.blocks).collect()
    }

    #[test]
    fn level_sizes_are_those_of_veritysetup() {
        assert!(level_blocks(1).is_empty());
        assert_eq!(level_blocks(2), [1]);
        assert_eq!(level_blocks(128), [1]);
        assert_eq!(level_blocks(129), [2, 1]);
        assert_eq!(level_blocks(16_384), [128, 1]);
        assert_eq!(level_blocks(16_385), [129, 2, 1]);
        assert_eq!(geometry(16_385).hash_blocks(), 132);
    }

    #[test]
    fn the_top_level_comes_first_on_disk() {
        let starts: Vec<_> = geometry(16_385).levels().iter().map(|level| level.start).collect();
        assert_eq!(starts, [3, 1, 0]);
    }

    #[test]
    fn sha512_in_512_byte_blocks_still_holds_eight() {
        let params = Params::builder()
            .algorithm(Algorithm::Sha512)
            .hash_block_size(BlockSize::MIN)
            .data_blocks(9)
            .build()
            .unwrap();
        assert_eq!(params.geometry().hashes_per_block(), 8);
        assert_eq!(params.geometry().slot_size(), 64);
    }

    #[test]
    fn type_0_packs_digests_but_not_more_of_them() {
        let params = Params::builder()
            .algorithm(Algorithm::Sha1)
            .hash_type(HashType::ChromeOs)
            .data_blocks(300)
            .build()
            .unwrap();
        assert_eq!(params.geometry().hashes_per_block(), 128);
        assert_eq!(params.geometry().slot_size(), 20);
        assert_eq!(params.geometry().locate(0, 129).offset, 20);
    }

    #[test]
    fn paths_end_in_the_only_top_block() {
        let geometry = geometry((1 << 40) + 1);
        let path: Vec<_> = geometry.path(1 << 40).collect();
        assert_eq!(path.len(), geometry.levels().len());
        assert_eq!(path.last().map(|slot| slot.block), Some(0));
    }
}
