//! A partition of a disk as a device: `DISK#PARTITION`, of block devices, image files and files on
//! HTTP servers.
//!
//! A path that exists as it was typed is meant, whatever is in it. Otherwise what follows the last
//! `#` names a partition of the disk before it, if there is such a disk ([`Selector`]).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use verity::disk::{DiskError, Fault, Partition, SectorSize, Selector, Table};
use verity::io::ReadAt;
use verity::publish::{InPlace, Input};
use verity_dm::Place;

use crate::error::{Class, CommandError};
use crate::quoted::Quoted;
use crate::storage;

/// No disk has more signature partitions that are looked into: each is read as a whole.
pub(crate) const MOST_SIGNATURES: usize = 64;

/// Refuses a disk that has more signature partitions of a kind.
pub(crate) fn refuse_many_signatures(count: usize, disk: &Path) -> Result<(), CommandError> {
    if count <= MOST_SIGNATURES {
        return Ok(());
    }
    let words =
        format!("{count} signature partitions, of which at most {MOST_SIGNATURES} are read");
    Err(CommandError::message(Class::Trust, words).at(disk))
}

/// A name of the form `DISK#PARTITION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionName {
    pub(crate) disk: PathBuf,
    pub(crate) selector: Selector,
}

impl PartitionName {
    /// What a path names, if it is a partition.
    pub(crate) fn of(path: &Path) -> Option<PartitionName> {
        if is_url(path) {
            return PartitionName::split(path);
        }
        if fs::symlink_metadata(path).is_ok() {
            return None;
        }
        let name = PartitionName::split(path)?;
        let metadata = fs::metadata(&name.disk).ok()?;
        (metadata.is_file() || metadata.file_type().is_block_device()).then_some(name)
    }

    fn split(path: &Path) -> Option<PartitionName> {
        let bytes = path.as_os_str().as_bytes();
        let at = bytes.iter().rposition(|byte| *byte == b'#')?;
        let (disk, partition) = (&bytes[..at], str::from_utf8(&bytes[at + 1..]).ok()?);
        if disk.is_empty() || partition.is_empty() {
            return None;
        }
        let Ok(selector) = partition.parse();
        Some(PartitionName { disk: OsStr::from_bytes(disk).into(), selector })
    }

    /// The partition, in the table of the disk.
    pub(crate) fn find(
        &self,
        disk: &(impl ReadAt + ?Sized),
        sector_size: Option<u32>,
    ) -> Result<Partition, CommandError> {
        let table = read_table(disk, sector_size, &self.disk)?;
        table.select(&self.selector).map_err(|error| {
            let shown = match error.matches.as_slice() {
                [] => table.partitions().map(|found| describe(&found)).collect::<Vec<_>>(),
                several => several.iter().map(describe).collect(),
            };
            let words = match (error.matches.is_empty(), shown.is_empty()) {
                (true, true) => "the table has no partitions".to_owned(),
                (true, false) => format!("there are {}", shown.join(", ")),
                (false, _) => format!("these are {}", shown.join(", ")),
            };
            CommandError::message(Class::Metadata, format!("{error}: {words}")).at(&self.disk)
        })
    }
}

/// Whether a name is a URL, and never that of a file.
pub(crate) fn is_url(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let begins = |scheme: &str| {
        bytes.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    begins("http://") || begins("https://")
}

/// The table of a disk; what is noticed about it is warned of.
pub(crate) fn read_table(
    disk: &(impl ReadAt + ?Sized),
    sector_size: Option<u32>,
    path: &Path,
) -> Result<Table, CommandError> {
    let table = read_quietly(disk, sector_size, path)?;
    warn_of(table.faults(), path);
    Ok(table)
}

/// Warns of what is noticed about a table.
pub(crate) fn warn_of<'f>(faults: impl IntoIterator<Item = &'f Fault>, path: &Path) {
    for fault in faults {
        tracing::warn!("{}: {}", Quoted(path), fault_words(fault));
    }
}

/// What is noticed about a table, and what can be done about it.
pub(crate) fn fault_words(fault: &Fault) -> String {
    match fault {
        Fault::Grown { .. } => format!("{fault}; verity image grow moves it to the end"),
        _ => fault.to_string(),
    }
}

/// The table of a disk.
pub(crate) fn read_quietly(
    disk: &(impl ReadAt + ?Sized),
    sector_size: Option<u32>,
    path: &Path,
) -> Result<Table, CommandError> {
    let sector_size = sector_size.and_then(SectorSize::new);
    Table::read(disk, sector_size).map_err(|error| failed(error, path))
}

/// A failure about a table.
pub(crate) fn failed(error: DiskError, path: &Path) -> CommandError {
    let class = match error {
        DiskError::Io(_) => Class::Io,
        _ => Class::Metadata,
    };
    CommandError::new(class, error).at(path)
}

/// Opens a file or block device, or a partition of one, for reading.
pub(crate) fn open(path: &Path) -> Result<Input, CommandError> {
    let Some(name) = PartitionName::of(path) else { return Ok(Input::open(path)?) };
    let disk = Input::open(&name.disk)?;
    let partition = name.find(&disk, storage::sector_size(disk.file()))?;
    Ok(disk.part(partition.range(), path.to_owned())?)
}

/// Opens what is there for writing: a file, a block device, or a partition of one. Of a block
/// device the partition's own node is opened, if the kernel has one, so that others may be in use.
pub(crate) fn open_in_place(path: &Path) -> Result<InPlace, CommandError> {
    let Some(name) = PartitionName::of(path) else { return Ok(InPlace::open(path)?) };
    let disk = Input::open(&name.disk)?;
    if disk.is_block_device() {
        let partition = name.find(&disk, storage::sector_size(disk.file()))?;
        if let Some(node) = node_of(disk.file(), &partition) {
            let device = InPlace::open(node)?;
            let range = 0..partition.size();
            return Ok(device.part(range, path.to_owned())?);
        }
    }
    // Nobody else changes the table between a look at it and the lock.
    let disk = InPlace::open(&name.disk)?;
    let partition = name.find(&disk, storage::sector_size(disk.file()))?;
    Ok(disk.part(partition.range(), path.to_owned())?)
}

/// The device by which the kernel knows a partition, for a table: its node, or else its UUID.
/// Nothing for a name that is no partition.
pub(crate) fn kernel_name(name: &str) -> Result<Option<String>, CommandError> {
    let path = Path::new(name);
    let Some(partition) = PartitionName::of(path) else { return Ok(None) };
    let disk = Input::open(&partition.disk)?;
    if !disk.is_block_device() {
        let words = "a table names devices, and this is a partition in a file: name the device \
                     that it will be, such as PARTUUID=...";
        return Err(CommandError::usage(words).at(path));
    }
    let found = partition.find(&disk, storage::sector_size(disk.file()))?;
    Ok(Some(match node_of(disk.file(), &found) {
        Some(node) => node.to_string_lossy().into_owned(),
        None => format!("PARTUUID={}", found.uuid()),
    }))
}

/// What the kernel can put a device over, of an opened input: a file or block device as a whole, a
/// part of a file, or the node of a partition of a block device.
pub(crate) fn place_of(input: &Input) -> Result<Place, CommandError> {
    let path = input.path();
    let Some(name) = PartitionName::of(path) else { return Ok(path.into()) };
    if !input.is_block_device() {
        return Ok(Place::part_of(name.disk, input.range()));
    }
    let partition = name.find(input.file(), storage::sector_size(input.file()))?;
    match node_of(input.file(), &partition) {
        Some(node) => Ok(node.into()),
        None => Err(no_node(path)),
    }
}

/// There is no node of a partition.
pub(crate) fn no_node(path: &Path) -> CommandError {
    let words = "the kernel has no device for this partition: has it read the table anew?";
    CommandError::message(Class::Io, words).at(path)
}

/// The node of a partition of a block device, by where it begins and how long it is.
pub(crate) fn node_of(disk: &File, partition: &Partition) -> Option<PathBuf> {
    let metadata = disk.metadata().ok().filter(|it| it.file_type().is_block_device())?;
    let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    // sysfs counts in sectors of 512 bytes, whatever the disk does.
    let wanted = (Some(partition.range().start / 512), Some(partition.size() / 512));
    let children = fs::read_dir(format!("/sys/dev/block/{major}:{minor}/")).ok()?.flatten();
    let mut partitions = children.map(|child| child.path());
    let found = partitions.find(|child| {
        child.join("partition").exists()
            && (number(child.join("start")), number(child.join("size"))) == wanted
    })?;
    let node = Path::new("/dev").join(found.file_name()?);
    node.exists().then_some(node)
}

/// A partition in a list of names.
fn describe(partition: &Partition) -> String {
    let label = partition.label().to_string();
    if label.is_empty() {
        return partition.number().to_string();
    }
    format!("{} ({})", partition.number(), Quoted(Path::new(&label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sign_divides_unless_the_path_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("disk#1"), [0]).unwrap();
        let of = |name: &str| PartitionName::of(&path(name));
        assert_eq!(of("disk#1"), None);
        assert_eq!(of("disk#2"), None);
        let name = of("disk#1#root-a").unwrap();
        assert_eq!(name.disk, path("disk#1"));
        assert_eq!(name.selector, Selector::Name("root-a".to_owned()));
        assert_eq!(of("disk#1#"), None);
        assert_eq!(PartitionName::of(Path::new("#3")), None);
        let url = PartitionName::of(Path::new("http://host/disk.raw#3")).unwrap();
        assert_eq!((url.disk, url.selector), ("http://host/disk.raw".into(), Selector::Number(3)));
    }
}
