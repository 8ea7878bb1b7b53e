//! Verification of whole images: the tree from the root down, then the data.
//!
//! Trust enters at the root hash and nowhere else. Each hash block is read once, hashed against its
//! parent, and used from that private copy, so bytes that change between two reads cannot be
//! trusted; a corrupt hash block is never blamed on the data under it. The walk is in `waves`, its
//! steps in `tree` and `data`, the findings in `report`.

mod data;
mod report;
mod tree;
mod waves;
mod window;

use std::num::NonZeroUsize;

use crate::io::ReadAt;
use crate::work::{Kernels, RunReader, Work};
use crate::{Error, Progress, TrustedParams};

pub use self::report::Verified;
use self::waves::Waves;

/// Verifies an image and its hash tree against a root hash.
///
/// Only `Ok` means that the image is intact, and only as far as the tree covers it: bytes after the
/// last data block are not read.
///
/// ```
/// use std::sync::Mutex;
/// use verity::{BlockRef, Builder, Error, HashArea, Params, TrustedParams, Verifier};
///
/// let mut image = vec![0x5a; 1 << 20];
/// let params = Params::builder().data_size(1 << 20).build()?;
/// let area = HashArea::new(&params, 0, false)?;
/// let hash = Mutex::new(Vec::new());
/// let root_hash = Builder::new(&params).build(&image, &hash, &area)?;
///
/// let verifier = Verifier::new(TrustedParams::pinned(params, root_hash, area)?);
/// assert_eq!(verifier.verify(&image, &hash)?.data_blocks, 256);
///
/// image[77 * 4096] ^= 1;
/// let Err(Error::Corrupt(report)) = verifier.verify(&image, &hash) else { panic!("unnoticed") };
/// assert_eq!(report.corruptions[0].first, BlockRef::Data { block: 77 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Verifier<'a> {
    trusted: TrustedParams,
    work: Work<'a>,
    ignore_zero_blocks: bool,
    limit: usize,
}

impl<'a> Verifier<'a> {
    /// A verifier that works in the rayon pool that its caller runs in, and reports no progress.
    /// Outside of any pool it has a thread for each CPU, for less than 4 MiB of data the caller's
    /// own.
    pub fn new(trusted: TrustedParams) -> Verifier<'a> {
        let work = Work::new(trusted.params().algorithm());
        Verifier { trusted, work, ignore_zero_blocks: false, limit: 1000 }
    }

    /// Works on that many threads of its own instead; with one, on the calling thread. The result
    /// does not depend on it.
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

    /// Reports progress with every buffer of hash blocks and of data: in all, the bytes of both.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.work.progress = progress;
        self
    }

    /// Does not check data blocks whose digest in the tree is that of a block of zeros.
    ///
    /// As the kernel's `ignore_zero_blocks`: such a device returns zeros for them without a look at
    /// the storage, so what lies there does not matter to it. It matters to every other reader.
    /// Such blocks are still read where their neighbours are, so one that cannot be read is an
    /// error here.
    #[must_use]
    pub fn ignore_zero_blocks(mut self, ignore: bool) -> Self {
        self.ignore_zero_blocks = ignore;
        self
    }

    /// Sets how many ranges [`Verifier::verify_all`] lists at most. The default is 1000; 0 counts
    /// as 1.
    #[must_use]
    pub fn limit(mut self, ranges: usize) -> Self {
        self.limit = ranges.max(1);
        self
    }

    /// Verifies until the first corruption.
    ///
    /// The first is that of the highest hash level, then of lower ones, then of the data, each by
    /// position; it does not depend on the number of threads.
    ///
    /// Holes of the data are not read: see [`ReadAt::extent_at`].
    ///
    /// Memory: less than 1 MiB a thread, and 4 to 5 MiB of hash blocks.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a block is not what the root hash says. Other errors when the data
    /// or the hash device is shorter than it must be, a read fails, threads cannot be started, or
    /// the work is cancelled.
    pub fn verify<D, H>(&self, data: &D, hash: &H) -> Result<Verified, Error>
    where
        D: ReadAt + ?Sized,
        H: ReadAt + ?Sized,
    {
        self.run(data, hash, Search::First)
    }

    /// Verifies everything and lists every corrupt block, as ranges, up to the limit, and every
    /// block that cannot be read.
    ///
    /// What lies under a corrupt or unreadable hash block is not looked at: nothing could be said
    /// of it. The report has the data blocks among it, as ranges.
    ///
    /// # Errors
    /// As [`Verifier::verify`]; [`Error::Unreadable`] when nothing is corrupt and some blocks
    /// cannot be read. [`Error::Read`] ends it where storage is shorter than it said, or a server
    /// does not answer.
    pub fn verify_all<D, H>(&self, data: &D, hash: &H) -> Result<Verified, Error>
    where
        D: ReadAt + ?Sized,
        H: ReadAt + ?Sized,
    {
        self.run(data, hash, Search::All)
    }

    fn run<D, H>(&self, data: &D, hash: &H, search: Search) -> Result<Verified, Error>
    where
        D: ReadAt + ?Sized,
        H: ReadAt + ?Sized,
    {
        self.trusted.check_lengths(data, hash)?;
        data.expect_sequential();
        let params = self.trusted.params();
        let hasher = self.work.kernels.hasher(params);
        let data = RunReader::new(data, params, &hasher);
        self.work.run(params.data_size(), |crew| Waves::new(self, crew, data, hash, search).run())
    }
}

/// How far a verification looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// Up to the first corruption in order.
    First,
    /// Everywhere.
    All,
}
