//! `verity dump`: what a superblock states.

use std::path::PathBuf;

use verity::HashArea;

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::image::Device;
use crate::image::device::read_superblock;
use crate::report::Outcome;
use crate::report::header::Header;

/// What to dump.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) hash: PathBuf,
    /// In bytes.
    pub(crate) hash_offset: u64,
}

/// Reads the superblock. Nothing is checked against it.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    let hash = Device::open(&options.hash)?;
    let superblock = read_superblock(&hash, options.hash_offset, context)?;
    let area = HashArea::new(superblock.params(), options.hash_offset, true)
        .or_fail(Class::Metadata, &options.hash)?;
    let header = Header::new(&options.hash, superblock.params(), &area);
    Ok(Outcome::Dumped(header.with_uuid(superblock.uuid())))
}
