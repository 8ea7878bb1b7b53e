//! The parity of an image, for the commands that use it: on which device, where there, and what it
//! covers.
//!
//! Nothing on a device says how many roots there are or where the covered blocks end: a manifest
//! does, or it follows from what the caller states and from the sizes, by the rule of
//! [`ParitySource::area`], as in `format`.

use std::sync::Arc;

use verity::{FecArea, HashArea, Params};

use super::device::Device;
use crate::error::{Class, CommandError, OrFail};
use crate::parameters::ParitySource;
use crate::storage::Relation;

/// The opened FEC device of an image.
#[derive(Clone, Debug)]
pub(crate) struct ParityDevice {
    area: FecArea,
    device: Arc<Device>,
}

impl ParityDevice {
    /// Opens the FEC device, if there is parity, read-only; whether parity can lie there is checked
    /// elsewhere. A manifest that states where parity lies is believed, and what is given beside it
    /// must agree; unless given, the FEC device is the hash device then.
    pub(crate) fn open(
        source: &ParitySource,
        stated: Option<FecArea>,
        params: &Params,
        hash_area: &HashArea,
        hash: &Arc<Device>,
    ) -> Result<Option<ParityDevice>, CommandError> {
        let device = match (&source.device, stated) {
            (Some(path), _) if path == hash.path() => Arc::clone(hash),
            (Some(path), _) => Arc::new(Device::open(path)?),
            (None, Some(_)) => Arc::clone(hash),
            (None, None) => return check_nothing_is_given(source).map(|()| None),
        };
        let area = match stated {
            Some(area) => {
                check_pins(source, &area).map_err(|error| error.at(device.path()))?;
                area
            }
            None => {
                let with_hash = is_with_hash(&device, hash)?;
                source.area(params, hash_area, hash.path(), hash.size(), with_hash)?
            }
        };
        Ok(Some(ParityDevice { area, device }))
    }

    /// Where the parity lies on the device, and what it covers.
    pub(crate) fn area(&self) -> &FecArea {
        &self.area
    }

    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Whether it lies on this hash device.
    pub(crate) fn is_with(&self, hash: &Device) -> bool {
        is_with_hash(&self.device, hash).unwrap_or(false)
    }
}

fn check_nothing_is_given(source: &ParitySource) -> Result<(), CommandError> {
    match (source.offset, source.roots, source.blocks) {
        (None, None, None) => Ok(()),
        _ => Err(CommandError::usage(
            "--fec-offset, --fec-roots and --fec-blocks say nothing without --fec-device, \
             or a manifest that states parity",
        )),
    }
}

/// Refuses what is given beside a manifest that states something else.
pub(crate) fn check_pins(source: &ParitySource, stated: &FecArea) -> Result<(), CommandError> {
    check_pin("fec roots", source.roots.map(u64::from), stated.roots().into())?;
    check_pin("fec blocks", source.blocks, stated.blocks())?;
    check_pin("fec offset", source.offset, stated.range().start)
}

fn check_pin(name: &str, given: Option<u64>, stated: u64) -> Result<(), CommandError> {
    match given {
        Some(given) if given != stated => {
            let words = format!("{name} is pinned to {given}, but {stated} is stated");
            Err(CommandError::message(Class::Metadata, words))
        }
        _ => Ok(()),
    }
}

/// Whether the FEC device is the hash device.
fn is_with_hash(parity: &Device, hash: &Device) -> Result<bool, CommandError> {
    Ok(parity.relation(hash).or_fail(Class::Io, parity.path())? == Relation::Same)
}
