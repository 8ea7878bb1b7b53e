//! `verity dump`: what a superblock states.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::{FecArea, HashArea, Superblock, SuperblockError};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{Device, ParityDevice, check_uuid, read_superblock};
use crate::inputs::standard_bytes;
use crate::parameters::{Parameters, ParitySource};
use crate::streams::{INPUT, is_standard};

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
    let offset = parameters.hash_area_offset();
    let (superblock, hash) = match is_standard(path) {
        true => (read_standard(offset, parity)?, None),
        false => {
            let hash = Arc::new(Device::open(path)?);
            (read_superblock(&hash, offset, NO_SUPERBLOCK, context)?, Some(hash))
        }
    };
    parameters.pins().check(superblock.params()).or_fail(Class::Metadata, path)?;
    check_uuid(parameters.uuid, &superblock, path)?;
    let params = superblock.params();
    let area = HashArea::new(params, offset, true).or_fail(Class::Metadata, path)?;
    let opened = match &hash {
        Some(hash) => ParityDevice::open(parity, None, params, &area, hash)?,
        None => None,
    };
    let is_parity_with_hash =
        opened.as_ref().zip(hash.as_ref()).is_some_and(|(parity, hash)| parity.is_with(hash));
    let parity = opened.map(|parity| *parity.area());
    Ok(Dumped { hash: path.clone(), superblock, area, parity, is_parity_with_hash })
}

/// Reads the superblock that standard input has behind so many bytes.
fn read_standard(offset: u64, parity: &ParitySource) -> Result<Superblock, CommandError> {
    if *parity != ParitySource::default() {
        return Err(CommandError::usage(
            "parity depends on the size of the hash device, which standard input does not tell: \
             name a file",
        ));
    }
    let failed =
        |error: SuperblockError| CommandError::new(Class::Metadata, error).at(Path::new(INPUT));
    if !offset.is_multiple_of(Superblock::SIZE) {
        return Err(failed(SuperblockError::Unaligned { offset }));
    }
    Superblock::parse(&standard_bytes(offset, Superblock::SIZE)?).map_err(failed)
}
