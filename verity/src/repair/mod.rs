//! Recovery of corrupt blocks from the parity of forward error correction.
//!
//! The tree says which blocks are corrupt, so all of them are erasures: up to `roots` blocks a
//! round are recovered, twice what the code could do alone. What is recovered counts only if it
//! then hashes as its verified parent says, so neither the parity nor where it lies need be
//! trusted.
//!
//! ```text
//!  Repairer   tree, from the root down ──> corrupt hash blocks ──> their rounds ─┐
//!              ^                                                    recovered   │
//!              │                                             and hashed right   │
//!              └────── hash blocks recovered so far (`overlay`) <───────────────┤
//!             data, under all verified hash blocks ──> corrupt ──> their rounds ┴──> sink
//!  FecRepair  one block of a verified read ──> the hash blocks above it, from the root down
//!                                          ──> its round
//! ```

mod blocks;
mod covered;
mod overlay;
mod parity;
mod passes;
mod reader;
mod report;
mod rounds;
mod scan;
mod state;
mod unsolvable;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use crate::io::ReadAt;
use crate::tree::{CACHE_SIZE, Tree};
use crate::work::{Kernels, RunReader, Work};
use crate::{Error, FecArea, FecError, Progress, TrustedParams};

pub use self::reader::FecRepair;
pub use self::report::{ParityReport, RepairSink, Repaired};

use self::blocks::Numbers;
use self::covered::Covered;
use self::overlay::Overlay;
use self::parity::Parity;
use self::passes::Passes;
use self::rounds::Rounds;
use self::scan::Scan;
use self::state::State;

/// Finds the corrupt blocks of an image and recovers them from the parity.
///
/// Only the root hash and its parameters are trusted: a recovered block goes to the sink only if it
/// hashes right. Up to `roots` corrupt blocks of a round come back for certain, wherever the tree
/// says which they are; one fewer where it cannot, because the hash block above them is corrupt
/// too; and any number in which no codeword has lost more than half of `roots` bytes.
///
/// ```
/// use std::sync::Mutex;
/// use verity::{BlockRef, Builder, FecArea, HashArea, Params, Repairer, TrustedParams};
///
/// let mut image: Vec<u8> = (0..1 << 20).map(|index: u32| index.to_le_bytes()[1]).collect();
/// let params = Params::builder().data_size(1 << 20).build()?;
/// let hash_area = HashArea::new(&params, 0, false)?;
/// let covered = params.data_blocks() + hash_area.hash_blocks();
/// let fec_area = FecArea::new(&params, &hash_area, 2, covered, 0)?;
/// let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
/// let builder = Builder::new(&params);
/// let root_hash = builder.build_with_fec(&image, &hash, &hash_area, &fec, &fec_area)?;
///
/// image[290_000..300_000].fill(0xee);
/// let trusted = TrustedParams::pinned(params, root_hash, hash_area)?;
/// let repairer = Repairer::new(trusted, fec_area)?;
/// // A dry run; a `RepairSink` would get the blocks.
/// let repaired = repairer.repair(&image, &hash, &fec, &())?;
/// assert_eq!(repaired.beyond, None);
/// assert_eq!(repaired.repaired[0].first, BlockRef::Data { block: 70 });
/// assert_eq!(repaired.repaired_blocks, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Repairer<'a> {
    trusted: TrustedParams,
    fec_area: FecArea,
    work: Work<'a>,
    limit: usize,
    zeros_by_digest: bool,
}

impl<'a> Repairer<'a> {
    /// A repairer that works in the rayon pool that its caller runs in, and reports no progress.
    /// Outside of any pool it has a thread for each CPU, for less than 4 MiB of data the caller's
    /// own.
    ///
    /// The FEC area need not be trusted: a wrong one costs work and recovers nothing.
    ///
    /// # Errors
    /// When the FEC area is that of other parameters.
    pub fn new(trusted: TrustedParams, fec_area: FecArea) -> Result<Repairer<'a>, FecError> {
        fec_area.check_belongs_to(trusted.params(), &trusted.hash_area())?;
        let work = Work::new(trusted.params().algorithm());
        Ok(Repairer { trusted, fec_area, work, limit: 1000, zeros_by_digest: true })
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

    /// Reports progress with every buffer that is read: in all, the bytes of tree and data for
    /// [`Repairer::repair`], those of all covered blocks for [`Repairer::verify_parity`]. Buffers
    /// that are read again count 0.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.work.progress = progress;
        self
    }

    /// Sets how many ranges are listed at most, of recovered blocks, of those beyond repair, and of
    /// rounds. The default is 1000; 0 counts as 1.
    #[must_use]
    pub fn limit(mut self, ranges: usize) -> Self {
        self.limit = ranges.max(1);
        self
    }

    /// Recovers only what the parity gives back. Otherwise blocks of zeros are recovered by their
    /// digest alone, as many as there are: asked whether the parity is good enough, the answer is
    /// then about the digests.
    #[must_use]
    pub fn by_parity_alone(mut self) -> Self {
        self.zeros_by_digest = false;
        self
    }

    /// Looks for every corrupt or unreadable block, from the root down, recovers it from the
    /// parity, and hands it to `sink` if it then hashes right.
    ///
    /// Data and tree are read once, and then the rounds of corrupt blocks: no other block is read
    /// again. A round is looked at at most twice in a pass; there is another pass only when one
    /// has recovered a hash block under which there is more to look at.
    ///
    /// Where the parameters are not authenticated, parity is tried on 16 rounds first. If none of
    /// them gives a block back the others are not tried, and [`Repaired::untried_rounds`] counts
    /// them.
    ///
    /// Memory: about 1.5 MiB a thread, with blocks of more than 16 KiB up to 60 of them; up to 64
    /// MiB of verified hash blocks, no more than the tree has; the hash blocks that were recovered;
    /// and up to a byte for each block in the neighbourhood of corrupt ones.
    ///
    /// # Errors
    /// When data, hash device or parity are shorter than they must be ([`Error::ShortParity`] for
    /// the parity), one of them fails as a whole ([`Error::Read`], [`Error::ReadParity`]), the sink
    /// fails ([`Error::Write`]), threads cannot be started, or the work is
    /// cancelled. Blocks beyond repair are not an error: the result lists them.
    pub fn repair<D, H, F, S>(
        &self,
        data: &D,
        hash: &H,
        fec: &F,
        sink: &S,
    ) -> Result<Repaired, Error>
    where
        D: ReadAt + ?Sized,
        H: ReadAt + ?Sized,
        F: ReadAt + ?Sized,
        S: RepairSink + ?Sized,
    {
        self.trusted.check_lengths_with_fec(&self.fec_area, data, hash, fec)?;
        data.expect_sequential();
        let params = self.trusted.params();
        let hasher = &self.work.kernels.hasher(params);
        let tree = Tree::new(&self.trusted, Overlay::new(hash), hasher.clone(), CACHE_SIZE);
        let decoder = &self.work.kernels.decoder(self.fec_area);
        let state = &State::new(Numbers::new(params), &tree, decoder, sink);
        let covered = Covered::new(&self.trusted, self.fec_area, data, tree.hash());
        let (progress, limit) = (self.work.progress, self.limit);
        let is_authenticated = self.trusted.origin().is_authenticated();
        let zeros_by_digest = self.zeros_by_digest;
        let rounds = Rounds { covered, fec, decoder, hasher, zeros_by_digest, progress };
        let reader = RunReader::new(data, params, hasher);
        self.work.run(params.data_size(), |crew| {
            let scan = Scan { state, reader, crew, progress, seen: AtomicU64::new(0) };
            let trial = Mutex::default();
            Passes { scan, rounds, limit, is_authenticated, trial }.run()
        })
    }

    /// Compares the stored parity with that of the covered blocks, of an image that was verified:
    /// parity that differs could not repair it. Rounds without a block of data or tree are left
    /// out.
    ///
    /// # Errors
    /// When data, hash device or parity are shorter than they must be ([`Error::ShortParity`] for
    /// the parity) or cannot be read ([`Error::ReadParity`] for the parity), threads cannot be
    /// started, or the work is cancelled.
    pub fn verify_parity<D, H, F>(&self, data: &D, hash: &H, fec: &F) -> Result<ParityReport, Error>
    where
        D: ReadAt + ?Sized,
        H: ReadAt + ?Sized,
        F: ReadAt + ?Sized,
    {
        self.trusted.check_lengths_with_fec(&self.fec_area, data, hash, fec)?;
        let parity = Parity {
            covered: Covered::new(&self.trusted, self.fec_area, data, hash),
            numbers: Numbers::new(self.trusted.params()),
            encoder: &self.work.kernels.encoder(self.fec_area),
            fec,
            progress: self.work.progress,
        };
        self.work.run(self.trusted.params().data_size(), |crew| parity.verify(crew, self.limit))
    }
}
