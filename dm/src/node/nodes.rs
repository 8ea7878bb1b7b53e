//! Nodes that are looked at, made and removed here.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev};

use crate::error::Error;
use crate::record::{DeviceNumber, MapperName};

/// Whether the node is the device, be it by a link.
pub(crate) fn is_right(name: &MapperName, number: DeviceNumber) -> bool {
    block_number(&name.node()) == Some(number)
}

/// The number of the block device at the path, behind links.
pub(crate) fn block_number(path: &Path) -> Option<DeviceNumber> {
    let node = fs::metadata(path).ok().filter(|node| node.file_type().is_block_device())?;
    Some(DeviceNumber::from_dev(node.rdev()))
}

/// Makes the node, for root alone, unless it is right. A wrong one is replaced.
pub(crate) fn make(name: &MapperName, number: DeviceNumber) -> Result<(), Error> {
    if is_right(name, number) {
        return Ok(());
    }
    let path = name.node();
    let made = make_directory().and_then(|()| replace(&path, number));
    match made {
        // Somebody else has made it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_right(name, number) => {
            Ok(())
        }
        Err(source) => Err(Error::Node { path, source }),
        Ok(()) => Ok(()),
    }
}

fn replace(path: &Path, number: DeviceNumber) -> io::Result<()> {
    // What is neither a device nor a link was put there by somebody who means it.
    if let Ok(old) = fs::symlink_metadata(path) {
        let kind = old.file_type();
        if !kind.is_block_device() && !kind.is_symlink() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::remove_file(path)?;
    }
    let device = makedev(number.major, number.minor);
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(rustix::fs::mknodat(CWD, path, FileType::BlockDevice, mode, device)?)
}

/// Makes `/dev/mapper`.
pub(crate) fn make_directory() -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o755).create("/dev/mapper") {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Removes the node of a device that is gone: one of its number, or a link to nothing.
pub(crate) fn remove(name: &MapperName, number: DeviceNumber) {
    let path = name.node();
    let is_dangling = fs::symlink_metadata(&path).is_ok() && fs::metadata(&path).is_err();
    if is_dangling || block_number(&path) == Some(number) {
        // Somebody else may have removed it meanwhile.
        let _ = fs::remove_file(&path);
    }
}
