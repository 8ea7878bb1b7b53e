//! Recovery of single corrupt blocks during a verified read.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::fec::Decoder;
use crate::io::{ReadAt, ReadFailure};
use crate::lock::unpoisoned;
use crate::number::to_len;
use crate::tree::{Lookup, Tree};
use crate::work::{self, Kernels, has_attempts, take_attempts};
use crate::{BlockRef, Digest, Error, FecArea, Progress, Repair, TrustedParams};

use super::blocks::Numbers;
use super::covered::Covered;
use super::rounds::{Buffer, Knowledge, Rounds, Verdict};
use super::unsolvable::Unsolvable;

/// The bound of the cache of hash blocks, recovered ones among them, in bytes.
const CACHE_SIZE: u64 = 16 * 1024 * 1024;

/// Recovers corrupt blocks from the parity while they are read: a [`Repair`] for
/// [`VerifiedReader::repair`](crate::VerifiedReader::repair).
///
/// Reads the storage itself; share it by reference or [`Arc`](std::sync::Arc) with the reader. What
/// it recovers was hashed, and the reader hashes it again. Nothing is written, so a block that is
/// read again is recovered again.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use verity::{Builder, FecArea, FecRepair, HashArea, Params, TrustedParams, VerifiedReader};
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
/// let right = image[300_000..300_100].to_vec();
/// image[295_000..302_000].fill(0xee);
/// // Readers and repairs share what they read.
/// let (image, hash) = (Arc::new(image), Arc::new(hash));
/// let trusted = TrustedParams::pinned(params, root_hash, hash_area)?;
/// let repair = FecRepair::new(trusted.clone(), fec_area, image.clone(), hash.clone(), fec)?;
/// let reader = VerifiedReader::new(trusted, image, hash)?.repair(Arc::new(repair));
/// let mut bytes = [0; 100];
/// reader.read_at(&mut bytes, 300_000)?;
/// assert_eq!(bytes, right[..]);
/// assert_eq!(reader.counters().repairs, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A block costs at most two reads of its round, 255 blocks less the roots, and of the hash blocks
/// that are above those; as much again for every corrupt hash block above it. A round that could
/// not be solved is remembered, and not tried again before a hash block is recovered, unless a
/// block or parity of it could not be read, which may go well next time; half of the CPUs at the
/// most are busy with rounds at a time. Where a whole source fails, such as a server that does not
/// answer, the repair is an error and nothing is remembered.
///
/// Memory: 16 MiB of hash blocks that were verified, up to 2 MiB for rounds that could not be
/// solved, and for each block that is being recovered about 1 MiB, with blocks of more than 16 KiB
/// up to 60 of them.
pub struct FecRepair<D, H, F> {
    trusted: TrustedParams,
    data: D,
    fec: F,
    tree: Tree<H>,
    decoder: Decoder,
    unsolvable: Unsolvable,
    progress: Arc<dyn Progress + Send + Sync>,
}

/// What a round that could not be solved takes of the attempts of a request, where one that could
/// takes one.
const COST_IN_VAIN: u32 = 16;

impl<D: ReadAt, H: ReadAt, F: ReadAt> FecRepair<D, H, F> {
    /// A repair of `data` and its tree on `hash` by the parity on `fec`. Reads nothing yet.
    ///
    /// The FEC area need not be trusted: a wrong one costs work and recovers nothing.
    ///
    /// # Errors
    /// When the FEC area is that of other parameters, data, hash device or parity are shorter than
    /// they must be ([`Error::ShortParity`] for the parity), or a length cannot be told.
    pub fn new(
        trusted: TrustedParams,
        fec_area: FecArea,
        data: D,
        hash: H,
        fec: F,
    ) -> Result<FecRepair<D, H, F>, Error> {
        trusted.check_lengths_with_fec(&fec_area, &data, &hash, &fec)?;
        let kernels = Kernels::detect(trusted.params().algorithm());
        let tree = Tree::new(&trusted, hash, kernels.hasher(trusted.params()), CACHE_SIZE);
        let decoder = kernels.decoder(fec_area);
        let (unsolvable, progress) = (Unsolvable::new(), Arc::new(()));
        Ok(FecRepair { trusted, data, fec, tree, decoder, unsolvable, progress })
    }

    /// Tells of 0 bytes now and then while a round is worked on. Once progress asks to stop,
    /// nothing is recovered any more: a single round of large blocks takes seconds.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress + Send + Sync>) -> Self {
        self.progress = progress;
        self
    }

    /// Works by these kernels instead of the fastest ones. The result does not depend on it.
    #[must_use]
    #[doc(hidden)]
    pub fn kernels(mut self, kernels: Kernels) -> Self {
        self.tree.set_hasher(kernels.hasher(self.trusted.params()));
        self.decoder = kernels.decoder(*self.decoder.area());
        self
    }
}

impl<D: ReadAt, H: ReadAt, F: ReadAt> Repair for FecRepair<D, H, F> {
    fn repair(&self, block: BlockRef, bytes: &mut [u8]) -> io::Result<bool> {
        match Recovery::new(self).run(block) {
            Ok(Some(recovered)) if recovered.len() == bytes.len() => {
                bytes.copy_from_slice(&recovered);
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) => Err(io::Error::new(kind_of(&error), error)),
        }
    }
}

fn kind_of(error: &Error) -> io::ErrorKind {
    match error {
        Error::Read { source, .. } | Error::ReadParity { source, .. } | Error::Io(source) => {
            source.kind()
        }
        _ => io::ErrorKind::Other,
    }
}

/// The recovery of a block, and of the hash blocks above it where that is needed.
struct Recovery<'a, D, H, F> {
    repair: &'a FecRepair<D, H, F>,
    numbers: Numbers<'a>,
    buffer: Buffer,
}

impl<'a, D: ReadAt, H: ReadAt, F: ReadAt> Recovery<'a, D, H, F> {
    fn new(repair: &'a FecRepair<D, H, F>) -> Self {
        let numbers = Numbers::new(repair.trusted.params());
        Recovery { repair, numbers, buffer: Buffer::default() }
    }

    /// The right bytes of a block, if they can be had.
    ///
    /// # Errors
    /// The failure of a whole source.
    fn run(mut self, block: BlockRef) -> Result<Option<Vec<u8>>, Error> {
        if self.numbers.number(block).is_none() {
            return Ok(None);
        }
        let (tree, mut hash_block) = (&self.repair.tree, Vec::new());
        let mut fetch = |level, block, expected: &Digest, bytes: &mut Vec<u8>| {
            self.fetch(level, block, expected, bytes)
        };
        let expected = tree.expected_by(block, &mut hash_block, &mut fetch);
        match Error::unless_of_block(expected)? {
            Some(expected) => self.recovered(block, &expected),
            None => Ok(None),
        }
    }

    /// Puts a hash block into `bytes`: from the storage, or else from the parity.
    fn fetch(
        &mut self,
        level: u8,
        block: u64,
        expected: &Digest,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let tree = &self.repair.tree;
        if let Err(error) = tree.fetch(level, block, expected, bytes) {
            if error.is_about_source() {
                return Err(error);
            }
            let recovered = self.recovered(BlockRef::Hash { level, block }, expected)?;
            *bytes = recovered.ok_or(error)?;
            tree.keep(level, block, bytes);
            let number = self.numbers.number(BlockRef::Hash { level, block });
            number.into_iter().for_each(|number| self.repair.unsolvable.has_recovered(number));
        }
        Ok(())
    }

    /// A block that has this digest, from its round, unless that was tried in vain.
    fn recovered(&mut self, block: BlockRef, expected: &Digest) -> Result<Option<Vec<u8>>, Error> {
        let unsolvable = &self.repair.unsolvable;
        let Some(number) = self.numbers.number(block) else { return Ok(None) };
        let round = number % self.repair.decoder.area().rounds();
        if unsolvable.contains(round) || !has_attempts() {
            return Ok(None);
        }
        let _attempt = unsolvable.begin();
        // Another thread may have tried meanwhile.
        if unsolvable.contains(round) {
            return Ok(None);
        }
        let solved = match self.solve(block, number, expected) {
            Err(Error::Cancelled) => return Ok(None),
            solved => solved?,
        };
        if solved.found.is_none() && solved.is_conclusive {
            unsolvable.insert(round);
        }
        take_attempts(if solved.found.is_none() { COST_IN_VAIN } else { 1 });
        Ok(solved.found)
    }

    /// A block that has this digest, from its round.
    fn solve(&mut self, block: BlockRef, number: u64, expected: &Digest) -> Result<Solved, Error> {
        let FecRepair { trusted, data, fec, tree, decoder, .. } = self.repair;
        let (area, progress) = (*decoder.area(), &*self.repair.progress);
        work::advance(progress, 0)?;
        let covered = Covered::new(trusted, area, data, tree.hash());
        let hasher = tree.hasher();
        let zeros_by_digest = true;
        let rounds = Rounds { covered, fec, decoder, hasher, zeros_by_digest, progress };
        let (numbers, found, unread) = (&self.numbers, Mutex::default(), AtomicBool::new(false));
        let single = SingleBlock { numbers, tree, area, block, number, expected, found, unread };
        let round = number % area.rounds();
        rounds.recover(&mut self.buffer, round..round + 1, &single)?;
        let is_conclusive = !single.unread.into_inner();
        Ok(Solved { found: unpoisoned(single.found.into_inner()), is_conclusive })
    }
}

/// What came of a round.
struct Solved {
    found: Option<Vec<u8>>,
    /// Whether everything of it could be read, so that another time nothing else comes of it.
    is_conclusive: bool,
}

/// One block that is to be recovered.
struct SingleBlock<'a, H> {
    numbers: &'a Numbers<'a>,
    tree: &'a Tree<H>,
    area: FecArea,
    block: BlockRef,
    number: u64,
    expected: &'a Digest,
    found: Mutex<Option<Vec<u8>>>,
    /// Whether something of the round could not be read.
    unread: AtomicBool,
}

impl<H: ReadAt> Knowledge for SingleBlock<'_, H> {
    fn corrupt_rows(&self, round: u64) -> Vec<usize> {
        let row = to_len(self.number / self.area.rounds());
        let is_its_round = self.number % self.area.rounds() == round;
        is_its_round.then_some(row).into_iter().collect()
    }

    fn expected(&self, lookup: &mut Lookup, number: u64) -> Result<Option<Digest>, Error> {
        if number == self.number {
            return Ok(Some(*self.expected));
        }
        let Some(name) = self.numbers.name(number) else { return Ok(None) };
        let expected = self.tree.expected(lookup, name);
        if matches!(expected, Err(Error::Read { .. })) {
            self.mark_unread();
        }
        Error::unless_of_block(expected)
    }

    fn mark_corrupt(&self, _number: u64) {}

    fn mark_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    fn try_candidate(
        &self,
        _lookup: &mut Lookup,
        number: u64,
        bytes: &[u8],
    ) -> Result<Verdict, Error> {
        // The others are not asked for.
        if number != self.number {
            return Ok(Verdict::Unknown);
        }
        if self.tree.check(self.block, self.expected.as_bytes(), bytes).is_some() {
            return Ok(Verdict::Wrong);
        }
        *unpoisoned(self.found.lock()) = Some(bytes.to_vec());
        Ok(Verdict::Right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fec::FecPlatform;
    use crate::hash::Platform;
    use crate::{Algorithm, HashArea, Params, RootHash};

    #[test]
    fn a_repair_hashes_and_recovers_by_the_kernels_that_it_is_given() {
        let params = Params::builder().data_blocks(300).build().unwrap();
        let hash_area = HashArea::new(&params, 0, false).unwrap();
        let fec_area = FecArea::new(&params, &hash_area, 2, 304, 0).unwrap();
        let root_hash = RootHash::new(Digest::new(&[0; 32]).unwrap());
        let trusted = TrustedParams::pinned(params, root_hash, hash_area).unwrap();
        let repair = || {
            let (data, hash, fec) = (vec![0; 300 << 12], vec![0; 4 << 12], vec![0; 4 << 12]);
            FecRepair::new(trusted.clone(), fec_area, data, hash, fec).unwrap()
        };
        let kernels_of = |repair: &FecRepair<Vec<u8>, Vec<u8>, Vec<u8>>| Kernels {
            hash: repair.tree.hasher().platform(),
            fec: repair.decoder.platform(),
        };
        assert_eq!(kernels_of(&repair()), Kernels::detect(Algorithm::Sha256));
        for hash in Platform::available() {
            for fec in FecPlatform::available() {
                let kernels = Kernels { hash, fec };
                assert_eq!(kernels_of(&repair().kernels(kernels)), kernels);
            }
        }
    }
}
