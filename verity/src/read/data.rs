//! Data blocks on their way to the caller: read into a private buffer, hashed together, compared in
//! order.

use std::ops::Range;

use crate::io::{Ahead, Mapping, ReadAt, ReadBuffer, is_about_source};
use crate::layout::Layer;
use crate::number::{to_len, to_u64};
use crate::tree::{Fault, Scratch, grown, judge};
use crate::work::RUN_SIZE;
use crate::{BlockRef, Error};

use super::VerifiedReader;

/// Takes verified blocks: the number of the first one, and their bytes.
pub(super) trait Deliver: FnMut(u64, &[u8]) {}

impl<F: FnMut(u64, &[u8])> Deliver for F {}

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
    /// Verifies data blocks run by run and delivers them in order, up to the first that is not
    /// right.
    pub(super) fn verify_blocks(
        &self,
        scratch: &mut Scratch,
        mut blocks: Range<u64>,
        mapping: Option<&Mapping>,
        deliver: &mut impl Deliver,
    ) -> Result<(), Error> {
        let per_run = self.params().data_block_size().blocks_in(RUN_SIZE);
        while !blocks.is_empty() {
            let end = blocks.start.saturating_add(per_run).min(blocks.end);
            self.verify_run(scratch, blocks.start..end, mapping, deliver)?;
            blocks.start = end;
        }
        Ok(())
    }

    fn verify_run(
        &self,
        scratch: &mut Scratch,
        blocks: Range<u64>,
        mapping: Option<&Mapping>,
        deliver: &mut impl Deliver,
    ) -> Result<(), Error> {
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
                true => self.deliver_zeros(&mut buffers, row, deliver),
                false => self.verify_row(&mut buffers, row, deliver)?,
            }
            (rest, start) = (later, end);
        }
        known
    }

    /// Whether a block with this digest is to be taken for zeros without a look at it.
    fn is_zero(&self, digest: &[u8]) -> bool {
        self.zero.is_some_and(|zero| zero.as_bytes() == digest)
    }

    fn deliver_zeros(&self, buffers: &mut Buffers<'_>, row: Row<'_>, deliver: &mut impl Deliver) {
        let bytes = buffers.blocks.sized(self.len_of(&row));
        bytes.fill(0);
        self.tree.counts().zero_blocks.add(row.len());
        deliver(row.blocks.start, bytes);
    }

    /// Reads and compares a row. If it cannot be read as a whole, each block is tried by itself,
    /// unless the whole source fails.
    fn verify_row(
        &self,
        buffers: &mut Buffers<'_>,
        row: Row<'_>,
        deliver: &mut impl Deliver,
    ) -> Result<(), Error> {
        let bytes = buffers.blocks.sized(self.len_of(&row));
        let read = self.data.read_exact_at(bytes, row.blocks.start * self.block_size());
        match read {
            Err(error) if row.len() == 1 || is_about_source(&error) => {
                let block = BlockRef::Data { block: row.blocks.start };
                self.tree.ask_repair(block, Fault::Unreadable(error), row.expected, bytes)?;
                deliver(row.blocks.start, bytes);
                Ok(())
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
    ) -> Result<(), Error> {
        let bytes = buffers.blocks.sized(self.len_of(&row));
        if let Some(checked) = &self.checked
            && checked.contains_all(row.blocks.clone())
        {
            self.tree.counts().unchecked_data_blocks.add(row.len());
            deliver(row.blocks.start, bytes);
            return Ok(());
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
    ) -> Result<(), Error> {
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
            deliver(row.blocks.start + to_u64(right), &before[right * block_size..]);
            let fault = Fault::Corrupt(corruption);
            self.tree.ask_repair(name, fault, expected, &mut from[..block_size])?;
            right = index;
        }
        deliver(row.blocks.start + to_u64(right), &bytes[right * block_size..]);
        Ok(())
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
