//! Reads data in pieces, run by run: each block read once, hashed, and handed on.

use std::ops::Range;

use crate::io::Source;
use crate::number::to_len;
use crate::work::{self, Crew, Pieces, Run, RunBuffer, RunReader};
use crate::{Error, Progress};

use super::assembler::Assembler;

/// A data source, and where its digests and its bytes go.
pub(super) struct Runs<'a, S: ?Sized> {
    pub(super) reader: RunReader<'a, S>,
    pub(super) assembler: &'a Assembler<'a>,
    pub(super) progress: &'a dyn Progress,
}

/// What a thread reuses from piece to piece.
#[derive(Default)]
struct PieceBuffer {
    run: RunBuffer,
    /// The digests of the piece, as far as it has come.
    digests: Vec<u8>,
}

impl<S: Source + ?Sized> Runs<'_, S> {
    /// Reads and hashes every data block, and hands the digests to the assembler.
    pub(super) fn for_each(&self, crew: Crew) -> Result<(), Error> {
        work::advance(self.progress, 0)?;
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
        // What was hashed before a block that cannot be read comes first, and so does a failure to
        // write it: then the error does not depend on how the data was cut.
        let pushed = match hashed {
            Err(Error::Cancelled) => Ok(()),
            _ => self.assembler.push(blocks.start, &buffer.digests),
        };
        // Who waits for this piece would wait for ever.
        pushed.and(hashed).inspect_err(|_| self.reader.stop_taps())
    }

    /// Collects the digests of a piece, up to the first run that fails.
    fn hash(&self, buffer: &mut PieceBuffer, mut blocks: Range<u64>) -> Result<(), Error> {
        let block_size = u64::from(self.reader.params().data_block_size());
        while !blocks.is_empty() {
            let run = self.reader.next_run(&mut buffer.run, &blocks);
            self.hash_run(buffer, &run)?;
            work::advance(self.progress, run.len() * block_size)?;
            blocks.start = run.blocks.end;
        }
        Ok(())
    }

    fn hash_run(&self, buffer: &mut PieceBuffer, run: &Run) -> Result<(), Error> {
        let done = buffer.digests.len();
        let new = to_len(run.len()) * self.reader.hasher().digest_size();
        buffer.digests.resize(done + new, 0);
        let hashed = self.reader.hash(&mut buffer.run, run, &mut buffer.digests[done..]);
        hashed.inspect_err(|_| buffer.digests.truncate(done))
    }
}
