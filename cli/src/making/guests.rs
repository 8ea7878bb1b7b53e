//! What else is made of the data while it is hashed, in the same pass.

use std::path::{Path, PathBuf};

use verity::publish::{Input, Output, OutputSet};
use verity::{BlockIndex, ImageDigest, ImageDigestAlgorithm, Params};

use super::copied::{CopyPlace, CopyTarget};
use crate::error::{Class, CommandError};
use crate::outputs;

/// What else to make of the data.
#[derive(Clone, Debug, Default)]
pub(crate) struct GuestOptions {
    /// Where the data is copied to.
    pub(crate) copy_to: Option<CopyPlace>,
    /// Where RAUC's index of the blocks goes.
    pub(crate) block_index: Option<PathBuf>,
    /// The digest of all of the data.
    pub(crate) image_digest: Option<ImageDigestAlgorithm>,
}

/// What is made of the data beside its tree.
#[derive(Default)]
pub(crate) struct Guests {
    pub(super) copy: Option<CopyTarget>,
    pub(super) index: Option<Output>,
}

/// A digest of an image as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileDigest {
    pub(crate) algorithm: ImageDigestAlgorithm,
    pub(crate) value: Vec<u8>,
}

impl From<&ImageDigest> for FileDigest {
    fn from(digest: &ImageDigest) -> FileDigest {
        FileDigest { algorithm: digest.algorithm(), value: digest.value() }
    }
}

impl Guests {
    /// Opens what they write to; nothing is written yet. They see what is hashed, of which
    /// `uncovered` bytes of the data are no part.
    pub(crate) fn open(
        options: &GuestOptions,
        data: &Input,
        size: u64,
        uncovered: u64,
    ) -> Result<Guests, CommandError> {
        let wanted = [
            ("--copy-to", options.copy_to.is_some()),
            ("--block-index", options.block_index.is_some()),
            ("--image-digest", options.image_digest.is_some()),
        ];
        if let Some((option, _)) = wanted.into_iter().find(|(_, is_wanted)| *is_wanted) {
            refuse_uncovered(option, uncovered, data)?;
        }
        let copy = options.copy_to.as_ref().map(|place| CopyTarget::open(place, data, size));
        Ok(Guests { copy: copy.transpose()?, index: options.index()? })
    }

    /// Opens what they write to when the data is a stream, which something must keep.
    pub(crate) fn open_for_stream(options: &GuestOptions) -> Result<Guests, CommandError> {
        let Some(place) = &options.copy_to else {
            let words = "what comes from standard input is gone when it was read: --copy-to \
                         FILE[@OFFSET] keeps it";
            return Err(CommandError::usage(words));
        };
        let copy = Some(CopyTarget::open_for_stream(place)?);
        Ok(Guests { copy, index: options.index()? })
    }

    /// What data blocks are written to; the index, if that alone is made.
    pub(super) fn path(&self) -> Option<&Path> {
        let copy = self.copy.as_ref().map(CopyTarget::path);
        copy.or(self.index.as_ref().map(Output::path))
    }

    /// The index that is made of data with these parameters, if one is.
    pub(super) fn index(&self, params: &Params) -> Result<Option<BlockIndex<'_>>, CommandError> {
        let Some(output) = &self.index else { return Ok(None) };
        let index = BlockIndex::new(params, output.file());
        index.map(Some).map_err(|error| CommandError::new(Class::Usage, error))
    }

    /// Adds what was made to what appears together, or syncs it where it lies.
    pub(crate) fn finish(self, set: OutputSet) -> Result<OutputSet, CommandError> {
        let set = match self.copy {
            Some(copy) => copy.finish(set)?,
            None => set,
        };
        Ok(self.index.into_iter().fold(set, OutputSet::output))
    }
}

impl GuestOptions {
    pub(super) fn index(&self) -> Result<Option<Output>, CommandError> {
        self.block_index.as_deref().map(outputs::create).transpose()
    }
}

/// Refuses what is made of the data where no tree covers all of that.
fn refuse_uncovered(option: &str, bytes: u64, data: &Input) -> Result<(), CommandError> {
    if bytes == 0 {
        return Ok(());
    }
    let size = verity::io::ReadAt::len(data).unwrap_or(bytes);
    let words = format!(
        "{option} takes what is hashed, and {bytes} of the {size} bytes are not: leave out \
         --data-blocks"
    );
    Err(CommandError::usage(words).at(data.path()))
}
