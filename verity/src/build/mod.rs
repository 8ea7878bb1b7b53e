//! Building: data in, hash blocks and root hash out.
//!
//! ```text
//!  source ──> runs: read and hash a piece, run by run
//!                         │ digests, a piece at a time
//!                         v
//!             assembler: fill slots, close hash blocks, hash them upwards ──> root hash
//!                         │ hash blocks
//!                         v
//!             sink: each to its place in the hash area
//! ```
//!
//! With parity the data is read in the order of its rounds instead (`rounds`), and feeds the same
//! assembler. Either way each run is hashed in one place, where it can be tapped (`work`).
//!
//! Data that is pushed comes a batch at a time to the same assembler (`stream`); where its length
//! is not known, the lowest level waits at the start of the hash area (`spill`).
//!
//! Where only some blocks of an image changed, the digests of the others come from its old tree
//! (`rehash`).
//!
//! What goes before and after, up to an image that is whole, is in `image`.
//!
//! Levels are streamed: only hash blocks with empty slots are in
//! memory, so memory does not grow with the data.

mod assembler;
mod changes;
mod copied;
mod digested;
mod image;
mod indexed;
mod rehash;
mod rounds;
mod runs;
mod sink;
mod spill;
mod stream;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use crate::io::{ReadAt, Source, WriteAt};
use crate::work::{Kernels, RunReader, Tap, Work};
use crate::{Devices, Error, FecArea, HashArea, Params, Progress, RootHash};

use self::assembler::Assembler;
pub use self::changes::Changes;
pub use self::copied::CopiedHoles;
use self::copied::CopyTap;
use self::digested::DigestTap;
pub use self::digested::{ImageDigest, ImageDigestAlgorithm};
pub use self::image::{BuiltImage, ImageBuilder};
pub use self::indexed::{BlockIndex, BlockIndexError};
pub use self::rehash::{Rehashed, Rehasher};
use self::rounds::Rounds;
use self::runs::Runs;
use self::sink::AreaSink;

pub use self::stream::{StreamBuilder, Streamed};

/// Builds the hash tree of a data source.
///
/// ```
/// use std::sync::Mutex;
/// use verity::{Builder, HashArea, Params, Salt, Superblock, Uuid, io::WriteAt};
///
/// let image = vec![0x5a; 1 << 20];
/// let params = Params::builder().data_size(1 << 20).salt(Salt::new(&[7; 32])?).build()?;
/// let area = HashArea::new(&params, 0, true)?;
/// let hash = Mutex::new(Vec::new());
///
/// let root_hash = Builder::new(&params).build(&image, &hash, &area)?;
/// // The superblock goes last, so that an interrupted run leaves nothing that looks whole.
/// hash.write_all_at(&Superblock::new(params, Uuid::nil()).to_bytes(), area.offset())?;
/// assert_eq!(hash.lock().unwrap().len(), 16384);
/// # assert_eq!(root_hash.to_string().len(), 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Builder<'a> {
    params: &'a Params,
    work: Work<'a>,
    taps: &'a [&'a dyn Tap],
    copy: Option<CopyTap<'a>>,
    index: Option<&'a BlockIndex<'a>>,
    digest: Option<&'a ImageDigest>,
}

impl<'a> Builder<'a> {
    /// A builder that works in the rayon pool that its caller runs in, and reports no progress.
    /// Outside of any pool it has a thread for each CPU, for less than 4 MiB of data the caller's
    /// own. rayon's global pool is never started, so that a process may fork between two builds.
    pub fn new(params: &'a Params) -> Builder<'a> {
        let work = Work::new(params.algorithm());
        Builder { params, work, taps: &[], copy: None, index: None, digest: None }
    }

    /// Uses that many threads of its own instead; one is the caller's own. The result does not
    /// depend on it.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.work.threads = Some(threads);
        self
    }

    /// Works by these kernels instead of the fastest ones. The result does not depend on it.
    #[must_use]
    #[doc(hidden)]
    pub fn kernels(mut self, kernels: Kernels) -> Self {
        self.work.kernels = kernels;
        self
    }

    /// Reports every buffer of data; all in all [`Params::data_size`] bytes.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.work.progress = progress;
        self
    }

    /// Also writes the data blocks to a copy, from its start on, in the same pass: copy and tree
    /// are of the same bytes, whatever becomes of the source. Nothing is synced.
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use verity::{Builder, CopiedHoles, HashArea, Params};
    ///
    /// let image = vec![0x5a; 1 << 20];
    /// let params = Params::builder().data_size(1 << 20).build()?;
    /// let area = HashArea::new(&params, 0, false)?;
    /// let (hash, copy) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    /// Builder::new(&params).copy_to(&copy, CopiedHoles::Written).build(&image, &hash, &area)?;
    /// assert_eq!(copy.into_inner()?, image);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn copy_to(mut self, target: &'a dyn WriteAt, holes: CopiedHoles) -> Self {
        self.copy = Some(CopyTap::new(target, self.params, holes));
        self
    }

    /// Also makes an index of the blocks in the same pass.
    #[must_use]
    pub fn block_index(mut self, index: &'a BlockIndex<'a>) -> Self {
        self.index = Some(index);
        self
    }

    /// Also makes the digest of all data blocks, on one more thread. With [`Builder::build`] that
    /// is in the same pass: what threads are ahead of it waits, up to 64 MiB. With parity, for
    /// which the data is read in another order, it is read once more.
    ///
    /// ```
    /// use verity::io::MemoryFile;
    /// use verity::{Builder, HashArea, ImageDigest, ImageDigestAlgorithm, Params};
    ///
    /// let image = vec![0x5a; 1 << 20];
    /// let params = Params::builder().data_size(1 << 20).build()?;
    /// let area = HashArea::new(&params, 0, false)?;
    /// let digest = ImageDigest::new(ImageDigestAlgorithm::Sha256);
    /// Builder::new(&params).image_digest(&digest).build(&image, &MemoryFile::new(), &area)?;
    /// assert_eq!(digest.value().len(), 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn image_digest(mut self, digest: &'a ImageDigest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Everything that sees the data.
    fn all_taps<'t>(&'t self, digest: Option<&'t DigestTap<'_>>) -> Vec<&'t dyn Tap> {
        let copy = self.copy.as_ref().map(|copy| copy as &dyn Tap);
        let index = self.index.map(|index| index as &dyn Tap);
        let digest = digest.map(|digest| digest as &dyn Tap);
        self.taps.iter().copied().chain(copy).chain(index).chain(digest).collect()
    }

    /// Hashes the data blocks of `source` and writes the tree to its place on `hash`; nothing else
    /// is written, no superblock either. Bytes of `source` after the last data block are not read.
    ///
    /// Holes of the source are not read: see [`ReadAt::extent_at`](crate::io::ReadAt::extent_at).
    ///
    /// Memory: about 1 MiB a thread, and one open hash block a level and thread.
    ///
    /// # Errors
    /// When the source is shorter than the data blocks, a read or write fails, threads cannot be
    /// started, or the work is cancelled. The hash area then holds part of the tree.
    pub fn build<S, W>(&self, source: &S, hash: &W, hash_area: &HashArea) -> Result<RootHash, Error>
    where
        S: Source + ?Sized,
        W: WriteAt + ?Sized,
    {
        self.check_devices(source, hash_area, None)?;
        source.source_expect_sequential();
        let hasher = self.work.kernels.hasher(self.params);
        let sink = AreaSink::new(hash, hash_area, self.params);
        let assembler = Assembler::new(self.params, hasher.clone(), &sink);
        let digest = self.digest.map(|digest| DigestTap::new(digest, self.params));
        let taps = self.all_taps(digest.as_ref());
        let reader = RunReader::new(source, self.params, &hasher).taps(&taps);
        let runs = Runs { reader, assembler: &assembler, progress: self.work.progress };
        let work = || self.work.run(self.params.data_size(), |crew| runs.for_each(crew));
        match &digest {
            Some(digest) => digest.beside(work)?,
            None => work()?,
        }
        Ok(assembler.finish())
    }

    /// Builds the tree as [`Builder::build`] does, and writes the parity of data and tree to its
    /// place on `fec`, in one pass over the data. `hash` and `fec` may be one device.
    ///
    /// What is covered behind the tree is read from `hash` as it is.
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use verity::{Builder, FecArea, HashArea, Params};
    ///
    /// let image = vec![0x5a; 1 << 20];
    /// let params = Params::builder().data_size(1 << 20).build()?;
    /// let hash_area = HashArea::new(&params, 0, false)?;
    /// let covered = params.data_blocks() + hash_area.hash_blocks();
    /// let fec_area = FecArea::new(&params, &hash_area, 2, covered, 0)?;
    ///
    /// let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    /// let builder = Builder::new(&params);
    /// let root_hash = builder.build_with_fec(&image, &hash, &hash_area, &fec, &fec_area)?;
    /// // 259 blocks in two rounds, two parity blocks each.
    /// assert_eq!(fec.lock().unwrap().len(), 2 * 2 * 4096);
    /// # assert_eq!(builder.build(&image, &Mutex::new(Vec::new()), &hash_area)?, root_hash);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Memory: about 1.5 MiB a thread, and some hash blocks for each of up to 253 rows; with blocks
    /// of more than 16 KiB up to 24 of them a thread.
    ///
    /// # Errors
    /// As [`Builder::build`]; also when the FEC area is that of other parameters, or parity cannot
    /// be written or read back. Both areas then hold part of what they should.
    pub fn build_with_fec<S, W, F>(
        &self,
        source: &S,
        hash: &W,
        hash_area: &HashArea,
        fec: &F,
        fec_area: &FecArea,
    ) -> Result<RootHash, Error>
    where
        S: Source + ?Sized,
        W: ReadAt + WriteAt + ?Sized,
        F: ReadAt + WriteAt + ?Sized,
    {
        self.check_devices(source, hash_area, Some(fec_area))?;
        let hasher = self.work.kernels.hasher(self.params);
        let sink = AreaSink::new(hash, hash_area, self.params);
        let assembler = Assembler::new(self.params, hasher.clone(), &sink);
        let taps = self.all_taps(None);
        let reader = RunReader::new(source, self.params, &hasher).taps(&taps);
        let encoder = &self.work.kernels.encoder(*fec_area);
        let progress = self.work.progress;
        let rounds =
            Rounds { reader, assembler: &assembler, encoder, hash, hash_area, fec, progress };
        let work = || {
            self.work.run(self.params.data_size(), |crew| {
                rounds.data(crew)?;
                rounds.tree(crew)
            })
        };
        match self.digest {
            Some(digest) => digested::read_beside(digest, (source, self.params), work)?,
            None => work()?,
        }
        Ok(assembler.finish())
    }

    /// Hash and FEC device grow as they are written, and which devices are one is the caller's to
    /// know.
    fn check_devices(
        &self,
        source: &(impl Source + ?Sized),
        hash_area: &HashArea,
        fec_area: Option<&FecArea>,
    ) -> Result<(), Error> {
        let data_size = Some(source.source_len()?);
        let devices = Devices { data_size, ..Devices::default() };
        devices.check(self.params, hash_area, fec_area)
    }
}
