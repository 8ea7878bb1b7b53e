//! `verity dump`: what a superblock states.

use std::path::PathBuf;
use std::sync::Arc;

use verity::{FecArea, HashArea, Superblock};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{Device, ParityDevice, check_uuid, read_superblock};
use crate::parameters::{Parameters, ParitySource};

/// What to dump.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) hash: PathBuf,
    /// What the superblock must state, as far as it was given.
    pub(crate) parameters: Parameters,
    /// The parity to tell of; no superblock holds anything about it.
    pub(crate) parity: ParitySource,
}

/// What the superblock states.
#[derive(Debug)]
pub(crate) struct Dumped {
    /// The device or file with the hash area.
    pub(crate) hash: PathBuf,
    pub(crate) superblock: Superblock,
    pub(crate) area: HashArea,
    pub(crate) parity: Option<FecArea>,
    /// Whether the parity lies on the hash device.
    pub(crate) is_parity_with_hash: bool,
}

/// What to say where no superblock is.
const NO_SUPERBLOCK: &str = "; --hash-offset says where it lies, and a hash area without one holds \
                             nothing that could be dumped";

/// Reads the superblock. Only what was given is checked against it.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Dumped, CommandError> {
    let Options { hash: path, parameters, parity } = options;
    if parameters.no_superblock {
        return Err(CommandError::usage(
            "--no-superblock leaves nothing to dump: `verity plan` tells the sizes of a hash area \
             by its parameters",
        ));
    }
    let hash = Arc::new(Device::open(path)?);
    let offset = parameters.hash_area_offset();
    let superblock = read_superblock(&hash, offset, NO_SUPERBLOCK, context)?;
    parameters.pins().check(superblock.params()).or_fail(Class::Metadata, path)?;
    check_uuid(parameters.uuid, &superblock, path)?;
    let params = superblock.params();
    let area = HashArea::new(params, offset, true).or_fail(Class::Metadata, path)?;
    let parity = ParityDevice::open(parity, None, params, &area, &hash)?;
    let is_parity_with_hash = parity.as_ref().is_some_and(|parity| parity.is_with(&hash));
    let parity = parity.map(|parity| *parity.area());
    Ok(Dumped { hash: path.clone(), superblock, area, parity, is_parity_with_hash })
}
