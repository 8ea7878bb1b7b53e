//! Data blocks on their way to the caller: read into a private buffer, hashed together, compared in
//! order.

use std::ops::{ControlFlow, Range};

use crate::io::{Ahead, Mapping, ReadAt, ReadBuffer, is_about_source};
use crate::layout::Layer;
use crate::number::{to_len, to_u64};
use crate::tree::{Fault, Scratch, grown, judge};
use crate::work::RUN_SIZE;
use crate::{BlockRef, Error};

use super::VerifiedReader;

/// Takes verified blocks: the number of the first one, and their bytes. Says whether it wants more.
pub(super) trait Deliver: FnMut(u64, &[u8]) -> ControlFlow<()> {
    fn hand(&mut self, first: u64, bytes: &[u8]) -> Result<(), End> {
        match self(first, bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(End::Stopped),
        }
    }
}

impl<F: FnMut(u64, &[u8]) -> ControlFlow<()>> Deliver for F {}

/// Why no more blocks are delivered.
#[derive(Debug)]
pub(super) enum End {
    /// One is not right, or cannot be read.
    Failed(Error),
    /// Whoever takes them has had enough.
    Stopped,
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        End::Failed(error)
    }
}

/// Data blocks that follow one another, and the digests they must have, back to back.
#[derive(Clone)]
struct Row<'a> {
    blocks: Range<u64>,
    expected: &'a [u8],
}

/// What a row needs besides.
struct Buffers<'a> {
    blocks: &'a mut ReadBuffer,
    actual: &'a mut Vec<u8>,
    /// What is prefetched meanwhile, if anything.
    mapping: Option<&'a Mapping>,
}

impl<D: ReadAt, H: ReadAt> VerifiedReader<D, H> {
    /// Data blocks as they are read and hashed: run by run.
    pub(super) fn runs(&self, mut blocks: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let per_run = self.params().data_block_size().blocks_in(RUN_SIZE);
        std::iter::from_fn(move || {
            let end = blocks.start.saturating_add(per_run).min(blocks.end);
            let run = std::mem::replace(&mut blocks.start, end)..end;
            (!run.is_empty()).then_some(run)
        })
    }

    /// Verifies the blocks of a run and delivers them in order, up to the first that is not right.
    pub(super) fn verify_run(
        &self,
        scratch: &mut Scratch,
        blocks: Range<u64>,
        mapping: Option<&Mapping>,
        deliver: &mut impl Deliver,
    ) -> Result<(), End> {
        let Scratch { blocks: bytes, lookup, actual } = scratch;
        let known = self.tree.expected_in(lookup, Layer::Data, blocks.clone());
        let mut buffers = Buffers { blocks: bytes, actual, mapping };
        // Blocks whose digests are known come before the failure, and may be fine.
        let mut start = blocks.start;
        let digest_size = self.digest_size();
        let mut rest = lookup.digests.as_slice();
        while !rest.is_empty() {
            let is_zero = self.is_zero(&rest[..digest_size]);
            let alike = rest.chunks_exact(digest_size);
            let count = alike.take_while(|digest| self.is_zero(digest) == is_zero).count();
            let (now, later) = rest.split_at(count * digest_size);
            let end = start + to_u64(count);
            let row = Row { blocks: start..end, expected: now };
            match is_zero {
                true => self.deliver_zeros(&mut buffers, row, deliver)?,
                false => self.verify_row(&mut buffers, row, deliver)?,
            }
            (rest, start) = (later, end);
        }
        Ok(known?)
    }

    /// Whether a block with this digest is to be taken for zeros without a look at it.
    fn is_zero(&self, digest: &[u8]) -> bool {
        self.zero.is_some_and(|zero| zero.as_bytes() == digest)
    }

    fn deliver_zeros(
        &self,
        buffers: &mut Buffers<'_>,
        row: Row<'_>,
        deliver: &mut impl Deliver,
    ) -> Result<(), End> {
        let bytes = buffers.blocks.sized(self.len_of(&row));
        bytes.fill(0);
        self.tree.counts().zero_blocks.add(row.len());
        deliver.hand(row.blocks.start, bytes)
    }

    /// Reads and compares a row. If it cannot be read as a whole, each block is tried by itself,
    /// unless the whole source fails.
    fn verify_row(
        &self,
        buffers: &mut Buffers<'_>,
        row: Row<'_>,
        deliver: &mut impl Deliver,
    ) -> Result<(), End> {
        let bytes = buffers.blocks.sized(self.len_of(&row));
        let read = self.data.read_exact_at(bytes, row.blocks.start * self.block_size());
        match read {
            Err(error) if row.len() == 1 || is_about_source(&error) => {
                let block = BlockRef::Data { block: row.blocks.start };
                self.tree.ask_repair(block, Fault::Unreadable(error), row.expected, bytes)?;
                deliver.hand(row.blocks.start, bytes)
            }
            Err(_) => {
                let expected = row.expected.chunks_exact(self.digest_size());
                row.blocks.zip(expected).try_for_each(|(block, expected)| {
                    let row = Row { blocks: block..block + 1, expected };
                    self.verify_row(buffers, row, deliver)
                })
            }
            Ok(()) => {
                self.tree.counts().data_blocks_read.add(row.len());
                self.compare(buffers, row, deliver)
            }
        }
    }

    /// Hashes and compares the blocks of a row, which were read.
    fn compare(
        &self,
        buffers: &mut Buffers<'_>,
        row: Row<'_>,
        deliver: &mut impl Deliver,
    ) -> Result<(), End> {
        let bytes = buffers.blocks.sized(self.len_of(&row));
        if let Some(checked) = &self.checked
            && checked.contains_all(row.blocks.clone())
        {
            self.tree.counts().unchecked_data_blocks.add(row.len());
            return deliver.hand(row.blocks.start, bytes);
        }
        let actual = grown(buffers.actual, row.expected.len());
        let behind =
            |mapping: &Mapping| mapping.ahead(row.blocks.end * self.block_size(), bytes.len());
        let next = buffers.mapping.map_or(Ahead::NOWHERE, behind);
        self.tree.hasher().hash_before(bytes, self.block_len(), actual, next);
        self.compare_digests(&row, actual, bytes, deliver)
    }

    fn compare_digests(
        &self,
        row: &Row<'_>,
        actual: &[u8],
        bytes: &mut [u8],
        deliver: &mut impl Deliver,
    ) -> Result<(), End> {
        let (digest_size, block_size) = (self.digest_size(), self.block_len());
        // The blocks before `right` are delivered, those from there to `index` are right.
        let mut right = 0;
        let digests = row.expected.chunks_exact(digest_size).zip(actual.chunks_exact(digest_size));
        for ((index, block), (expected, actual)) in row.blocks.clone().enumerate().zip(digests) {
            let name = BlockRef::Data { block };
            let Some(corruption) = judge(self.params().geometry(), name, expected, actual, &[])
            else {
                self.remember(block);
                continue;
            };
            let (before, from) = bytes.split_at_mut(index * block_size);
            deliver.hand(row.blocks.start + to_u64(right), &before[right * block_size..])?;
            let fault = Fault::Corrupt(corruption);
            self.tree.ask_repair(name, fault, expected, &mut from[..block_size])?;
            right = index;
        }
        deliver.hand(row.blocks.start + to_u64(right), &bytes[right * block_size..])
    }

    fn remember(&self, block: u64) {
        if let Some(checked) = &self.checked {
            checked.insert(block);
        }
    }

    fn len_of(&self, row: &Row<'_>) -> usize {
        self.params().data_block_size().buffer_len(to_len(row.len()))
    }
}

impl Row<'_> {
    fn len(&self) -> u64 {
        self.blocks.end - self.blocks.start
    }
}
