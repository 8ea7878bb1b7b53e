//! Parity of an image: where it lies, and what it covers there. One rule for `format`, which makes it, and for all
//! commands that use it.
//!
//! Nothing on a device says how many roots there are or where the covered blocks end: that follows from what the
//! caller, or a manifest, states and from the sizes. docs/FORMAT.md has the rule, which is veritysetup's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::{FecArea, FecError, HashArea, Params};
use verity_sign::Fec;

use crate::device::Device;
use crate::error::{Class, CommandError, OrFail};
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
    /// Opens the FEC device, if there is parity, read-only. A manifest that states where parity lies is believed, and
    /// what is given beside it must agree; unless given, the FEC device is the hash device then.
    pub(crate) fn open(
        &self,
        stated: Option<&Fec>,
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
            Some(stated) => self.stated_area(stated, params, hash_area),
            None => {
                let end = if with_hash { HashEnd::Parity } else { HashEnd::Device(hash.size()) };
                let (roots, offset) = (self.roots.unwrap_or(ROOTS), self.offset.unwrap_or(0));
                area(params, hash_area, roots, offset, end).or_fail(Class::Metadata, path)
            }
        }?;
        if with_hash {
            check_behind(&area, "hash area", hash_area.end(), path)?;
        }
        if device.relation(data).or_fail(Class::Io, path)? == Relation::Same {
            check_behind(&area, "data", params.data_size(), path)?;
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

    /// The parity that a manifest states, if it is what was given.
    fn stated_area(
        &self,
        stated: &Fec,
        params: &Params,
        hash_area: &HashArea,
    ) -> Result<FecArea, CommandError> {
        let (roots, offset) = (stated.fec_roots(), stated.offset_bytes());
        pin("fec roots", self.roots.map(u64::from), roots.into())?;
        pin("fec offset", self.offset, offset)?;
        FecArea::new(params, hash_area, roots, stated.fec_blocks(), offset)
            .map_err(|error| CommandError::new(Class::Metadata, error))
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

/// Where the blocks that parity covers end on the hash device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HashEnd {
    /// Where the parity begins, which lies on it too.
    Parity,
    /// Where the device ends, at so many bytes.
    Device(u64),
}

/// The FEC area of an image: all of the hash device from the tree on is covered, up to its end or the parity.
pub(crate) fn area(
    params: &Params,
    hash_area: &HashArea,
    roots: u32,
    offset: u64,
    end: HashEnd,
) -> Result<FecArea, FecError> {
    let end = match end {
        HashEnd::Parity => offset,
        HashEnd::Device(size) => size,
    };
    let behind = end / u64::from(params.hash_block_size());
    let on_hash_device = behind.saturating_sub(hash_area.hash_start()).max(hash_area.hash_blocks());
    let blocks = params.data_blocks().saturating_add(on_hash_device);
    FecArea::new(params, hash_area, roots, blocks, offset)
}

/// Refuses parity that begins before `what` ends, where both are on one device.
pub(crate) fn check_behind(
    area: &FecArea,
    what: &str,
    end: u64,
    path: &Path,
) -> Result<(), CommandError> {
    let start = area.range().start;
    if start < end {
        let words = format!(
            "the parity at {start} bytes must lie behind the {what}, which ends at {end} bytes"
        );
        return Err(CommandError::message(Class::Metadata, words).at(path));
    }
    Ok(())
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
