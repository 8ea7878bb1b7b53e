//! What a live device reads from, by its number.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::record::{DeviceNumber, LoopInfo, MapperName};
use crate::{loops, node};

/// Finds the name of a device of device-mapper.
pub(super) type NameOf<'a> = &'a dyn Fn(DeviceNumber) -> Option<MapperName>;

/// A block device below a verity device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backing {
    /// The number of the device; `None` if the table does not name it by one.
    pub number: Option<DeviceNumber>,
    /// What the table says: the number as text.
    pub table_name: String,
    /// The node, if there is one of this number.
    pub path: Option<PathBuf>,
    /// The file that it shows, if it is a loop device.
    pub loop_file: Option<LoopFile>,
}

/// The file behind a loop device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopFile {
    /// The path as the kernel has it now, without a note that it was deleted.
    pub path: PathBuf,
    /// Whether the file has no name any more.
    pub is_deleted: bool,
    /// What the loop device says of itself, if it may be asked: device, inode and offset tell which
    /// file it is, whatever its name.
    pub info: Option<LoopInfo>,
}

impl Backing {
    /// Finds out what the device in the table is.
    pub(super) fn find(name_of: NameOf<'_>, table_name: &str) -> Backing {
        let number = table_name.parse().ok();
        let path = number.and_then(|number| find_path(name_of, number));
        let loop_file = number.and_then(|number| LoopFile::find(number, path.as_deref()));
        Backing { number, table_name: table_name.to_owned(), path, loop_file }
    }
}

impl LoopFile {
    fn find(number: DeviceNumber, node: Option<&Path>) -> Option<LoopFile> {
        let attribute = sysfs(number).join("loop/backing_file");
        // A path is bytes.
        let text = fs::read(attribute).ok()?;
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let is_there = fs::metadata(OsStr::from_bytes(text)).is_ok();
        let deleted = text.strip_suffix(b" (deleted)").filter(|_| !is_there);
        Some(LoopFile {
            path: PathBuf::from(OsStr::from_bytes(deleted.unwrap_or(text))),
            is_deleted: deleted.is_some(),
            info: node.and_then(loops::info),
        })
    }
}

fn sysfs(number: DeviceNumber) -> PathBuf {
    Path::new("/sys/dev/block").join(number.to_string())
}

/// The node of a number: by its name in sysfs, or that under `/dev/mapper`; else whichever is found
/// in `/dev`.
fn find_path(name_of: NameOf<'_>, number: DeviceNumber) -> Option<PathBuf> {
    let link = fs::read_link(sysfs(number)).ok();
    let name = link.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    // In sysfs, a slash of a name under `/dev` is an exclamation mark.
    let name = name.map(|name| name.replace('!', "/"));
    let is_mapped = name.as_deref().is_some_and(|name| name.starts_with("dm-"));
    let mapped = is_mapped.then(|| name_of(number)).flatten();
    let candidates =
        [mapped.as_ref().map(MapperName::node), name.map(|name| Path::new("/dev").join(name))];
    let is_right = |path: &PathBuf| node::block_number(path) == Some(number);
    candidates.into_iter().flatten().find(is_right).or_else(|| search(Path::new("/dev"), number))
}

fn search(directory: &Path, number: DeviceNumber) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().find(|path| node::block_number(path) == Some(number))
}
