//! The hash tree of the new image, verified and held in memory.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::hash::BlockHasher;
use crate::io::{ReadAt, WriteAt, read_blocks};
use crate::layout::Layer;
use crate::number::{to_len, to_u64};
use crate::tree::judge;
use crate::work::{self, Crew};
use crate::{BlockRef, Corruption, Error, Geometry, Params, Report, TrustedParams};

use super::{MAX_REQUEST, Settings};

/// All hash blocks of an image, each verified up to the root hash, in memory.
///
/// ```
/// use std::sync::Mutex;
/// use verity::update::{Settings, VerifiedTree};
/// use verity::{Builder, HashArea, Params, TrustedParams};
///
/// let image = vec![0x5a; 1 << 20];
/// let params = Params::builder().data_size(1 << 20).build()?;
/// let area = HashArea::new(&params, 0, false)?;
/// let hash = Mutex::new(Vec::new());
/// let root_hash = Builder::new(&params).build(&image, &hash, &area)?;
///
/// let trusted = TrustedParams::pinned(params, root_hash, area)?;
/// let tree = VerifiedTree::read(&trusted, &hash, &Settings::new())?;
/// assert_eq!(tree.digest_of(0), tree.digest_of(255));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct VerifiedTree {
    trusted: TrustedParams,
    hasher: BlockHasher,
    /// The hash blocks in the order of the disk: the top one first.
    bytes: Vec<u8>,
    /// Which of them the slot has already, in the same order.
    in_place: Vec<bool>,
    requests: u64,
    fetched_bytes: u64,
}

impl VerifiedTree {
    /// Reads the tree from a hash device, the top hash block first. Each block is hashed against
    /// its parent before anything that hangs from it is read, so what is allocated is at most what
    /// verified blocks have room for.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the first block that is not what its parent says, [`Error::Read`] for
    /// one that cannot be read, [`Error::ShortHashArea`] where the device is too short.
    pub fn read<H: ReadAt + ?Sized>(
        trusted: &TrustedParams,
        hash: &H,
        settings: &Settings<'_>,
    ) -> Result<VerifiedTree, Error> {
        VerifiedTree::read_beside(trusted, hash, None, settings)
    }

    /// Reads those hash blocks from the slot that are right there, which are not written again, and
    /// only the others from the source. The slot may be too short, or hold anything.
    ///
    /// # Errors
    /// As [`VerifiedTree::read`], for the source. What cannot be read of the slot counts as wrong.
    pub fn read_beside(
        trusted: &TrustedParams,
        source: &(impl ReadAt + ?Sized),
        slot: Option<&dyn ReadAt>,
        settings: &Settings<'_>,
    ) -> Result<VerifiedTree, Error> {
        let params = trusted.params();
        let work = settings.work(params);
        let mut tree = VerifiedTree {
            trusted: trusted.clone(),
            hasher: work.kernels.hasher(params),
            bytes: Vec::new(),
            in_place: Vec::new(),
            requests: 0,
            fetched_bytes: 0,
        };
        if trusted.hash_area().hash_blocks() > 0 {
            let (needed, actual) = (trusted.hash_area().end(), source.len()?);
            if actual < needed {
                return Err(Error::ShortHashArea { needed, actual });
            }
        }
        let tree_size = trusted.hash_area().tree_range();
        let fetching = settings.fetching(params);
        fetching.run(tree_size.end - tree_size.start, |crew| {
            params.geometry().levels_down().try_for_each(|level| {
                tree.read_level(crew, level, source, slot, settings).map(drop)
            })
        })?;
        Ok(tree)
    }

    /// Reads a level, some pieces at a time.
    fn read_level(
        &mut self,
        crew: Crew,
        level: u8,
        source: &(impl ReadAt + ?Sized),
        slot: Option<&dyn ReadAt>,
        settings: &Settings<'_>,
    ) -> Result<(), Error> {
        let blocks = self.geometry().level(level).blocks;
        let per_piece = self.params().hash_block_size().blocks_in(MAX_REQUEST);
        let mut start = 0;
        while start < blocks {
            let end = start.saturating_add(per_piece * PIECES_AT_ONCE).min(blocks);
            let old_len = self.bytes.len();
            let size = self.params().hash_block_size();
            self.bytes.resize(old_len + size.buffer_len(to_len(end - start)), 0);
            self.in_place.resize(self.in_place.len() + to_len(end - start), false);
            let first_flag = self.in_place.len() - to_len(end - start);
            let (above, now) = self.bytes.split_at_mut(old_len);
            let piece = Piece {
                trusted: &self.trusted,
                hasher: &self.hasher,
                above,
                level,
                bridge: settings.bridge_bytes(),
                requests: AtomicU64::new(0),
                fetched: AtomicU64::new(0),
            };
            let done = crew.in_chunks(
                (now, size.buffer_len(to_len(per_piece))),
                (&mut self.in_place[first_flag..], to_len(per_piece)),
                |number, bytes, in_place| {
                    let first = start + to_u64(number) * per_piece;
                    work::advance(settings.reports_to(), to_u64(bytes.len()))?;
                    piece.read(first, bytes, in_place, source, slot)
                },
            );
            let (requests, fetched) = (piece.requests.into_inner(), piece.fetched.into_inner());
            self.requests += requests;
            self.fetched_bytes += fetched;
            done.into_iter().collect::<Result<(), Error>>()?;
            start = end;
        }
        Ok(())
    }

    /// What it was verified against.
    pub fn trusted(&self) -> &TrustedParams {
        &self.trusted
    }

    /// The digest that a data block must have.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn digest_of(&self, block: u64) -> &[u8] {
        let geometry = self.geometry();
        let Some(level) = geometry.level_above(Layer::Data) else {
            return self.trusted.root_hash_bytes();
        };
        let number = geometry.number_of(level, geometry.hash_block_above(block));
        geometry.digest_in(self.hash_block(number), Layer::Data, block)
    }

    /// How many requests were made of the source.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The bytes that were read from the source.
    pub fn fetched_bytes(&self) -> u64 {
        self.fetched_bytes
    }

    /// The size of the tree, in bytes.
    pub fn size(&self) -> u64 {
        to_u64(self.bytes.len())
    }

    /// Whether the slot has every hash block already.
    pub fn is_in_place(&self) -> bool {
        self.in_place.iter().all(|is_there| *is_there)
    }

    /// The tree as a hash device of its own, for whoever wants to read it once more.
    pub fn as_device(&self) -> TreeDevice<'_> {
        TreeDevice(self)
    }

    /// What the tree is made by.
    pub fn params(&self) -> &Params {
        self.trusted.params()
    }

    pub(super) fn hasher(&self) -> &BlockHasher {
        &self.hasher
    }

    /// Which hash blocks the slot has, by number.
    pub(super) fn in_place(&self) -> &[bool] {
        &self.in_place
    }

    /// Hash blocks in a row, by number.
    pub(super) fn hash_blocks(&self, numbers: Range<u64>) -> &[u8] {
        let size = self.params().hash_block_size();
        let (start, end) = (to_len(numbers.start), to_len(numbers.end));
        &self.bytes[size.buffer_len(start)..size.buffer_len(end)]
    }

    /// Which block of which level a number is.
    pub(super) fn block_of(&self, number: u64) -> BlockRef {
        let levels = (0..).zip(self.geometry().levels());
        let found = levels
            .map(|(level, place)| (level, place.start..place.start + place.blocks))
            .find(|(_, numbers)| numbers.contains(&number));
        let (level, numbers) = found.unwrap_or((0, 0..0));
        BlockRef::Hash { level, block: number.saturating_sub(numbers.start) }
    }

    fn hash_block(&self, number: u64) -> &[u8] {
        self.hash_blocks(number..number + 1)
    }

    fn geometry(&self) -> &Geometry {
        self.params().geometry()
    }
}

/// How many pieces are read at once.
const PIECES_AT_ONCE: u64 = 16;

/// Hash blocks of a level on their way.
struct Piece<'a> {
    trusted: &'a TrustedParams,
    hasher: &'a BlockHasher,
    /// The levels above, verified.
    above: &'a [u8],
    level: u8,
    bridge: u64,
    requests: AtomicU64,
    fetched: AtomicU64,
}

impl Piece<'_> {
    /// Puts hash blocks to `bytes`, from the slot where they are right there.
    fn read(
        &self,
        first: u64,
        bytes: &mut [u8],
        in_place: &mut [bool],
        source: &(impl ReadAt + ?Sized),
        slot: Option<&dyn ReadAt>,
    ) -> Result<(), Error> {
        let params = self.trusted.params();
        if let Some(slot) = slot
            && slot.read_exact_at(bytes, self.offset_of(first)).is_ok()
        {
            let found = self.corruptions(first, bytes);
            for (is_there, corruption) in in_place.iter_mut().zip(found) {
                *is_there = corruption.is_none();
            }
        }
        let missing = (0..).zip(&*in_place).filter(|(_, is_there)| !**is_there);
        let bridge = self.bridge / u64::from(params.hash_block_size());
        let most = params.hash_block_size().blocks_in(MAX_REQUEST);
        let requests = super::ranges::merged(missing.map(|(index, _)| index), bridge, most);
        requests.into_iter().try_for_each(|wanted| self.fetch(first, wanted, bytes, source))
    }

    /// Fetches hash blocks, counted from the first of the piece.
    fn fetch(
        &self,
        first: u64,
        wanted: Range<u64>,
        bytes: &mut [u8],
        source: &(impl ReadAt + ?Sized),
    ) -> Result<(), Error> {
        let size = self.trusted.params().hash_block_size();
        let place = size.buffer_len(to_len(wanted.start))..size.buffer_len(to_len(wanted.end));
        let bytes = &mut bytes[place];
        let first = first + wanted.start;
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.fetched.fetch_add(to_u64(bytes.len()), Ordering::Relaxed);
        read_blocks(source, bytes, size.buffer_len(1), self.offset_of(first)).map_err(
            |failed| Error::Read { block: self.block(first + failed.index), source: failed.error },
        )?;
        let found = (first..).zip(self.corruptions(first, bytes));
        match found.into_iter().find_map(|(block, fault)| Some((block, fault?))) {
            Some((block, corruption)) => {
                Err(Error::Corrupt(Report::of_one(self.block(block), corruption)))
            }
            None => Ok(()),
        }
    }

    /// What is wrong with hash blocks in a row.
    fn corruptions(&self, first: u64, bytes: &[u8]) -> Vec<Option<Corruption>> {
        let params = self.trusted.params();
        let (geometry, len) = (params.geometry(), params.hash_block_size().buffer_len(1));
        let digest_size = self.hasher.digest_size();
        let mut digests = vec![0; bytes.len() / len * digest_size];
        self.hasher.hash_many(bytes, len, &mut digests);
        let blocks = (first..).zip(bytes.chunks_exact(len)).zip(digests.chunks_exact(digest_size));
        blocks
            .map(|((block, bytes), actual)| {
                judge(geometry, self.block(block), self.expected(block), actual, bytes)
            })
            .collect()
    }

    /// The digest that a block of this level must have.
    fn expected(&self, block: u64) -> &[u8] {
        let (params, layer) = (self.trusted.params(), Layer::Level(self.level));
        let geometry = params.geometry();
        let Some(level) = geometry.level_above(layer) else {
            return self.trusted.root_hash_bytes();
        };
        let number = geometry.number_of(level, geometry.hash_block_above(block));
        let len = params.hash_block_size().buffer_len(1);
        let parent = &self.above[to_len(number) * len..][..len];
        geometry.digest_in(parent, layer, block)
    }

    fn block(&self, block: u64) -> BlockRef {
        BlockRef::Hash { level: self.level, block }
    }

    fn offset_of(&self, block: u64) -> u64 {
        self.trusted.hash_area().offset_of(self.trusted.params(), self.level, block)
    }
}

/// A verified tree as a hash device: what is read comes from memory, and a write must be what it
/// has. So parity is made from a tree that is verified, by a builder that makes the tree once more.
pub struct TreeDevice<'t>(&'t VerifiedTree);

impl TreeDevice<'_> {
    /// What lies at these bytes, which is zeros behind the tree and before it.
    fn copy(&self, buf: &mut [u8], offset: u64) {
        let tree = self.0.trusted.hash_area().tree_range();
        buf.fill(0);
        let start = offset.max(tree.start);
        let end = offset.saturating_add(to_u64(buf.len())).min(tree.end);
        if start < end {
            let bytes = &self.0.bytes[to_len(start - tree.start)..to_len(end - tree.start)];
            buf[to_len(start - offset)..][..bytes.len()].copy_from_slice(bytes);
        }
    }
}

impl ReadAt for TreeDevice<'_> {
    fn len(&self) -> io::Result<u64> {
        // Zeros without end.
        Ok(u64::MAX >> 1)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.copy(buf, offset);
        Ok(buf.len())
    }
}

impl WriteAt for TreeDevice<'_> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut there = vec![0; buf.len()];
        self.copy(&mut there, offset);
        match there == buf {
            true => Ok(buf.len()),
            false => {
                let words = "the data that was read back is not the image's";
                Err(io::Error::new(ErrorKind::InvalidData, words))
            }
        }
    }

    fn resize(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
