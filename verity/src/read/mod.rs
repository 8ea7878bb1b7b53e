//! Reading of data that is proved at the time it is read, block by block.
//!
//! ```text
//!  read_at ──> a run of blocks, up to 256 KiB ──> tree: the digests that they must have
//!               v
//!              read into a private buffer, hashed together, judged in order
//!               right: handed out    wrong: tree asks the repair, checks again, else an error
//! ```
//!
//! The bytes that are hashed are the bytes that are handed out or copied to the caller: nothing is
//! read twice and believed once. No lock is held while something is read or hashed.

mod checked;
mod data;
mod extents;
mod order;

use std::fmt;
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};

use crate::io::{Extent, Mapping, ReadAt};
use crate::number::{to_len, to_u64};
use crate::tree::{CACHE_SIZE, Scratch, Tree};
use crate::work::Kernels;
use crate::{Counters, Digest, Error, Params, Repair, TrustedParams};

use self::checked::CheckedBlocks;
use self::data::End;

/// Reads data of which every byte is proved against a root hash at the time it is read.
///
/// It needs no root, no device-mapper and no look at the rest of the image: a first read of one
/// block reads that block and the hash blocks above it. Data and hash device are anything that is
/// [`ReadAt`]: files, block devices, slices, something across a network. What they return need not
/// be trusted; what comes out of the reader is what the root hash says, or an error. A mapped file
/// cannot be a source: its pages can change during the check.
///
/// One reader serves many threads at once. It is [`ReadAt`] itself;
/// [`io::Cursor`](crate::io::Cursor) makes it [`Read`](std::io::Read) and [`Seek`](std::io::Seek).
///
/// On trust, see [`TrustedParams`]: a root hash alone, with parameters from a
/// superblock, does not say where the data ends.
///
/// ```
/// use std::sync::Mutex;
/// use verity::{BlockRef, Builder, Error, HashArea, Params, TrustedParams, VerifiedReader};
///
/// let mut image: Vec<u8> = (0..1 << 20).map(|index: u32| index.to_le_bytes()[1]).collect();
/// let params = Params::builder().data_size(1 << 20).build()?;
/// let area = HashArea::new(&params, 0, false)?;
/// let hash = Mutex::new(Vec::new());
/// let root_hash = Builder::new(&params).build(&image, &hash, &area)?;
///
/// image[300_000] ^= 1;
/// let trusted = TrustedParams::pinned(params, root_hash, area)?;
/// let reader = VerifiedReader::new(trusted, &image, &hash)?;
///
/// let mut bytes = [0; 1000];
/// assert_eq!(reader.read_at(&mut bytes, 200_000)?, 1000);
/// assert_eq!(bytes, image[200_000..201_000]);
///
/// // Data block 73 was changed after it was hashed. The bytes before it were read and proved.
/// let mut bytes = vec![0; 100_000];
/// let error = reader.read_at(&mut bytes, 250_000).unwrap_err();
/// assert_eq!(error.verified, 73 * 4096 - 250_000);
/// let Error::Corrupt(report) = error.error else { panic!("unnoticed") };
/// assert_eq!(report.corruptions[0].first, BlockRef::Data { block: 73 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct VerifiedReader<D, H> {
    trusted: TrustedParams,
    data: D,
    tree: Tree<H>,
    /// The digest of a data block of zeros, if such blocks are not to be read.
    zero: Option<Digest>,
    /// The digest of a data block of zeros, once somebody has asked where those lie.
    zero_digest: OnceLock<Digest>,
    /// Where blocks are checked at most once.
    checked: Option<CheckedBlocks>,
    /// The data in the address space, once somebody has read in order.
    mapping: OnceLock<Option<Mapping>>,
}

impl<D: ReadAt, H: ReadAt> VerifiedReader<D, H> {
    /// A reader of `data`, whose hash tree lies on `hash`. Reads neither of them yet.
    ///
    /// # Errors
    /// When the data or the hash device is shorter than it must be, or its length cannot be told.
    pub fn new(trusted: TrustedParams, data: D, hash: H) -> Result<VerifiedReader<D, H>, Error> {
        trusted.check_lengths(&data, &hash)?;
        let kernels = Kernels::detect(trusted.params().algorithm());
        let tree = Tree::new(&trusted, hash, kernels.hasher(trusted.params()), CACHE_SIZE);
        Ok(VerifiedReader {
            trusted,
            data,
            tree,
            zero: None,
            zero_digest: OnceLock::new(),
            checked: None,
            mapping: OnceLock::new(),
        })
    }

    /// Bounds the cache of verified hash blocks, in bytes with its book-keeping. The default is 64
    /// MiB. The cache grows with the blocks that were verified, not with what the parameters say
    /// that there is, and never beyond what the tree takes. Without a cache (0), every read goes up
    /// to the root hash.
    ///
    /// [`VerifiedReader::cache_size_for`] says what the whole tree takes. Beside the cache a reader
    /// takes less than 2 MiB a thread, of which 300 KiB at block sizes of 4096 bytes.
    #[must_use]
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.tree.set_cache_size(bytes);
        self
    }

    /// Checks each data block only the first time that it is read, as the kernel's
    /// `check_at_most_once`.
    ///
    /// **Later changes of the storage are returned as they are.** Use it where hashing is too slow
    /// and the storage cannot change while it is read. Hash blocks are always checked. Takes one
    /// bit for each data block, in pieces of 4 KiB that come with the first block that was verified
    /// in each.
    #[must_use]
    pub fn check_at_most_once(mut self, once: bool) -> Self {
        self.checked = once.then(CheckedBlocks::default);
        self
    }

    /// Returns zeros for data blocks whose digest in the tree is that of a block of zeros, without
    /// a look at the storage, as the kernel's `ignore_zero_blocks`.
    #[must_use]
    pub fn ignore_zero_blocks(mut self, ignore: bool) -> Self {
        self.zero = ignore.then(|| self.zero_digest());
        self
    }

    /// Asks `repair` for other bytes where a block, data or hash block, is corrupt or cannot be
    /// read.
    #[must_use]
    pub fn repair(mut self, repair: Arc<dyn Repair>) -> Self {
        self.tree.set_repair(repair);
        self
    }

    /// Works by these kernels instead of the fastest ones. The result does not depend on it.
    #[must_use]
    #[doc(hidden)]
    pub fn kernels(mut self, kernels: Kernels) -> Self {
        self.tree.set_hasher(kernels.hasher(self.params()));
        self
    }

    /// The bound that holds the whole tree with these parameters, see
    /// [`VerifiedReader::cache_size`].
    pub fn cache_size_for(params: &Params) -> u64 {
        Tree::<H>::cache_size_for(params)
    }

    /// Reads and verifies all hash blocks into the cache, so that reads need the data alone.
    ///
    /// # Errors
    /// [`Error::CacheTooSmall`] when the cache has no room for them; otherwise as
    /// [`VerifiedReader::read_at`] for the first hash block that is corrupt or cannot be read,
    /// higher levels first.
    pub fn preload(&self) -> Result<(), Error> {
        Scratch::with(|scratch| self.tree.preload(scratch))
    }

    /// What is verified against, and what vouches for it.
    pub fn trusted(&self) -> &TrustedParams {
        &self.trusted
    }

    /// Returns what all threads have done so far.
    pub fn counters(&self) -> Counters {
        self.tree.counters()
    }

    /// Fills `buf` with verified bytes from `offset` bytes of the data on, and returns how many
    /// those are: fewer than asked only where the data ends (its last data block), none behind it.
    ///
    /// Blocks that are partly asked for are read and hashed as a whole. Reads of 64 KiB and more
    /// keep the widest hash kernels busy. From the third read in order on, what comes next is
    /// fetched into the CPU's caches meanwhile, if the source has a [mapping](ReadAt::mapping). Of
    /// a larger read, each 256 KiB count as one.
    ///
    /// # Errors
    /// [`Error::Corrupt`], with one block, when a block is not what the root hash says;
    /// [`Error::Read`] when one cannot be read; [`Error::Recovery`] when a repair that was asked
    /// could not reach what it needs. Bytes of blocks before it are in `buf`, verified
    /// and counted; the rest of `buf` is as it was.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, ReadError> {
        let mut verified = 0;
        let done = self.read_with(offset..offset.saturating_add(to_u64(buf.len())), |bytes| {
            buf[verified..][..bytes.len()].copy_from_slice(bytes);
            verified += bytes.len();
            ControlFlow::Continue(())
        });
        match done {
            Ok(()) => Ok(verified),
            Err(error) => Err(ReadError { verified, error }),
        }
    }

    /// Hands verified bytes to `take`, in order and as often as it takes, up to 256 KiB or one
    /// block at a time: those from `bytes.start` to `bytes.end`, or to the end of the data. No more
    /// after a [`ControlFlow::Break`].
    ///
    /// This is [`VerifiedReader::read_at`] without its copy, which is seven per cent of the time of
    /// reads in order: `take` sees the memory in which the bytes were hashed, which nobody else can
    /// change meanwhile. It may itself read from this reader or another.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// # use std::sync::Mutex;
    /// # use verity::{Builder, HashArea, Params, TrustedParams, VerifiedReader};
    ///
    /// # let image: Vec<u8> = (0..1 << 20).map(|index: u32| index.to_le_bytes()[1]).collect();
    /// # let params = Params::builder().data_size(1 << 20).build()?;
    /// # let area = HashArea::new(&params, 0, false)?;
    /// # let hash = Mutex::new(Vec::new());
    /// # let root_hash = Builder::new(&params).build(&image, &hash, &area)?;
    /// # let trusted = TrustedParams::pinned(params, root_hash, area)?;
    /// let reader = VerifiedReader::new(trusted, &image, &hash)?;
    /// let mut copy = Vec::new();
    /// reader.read_with(1000..700_000, |bytes| {
    ///     copy.extend_from_slice(bytes);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(copy, image[1000..700_000]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`VerifiedReader::read_at`]. All bytes before the block have been handed out, none of it
    /// or behind it.
    pub fn read_with(
        &self,
        bytes: Range<u64>,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let end = bytes.end.min(self.params().data_size());
        if bytes.start >= end {
            return Ok(());
        }
        let block_size = self.block_size();
        let blocks = bytes.start / block_size..end.div_ceil(block_size);
        // The first block may begin before what is asked for, the last one end behind it.
        let mut hand_out = |first: u64, blocks: &[u8]| {
            let start = first * block_size;
            let inside = |place: u64| to_len(place.saturating_sub(start).min(to_u64(blocks.len())));
            match &blocks[inside(bytes.start)..inside(end)] {
                [] => ControlFlow::Continue(()),
                wanted => take(wanted),
            }
        };
        let done = Scratch::with(|scratch| {
            self.runs(blocks).try_for_each(|run| {
                let start = bytes.start.max(run.start * block_size);
                let mapping = self.mapping_for(&(start..end.min(run.end * block_size)));
                self.verify_run(scratch, run, mapping, &mut hand_out)
            })
        });
        match done {
            Ok(()) | Err(End::Stopped) => Ok(()),
            Err(End::Failed(error)) => Err(error),
        }
    }

    /// The mapping for a read of these bytes, if others will follow in order.
    fn mapping_for(&self, bytes: &Range<u64>) -> Option<&Mapping> {
        match order::is_in_order(std::ptr::from_ref(self).addr(), bytes) {
            true => self.mapping.get_or_init(|| self.data.mapping()).as_ref(),
            false => None,
        }
    }

    fn params(&self) -> &Params {
        self.trusted.params()
    }

    fn block_size(&self) -> u64 {
        u64::from(self.params().data_block_size())
    }

    fn block_len(&self) -> usize {
        self.params().data_block_size().buffer_len(1)
    }

    fn digest_size(&self) -> usize {
        self.tree.hasher().digest_size()
    }
}

/// The data as far as it is proved. Works as [`VerifiedReader::read_at`], except that verified
/// bytes before a wrong block are a short read; the error comes with the next one. It wraps the
/// [`ReadError`].
///
/// Zeros and holes are those that the tree proves, whatever the source says of its own: the data
/// blocks whose verified digest is that of a block of zeros. Where the source has a hole too, that
/// is what they are. To tell, up to one hash block and those above it are read; the extent ends
/// with that hash block at the latest. Blocks whose digests cannot be proved are data.
impl<D: ReadAt, H: ReadAt> ReadAt for VerifiedReader<D, H> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.params().data_size())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match VerifiedReader::read_at(self, buf, offset) {
            Err(error) if error.verified > 0 => Ok(error.verified),
            result => Ok(result?),
        }
    }

    fn extent_at(&self, offset: u64) -> Extent {
        self.proved_extent(offset)
    }

    fn expect_sequential(&self) {
        self.data.expect_sequential();
    }
}

impl<D, H> fmt::Debug for VerifiedReader<D, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedReader").field("trusted", &self.trusted).finish_non_exhaustive()
    }
}

/// A read that ended early.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReadError {
    /// How many verified bytes are in the buffer; nothing behind them was touched.
    pub verified: usize,
    /// What ended it.
    pub error: Error,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Corruption is [`io::ErrorKind::InvalidData`]; a failed read has the kind that its source gave
/// it, except for [`io::ErrorKind::Interrupted`]: what is interrupted is to be tried again, and
/// that was done.
impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        io::Error::new(error.error.io_kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::hash::Platform;
    use crate::{Algorithm, BlockRef, HashArea, RootHash};

    /// A caller that repeats interrupted reads would repeat this one for ever.
    #[test]
    fn c05_a_source_that_is_interrupted_for_ever_is_an_error_for_good() {
        let kind = |source: ErrorKind| {
            let error = Error::Read { block: BlockRef::Data { block: 0 }, source: source.into() };
            io::Error::from(ReadError { verified: 0, error }).kind()
        };
        assert_eq!(kind(ErrorKind::Interrupted), ErrorKind::Other);
        assert_eq!(kind(ErrorKind::TimedOut), ErrorKind::TimedOut);
    }

    /// A source that is told of reads in order.
    struct Told(std::sync::atomic::AtomicBool);

    impl ReadAt for &Told {
        fn len(&self) -> io::Result<u64> {
            Ok(4096)
        }

        fn read_at(&self, buf: &mut [u8], _offset: u64) -> io::Result<usize> {
            buf.fill(0);
            Ok(buf.len())
        }

        fn expect_sequential(&self) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn the_data_is_told_of_reads_in_order() {
        let params = Params::builder().data_blocks(1).build().unwrap();
        let area = HashArea::new(&params, 0, false).unwrap();
        let root_hash = RootHash::new(Digest::new(&[0; 32]).unwrap());
        let trusted = TrustedParams::pinned(params, root_hash, area).unwrap();
        let told = Told(std::sync::atomic::AtomicBool::new(false));
        let reader = VerifiedReader::new(trusted, &told, Vec::new()).unwrap();
        reader.expect_sequential();
        assert!(told.0.into_inner());
    }

    #[test]
    fn a_reader_hashes_by_the_kernels_that_it_is_given() {
        let params = Params::builder().data_blocks(1).build().unwrap();
        let area = HashArea::new(&params, 0, false).unwrap();
        let root_hash = RootHash::new(Digest::new(&[0; 32]).unwrap());
        let trusted = TrustedParams::pinned(params, root_hash, area).unwrap();
        let reader = || {
            let (data, hash) = (vec![0; 4096], Vec::new());
            VerifiedReader::new(trusted.clone(), data, hash).unwrap()
        };
        let fastest = Kernels::detect(Algorithm::Sha256);
        assert_eq!(reader().tree.hasher().platform(), fastest.hash);
        for hash in Platform::available() {
            let reader = reader().kernels(Kernels { hash, ..fastest });
            assert_eq!(reader.tree.hasher().platform(), hash);
        }
    }
}
