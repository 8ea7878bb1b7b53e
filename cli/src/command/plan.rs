//! `verity plan`: every size before anything is written.

use std::path::{Path, PathBuf};

use verity::{FecArea, HashArea, Params, Plan, Salt, Uuid};

use crate::disks::is_url;
use crate::error::{Class, CommandError};
use crate::image::Device;
use crate::library_error::class_of;
use crate::parameters::Parameters;
use crate::sizes::{self, SizeError};

/// What to plan for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) sizing: Sizing,
    /// The roots of the parity that goes behind the hash area.
    pub(crate) parity_roots: Option<u32>,
    pub(crate) parameters: Parameters,
}

/// Which size is given: in bytes, or as that of a file or device.
#[derive(Clone, Debug)]
pub(crate) enum Sizing {
    /// That of the data; the hash area, and the parity with it, has a device of its own.
    ByImage(PathBuf),
    /// That of the one partition that shall hold data and hash area, and the parity.
    ByPartition(PathBuf),
}

/// The sizes follow from these.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) params: Params,
    pub(crate) area: HashArea,
    pub(crate) parity: Option<FecArea>,
    /// What remains of the partition, in bytes.
    pub(crate) unused_bytes: Option<u64>,
    /// As given.
    pub(crate) salt: Option<Salt>,
    pub(crate) uuid: Option<Uuid>,
}

/// Computes the sizes.
pub(crate) fn run(options: &Options) -> Result<Planned, CommandError> {
    let parameters = &options.parameters;
    parameters.check_uuid_has_a_place()?;
    match &options.sizing {
        Sizing::ByImage(given) => by_image(&Size::of(given)?, options.parity_roots, parameters),
        Sizing::ByPartition(given) => {
            let size = Size::of(given)?;
            by_partition(size.bytes, options.parity_roots, parameters)
                .map_err(|error| size.blamed(error))
        }
    }
}

/// A size, and what has it.
struct Size {
    bytes: u64,
    device: Option<Device>,
}

impl Size {
    /// What can be a size is one: `./4096` is a file.
    fn of(given: &Path) -> Result<Size, CommandError> {
        let text = given.to_string_lossy();
        let wrong = match sizes::bytes(&text) {
            Ok(bytes) => return Ok(Size { bytes, device: None }),
            Err(error @ SizeError::TooLarge { .. }) => {
                return Err(CommandError::new(Class::Usage, error));
            }
            Err(error) => error,
        };
        match Device::open(given) {
            Ok(device) => Ok(Size { bytes: device.size(), device: Some(device) }),
            Err(_) if !is_url(given) && given.try_exists().is_ok_and(|exists| !exists) => {
                let words = format!("neither a file nor a size: {wrong}");
                Err(CommandError::usage(words).at(given))
            }
            Err(error) => Err(error),
        }
    }

    fn blamed(&self, error: CommandError) -> CommandError {
        match &self.device {
            Some(device) => error.adding(&device.packed_hint()).at(device.path()),
            None => error,
        }
    }
}

fn by_image(
    size: &Size,
    parity_roots: Option<u32>,
    parameters: &Parameters,
) -> Result<Planned, CommandError> {
    let block = u64::from(parameters.block_size());
    let hint = match parameters.data_blocks {
        None if !size.bytes.is_multiple_of(block) => {
            "; --pad of format and build fills the last block with zeros"
        }
        _ => "",
    };
    let params = parameters.params(size.bytes).map_err(|error| size.blamed(error.adding(hint)))?;
    let area = parameters.hash_area(&params)?;
    let parity = parity_roots.map(|roots| FecArea::behind_hash_area(&params, &area, roots));
    let parity = parity.transpose().map_err(|error| CommandError::new(Class::Metadata, error))?;
    Ok(Planned {
        params,
        area,
        parity,
        unused_bytes: None,
        salt: parameters.salt.clone(),
        uuid: parameters.uuid,
    })
}

fn by_partition(
    size: u64,
    parity_roots: Option<u32>,
    parameters: &Parameters,
) -> Result<Planned, CommandError> {
    let (builder, superblock) = (parameters.builder(), !parameters.no_superblock);
    let plan = match parity_roots {
        Some(roots) => Plan::for_partition_with_fec(builder, size, superblock, roots),
        None => Plan::for_partition(builder, size, superblock),
    };
    let plan = plan.map_err(|error| CommandError::new(class_of(&error), error))?;
    Ok(Planned {
        params: plan.params().clone(),
        area: plan.hash_area(),
        parity: plan.fec_area(),
        unused_bytes: Some(size.saturating_sub(plan.end())),
        salt: parameters.salt.clone(),
        uuid: parameters.uuid,
    })
}
