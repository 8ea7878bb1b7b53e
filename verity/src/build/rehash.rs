//! Building again: the tree of an image of which only some blocks changed, out of the tree before.
//!
//! ```text
//!  source ──> blocks that changed ──> hashed ────────────────────────┐
//!                                                                    ├──> assembler ──> sink
//!  old tree ──> hash blocks, each verified up to the old root hash ──┘
//!                       digests of all other blocks
//! ```
//!
//! No hash block is copied: all of them are assembled again, which costs as much as hashing one
//! data block in about a hundred. So image and tree may have become longer or shorter.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::io::{ReadAt, ReadBuffer, Source, WriteAt};
use crate::layout::Layer;
use crate::number::{to_len, to_u64};
use crate::tree::{CACHE_SIZE, Lookup, Tree};
use crate::work::{self, Crew, Kernels, Pieces, Run, RunBuffer, RunReader, Work};
use crate::{
    BlockRef, Devices, Error, HashArea, Params, ParamsError, Progress, RootHash, TrustedParams,
};

use super::assembler::Assembler;
use super::changes::{ChangedBlocks, Changes};
use super::sink::AreaSink;

/// Makes the hash tree of an image that is another version of an old one, from the tree of that.
///
/// The new tree is what [`Builder`](crate::Builder) makes of the new image, if the blocks that
/// count as unchanged are the ones that the old tree was made of. **That is not verified**: their
/// data is not hashed. If they are others, the new tree still has their old digests, and a
/// verification of the new image finds them corrupt.
///
/// ```
/// use verity::io::MemoryFile;
/// use verity::{Builder, Changes, HashArea, Params, Rehasher, TrustedParams};
///
/// let mut image = vec![0x5a; 1 << 20];
/// let params = Params::builder().data_size(1 << 20).build()?;
/// let area = HashArea::new(&params, 0, false)?;
/// let old_hash = MemoryFile::new();
/// let old_root_hash = Builder::new(&params).build(&image, &old_hash, &area)?;
///
/// image[70_000..70_100].fill(0xa5);
/// let old = TrustedParams::pinned(params.clone(), old_root_hash, area)?;
/// let rehasher = Rehasher::new(&old, params.data_blocks())?;
/// let (changed, hash) = ([70_000..70_100], MemoryFile::new());
/// let made = rehasher.rehash(&image, Changes::Ranges(&changed), &old_hash, &hash, &area)?;
/// assert_eq!((made.hashed_blocks, made.kept_blocks), (1, 255));
/// assert_eq!(made.root_hash, Builder::new(&params).build(&image, &MemoryFile::new(), &area)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Rehasher<'a> {
    old: &'a TrustedParams,
    params: Params,
    work: Work<'a>,
}

/// A tree that was made from an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rehashed {
    /// The root hash of the new tree.
    pub root_hash: RootHash,
    /// Data blocks that were hashed, those in holes among them.
    pub hashed_blocks: u64,
    /// Data blocks whose digests are those of the old tree.
    pub kept_blocks: u64,
}

impl<'a> Rehasher<'a> {
    /// For an image of so many data blocks, from a tree that is held against `old`. All other
    /// parameters are the old ones.
    ///
    /// # Errors
    /// When no hash tree has so many data blocks.
    pub fn new(old: &'a TrustedParams, data_blocks: u64) -> Result<Rehasher<'a>, ParamsError> {
        let params = old.params().to_builder().data_blocks(data_blocks).build()?;
        let work = Work::new(params.algorithm());
        Ok(Rehasher { old, params, work })
    }

    /// What the new tree is made by.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Uses that many threads of its own; one is the caller's own. The result does not depend on
    /// it.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.work.threads = Some(threads);
        self
    }

    /// Works by these kernels instead of the fastest ones. The result does not depend on it.
    #[doc(hidden)]
    #[must_use]
    pub fn kernels(mut self, kernels: Kernels) -> Self {
        self.work.kernels = kernels;
        self
    }

    /// Reports data as its digests are known, hashed or not; all in all [`Params::data_size`] bytes
    /// of the new image.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.work.progress = progress;
        self
    }

    /// Writes the tree of `source` to its place on `hash`, and nothing else, from the old tree on
    /// `old_hash`. Of that, the hash blocks above unchanged data blocks are read, and each is
    /// verified up to the old root hash before a digest is taken from it.
    ///
    /// Memory: about 1.5 MiB a thread, and up to 64 MiB of hash blocks of the old tree.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a hash block of the old tree is not right; [`Error::ReadOld`] if the
    /// old image cannot be read; otherwise as [`Builder::build`](crate::Builder::build), where
    /// [`Error::Read`] may also be about a hash block of the old tree, and
    /// [`Error::ShortHashArea`] is about the old hash device. The hash area then holds part of the
    /// tree.
    pub fn rehash<S, H, W>(
        &self,
        source: &S,
        changes: Changes<'_>,
        old_hash: &H,
        hash: &W,
        hash_area: &HashArea,
    ) -> Result<Rehashed, Error>
    where
        S: Source + ?Sized,
        H: ReadAt + ?Sized,
        W: WriteAt + ?Sized,
    {
        self.check_devices(source, old_hash, hash_area)?;
        let hasher = self.work.kernels.hasher(&self.params);
        let sink = AreaSink::new(hash, hash_area, &self.params);
        let assembler = Assembler::new(&self.params, hasher.clone(), &sink);
        let rehashing = Rehashing {
            reader: RunReader::new(source, &self.params, &hasher),
            tree: Tree::new(self.old, old_hash, hasher.clone(), CACHE_SIZE),
            decision: Decision::new(changes, &self.params, self.old)?,
            assembler: &assembler,
            progress: self.work.progress,
            hashed: AtomicU64::new(0),
        };
        self.work.run(self.params.data_size(), |crew| rehashing.for_each(crew))?;
        let hashed_blocks = rehashing.hashed.into_inner();
        Ok(Rehashed {
            root_hash: assembler.finish(),
            hashed_blocks,
            kept_blocks: self.params.data_blocks().saturating_sub(hashed_blocks),
        })
    }

    /// The old image is not asked for its length here: what it does not have has changed.
    fn check_devices(
        &self,
        source: &(impl Source + ?Sized),
        old_hash: &(impl ReadAt + ?Sized),
        hash_area: &HashArea,
    ) -> Result<(), Error> {
        let data_size = Some(source.source_len()?);
        let devices = Devices { data_size, ..Devices::default() };
        devices.check(&self.params, hash_area, None)?;
        let devices = Devices { hash_size: Some(old_hash.len()?), ..Devices::default() };
        devices.check(self.old.params(), &self.old.hash_area(), None)
    }
}

/// How it is found out which blocks changed.
enum Decision<'a> {
    Told(ChangedBlocks),
    /// By an old image, of which so many blocks can be compared.
    Compared(&'a dyn ReadAt, u64),
}

impl<'a> Decision<'a> {
    fn new(
        changes: Changes<'a>,
        params: &Params,
        old: &TrustedParams,
    ) -> Result<Decision<'a>, Error> {
        let old_blocks = old.params().data_blocks();
        match changes {
            Changes::Ranges(ranges) => {
                Ok(Decision::Told(ChangedBlocks::new(ranges, params, old_blocks)))
            }
            Changes::Since(image) => {
                let whole = params.data_block_size().whole_blocks(image.len()?);
                image.expect_sequential();
                Ok(Decision::Compared(image, old_blocks.min(whole)))
            }
        }
    }
}

/// A new tree in the making.
struct Rehashing<'a, S: ?Sized, H> {
    reader: RunReader<'a, S>,
    tree: Tree<H>,
    decision: Decision<'a>,
    assembler: &'a Assembler<'a>,
    progress: &'a dyn Progress,
    hashed: AtomicU64,
}

/// What a thread reuses from piece to piece.
#[derive(Default)]
struct Buffer {
    run: RunBuffer,
    /// The digests of the piece, as far as it has come.
    digests: Vec<u8>,
    lookup: Lookup,
    new: ReadBuffer,
    old: ReadBuffer,
}

impl<S: Source + ?Sized, H: ReadAt> Rehashing<'_, S, H> {
    fn for_each(&self, crew: Crew) -> Result<(), Error> {
        work::advance(self.progress, 0)?;
        let params = self.reader.params();
        Pieces::new(params, 0..params.data_blocks()).for_each(
            crew,
            Buffer::default,
            |buffer, blocks| self.piece(buffer, blocks),
        )
    }

    /// Collects the digests of a piece, and hands them to the assembler if all could be had.
    fn piece(&self, buffer: &mut Buffer, blocks: Range<u64>) -> Result<(), Error> {
        buffer.digests.clear();
        let first = blocks.start;
        match &self.decision {
            Decision::Told(changed) => self.told(buffer, changed, blocks)?,
            Decision::Compared(old, old_blocks) => {
                self.compared(buffer, *old, *old_blocks, blocks)?;
            }
        }
        self.assembler.push(first, &buffer.digests)
    }

    /// Hashes the blocks that are said to have changed.
    fn told(
        &self,
        buffer: &mut Buffer,
        changed: &ChangedBlocks,
        mut blocks: Range<u64>,
    ) -> Result<(), Error> {
        while !blocks.is_empty() {
            let (has_changed, end) = changed.first_of(&blocks);
            let alike = blocks.start..end;
            match has_changed {
                true => self.hash(buffer, alike)?,
                false => {
                    self.keep(buffer, alike.clone())?;
                    self.advance(&alike)?;
                }
            }
            blocks.start = end;
        }
        Ok(())
    }

    /// Hashes blocks, all of them.
    fn hash(&self, buffer: &mut Buffer, mut blocks: Range<u64>) -> Result<(), Error> {
        while !blocks.is_empty() {
            let run = self.reader.next_run(&mut buffer.run, &blocks);
            let done = buffer.digests.len();
            buffer.digests.resize(done + self.digests_len(run.len()), 0);
            self.reader.hash(&mut buffer.run, &run, &mut buffer.digests[done..])?;
            self.hashed.fetch_add(run.len(), Ordering::Relaxed);
            self.advance(&run.blocks)?;
            blocks.start = run.blocks.end;
        }
        Ok(())
    }

    /// Takes the digests of blocks from the old tree.
    fn keep(&self, buffer: &mut Buffer, blocks: Range<u64>) -> Result<(), Error> {
        self.tree.expected_in(&mut buffer.lookup, Layer::Data, blocks)?;
        buffer.digests.extend_from_slice(&buffer.lookup.digests);
        Ok(())
    }

    /// Hashes the blocks that are not those of the old image, which has so many.
    fn compared(
        &self,
        buffer: &mut Buffer,
        old: &dyn ReadAt,
        old_blocks: u64,
        mut blocks: Range<u64>,
    ) -> Result<(), Error> {
        while blocks.start < blocks.end.min(old_blocks) {
            let some = blocks.start..blocks.end.min(old_blocks);
            let run = self.reader.next_run(&mut buffer.run, &some);
            match run.hole {
                // A digest of zeros is known; no byte of either image is read for it.
                true => self.hash(buffer, run.blocks.clone())?,
                false => self.compare(buffer, old, &run)?,
            }
            blocks.start = run.blocks.end;
        }
        self.hash(buffer, blocks)
    }

    fn compare(&self, buffer: &mut Buffer, old: &dyn ReadAt, run: &Run) -> Result<(), Error> {
        let size = self.reader.params().data_block_size();
        let len = size.buffer_len(to_len(run.len()));
        // Taken out of the buffer, whose other parts are lent meanwhile. What is hashed is the copy
        // that was compared.
        let (mut new, mut before) =
            (std::mem::take(&mut buffer.new), std::mem::take(&mut buffer.old));
        self.reader.read_into(run, new.sized(len))?;
        let start = run.blocks.start * u64::from(size);
        let read = old.read_exact_at(before.sized(len), start);
        let block = BlockRef::Data { block: run.blocks.start };
        read.map_err(|source| Error::ReadOld { block, source })?;
        self.compare_blocks(buffer, run, &new, &before)?;
        (buffer.new, buffer.old) = (new, before);
        self.advance(&run.blocks)
    }

    fn compare_blocks(
        &self,
        buffer: &mut Buffer,
        run: &Run,
        new: &[u8],
        old: &[u8],
    ) -> Result<(), Error> {
        let len = self.reader.params().data_block_size().buffer_len(1);
        let is_changed = |block: &[u8], before: &[u8]| block != before;
        let mut first = run.blocks.start;
        let pairs: Vec<_> = new.chunks_exact(len).zip(old.chunks_exact(len)).collect();
        for alike in pairs.chunk_by(|a, b| is_changed(a.0, a.1) == is_changed(b.0, b.1)) {
            let end = first + to_u64(alike.len());
            if is_changed(alike[0].0, alike[0].1) {
                let start = to_len(first - run.blocks.start) * len;
                self.hash_bytes(buffer, &new[start..][..alike.len() * len]);
            } else {
                self.keep(buffer, first..end)?;
            }
            first = end;
        }
        Ok(())
    }

    /// Hashes blocks that were read.
    fn hash_bytes(&self, buffer: &mut Buffer, bytes: &[u8]) {
        let len = self.reader.params().data_block_size().buffer_len(1);
        let (done, blocks) = (buffer.digests.len(), to_u64(bytes.len() / len));
        buffer.digests.resize(done + self.digests_len(blocks), 0);
        self.reader.hasher().hash_many(bytes, len, &mut buffer.digests[done..]);
        self.hashed.fetch_add(blocks, Ordering::Relaxed);
    }

    fn digests_len(&self, blocks: u64) -> usize {
        to_len(blocks) * self.reader.hasher().digest_size()
    }

    fn advance(&self, blocks: &Range<u64>) -> Result<(), Error> {
        let block_size = u64::from(self.reader.params().data_block_size());
        work::advance(self.progress, (blocks.end - blocks.start) * block_size)
    }
}
