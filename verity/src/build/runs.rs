//! Reads data in pieces, run by run: each block read once, hashed, and handed on.

use std::ops::Range;

use crate::io::Source;
use crate::work::{self, Crew, Pieces, Reader, Run, RunBuffer};
use crate::{Error, Progress};

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
            work::advance(self.progress, run.len() * block_size)?;
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::hash::BlockHasher;
    use crate::io::{Extent, ReadAt};
    use crate::work::RUN_SIZE;
    use crate::{HashArea, Params};

    use super::super::sink::AreaSink;

    /// Bytes of which those before a place are said to be a hole.
    struct Sparse(Vec<u8>, u64);

    impl ReadAt for Sparse {
        fn len(&self) -> std::io::Result<u64> {
            ReadAt::len(&self.0)
        }

        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
            self.0.read_at(buf, offset)
        }

        fn extent_at(&self, offset: u64) -> Extent {
            if offset < self.1 { Extent::Hole { end: self.1 } } else { Extent::ALL_DATA }
        }
    }

    /// Keeps what it sees, and how often each block came.
    struct Copy(Mutex<(Vec<u8>, Vec<u8>)>);

    impl Tap for Copy {
        fn run(&self, first_block: u64, blocks: &[u8]) -> Result<(), Error> {
            assert!(blocks.len() as u64 <= RUN_SIZE);
            let (bytes, seen) = &mut *self.0.lock().unwrap();
            let first = usize::try_from(first_block).unwrap();
            bytes[first * 4096..][..blocks.len()].copy_from_slice(blocks);
            seen[first..][..blocks.len() / 4096].iter_mut().for_each(|count| *count += 1);
            Ok(())
        }
    }

    #[test]
    fn taps_see_every_block_once_and_zeros_for_holes() {
        let blocks = 700;
        let mut data: Vec<u8> = (0..=250).cycle().take(blocks * 4096).collect();
        let hole = 300 * 4096 + 7;
        data[..hole].fill(0);
        let params = Params::builder().data_size(data.len() as u64).build().unwrap();
        let (hasher, hash) = (BlockHasher::new(&params), Mutex::new(Vec::new()));
        let sink = AreaSink::new(&hash, &HashArea::new(&params, 0, false).unwrap(), &params);
        let source = Sparse(data, hole as u64);
        for threads in [1, 3] {
            let copy = Copy(Mutex::new((vec![0xee; blocks * 4096], vec![0; blocks])));
            let assembler = Assembler::new(&params, &hasher, &sink);
            let reader = Reader::new(&source, &params, &hasher);
            let runs = Runs { reader, assembler: &assembler, taps: &[&copy], progress: &() };
            let threads = std::num::NonZeroUsize::new(threads);
            work::install(threads, |crew| runs.for_each(crew)).unwrap();
            let (bytes, seen) = copy.0.into_inner().unwrap();
            assert!(bytes == source.0 && seen == vec![1; blocks]);
        }
    }
}
