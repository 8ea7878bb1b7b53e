//! The tree of an old version of the data, from which a new one is made where only some blocks
//! changed.

use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use verity::io::{ReadAt, WriteAt};
use verity::{BlockRef, Changes, Error, Params, Rehashed, Rehasher, RootHash, TrustedParams};

use super::tree::PlannedTree;
use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError};
use crate::library_error::class_of;
use crate::progress::{Meter, Step};

/// The tree of an old version of the data, and what tells the blocks that changed.
pub(crate) struct OldTree<'a> {
    pub(crate) trusted: TrustedParams,
    pub(crate) hash: &'a dyn ReadAt,
    pub(crate) hash_path: &'a Path,
    pub(crate) changes: Changes<'a>,
    /// The old data, if the new data is compared with it.
    pub(crate) image_path: Option<&'a Path>,
    /// Fails if the old data changed since it was opened.
    pub(crate) check: &'a (dyn Fn() -> Result<(), CommandError> + Sync),
    /// What was made of it; nothing yet.
    pub(crate) made: OnceLock<Rehashed>,
}

impl OldTree<'_> {
    /// Hashes what changed; writes the tree, not the superblock.
    pub(super) fn rehash(
        &self,
        tree: &PlannedTree,
        source: &impl ReadAt,
        hash: &impl WriteAt,
        threads: Option<NonZeroUsize>,
        context: &Context,
    ) -> Result<RootHash, Error> {
        let PlannedTree { params, area, .. } = tree;
        let meter = Meter::new(Step::Hashing, params.data_size(), &context.signals);
        let made = Rehasher::new(&self.trusted, params.data_blocks())?
            .threads(threads_or_all(threads))
            .kernels(context.kernels(params.algorithm()))
            .progress(&meter)
            .rehash(source, self.changes, self.hash, hash, area)?;
        Ok(self.made.get_or_init(|| made).root_hash)
    }

    /// How many data blocks were hashed, and how many digests were kept.
    pub(crate) fn blocks(&self) -> (u64, u64) {
        self.made.get().map_or((0, 0), |made| (made.hashed_blocks, made.kept_blocks))
    }

    /// Fails if what was compared is something else by now.
    pub(super) fn check_unchanged(&self) -> Result<(), CommandError> {
        (self.check)()
    }

    /// A failure to make the new tree: of the old one, or as `of_new` has it.
    pub(super) fn explain(
        &self,
        error: Error,
        of_new: impl FnOnce(Error) -> CommandError,
    ) -> CommandError {
        let path = match &error {
            Error::Corrupt(report) => {
                let words = format!("{report}; the old hash tree is not that of the old root hash");
                return CommandError::message(Class::NotVerified, words).at(self.hash_path);
            }
            Error::Read { block, .. } if block.level().is_some() => self.hash_path,
            Error::ShortHashArea { .. } => self.hash_path,
            Error::ReadOld { .. } => self.image_path.unwrap_or(self.hash_path),
            _ => return of_new(error),
        };
        CommandError::new(class_of(&error), error).at(path)
    }

    /// A failure of a second pass that hashes everything, if it is that the data is not what the
    /// tree says; else the error.
    pub(super) fn explain_other(
        &self,
        error: Error,
        params: &Params,
    ) -> Result<CommandError, Error> {
        match error {
            Error::Write { block: BlockRef::Hash { level: 0, block }, source }
                if source.kind() == ErrorKind::InvalidData =>
            {
                let per_block = params.geometry().hashes_per_block();
                let first = block.saturating_mul(per_block);
                let end = first.saturating_add(per_block).min(params.data_blocks());
                Ok(self.other_blocks(first..end))
            }
            error => Err(error),
        }
    }

    /// A block that counts as unchanged is not what the old tree says.
    pub(super) fn other_blocks(&self, blocks: Range<u64>) -> CommandError {
        let (first, last) = (blocks.start, blocks.end.saturating_sub(1));
        let unchanged = match self.image_path {
            Some(_) => "it is the one of --old-image, which is not the image of the old tree",
            None => "no --range names it",
        };
        let words = format!(
            "one of the data blocks {first} to {last} is not what the old tree says, and \
             {unchanged}"
        );
        CommandError::message(Class::NotVerified, words)
    }
}

/// A hash device that has its tree already: what is written must be what it has.
pub(super) struct KnownTree<'a, H> {
    pub(super) hash: &'a H,
}

impl<H: ReadAt> ReadAt for KnownTree<'_, H> {
    fn len(&self) -> io::Result<u64> {
        self.hash.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.hash.read_at(buf, offset)
    }
}

impl<H: ReadAt + WriteAt> WriteAt for KnownTree<'_, H> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut there = vec![0; buf.len()];
        self.hash.read_exact_at(&mut there, offset)?;
        match there == buf {
            true => Ok(buf.len()),
            false => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.hash.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.hash.sync()
    }
}
