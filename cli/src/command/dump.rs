//! `verity dump`: what a superblock states.

use std::path::PathBuf;

use verity::{HashArea, Superblock};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{Device, read_superblock};

/// What to dump.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) hash: PathBuf,
    /// In bytes.
    pub(crate) hash_offset: u64,
}

/// What the superblock states.
#[derive(Debug)]
pub(crate) struct Dumped {
    /// The device or file with the hash area.
    pub(crate) hash: PathBuf,
    pub(crate) superblock: Superblock,
    pub(crate) area: HashArea,
}

/// Reads the superblock. Nothing is checked against it.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Dumped, CommandError> {
    let hash = Device::open(&options.hash)?;
    let superblock = read_superblock(&hash, options.hash_offset, context)?;
    let area = HashArea::new(superblock.params(), options.hash_offset, true)
        .or_fail(Class::Metadata, &options.hash)?;
    Ok(Dumped { hash: options.hash.clone(), superblock, area })
}
