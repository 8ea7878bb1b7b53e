//! A plan carried out: what is copied, what is fetched, what lets the slot verify.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::io::{ReadAt, ReadBuffer, WriteAt, read_blocks, write_blocks};
use crate::lock::unpoisoned;
use crate::number::{to_len, to_u64};
use crate::work::{self, Crew, Pieces, RUN_SIZE};
use crate::{BlockRef, Corruption, Error, Report, hash};

use super::plan::Step;
use super::{MAX_REQUEST, Plan, Settings, VerifiedTree, is_much};

/// Writes an image into a slot as planned, all but what lets it verify: [`Unvouched::finish`]
/// writes that.
///
/// `seeds` are those of the index, in the same order. `data` and `hash` are the devices of the
/// slot, and may be longer than the image and its hash area; what lies behind is left as it is, see
/// [`zero_rest`](super::zero_rest). `region` are the bytes of
/// [`HashArea::superblock_region`](crate::HashArea::superblock_region), for whose content the
/// caller vouches.
///
/// # Errors
/// [`Error::Corrupt`] for a block that the source has in another form: then it is not the source of
/// this image. Where the source cannot be read, the slot cannot be written or is too short, the
/// work is cancelled. The slot does not verify then; what was written is in place for the next run.
///
/// # Panics
/// If the region is not as long as that of the hash area, or a seed is missing.
pub fn apply<'a, D, H>(
    plan: &'a Plan<'_>,
    seeds: &[&dyn ReadAt],
    source: &dyn ReadAt,
    data: &D,
    hash: &'a H,
    region: &'a [u8],
    settings: &Settings<'_>,
) -> Result<Unvouched<'a, H>, Error>
where
    D: ReadAt + WriteAt + ?Sized,
    H: ReadAt + WriteAt + ?Sized,
{
    let tree = plan.tree();
    let area = tree.trusted().hash_area();
    let len = area.superblock_region();
    assert_eq!(to_u64(region.len()), len.end - len.start, "the superblock and its padding");
    tree.trusted().check_lengths(data, hash)?;
    let unvouched = Unvouched { tree, hash, region, applied: Applied::default() };
    work::advance(settings.reports_to(), 0)?;
    let destroyed = destroy(tree, hash)?;
    // First, as they were fetched: a run that is cut short does not fetch them again.
    let lower = unvouched.write_lower(settings)?;
    let applying = Applying {
        plan,
        seeds,
        source,
        data,
        settings,
        written: AtomicU64::new(0),
        synced: Mutex::new(Instant::now()),
        failed: Mutex::default(),
    };
    let mut applied = applying.run()?;
    data.sync()?;
    applied.written_bytes += destroyed + lower;
    Ok(Unvouched { applied, ..unvouched })
}

/// Makes whatever verifies in the place of this image unverifiable: superblock and top hash block
/// become zeros, and are synced. Returns how many bytes were written.
///
/// # Errors
/// When the hash device cannot be written.
pub fn destroy<H: WriteAt + ?Sized>(tree: &VerifiedTree, hash: &H) -> Result<u64, Error> {
    let mut destroyed = 0;
    for range in [tree.trusted().hash_area().superblock_region(), top(tree)] {
        if !range.is_empty() {
            hash.write_all_at(&vec![0; to_len(range.end - range.start)], range.start)?;
            destroyed += range.end - range.start;
        }
    }
    if destroyed > 0 {
        hash.sync()?;
    }
    Ok(destroyed)
}

/// The bytes of the top hash block, if there is one.
fn top(tree: &VerifiedTree) -> Range<u64> {
    let range = tree.trusted().hash_area().tree_range();
    let len = u64::from(tree.params().hash_block_size());
    range.start..(range.start + len).min(range.end)
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Blocks that seeds or the slot had no more when they were copied, and that were fetched or
    /// copied from elsewhere.
    pub changed_blocks: u64,
    /// Requests for data that were made of the source.
    pub requests: u64,
    /// The bytes that those asked for.
    pub fetched_bytes: u64,
    /// What was written to the slot, in bytes, zeros for what was destroyed among them.
    pub written_bytes: u64,
}

/// A slot that has everything but what lets it verify.
#[must_use = "the slot does not verify before it is finished"]
pub struct Unvouched<'a, H: ?Sized> {
    tree: &'a VerifiedTree,
    hash: &'a H,
    region: &'a [u8],
    applied: Applied,
}

impl<H: WriteAt + ?Sized> Unvouched<'_, H> {
    /// Writes the top hash block, syncs it, writes the superblock, and syncs that. Everything else
    /// of the slot must be on its storage by now.
    ///
    /// # Errors
    /// When a step fails. Unless it is the last sync, the slot does not verify then.
    pub fn finish(mut self) -> Result<Applied, Error> {
        if self.has_tree() {
            self.applied.written_bytes += self.write(0..1)?;
            self.hash.sync()?;
        }
        let region = self.tree.trusted().hash_area().superblock_region();
        if !region.is_empty() {
            self.hash.write_all_at(self.region, region.start)?;
            self.hash.sync()?;
            self.applied.written_bytes += to_u64(self.region.len());
        }
        Ok(self.applied)
    }

    fn top(&self) -> Range<u64> {
        top(self.tree)
    }

    fn has_tree(&self) -> bool {
        !self.top().is_empty()
    }

    /// Writes the hash blocks below the top that are not there, and syncs them.
    fn write_lower(&self, settings: &Settings<'_>) -> Result<u64, Error> {
        let missing = (0..).zip(self.tree.in_place()).skip(1);
        let missing = missing.filter(|(_, is_there)| !**is_there).map(|(number, _)| number);
        let most = self.tree.params().hash_block_size().blocks_in(MAX_REQUEST);
        let mut written = 0;
        for range in super::ranges::merged(missing, 0, most) {
            work::advance(settings.reports_to(), 0)?;
            let before = written;
            written += self.write(range)?;
            if is_much(before, written) {
                self.hash.sync()?;
            }
        }
        if written > 0 {
            self.hash.sync()?;
        }
        Ok(written)
    }

    /// Writes hash blocks, by their number.
    fn write(&self, numbers: Range<u64>) -> Result<u64, Error> {
        let size = self.tree.params().hash_block_size();
        let bytes = self.tree.hash_blocks(numbers.clone());
        let offset = self.top().start + numbers.start * u64::from(size);
        write_blocks(self.hash, bytes, size.buffer_len(1), offset).map_err(|failed| {
            let block = self.tree.block_of(numbers.start + failed.index);
            Error::Write { block, source: failed.error }
        })?;
        Ok(to_u64(bytes.len()))
    }
}

/// Data on its way into the slot.
struct Applying<'a, 's, D: ?Sized> {
    plan: &'a Plan<'a>,
    seeds: &'a [&'a dyn ReadAt],
    source: &'a dyn ReadAt,
    data: &'a D,
    settings: &'a Settings<'s>,
    written: AtomicU64,
    /// When data was synced last, or began to be written.
    synced: Mutex<Instant>,
    /// What was not where it was found before.
    failed: Mutex<Vec<u64>>,
}

/// Blocks in a row that are copied from blocks in a row.
struct Row {
    from: From,
    /// The first block there.
    there: u64,
    /// The blocks here.
    blocks: Range<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Seed(usize),
    Slot,
    Zeros,
}

impl<D: ReadAt + WriteAt + ?Sized> Applying<'_, '_, D> {
    fn run(&self) -> Result<Applied, Error> {
        work::advance(self.settings.reports_to(), 0)?;
        let work = self.settings.work(self.plan.tree().params());
        work.run(self.plan.tree().params().data_size(), |crew| self.copy(crew))?;
        let mut applied = Applied::default();
        // What a seed has no more is fetched once, for the first block that is equal to it.
        let mut lost = std::mem::take(&mut *unpoisoned(self.failed.lock()));
        lost.sort_unstable();
        applied.changed_blocks += to_u64(lost.len());
        let (first, others): (Vec<_>, Vec<_>) =
            lost.into_iter().partition(|block| self.plan.first_equal(*block) == *block);
        let mut wanted = self.plan.blocks_that(|step| step == Step::Fetched);
        wanted.extend(first);
        self.fetch(wanted, &mut applied)?;
        work.run(self.plan.tree().params().data_size(), |crew| self.repeat(crew, &others))?;
        let lost = std::mem::take(&mut *unpoisoned(self.failed.lock()));
        applied.changed_blocks += to_u64(lost.len());
        self.fetch(lost, &mut applied)?;
        applied.written_bytes = self.written.load(Ordering::Relaxed);
        Ok(applied)
    }

    /// Copies what seeds and the slot have, a chunk after the other, as what is overwritten may
    /// still be wanted before.
    fn copy(&self, crew: Crew) -> Result<(), Error> {
        let chunk_blocks = self.plan.chunk_blocks();
        let piece_blocks = to_len(self.block_size().blocks_in(RUN_SIZE));
        let piece_len = self.block_size().buffer_len(piece_blocks);
        let (mut bytes, mut is_right) = (ReadBuffer::default(), Vec::new());
        let mut start = 0;
        while start < self.plan.blocks() {
            let end = start.saturating_add(chunk_blocks).min(self.plan.blocks());
            let rows: Vec<_> = self.rows(start..end, |step| match step {
                Step::Copied { seed, block } => Some((From::Seed(seed), block)),
                Step::Moved { block } => Some((From::Slot, block)),
                Step::Zero => Some((From::Zeros, 0)),
                _ => None,
            });
            if !rows.is_empty() {
                let count = to_len(end - start);
                bytes.sized(self.block_size().buffer_len(count));
                is_right.clear();
                is_right.resize(count, false);
                let first = |number: usize| start + to_u64(number * piece_blocks);
                let read = crew.in_chunks(
                    (&mut bytes, piece_len),
                    (&mut is_right, piece_blocks),
                    |number, bytes, is_right| self.read_rows(&rows, first(number), bytes, is_right),
                );
                read.into_iter().collect::<Result<(), Error>>()?;
                let written = crew.in_chunks(
                    (&mut bytes, piece_len),
                    (&mut is_right, piece_blocks),
                    |number, bytes, is_right| self.write_right(first(number), bytes, is_right),
                );
                written.into_iter().collect::<Result<(), Error>>()?;
            }
            start = end;
        }
        Ok(())
    }

    /// Blocks in a row that come from blocks in a row.
    fn rows(&self, blocks: Range<u64>, source: impl Fn(Step) -> Option<(From, u64)>) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for block in blocks {
            let Some((from, there)) = source(self.plan.step(block)) else { continue };
            match rows.last_mut() {
                Some(row) if row.goes_on(from, there, block) => row.blocks.end = block + 1,
                _ => rows.push(Row { from, there, blocks: block..block + 1 }),
            }
        }
        rows
    }

    /// Reads the parts of rows that lie in one piece, and says which of its blocks are right.
    fn read_rows(
        &self,
        rows: &[Row],
        first: u64,
        bytes: &mut [u8],
        is_right: &mut [bool],
    ) -> Result<(), Error> {
        let end = first + to_u64(is_right.len());
        let mut lost = Vec::new();
        for row in rows {
            let blocks = row.blocks.start.max(first)..row.blocks.end.min(end);
            if blocks.is_empty() {
                continue;
            }
            let there = row.there + (blocks.start - row.blocks.start);
            let (start, stop) = (to_len(blocks.start - first), to_len(blocks.end - first));
            let part = self.block_size().buffer_len(start)..self.block_size().buffer_len(stop);
            self.read_row(
                row.from,
                there,
                blocks.start,
                &mut bytes[part],
                &mut is_right[start..stop],
            );
            lost.extend(blocks.clone().filter(|block| !is_right[to_len(block - first)]));
            self.advance(blocks.end - blocks.start)?;
        }
        if !lost.is_empty() {
            unpoisoned(self.failed.lock()).extend(lost);
        }
        Ok(())
    }

    /// Reads blocks from where they were found, and says which are right. What cannot be read is
    /// not.
    fn read_row(
        &self,
        from: From,
        there: u64,
        first: u64,
        bytes: &mut [u8],
        is_right: &mut [bool],
    ) {
        let offset = there.saturating_mul(self.plan.block_size());
        let read = match from {
            From::Seed(seed) => self.seeds[seed].read_exact_at(bytes, offset),
            From::Slot => self.data.read_exact_at(bytes, offset),
            From::Zeros => {
                bytes.fill(0);
                Ok(())
            }
        };
        if read.is_ok() {
            is_right.copy_from_slice(&self.matches(first, bytes));
        }
    }

    /// Hashes blocks in a row and says which are those of the image.
    fn matches(&self, first: u64, bytes: &[u8]) -> Vec<bool> {
        let digests = self.digests(bytes);
        let actual = digests.chunks_exact(self.plan.tree().hasher().digest_size());
        (first..)
            .zip(actual)
            .map(|(block, actual)| self.plan.tree().digest_of(block) == actual)
            .collect()
    }

    fn digests(&self, bytes: &[u8]) -> Vec<u8> {
        let (hasher, len) = (self.plan.tree().hasher(), self.block_size().buffer_len(1));
        let mut digests = vec![0; bytes.len() / len * hasher.digest_size()];
        hasher.hash_many(bytes, len, &mut digests);
        digests
    }

    /// Writes those blocks in a row that are right.
    fn write_right(&self, first: u64, bytes: &[u8], is_right: &[bool]) -> Result<(), Error> {
        let size = self.block_size();
        let mut start = 0;
        for equal in is_right.chunk_by(|a, b| a == b) {
            let end = start + equal.len();
            if equal[0] {
                let part = &bytes[size.buffer_len(start)..size.buffer_len(end)];
                let block = first + to_u64(start);
                let offset = block * self.plan.block_size();
                write_blocks(self.data, part, size.buffer_len(1), offset).map_err(|failed| {
                    let block = BlockRef::Data { block: block + failed.index };
                    Error::Write { block, source: failed.error }
                })?;
                self.sync_if_due(to_u64(part.len()))?;
            }
            start = end;
        }
        Ok(())
    }

    /// Syncs what was written, if that is much, or a while ago: what comes slowly is not to be
    /// fetched again after a power cut.
    fn sync_if_due(&self, len: u64) -> Result<(), Error> {
        let before = self.written.fetch_add(len, Ordering::Relaxed);
        let mut synced = unpoisoned(self.synced.lock());
        if !is_much(before, before + len) && synced.elapsed() < self.settings.sync_period() {
            return Ok(());
        }
        *synced = Instant::now();
        // Others write on meanwhile.
        drop(synced);
        Ok(self.data.sync()?)
    }

    /// Fetches blocks.
    fn fetch(&self, mut wanted: Vec<u64>, applied: &mut Applied) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        wanted.sort_unstable();
        let requests = self.plan.requests(&wanted);
        applied.requests += super::ranges::count(&requests);
        applied.fetched_bytes += super::ranges::bytes_of(&requests, self.plan.block_size());
        let work = self.settings.fetching(self.plan.tree().params());
        let size = applied.fetched_bytes;
        work.run(size, |crew| {
            crew.in_order(to_u64(requests.len()), 1, ReadBuffer::default, |bytes, numbers| {
                let some = &requests[to_len(numbers.start)..to_len(numbers.end)];
                some.iter().try_for_each(|request| self.fetch_one(request, &wanted, bytes))
            })
        })
    }

    /// Makes one request, and writes what was wanted of it.
    fn fetch_one(
        &self,
        request: &Range<u64>,
        wanted: &[u64],
        bytes: &mut ReadBuffer,
    ) -> Result<(), Error> {
        let (count, len) = (to_len(request.end - request.start), self.block_size().buffer_len(1));
        bytes.sized(self.block_size().buffer_len(count));
        let offset = request.start * self.plan.block_size();
        read_blocks(self.source, bytes, len, offset).map_err(|failed| Error::Read {
            block: BlockRef::Data { block: request.start + failed.index },
            source: failed.error,
        })?;
        let wanted = &wanted[wanted.partition_point(|block| *block < request.start)..];
        let wanted = &wanted[..wanted.partition_point(|block| *block < request.end)];
        let mut is_wanted = vec![false; count];
        wanted.iter().for_each(|block| is_wanted[to_len(block - request.start)] = true);
        let digests = self.digests(bytes);
        let digest_size = self.plan.tree().hasher().digest_size();
        for block in wanted {
            let actual = &digests[to_len(block - request.start) * digest_size..][..digest_size];
            let expected = self.plan.tree().digest_of(*block);
            if expected != actual {
                let (expected, actual) = (hash::digest(expected), hash::digest(actual));
                let corruption = Corruption::Digest { expected, actual };
                let block = BlockRef::Data { block: *block };
                return Err(Error::Corrupt(Report::of_one(block, corruption)));
            }
        }
        self.write_right(request.start, bytes, &is_wanted)?;
        self.advance(to_u64(wanted.len()))
    }

    /// Copies blocks that are equal to earlier ones, which are in their places by now.
    fn repeat(&self, crew: Crew, others: &[u64]) -> Result<(), Error> {
        let pieces = Pieces::new(self.plan.tree().params(), 0..self.plan.blocks());
        pieces.for_each(crew, ReadBuffer::default, |bytes, piece| {
            let mut rows = self.rows(piece.clone(), |step| match step {
                Step::Repeated { of } => Some((From::Slot, of)),
                _ => None,
            });
            let some = &others[others.partition_point(|block| *block < piece.start)..];
            rows.extend(some.iter().take_while(|block| **block < piece.end).map(|&block| Row {
                from: From::Slot,
                there: self.plan.first_equal(block),
                blocks: block..block + 1,
            }));
            rows.iter().try_for_each(|row| self.repeat_row(row, bytes))
        })
    }

    fn repeat_row(&self, row: &Row, bytes: &mut ReadBuffer) -> Result<(), Error> {
        let most = self.block_size().blocks_in(RUN_SIZE);
        let mut start = row.blocks.start;
        while start < row.blocks.end {
            let end = (start + most).min(row.blocks.end);
            let part = Row {
                from: row.from,
                there: row.there + (start - row.blocks.start),
                blocks: start..end,
            };
            let mut is_right = vec![false; to_len(end - start)];
            bytes.sized(self.block_size().buffer_len(is_right.len()));
            self.read_rows(&[part], start, bytes, &mut is_right)?;
            self.write_right(start, bytes, &is_right)?;
            start = end;
        }
        Ok(())
    }

    fn block_size(&self) -> crate::BlockSize {
        self.plan.tree().params().data_block_size()
    }

    fn advance(&self, blocks: u64) -> Result<(), Error> {
        work::advance(self.settings.reports_to(), blocks * self.plan.block_size())
    }
}

impl Row {
    /// Whether a block that comes from there continues the row.
    fn goes_on(&self, from: From, there: u64, block: u64) -> bool {
        let len = self.blocks.end - self.blocks.start;
        self.from == from
            && self.blocks.end == block
            && (from == From::Zeros || self.there + len == there)
    }
}
