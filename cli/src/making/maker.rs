//! The work of making a hash tree, and parity with it, of some data.

use std::num::NonZeroUsize;
use std::path::Path;

use verity::io::{ReadAt, WriteAt, copy_file};
use verity::publish::{InPlace, Input, Output, Rewriting};
use verity::{
    BlockIndex, Builder, BuiltImage, CopiedHoles, Error, HashArea, ImageBuilder, ImageDigest,
    RootHash,
};

use super::guests::Guests;
use super::old_tree::{KnownTree, OldTree};
use super::overlay::HashOverlay;
use super::padding::{PaddedFile, check_is_file};
use super::parity::ParityPlan;
use super::target::nameless_beside;
use super::tree::PlannedTree;
use super::written_back::written_back;
use crate::context::{Context, threads_or_all};
use crate::copying::Copying;
use crate::error::{Class, CommandError, OrFail};
use crate::library_error::{class_of, from_library};
use crate::outputs::copy;
use crate::progress::{Meter, Step};

/// Makes a planned tree of some data.
#[derive(Clone, Copy)]
pub(crate) struct TreeMaker<'a> {
    pub(crate) tree: &'a PlannedTree,
    pub(crate) data: &'a Input,
    pub(crate) threads: Option<NonZeroUsize>,
    /// What else is made of the data in the same pass.
    pub(crate) guests: Option<&'a Guests>,
    /// The digest of all of the data.
    pub(crate) digest: Option<&'a ImageDigest>,
    /// The tree of an old version of the data, from which the digests of most blocks come.
    pub(crate) old: Option<&'a OldTree<'a>>,
    pub(crate) context: &'a Context,
}

impl TreeMaker<'_> {
    /// Builds into a temporary file and writes the superblock there; `output` is ready to be
    /// published. Parity goes there or elsewhere.
    pub(crate) fn build_output(
        &self,
        output: &Output,
        parity: Option<&ParityPlan>,
    ) -> Result<BuiltImage, CommandError> {
        self.build_into(output, parity, &self.padded_file())
    }

    /// Copies the data into a temporary file and builds behind it, of the copy: what is hashed is
    /// what is published. Zeros that the data lacks are in the copy alone.
    pub(crate) fn build_single_file(
        &self,
        output: &Output,
        parity: Option<&ParityPlan>,
    ) -> Result<BuiltImage, CommandError> {
        let size = self.data.size();
        let copying = Copying::new(output.path(), size, &self.context.signals);
        let copied = match self.data.is_part() {
            true => WriteAt::resize(output.file(), size)
                .and_then(|()| copying.bytes(self.data, output.file(), size)),
            false => copy_file(self.data.file(), output.file(), size, &mut |run, copied| {
                copied?;
                copying.advance(run.end - run.start)
            }),
        };
        self.data.check()?;
        copying.finish(copied, self.data.path())?;
        // A hash area that is empty does not make the file longer.
        WriteAt::resize(output.file(), self.tree.padded_size(self.data))
            .or_fail(Class::Io, output.path())?;
        self.build_into(output, parity, output.file())
    }

    /// Builds into a temporary file, of data in whatever file. It is synced when it is published.
    /// What lies beside the hash area in a file that is updated stays, as veritysetup has it; in a
    /// new one that is zeros.
    fn build_into(
        &self,
        output: &Output,
        parity: Option<&ParityPlan>,
        source: &impl ReadAt,
    ) -> Result<BuiltImage, CommandError> {
        let (file, path) = (output.file(), output.path());
        let plan = self.tree.plan(parity.map(|parity| &parity.area))?;
        let (meter, index) = (self.meter(), self.index()?);
        let parity_path = parity.map_or(path, ParityPlan::path);
        let built = match self.old {
            Some(_) => {
                let size = file.metadata().or_fail(Class::Io, path)?.len();
                let needed = size_needed(&self.tree.area, parity);
                WriteAt::resize(file, size.max(needed)).or_fail(Class::Io, path)?;
                let builder = ImageBuilder::new(&plan).unsynced().keep_padding();
                builder.finish_tree(self.build(source, file, path, parity)?, file)
            }
            None => self.copied_meanwhile(|copy| {
                let with = |builder| self.with(builder, &meter, index.as_ref(), copy);
                let builder = ImageBuilder::new(&plan).with(with).unsynced().keep_padding();
                match parity.and_then(ParityPlan::sink) {
                    None => builder.build(source, file),
                    Some(sink) => builder.build_with_fec_device(source, file, sink),
                }
            })?,
        };
        let built = built.map_err(|error| self.failure(error, path, parity_path))?;
        self.data.check_path()?;
        self.context.signals.check()?;
        Ok(built)
    }

    /// Hashes straight onto another device.
    pub(super) fn build_in_place(
        &self,
        device: InPlace,
        parity: Option<&ParityPlan>,
    ) -> Result<(Rewriting, RootHash), CommandError> {
        let path = device.path().to_owned();
        let needed = size_needed(&self.tree.area, parity);
        if !device.is_fixed() && device.size() < needed {
            WriteAt::resize(device.file(), needed).or_fail(Class::Io, &path)?;
        }
        let rewriting = device.begin(&self.tree.area)?;
        let root_hash = self.build(&self.padded_file(), &rewriting, &path, parity)?;
        self.data.check()?;
        Ok((rewriting, root_hash))
    }

    /// Hashes a file that is to hold the hash area too: into a nameless file first, since our own
    /// writes would hide whether somebody else changed the data meanwhile.
    pub(super) fn build_in_own_data(
        &self,
        mut device: InPlace,
        parity: Option<&ParityPlan>,
    ) -> Result<(Rewriting, RootHash), CommandError> {
        let (path, area) = (device.path().to_owned(), &self.tree.area);
        let nameless = nameless_beside(self.data)?;
        let kept =
            area.end()..parity.map_or(0, |parity| parity.area.covered_end(&self.tree.params, area));
        let overlay = HashOverlay { made: &nameless, below: &device, kept };
        let root_hash = self.build(&self.padded_file(), &overlay, &path, parity)?;
        self.data.check()?;
        self.pad(&mut device)?;
        let rewriting = device.begin(area)?;
        let parity = parity.filter(|parity| parity.is_with_hash());
        for range in [Some(area.tree_range()), parity.map(|parity| parity.area.range())] {
            let Some(range) = range else { continue };
            copy(&nameless, &rewriting, range, &path, &self.context.signals)?;
        }
        Ok((rewriting, root_hash))
    }

    /// Appends the zeros that the data is to get. It is locked by `device`, and as it was when it
    /// was opened.
    pub(super) fn pad(&self, device: &mut InPlace) -> Result<(), CommandError> {
        let Some(size) = self.padded_size() else { return Ok(()) };
        check_is_file(self.data)?;
        Ok(device.pad(size)?)
    }

    /// The size of the data with its zeros, if it is to get any.
    pub(super) fn padded_size(&self) -> Option<u64> {
        (self.tree.padding > 0).then(|| self.tree.padded_size(self.data))
    }

    fn padded_file(&self) -> PaddedFile<'_> {
        self.tree.padded(self.data)
    }

    /// Hashes the data; writes tree and parity, not the superblock.
    fn build<H: ReadAt + WriteAt>(
        &self,
        source: &impl ReadAt,
        hash: &H,
        hash_path: &Path,
        parity: Option<&ParityPlan>,
    ) -> Result<RootHash, CommandError> {
        let parity_path = parity.map_or(hash_path, ParityPlan::path);
        let Some(old) = self.old else {
            let built = self.build_anew(source, hash, hash, parity)?;
            return built.map_err(|error| self.failure(error, hash_path, parity_path));
        };
        let root_hash =
            old.rehash(self.tree, source, hash, self.threads, self.context).map_err(|error| {
                old.explain(error, |error| self.failure(error, hash_path, parity_path))
            })?;
        old.check_unchanged()?;
        let Some(_) = parity else { return Ok(root_hash) };
        // Parity takes every block, and what it takes must be what the tree was made for.
        let checked = KnownTree { hash };
        let again = self.build_anew(source, &checked, hash, parity)?;
        let again = again.map_err(|error| {
            old.explain_other(error, &self.tree.params)
                .unwrap_or_else(|error| self.failure(error, hash_path, parity_path))
        })?;
        match again == root_hash {
            true => Ok(root_hash),
            // A single block has no hash block that differs.
            false => Err(old.other_blocks(0..1)),
        }
    }

    /// Hashes all of the data. Parity on the hash device goes to `parity_hash`, which is that.
    fn build_anew<H: ReadAt + WriteAt, P: ReadAt + WriteAt>(
        &self,
        source: &impl ReadAt,
        hash: &H,
        parity_hash: &P,
        parity: Option<&ParityPlan>,
    ) -> Result<Result<RootHash, Error>, CommandError> {
        let PlannedTree { params, area, .. } = self.tree;
        let (meter, index) = (self.meter(), self.index()?);
        self.copied_meanwhile(|copy| {
            let builder = self.with(Builder::new(params), &meter, index.as_ref(), copy);
            match parity.map(|parity| (&parity.area, parity.sink())) {
                None => builder.build(source, hash, area),
                Some((fec, None)) => builder.build_with_fec(source, hash, area, parity_hash, fec),
                Some((fec, Some(sink))) => builder.build_with_fec(source, hash, area, sink, fec),
            }
        })
    }

    /// Builds with the copy, if one is made, on its way to the storage.
    fn copied_meanwhile<T>(
        &self,
        build: impl FnOnce(Option<Copied<'_>>) -> Result<T, Error>,
    ) -> Result<Result<T, Error>, CommandError> {
        let Some(copy) = self.guests.and_then(|guests| guests.copy.as_ref()) else {
            return Ok(build(None));
        };
        let (built, synced) = written_back(copy, |sink| build(Some((sink, copy.holes()))));
        if built.is_ok() {
            synced.or_fail(Class::Io, copy.path())?;
        }
        Ok(built)
    }

    fn meter(&self) -> Meter {
        Meter::new(Step::Hashing, self.tree.params.data_size(), &self.context.signals)
    }

    fn index(&self) -> Result<Option<BlockIndex<'_>>, CommandError> {
        match self.guests {
            Some(guests) => guests.index(&self.tree.params),
            None => Ok(None),
        }
    }

    /// How the work is done, and what else is made of the data.
    fn with<'b>(
        &'b self,
        builder: Builder<'b>,
        meter: &'b Meter,
        index: Option<&'b BlockIndex<'b>>,
        copy: Option<Copied<'b>>,
    ) -> Builder<'b> {
        let builder = builder
            .threads(threads_or_all(self.threads))
            .kernels(self.context.kernels(self.tree.params.algorithm()))
            .progress(meter);
        let builder =
            copy.into_iter().fold(builder, |builder, (sink, holes)| builder.copy_to(sink, holes));
        let builder = index.into_iter().fold(builder, |builder, index| builder.block_index(index));
        self.digest.into_iter().fold(builder, |builder, it| builder.image_digest(it))
    }

    /// A failed build, unless the data changed meanwhile: that explains everything else.
    fn failure(&self, error: Error, hash_path: &Path, parity_path: &Path) -> CommandError {
        let failure = match error {
            Error::ReadParity { .. } | Error::WriteParity { .. } => {
                CommandError::new(class_of(&error), error).at(parity_path)
            }
            Error::Grow { source, .. } | Error::WriteSuperblock { source } => {
                CommandError::new(Class::Io, source).at(hash_path)
            }
            // The data is only read: what takes no more of it is a copy or an index.
            Error::Write { block, .. } if block.level().is_none() => {
                let path = self.guests.and_then(Guests::path).unwrap_or(self.data.path());
                CommandError::new(class_of(&error), error).at(path)
            }
            error => from_library(error, self.data.path(), hash_path, &self.context.signals),
        };
        match (failure.class(), self.data.check()) {
            (Class::Io | Class::Metadata, Err(changed)) => changed.into(),
            _ => failure,
        }
    }
}

/// What a copy goes to, and what becomes of holes.
type Copied<'a> = (&'a dyn WriteAt, CopiedHoles);

/// How long a hash file is at least, with the parity if that is on it too.
fn size_needed(area: &HashArea, parity: Option<&ParityPlan>) -> u64 {
    let parity = parity.filter(|parity| parity.is_with_hash());
    area.file_size().max(parity.map_or(0, |parity| parity.area.range().end))
}
