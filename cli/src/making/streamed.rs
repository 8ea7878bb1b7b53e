//! Data from a pipe: read once, hashed and kept, in bounded memory.
//!
//! How much it is shows at its end, so the lowest level of the tree waits in the hash file until
//! then. Parity goes across all of the data: for it the copy is read once more.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use verity::internals::{ReadBuffer, to_len, to_u64};
use verity::io::{ReadAt, WriteAt};
use verity::publish::Output;
use verity::{
    BlockIndex, BlockSize, Builder, BuiltImage, Devices, Error, FecArea, ImageBuilder, ImageDigest,
    Sharing, StreamBuilder, Streamed,
};

use super::copied::CopyTarget;
use super::guests::Guests;
use super::identity::Identity;
use super::padding::{Tail, missing};
use super::tree::PlannedTree;
use super::written_back::written_back;
use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError, OrFail};
use crate::library_error::{from_library, refused_place};
use crate::packed;
use crate::parameters::{Parameters, ParitySource, check_end};
use crate::progress::{Meter, Step};
use crate::roles;
use crate::streams::{INPUT, StandardInput, stdin};

/// Makes the tree of what comes from standard input, and keeps that.
pub(crate) struct StreamMaker<'a> {
    pub(crate) parameters: &'a Parameters,
    pub(crate) identity: Identity,
    pub(crate) tail: Tail,
    pub(crate) hash: &'a Output,
    pub(crate) guests: &'a Guests,
    pub(crate) digest: Option<&'a ImageDigest>,
    /// Refuse data that looks compressed, instead of a warning.
    pub(crate) refuses_packed: bool,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) context: &'a Context,
}

/// A tree that was made of a stream.
pub(crate) struct StreamedTree {
    pub(crate) tree: PlannedTree,
    streamed: Streamed,
}

impl StreamMaker<'_> {
    /// Reads all there is; writes the tree, and what goes with it.
    pub(crate) fn make(&self) -> Result<StreamedTree, CommandError> {
        roles::reads(&stdin().or_fail(Class::Io, Path::new(INPUT))?, Path::new(INPUT))?;
        let (streamed, padding) = thread::scope(|scope| {
            let (sender, receiver) = sync_channel(WAITING);
            let digest = self.digest.map(|digest| scope.spawn(move || take(digest, receiver)));
            // Ends with the sender, which is gone then.
            let read = self.read_and_sync(digest.is_some().then_some(sender));
            if let Some(digest) = digest
                && let Err(panic) = digest.join()
            {
                std::panic::resume_unwind(panic);
            }
            read
        })?;
        let Streamed { params, hash_area: area, .. } = streamed.clone();
        let tree = PlannedTree { params, area, uuid: self.identity.uuid, padding };
        Ok(StreamedTree { tree, streamed })
    }

    /// Writes the superblock, once there is the parity. All is synced when it is published, and
    /// what lies beside the hash area stays, as it does with data in a file.
    pub(crate) fn finish(
        &self,
        made: &StreamedTree,
        parity: Option<&FecArea>,
    ) -> Result<BuiltImage, CommandError> {
        let plan = made.tree.plan(parity)?;
        let builder = ImageBuilder::new(&plan).unsynced().keep_padding();
        builder.finish(&made.streamed, self.hash.file()).map_err(|error| self.failed(error))
    }

    /// As [`StreamMaker::read`], with the copy on its way to the storage meanwhile.
    fn read_and_sync(
        &self,
        digest: Option<SyncSender<Vec<u8>>>,
    ) -> Result<(Streamed, u64), CommandError> {
        let Some(target) = &self.guests.copy else { return self.read(None, digest) };
        let (read, synced) =
            written_back(target, |sink| self.read(Some(Copy { target, sink }), digest));
        let read = read?;
        synced.or_fail(Class::Io, target.path())?;
        Ok(read)
    }

    /// Returns what was made, and how many zeros the data got.
    fn read(
        &self,
        copy: Option<Copy<'_>>,
        digest: Option<SyncSender<Vec<u8>>>,
    ) -> Result<(Streamed, u64), CommandError> {
        let builder = self.parameters.builder().salt(self.identity.salt.clone());
        let one = builder.clone().data_blocks(1).build();
        let one = one.map_err(|error| CommandError::new(Class::Metadata, error))?;
        let index = self.guests.index(&one)?;
        // How much there will be, nobody knows.
        let meter = Meter::new(Step::Hashing, 0, &self.context.signals);
        let (offset, superblock) =
            (self.parameters.hash_area_offset(), !self.parameters.no_superblock);
        let mut stream =
            StreamBuilder::with_unknown_length(builder, self.hash.file(), offset, superblock)
                .map_err(|error| self.failed(error))?
                .threads(threads_or_all(self.threads))
                .progress(&meter);
        let block_size = one.data_block_size();
        let mut sinks = Sinks { maker: self, copy, index, digest, block_size, offset: 0 };
        let (mut buffer, mut padding) = (ReadBuffer::with_len(READ_AT_ONCE), 0);
        loop {
            let read = self.fill(&mut buffer)?;
            if sinks.offset == 0 {
                self.look_at(&buffer[..read])?;
            }
            let is_last = read < buffer.len();
            if is_last {
                padding = self.missing(sinks.offset + to_u64(read), block_size)?;
                buffer[read..][..to_len(padding)].fill(0);
            }
            let bytes = &buffer[..read + to_len(padding)];
            sinks.take(bytes)?;
            stream.push(bytes).map_err(|error| self.failed(error))?;
            if is_last {
                break;
            }
        }
        if sinks.offset == 0 {
            let words = "there is no data";
            return Err(CommandError::message(Class::Metadata, words).at(Path::new(INPUT)));
        }
        sinks.end()?;
        Ok((stream.finish().map_err(|error| self.failed(error))?, padding))
    }

    /// Reads until the buffer is full or there is no more.
    fn fill(&self, buffer: &mut [u8]) -> Result<usize, CommandError> {
        let mut input = StandardInput { signals: &self.context.signals };
        let mut filled = 0;
        while filled < buffer.len() {
            match input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.context.signals.check()?;
                    return Err(CommandError::new(Class::Io, error).at(Path::new(INPUT)));
                }
            }
        }
        Ok(filled)
    }

    /// What the first bytes tell of the data.
    fn look_at(&self, start: &[u8]) -> Result<(), CommandError> {
        match packed::compressed_start(start) {
            Some(found) if self.refuses_packed => Err(packed::refusal(found).at(Path::new(INPUT))),
            Some(found) => {
                packed::warn_of(Path::new(INPUT), found);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// How many zeros the data is to get at its end.
    fn missing(&self, size: u64, block_size: BlockSize) -> Result<u64, CommandError> {
        let zeros = missing(size, block_size);
        if zeros == 0 || self.tail == Tail::Padded {
            return Ok(zeros);
        }
        let words = format!(
            "the data has {size} bytes, which is no multiple of the data block size \
             {block_size}: --pad appends {zeros} zeros to the copy"
        );
        Err(CommandError::message(Class::Metadata, words).at(Path::new(INPUT)))
    }

    fn failed(&self, error: Error) -> CommandError {
        if let Error::Grow { source, .. } | Error::WriteSuperblock { source } = error {
            return CommandError::new(Class::Io, source).at(self.hash.path());
        }
        from_library(error, Path::new(INPUT), self.hash.path(), &self.context.signals)
    }

    /// Makes the parity, for which the copy is read once more. `file` is where it goes, unless that
    /// is the hash file.
    pub(crate) fn build_fec(
        &self,
        made: &StreamedTree,
        area: &FecArea,
        file: Option<&Output>,
    ) -> Result<(), CommandError> {
        let Some(copy) = &self.guests.copy else { return Ok(()) };
        tracing::warn!("the copy is read once more for the parity, which goes across all of it");
        let params = &made.tree.params;
        let meter = Meter::new(Step::Parity, params.data_size(), &self.context.signals);
        let builder = Builder::new(params)
            .threads(threads_or_all(self.threads))
            .kernels(self.context.kernels(params.algorithm()))
            .progress(&meter);
        let hash = self.hash.file();
        let fec = file.map_or(hash, Output::file);
        let built = made.streamed.build_fec(&builder, copy.reader(), hash, fec, area);
        built.map_err(|error| {
            from_library(error, copy.path(), self.hash.path(), &self.context.signals)
        })
    }
}

impl StreamedTree {
    /// Where the parity lies that was asked for, on the hash device or on one of its own.
    pub(crate) fn fec_area(
        &self,
        source: &ParitySource,
        hash: &Output,
        is_with_hash: bool,
    ) -> Result<FecArea, CommandError> {
        let (params, area) = (&self.tree.params, &self.tree.area);
        let size = ReadAt::len(hash.file()).or_fail(Class::Io, hash.path())?;
        let size = size.max(area.file_size());
        let fec = source.area(params, area, hash.path(), size, is_with_hash)?;
        check_end("parity", fec.range().end)?;
        let fec_on_hash = if is_with_hash { Sharing::Same } else { Sharing::Nothing };
        let devices =
            Devices { data_size: Some(params.data_size()), fec_on_hash, ..Devices::default() };
        let path = source.device.as_deref().unwrap_or(hash.path());
        devices.check(params, area, Some(&fec)).map_err(|error| {
            refused_place(error, [Path::new(INPUT), hash.path(), path], Some(params))
        })?;
        Ok(fec)
    }
}

/// What the bytes of a stream go to beside the tree.
struct Sinks<'a> {
    maker: &'a StreamMaker<'a>,
    copy: Option<Copy<'a>>,
    index: Option<BlockIndex<'a>>,
    digest: Option<SyncSender<Vec<u8>>>,
    block_size: BlockSize,
    /// How many bytes have come.
    offset: u64,
}

impl Sinks<'_> {
    /// Takes whole blocks.
    fn take(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        if let Some(copy) = &self.copy {
            copy.put(bytes, self.offset)?;
        }
        if let Some(index) = &self.index {
            let added = index.add(self.offset / u64::from(self.block_size), bytes);
            added.map_err(|error| self.maker.failed(error))?;
        }
        if let Some(digest) = &self.digest
            && digest.send(bytes.to_vec()).is_err()
        {
            // It has panicked, which is told when it is joined.
            self.digest = None;
        }
        self.offset += to_u64(bytes.len());
        Ok(())
    }

    fn end(&self) -> Result<(), CommandError> {
        match &self.copy {
            Some(copy) => copy.target.end(self.offset),
            None => Ok(()),
        }
    }
}

/// Takes bytes into a digest as they come.
fn take(digest: &ImageDigest, receiver: Receiver<Vec<u8>>) {
    receiver.into_iter().for_each(|bytes| digest.update(&bytes));
}

impl CopyTarget {
    fn reader(&self) -> &dyn ReadAt {
        match self {
            CopyTarget::File(output) => output.file(),
            CopyTarget::InPlace(device) => device,
        }
    }

    /// All bytes have come.
    fn end(&self, size: u64) -> Result<(), CommandError> {
        match self {
            CopyTarget::File(output) => {
                WriteAt::resize(output.file(), size).or_fail(Class::Io, output.path())
            }
            CopyTarget::InPlace(_) => Ok(()),
        }
    }
}

/// What a copy goes to, and by way of what.
struct Copy<'a> {
    target: &'a CopyTarget,
    sink: &'a dyn WriteAt,
}

impl Copy<'_> {
    /// Writes bytes of a stream. Zeros become holes of a new file.
    fn put(&self, bytes: &[u8], offset: u64) -> Result<(), CommandError> {
        let path = self.target.path();
        let is_new = match self.target {
            CopyTarget::File(_) => true,
            CopyTarget::InPlace(device) => {
                let room = device.size();
                if offset.saturating_add(to_u64(bytes.len())) > room {
                    let words = format!("there are {room} bytes for a copy of more");
                    return Err(CommandError::message(Class::Metadata, words).at(path));
                }
                false
            }
        };
        let mut place = offset;
        for part in bytes.chunks(HOLE) {
            if !is_new || part.iter().any(|byte| *byte != 0) {
                self.sink.write_all_at(part, place).or_fail(Class::Io, path)?;
            }
            place += to_u64(part.len());
        }
        Ok(())
    }
}

/// How much is read at a time, in bytes: whole blocks of any size.
const READ_AT_ONCE: usize = 1 << 20;
/// What is as long as this, and zeros, becomes a hole.
const HOLE: usize = 64 << 10;
/// How many reads wait for the digest at most.
const WAITING: usize = 4;
