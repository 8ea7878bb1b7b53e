//! Whether an image can lie where it is said to, asked before its first block is judged; the rules
//! are the library's, and the same by which an image is made.

use verity::{BlockSize, Devices, Error, Origin, Sharing, TrustedParams};

use super::device::Device;
use super::parity::ParityDevice;
use crate::error::{Class, CommandError, OrFail};
use crate::library_error::refused_place;
use crate::quoted::Quoted;

/// Refuses an image whose parts overlap or whose devices are too short.
pub(super) fn check(
    trusted: &TrustedParams,
    data: &Device,
    hash: &Device,
    parity: Option<&ParityDevice>,
) -> Result<(), CommandError> {
    let fec = parity.map(|parity| &**parity.device());
    let sharing = |a: &Device, b: &Device| -> Result<Sharing, CommandError> {
        Ok(a.relation(b).or_fail(Class::Io, a.path())?.into())
    };
    let with_fec = |other| fec.map_or(Ok(Sharing::Nothing), |fec| sharing(fec, other));
    let devices = Devices {
        data_size: Some(data.size()),
        hash_size: Some(hash.size()),
        fec_size: fec.map(Device::size),
        hash_on_data: sharing(hash, data)?,
        fec_on_data: with_fec(data)?,
        fec_on_hash: with_fec(hash)?,
    };
    let paths = [data.path(), hash.path(), fec.unwrap_or(hash).path()];
    let is_stated = matches!(trusted.origin(), Origin::Superblock | Origin::Manifest);
    let to_say = (!is_stated).then(|| trusted.params());
    let refused = |error| {
        let hint = packed_hint(&error, data, hash);
        refused_place(error, paths, to_say).adding(&hint)
    };
    devices
        .check(trusted.params(), &trusted.hash_area(), parity.map(ParityDevice::area))
        .map_err(refused)
}

/// What a device that is too short looks like, if that may be why.
pub(super) fn packed_hint(error: &Error, data: &Device, hash: &Device) -> String {
    match error {
        Error::ShortData { .. } => data.packed_hint(),
        Error::ShortHashArea { .. } => hash.packed_hint(),
        _ => String::new(),
    }
}

/// Warns of blocks that are smaller than the sectors of their device: reading minds nothing, but no
/// kernel activates that.
pub(super) fn warn_of_sectors(trusted: &TrustedParams, data: &Device, hash: &Device) {
    let params = trusted.params();
    warn_of_sector(data, "data", params.data_block_size());
    warn_of_sector(hash, "hash", params.hash_block_size());
}

fn warn_of_sector(device: &Device, kind: &str, block_size: BlockSize) {
    let sector_size = device.sector_size();
    if let Some(sector_size) = sector_size.filter(|size| *size > block_size.bytes()) {
        tracing::warn!(
            "{}: the {kind} blocks of {block_size} bytes are smaller than the sectors of \
             {sector_size} bytes: the kernel cannot activate the image on this device",
            Quoted(device.path()),
        );
    }
}
