//! Reads data in pieces, run by run: each block read once, hashed, and handed on.

use std::ops::Range;

use crate::io::Source;
use crate::parallel::Crew;
use crate::run::{Pieces, Reader, Run, RunBuffer};
use crate::{Error, Progress, progress};

use super::assembler::Assembler;

/// A data source, and where its digests and its bytes go.
pub(super) struct Runs<'a, S: ?Sized> {
    pub(super) reader: Reader<'a, S>,
    pub(super) assembler: &'a Assembler<'a>,
    pub(super) taps: &'a [&'a dyn Tap],
    pub(super) progress: &'a dyn Progress,
}

/// Something that also wants every run: a copy, parity, a digest of the whole image. Called from many
/// threads, each run once, in no promised order.
pub(super) trait Tap: Sync {
    /// Takes the data blocks from number `first_block` on, back to back; zeros for those in a hole.
    fn run(&self, first_block: u64, blocks: &[u8]) -> Result<(), Error>;
}

/// What a thread reuses from piece to piece.
#[derive(Default)]
struct PieceBuffer {
    run: RunBuffer,
    /// The digests of the piece, as far as it has come.
    digests: Vec<u8>,
    /// What taps get to see of a hole.
    zeros: Vec<u8>,
}

impl<S: Source + ?Sized> Runs<'_, S> {
    /// Reads and hashes every data block, and hands the digests to the assembler, the bytes to the taps.
    pub(super) fn for_each(&self, crew: Crew) -> Result<(), Error> {
        progress::advance(self.progress, 0)?;
        let params = self.reader.params();
        Pieces::new(params, 0..params.data_blocks()).for_each(
            crew,
            PieceBuffer::default,
            |buffer, blocks| self.piece(buffer, blocks),
        )
    }

    fn piece(&self, buffer: &mut PieceBuffer, blocks: Range<u64>) -> Result<(), Error> {
        buffer.digests.clear();
        let hashed = self.hash(buffer, blocks.clone());
        // What was hashed before a block that cannot be read comes first, and so does a failure to write it:
        // then the error does not depend on how the data was cut.
        if !matches!(hashed, Err(Error::Cancelled)) {
            self.assembler.push(blocks.start, &buffer.digests)?;
        }
        hashed
    }

    /// Collects the digests of a piece, up to the first run that fails.
    fn hash(&self, buffer: &mut PieceBuffer, mut blocks: Range<u64>) -> Result<(), Error> {
        let block_size = u64::from(self.reader.params().data_block_size());
        while !blocks.is_empty() {
            let run = self.reader.next_run(&mut buffer.run, &blocks);
            self.hash_run(buffer, &run)?;
            progress::advance(self.progress, run.len() * block_size)?;
            blocks.start = run.blocks.end;
        }
        Ok(())
    }

    fn hash_run(&self, buffer: &mut PieceBuffer, run: &Run) -> Result<(), Error> {
        let count = usize::try_from(run.len()).unwrap_or(usize::MAX);
        let done = buffer.digests.len();
        buffer.digests.resize(done + count * self.reader.hasher().digest_size(), 0);
        let hashed = self.reader.hash(&mut buffer.run, run, &mut buffer.digests[done..]);
        let mut bytes = hashed.inspect_err(|_| buffer.digests.truncate(done))?;
        if run.hole && !self.taps.is_empty() {
            let len = self.reader.params().data_block_size().buffer_len(count);
            bytes = zeros(&mut buffer.zeros, len);
        }
        self.taps.iter().try_for_each(|tap| tap.run(run.blocks.start, bytes))
    }
}

fn zeros(buffer: &mut Vec<u8>, len: usize) -> &[u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &buffer[..len]
}
