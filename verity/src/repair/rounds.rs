//! Recovery of the corrupt blocks of some rounds.
//!
//! *First look*: the blocks known to be corrupt are the erasures; only as many equations as there
//! are of them are made, for adjacent rounds at once. If something then does not hash right, a
//! *second look* at that one round: every row whose digest is known is hashed, all wrong ones are
//! erasures, and all equations are made. Blocks whose digest is that of zeros are zeros, whatever
//! was read: they cost no equation. Last, corrections at places that nothing names: in rows whose
//! digests are not known, and in the parity itself.
//!
//! A round costs at most two reads of each of its blocks, and two more of those that are corrupt.
//! No block is looked for in another round on the way.

use std::ops::Range;

use crate::fec::Decoder;
use crate::hash::BlockHasher;
use crate::io::{ReadAt, ReadBuffer, read_each};
use crate::number::{to_len, to_u64};
use crate::tree::Lookup;
use crate::{Digest, Error, Progress, work};

use super::covered::Covered;

/// What is known of blocks, and where recovered ones go. Blocks are numbered as parity covers them.
pub(super) trait Knowledge {
    /// The rows of a round whose blocks are known to be corrupt, in order.
    fn corrupt_rows(&self, round: u64) -> Vec<usize>;

    /// The digest that a block must have, if the way up to the root hash is verified.
    ///
    /// # Errors
    /// When the whole hash device fails.
    fn expected(&self, lookup: &mut Lookup, block: u64) -> Result<Option<Digest>, Error>;

    /// Is told that a block does not have that digest.
    fn mark_corrupt(&self, block: u64);

    /// Is told that a block or parity of a round could not be read.
    fn mark_unread(&self);

    /// Checks bytes that may be those of a block, and keeps them if they are.
    fn try_candidate(
        &self,
        lookup: &mut Lookup,
        block: u64,
        bytes: &[u8],
    ) -> Result<Verdict, Error>;
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Nothing says which digest the block must have.
    Unknown,
}

/// What a thread reuses from unit to unit.
#[derive(Default)]
pub(super) struct Buffer {
    pub(super) lookup: Lookup,
    rows: ReadBuffer,
    sums: Vec<u8>,
    parity: Vec<u8>,
    residue: Vec<u8>,
    digests: Vec<u8>,
}

/// The rounds of an image and their parity.
pub(super) struct Rounds<'a, D: ?Sized, H: ?Sized, F: ?Sized> {
    pub(super) covered: Covered<'a, D, H>,
    pub(super) fec: &'a F,
    pub(super) decoder: &'a Decoder,
    pub(super) hasher: &'a BlockHasher,
    /// Whether blocks of zeros are recovered by their digest, without parity.
    pub(super) zeros_by_digest: bool,
    /// Asked now and then whether to stop: a single round of large blocks takes seconds.
    pub(super) progress: &'a dyn Progress,
}

/// Rows of some adjacent rounds that were read at once.
struct Batch<'b> {
    /// The first of the rows.
    first: usize,
    bytes: &'b mut [u8],
    /// The blocks that could not be read, by round and row.
    failed: Vec<(usize, usize)>,
}

impl<D, H, F> Rounds<'_, D, H, F>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
    F: ReadAt + ?Sized,
{
    /// The block of a round in a row.
    fn block(&self, round: u64, row: usize) -> u64 {
        self.covered.block(round, to_u64(row))
    }

    /// Recovers what can be recovered of adjacent rounds, no more than a unit has.
    ///
    /// # Errors
    /// When progress asks to stop, a whole source fails, or what was recovered cannot be kept.
    pub(super) fn recover(
        &self,
        buffer: &mut Buffer,
        rounds: Range<u64>,
        knowledge: &impl Knowledge,
    ) -> Result<(), Error> {
        let erased: Vec<_> = rounds.clone().map(|round| knowledge.corrupt_rows(round)).collect();
        let done = self.first_look(buffer, &rounds, &erased, knowledge)?;
        for (round, done) in rounds.zip(done) {
            if !done {
                self.second_look(buffer, round, knowledge)?;
            }
        }
        Ok(())
    }

    /// Recovers the rows that are known to be corrupt as if all others were right. Says of each
    /// round whether that was all there is to do.
    fn first_look(
        &self,
        buffer: &mut Buffer,
        rounds: &Range<u64>,
        erased: &[Vec<usize>],
        knowledge: &impl Knowledge,
    ) -> Result<Vec<bool>, Error> {
        let solvable = 1..=self.decoder.roots();
        let mut done: Vec<bool> = erased.iter().map(Vec::is_empty).collect();
        let counts = erased.iter().map(Vec::len);
        let Some(equations) = counts.filter(|count| solvable.contains(count)).max() else {
            return Ok(done);
        };
        let mut disturbed = vec![false; erased.len()];
        let look = |_: &mut Buffer, batch: &mut Batch<'_>| {
            batch.failed.iter().for_each(|&(index, _)| disturbed[index] = true);
            Ok(())
        };
        self.add_rows(buffer, (rounds, erased), equations, knowledge, look)?;
        self.read_parity(rounds, &mut buffer.parity, knowledge)?;
        for (index, rows) in erased.iter().enumerate() {
            if solvable.contains(&rows.len()) && !disturbed[index] {
                self.take_residue(buffer, index, erased.len(), equations, rows.len());
                let round = rounds.start + to_u64(index);
                done[index] = self.solve(buffer, round, rows, knowledge)?;
            }
        }
        Ok(done)
    }

    /// Finds out which rows of a round are wrong, and recovers them.
    fn second_look(
        &self,
        buffer: &mut Buffer,
        round: u64,
        knowledge: &impl Knowledge,
    ) -> Result<(), Error> {
        let roots = self.decoder.roots();
        let known = knowledge.corrupt_rows(round);
        let mut erased = known.clone();
        let rounds = round..round + 1;
        let look = |buffer: &mut Buffer, batch: &mut Batch<'_>| {
            erased.extend(batch.failed.iter().map(|&(_, row)| row));
            self.erase_wrong(buffer, round, batch, &mut erased, knowledge)
        };
        let all = (&rounds, std::slice::from_ref(&known));
        self.add_rows(buffer, all, roots, knowledge, look)?;
        erased.sort_unstable();
        if self.zeros_by_digest {
            self.keep_zeros(buffer, round, &mut erased, knowledge)?;
        }
        if erased.is_empty() {
            return Ok(());
        }
        self.read_parity(&rounds, &mut buffer.parity, knowledge)?;
        self.take_residue(buffer, 0, 1, roots, roots);
        if erased.len() <= roots && self.solve(buffer, round, &erased, knowledge)? {
            return Ok(());
        }
        if self.correct(buffer, round, &erased, &erased, knowledge)? {
            return Ok(());
        }
        // The wrong rows may be wrong in few places each: more of them than erasures can be.
        for &row in &erased {
            let block = self.block(round, row);
            buffer.rows.sized(self.decoder.block_len());
            self.read_one(block, &mut buffer.rows, knowledge)?;
            self.decoder.add_rows(roots, row, &buffer.rows, &mut buffer.residue);
        }
        self.correct(buffer, round, &[], &erased, knowledge).map(drop)
    }

    /// Goes through the rows of adjacent rounds and adds them to the first `equations` sums. Erased
    /// blocks are not read, but zeros, and so are those that cannot be read. `look` sees rows
    /// before they are added.
    fn add_rows(
        &self,
        buffer: &mut Buffer,
        (rounds, erased): (&Range<u64>, &[Vec<usize>]),
        equations: usize,
        knowledge: &impl Knowledge,
        mut look: impl FnMut(&mut Buffer, &mut Batch<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let count = rounds.end - rounds.start;
        let row_len = self.decoder.block_len() * erased.len();
        buffer.sums.clear();
        buffer.sums.resize(equations * row_len, 0);
        let all = to_len(self.covered.rows(rounds.start));
        let at_once = to_len(self.decoder.rows_at_once(count));
        for first in (0..all).step_by(at_once) {
            let mut rows = std::mem::take(&mut buffer.rows);
            rows.sized(at_once.min(all - first) * row_len);
            let mut batch = Batch { first, bytes: &mut rows, failed: Vec::new() };
            work::advance(self.progress, 0)?;
            self.read_rows(rounds, erased, &mut batch, knowledge)?;
            look(buffer, &mut batch)?;
            self.decoder.add_rows(equations, first, &rows, &mut buffer.sums);
            buffer.rows = rows;
        }
        Ok(())
    }

    fn read_rows(
        &self,
        rounds: &Range<u64>,
        erased: &[Vec<usize>],
        batch: &mut Batch<'_>,
        knowledge: &impl Knowledge,
    ) -> Result<(), Error> {
        let block_len = self.decoder.block_len();
        let Batch { first, bytes, failed } = batch;
        for (row, bytes) in (*first..).zip(bytes.chunks_exact_mut(block_len * erased.len())) {
            let is_erased = |index: usize| erased[index].binary_search(&row).is_ok();
            let mut start = 0;
            while start < erased.len() {
                let gap = is_erased(start);
                let alike = (start..erased.len()).take_while(|&index| is_erased(index) == gap);
                let end = start + alike.count();
                let bytes = &mut bytes[start * block_len..end * block_len];
                let begin = self.block(rounds.start, row);
                let at = |index: usize| begin + to_u64(index);
                if gap {
                    bytes.fill(0);
                } else {
                    self.covered.read_each(at(start)..at(end), bytes, |block, _| {
                        knowledge.mark_unread();
                        failed.push((to_len(block - begin), row));
                    })?;
                }
                start = end;
            }
        }
        Ok(())
    }

    /// Reads a block by itself; zeros if it cannot be read.
    fn read_one(
        &self,
        block: u64,
        bytes: &mut [u8],
        knowledge: &impl Knowledge,
    ) -> Result<(), Error> {
        self.covered.read_each(block..block + 1, bytes, |_, _| knowledge.mark_unread())
    }

    /// Hashes rows of one round; those that are wrong become zeros and are erased.
    fn erase_wrong(
        &self,
        buffer: &mut Buffer,
        round: u64,
        batch: &mut Batch<'_>,
        erased: &mut Vec<usize>,
        knowledge: &impl Knowledge,
    ) -> Result<(), Error> {
        let (block_len, digest_size) = (self.decoder.block_len(), self.hasher.digest_size());
        buffer.digests.resize(batch.bytes.len() / block_len * digest_size, 0);
        self.hasher.hash_many(batch.bytes, block_len, &mut buffer.digests);
        let digests = buffer.digests.chunks_exact(digest_size);
        let rows = batch.bytes.chunks_exact_mut(block_len).zip(digests);
        for (row, (bytes, actual)) in (batch.first..).zip(rows) {
            if erased.contains(&row) {
                continue;
            }
            let block = self.block(round, row);
            let expected = knowledge.expected(&mut buffer.lookup, block)?;
            // The digest alone tells: bytes that belong to none went into the parity as they are.
            if expected.is_some_and(|expected| expected.as_bytes() != actual) {
                knowledge.mark_corrupt(block);
                erased.push(row);
                bytes.fill(0);
            }
        }
        Ok(())
    }

    /// Recovers the erased rows that were zeros, which they count as anyway: their expected digest
    /// is that of a block of zeros.
    fn keep_zeros(
        &self,
        buffer: &mut Buffer,
        round: u64,
        erased: &mut Vec<usize>,
        knowledge: &impl Knowledge,
    ) -> Result<(), Error> {
        let zeros = vec![0; self.decoder.block_len()];
        let digest = self.hasher.hash_one(&zeros);
        let mut lost = Vec::new();
        for &row in erased.iter() {
            let block = self.block(round, row);
            if knowledge.expected(&mut buffer.lookup, block)? == Some(digest) {
                knowledge.try_candidate(&mut buffer.lookup, block, &zeros)?;
            } else {
                lost.push(row);
            }
        }
        *erased = lost;
        Ok(())
    }

    /// Reads parity; what cannot be read is zeros, and will not lead to anything that hashes right.
    fn read_parity(
        &self,
        rounds: &Range<u64>,
        parity: &mut Vec<u8>,
        knowledge: &impl Knowledge,
    ) -> Result<(), Error> {
        let range = self.decoder.area().range_of(rounds);
        parity.resize(to_len(range.end - range.start), 0);
        let block_size = u64::from(self.decoder.area().block_size());
        let blocks = range.start / block_size..range.end / block_size;
        let (first, roots) = (blocks.start, to_u64(self.decoder.roots()));
        let read = |blocks: Range<u64>, bytes: &mut [u8]| {
            self.fec.read_exact_at(bytes, blocks.start * block_size)
        };
        let failed = |_, bytes: &mut [u8], _| {
            knowledge.mark_unread();
            bytes.fill(0);
        };
        read_each(blocks, parity, self.decoder.block_len(), read, failed).map_err(
            |(block, source)| {
                let round = rounds.start + (block - first) / roots;
                Error::ReadParity { round, source }
            },
        )
    }

    /// The residue of one of the rounds whose sums and parity are there: its first `wanted`
    /// equations.
    fn take_residue(
        &self,
        buffer: &mut Buffer,
        index: usize,
        rounds: usize,
        equations: usize,
        wanted: usize,
    ) {
        let block_len = self.decoder.block_len();
        buffer.residue.clear();
        for sums in buffer.sums.chunks_exact(block_len * rounds).take(wanted.min(equations)) {
            buffer.residue.extend_from_slice(&sums[index * block_len..][..block_len]);
        }
        let parity_len = self.decoder.roots() * block_len;
        let parity = &buffer.parity[index * parity_len..][..parity_len];
        self.decoder.subtract_parity(parity, &mut buffer.residue);
    }

    /// Recovers erased rows from the residue. Returns whether all of them are right now.
    fn solve(
        &self,
        buffer: &mut Buffer,
        round: u64,
        erased: &[usize],
        knowledge: &impl Knowledge,
    ) -> Result<bool, Error> {
        let lost = self.decoder.solve(erased, &buffer.residue);
        let mut is_right = true;
        for (&row, bytes) in erased.iter().zip(lost.chunks_exact(self.decoder.block_len())) {
            let block = self.block(round, row);
            is_right &=
                knowledge.try_candidate(&mut buffer.lookup, block, bytes)? != Verdict::Wrong;
        }
        Ok(is_right)
    }

    /// Corrects rows at unknown places, beside those that are erased, from the residue. Returns
    /// whether all of the `wrong` rows are right now.
    fn correct(
        &self,
        buffer: &mut Buffer,
        round: u64,
        erased: &[usize],
        wrong: &[usize],
        knowledge: &impl Knowledge,
    ) -> Result<bool, Error> {
        let rows = to_len(self.covered.rows(round));
        let stop = || self.progress.advance(0).is_break();
        let corrections = self.decoder.corrections(rows, erased, &buffer.residue, &stop);
        work::advance(self.progress, 0)?;
        let Some(corrections) = corrections else { return Ok(false) };
        let mut is_right = true;
        for &row in wrong {
            let block = self.block(round, row);
            let mut bytes = vec![0; self.decoder.block_len()];
            if !erased.contains(&row) {
                self.read_one(block, &mut bytes, knowledge)?;
            }
            let correction = corrections.iter().find(|(corrected, _)| *corrected == row);
            if let Some((_, xor)) = correction {
                bytes.iter_mut().zip(xor).for_each(|(byte, xor)| *byte ^= xor);
            }
            is_right &=
                knowledge.try_candidate(&mut buffer.lookup, block, &bytes)? != Verdict::Wrong;
        }
        Ok(is_right)
    }
}
