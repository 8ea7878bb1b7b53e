//! `verity plan`: every size before anything is written.

use serde::Serialize;
use verity::{FecArea, HashArea, Params, Plan};

use crate::context::Context;
use crate::error::{Class, CommandError};
use crate::library_error::class_of;
use crate::parameters::Parameters;
use crate::report::Outcome;
use crate::report::header::Fec;

/// What to plan for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) target: Target,
    /// How many roots the parity has that goes behind the hash area.
    pub(crate) fec_roots: Option<u32>,
    pub(crate) parameters: Parameters,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Data of this size; the hash area, and the parity with it, has a device of its own.
    Image(u64),
    /// One partition that shall hold data and hash area, and the parity.
    Partition(u64),
}

/// The sizes. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Sizes {
    pub(crate) algorithm: &'static str,
    pub(crate) hash_type: u32,
    pub(crate) data_block_size: u32,
    pub(crate) hash_block_size: u32,
    pub(crate) salt: Option<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) superblock: bool,
    pub(crate) data_blocks: u64,
    pub(crate) data_bytes: u64,
    pub(crate) levels: usize,
    pub(crate) hash_blocks: u64,
    pub(crate) hash_area_offset: u64,
    pub(crate) hash_start: u64,
    /// Superblock, padding and tree.
    pub(crate) hash_area_bytes: u64,
    /// From the start of the device to the end of the hash area, or of the parity behind it.
    pub(crate) hash_device_bytes: u64,
    /// What remains of the partition.
    pub(crate) unused_bytes: Option<u64>,
    /// The parity.
    pub(crate) fec: Option<Fec>,
}

/// Computes the sizes.
pub(crate) fn run(options: &Options, _context: &Context) -> Result<Outcome, CommandError> {
    let parameters = &options.parameters;
    parameters.check_uuid_has_a_place()?;
    let sizes = match options.target {
        Target::Image(size) => {
            let params = parameters.params(size)?;
            let area = parameters.hash_area(&params)?;
            let fec =
                options.fec_roots.map(|roots| FecArea::behind_hash_area(&params, &area, roots));
            let fec = fec.transpose().map_err(|error| CommandError::new(Class::Metadata, error))?;
            Sizes::new(parameters, &params, &area, fec.as_ref())
        }
        Target::Partition(size) => {
            let (builder, superblock) = (parameters.builder(), !parameters.no_superblock);
            let plan = match options.fec_roots {
                Some(roots) => Plan::for_partition_with_fec(builder, size, superblock, roots),
                None => Plan::for_partition(builder, size, superblock),
            };
            let plan = plan.map_err(|error| CommandError::new(class_of(&error), error))?;
            let (area, fec) = (plan.hash_area(), plan.fec_area());
            let sizes = Sizes::new(parameters, plan.params(), &area, fec.as_ref());
            Sizes { unused_bytes: Some(size.saturating_sub(plan.end())), ..sizes }
        }
    };
    Ok(Outcome::Planned(sizes))
}

impl Sizes {
    fn new(
        parameters: &Parameters,
        params: &Params,
        area: &HashArea,
        fec: Option<&FecArea>,
    ) -> Sizes {
        let range = area.range();
        Sizes {
            algorithm: params.algorithm().name(),
            hash_type: params.hash_type().number(),
            data_block_size: params.data_block_size().bytes(),
            hash_block_size: params.hash_block_size().bytes(),
            salt: parameters.salt.as_ref().map(ToString::to_string),
            uuid: parameters.uuid.map(|uuid| uuid.to_string()),
            superblock: area.has_superblock(),
            data_blocks: params.data_blocks(),
            data_bytes: params.data_size(),
            levels: params.geometry().levels().len(),
            hash_blocks: area.hash_blocks(),
            hash_area_offset: area.offset(),
            hash_start: area.hash_start(),
            hash_area_bytes: range.end - range.start,
            hash_device_bytes: fec.map_or(range.end, |fec| fec.range().end),
            unused_bytes: None,
            fec: fec.map(Fec::from),
        }
    }
}
