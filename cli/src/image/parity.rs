//! The parity of an image, for the commands that use it: on which device, where there, and what it
//! covers.
//!
//! Nothing on a device says how many roots there are or where the covered blocks end: a manifest
//! does, or it follows from what the caller states and from the sizes, by the rule of
//! [`FecArea::covering`], as in `format`.

use std::path::PathBuf;
use std::sync::Arc;

use verity::{FecArea, HashArea, Params};

use crate::error::{Class, CommandError, OrFail};
use crate::image::Device;
use crate::storage::Relation;

/// The roots, unless another number is given.
pub(crate) const ROOTS: u32 = 2;

/// What a caller says of the parity of an image, each part given or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct FecSource {
    pub(crate) device: Option<PathBuf>,
    /// Where the parity begins on it, in bytes.
    pub(crate) offset: Option<u64>,
    pub(crate) roots: Option<u32>,
}

/// The opened FEC device of an image.
#[derive(Clone, Debug)]
pub(crate) struct FecDevice {
    area: FecArea,
    device: Arc<Device>,
}

impl FecSource {
    /// Opens the FEC device, if there is parity, read-only. A manifest that states where parity
    /// lies is believed, and what is given beside it must agree; unless given, the FEC device is
    /// the hash device then.
    pub(crate) fn open(
        &self,
        stated: Option<FecArea>,
        params: &Params,
        hash_area: &HashArea,
        [data, hash]: [&Arc<Device>; 2],
    ) -> Result<Option<FecDevice>, CommandError> {
        let device = match (&self.device, stated) {
            (Some(path), _) if path == hash.path() => Arc::clone(hash),
            (Some(path), _) => Arc::new(Device::open(path)?),
            (None, Some(_)) => Arc::clone(hash),
            (None, None) => return self.check_nothing_is_given().map(|()| None),
        };
        let path = device.path();
        let with_hash = is_with_hash(&device, hash)?;
        let area = match stated {
            Some(area) => self.pin(&area).map(|()| area),
            None => {
                let (roots, offset) = (self.roots.unwrap_or(ROOTS), self.offset.unwrap_or(0));
                let end = if with_hash { offset } else { hash.size() }.max(hash_area.end());
                FecArea::covering(params, hash_area, roots, end, offset)
                    .or_fail(Class::Metadata, path)
            }
        }?;
        if with_hash {
            area.check_behind_hash_area(params, hash_area).or_fail(Class::Metadata, path)?;
        }
        if device.relation(data).or_fail(Class::Io, path)? == Relation::Same {
            area.check_behind_data(params).or_fail(Class::Metadata, path)?;
        }
        check_length(&area, &device)?;
        Ok(Some(FecDevice { area, device }))
    }

    fn check_nothing_is_given(&self) -> Result<(), CommandError> {
        match (self.offset, self.roots) {
            (None, None) => Ok(()),
            _ => Err(CommandError::usage(
                "--fec-offset and --fec-roots say nothing without --fec-device, or a manifest that states parity",
            )),
        }
    }

    /// Refuses what is given beside a manifest that states something else.
    fn pin(&self, stated: &FecArea) -> Result<(), CommandError> {
        pin("fec roots", self.roots.map(u64::from), stated.roots().into())?;
        pin("fec offset", self.offset, stated.range().start)
    }
}

impl FecDevice {
    /// Where the parity lies on it, and what that covers.
    pub(crate) fn area(&self) -> &FecArea {
        &self.area
    }

    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }
}

/// Refuses a FEC device that ends before the parity does.
fn check_length(area: &FecArea, device: &Device) -> Result<(), CommandError> {
    let (needed, size) = (area.range().end, device.size());
    if size < needed {
        let words = format!(
            "the FEC device has {size} bytes, but the parity of {} roots over {} blocks ends at {needed}",
            area.roots(),
            area.blocks(),
        );
        return Err(CommandError::message(Class::Metadata, words).at(device.path()));
    }
    Ok(())
}

/// Whether the FEC device is the hash device. In between it cannot be told what is covered.
fn is_with_hash(fec: &Device, hash: &Device) -> Result<bool, CommandError> {
    match fec.relation(hash).or_fail(Class::Io, fec.path())? {
        Relation::Shifted => {
            let words = "lies on the same storage as the hash device, at another offset";
            Err(CommandError::message(Class::Metadata, words).at(fec.path()))
        }
        relation => Ok(relation == Relation::Same),
    }
}

fn pin(name: &str, given: Option<u64>, stated: u64) -> Result<(), CommandError> {
    match given {
        Some(given) if given != stated => {
            let words = format!("{name} is pinned to {given}, but {stated} is stated");
            Err(CommandError::message(Class::Metadata, words))
        }
        _ => Ok(()),
    }
}
