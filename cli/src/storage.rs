//! Whether two paths lead to the same bytes: by one inode, one device, or a loop device over a
//! file.
//!
//! Enough to refuse a hash area inside its own data, and an output that is an input. Device-mapper
//! stacks are not resolved.

use std::fs::{self, File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use verity::Sharing;
use verity::io::ReadAt;
use verity::publish::{InPlace, Input};

/// How the bytes of two files relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// No byte is in both.
    Distinct,
    /// Byte n of one is byte n of the other.
    Same,
    /// Some are in both, at different places.
    Shifted,
}

/// Something open whose bytes lie somewhere.
pub(crate) trait Stored {
    /// Which bytes they are.
    fn extent(&self) -> io::Result<Extent>;
}

impl Stored for File {
    fn extent(&self) -> io::Result<Extent> {
        Extent::of(self)
    }
}

impl Stored for Input {
    fn extent(&self) -> io::Result<Extent> {
        Ok(Extent::of(self.file())?.part(self.range()))
    }
}

impl Stored for InPlace {
    fn extent(&self) -> io::Result<Extent> {
        Ok(Extent::of(self.file())?.part(self.range()))
    }
}

/// Whether two opened files are one regular file, in whichever parts.
pub(crate) fn are_one_file(a: &impl Stored, b: &impl Stored) -> io::Result<bool> {
    let (a, b) = (a.extent()?.base, b.extent()?.base);
    Ok(a == b && matches!(a, Base::File { .. }))
}

/// Compares two opened files.
pub(crate) fn relation(a: &impl Stored, b: &impl Stored) -> io::Result<Relation> {
    let (a, b) = (a.extent()?, b.extent()?);
    Ok(if a.base != b.base {
        Relation::Distinct
    } else if a.range.start == b.range.start {
        Relation::Same
    } else if a.range.start.max(b.range.start) < a.range.end.min(b.range.end) {
        Relation::Shifted
    } else {
        Relation::Distinct
    })
}

/// The size of a sector of a block device, in bytes: no read or write of it is smaller, and the
/// kernel activates no image on it whose blocks are. `None` for anything else.
pub(crate) fn sector_size(file: &File) -> Option<u32> {
    let is_block_device = file.metadata().ok()?.file_type().is_block_device();
    is_block_device.then(|| rustix::fs::ioctl_blksszget(file).ok()).flatten()
}

impl From<Relation> for Sharing {
    fn from(relation: Relation) -> Sharing {
        match relation {
            Relation::Distinct => Sharing::Nothing,
            Relation::Same => Sharing::Same,
            Relation::Shifted => Sharing::Shifted,
        }
    }
}

/// Bytes of a file, or of a device that no file lies under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    base: Base,
    range: Range<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Device(u64),
    File { dev: u64, ino: u64 },
}

/// Loop devices over loop devices over files: no sane stack is deeper.
const MAX_DEPTH: usize = 8;

impl Extent {
    /// Whether these are bytes that stay: those of a regular file or a block device.
    pub(crate) fn is_storage(metadata: &Metadata) -> bool {
        metadata.is_file() || metadata.file_type().is_block_device()
    }

    /// The bytes of a regular file.
    pub(crate) fn of_file(metadata: &Metadata) -> Extent {
        Extent { base: Base::of(metadata), range: 0..metadata.size() }
    }

    /// Whether they lie in one file and are in part the same, or either has none.
    pub(crate) fn overlaps(&self, other: &Extent) -> bool {
        let (a, b) = (&self.range, &other.range);
        let is_empty = a.is_empty() || b.is_empty();
        self.base == other.base && (is_empty || a.start.max(b.start) < a.end.min(b.end))
    }

    /// Some of these bytes.
    pub(crate) fn part(self, range: Range<u64>) -> Extent {
        let start = self.range.start;
        let range = start.saturating_add(range.start)..start.saturating_add(range.end);
        Extent { range, ..self }
    }

    /// The bytes of an open file or device.
    pub(crate) fn of(file: &File) -> io::Result<Extent> {
        Ok(Extent::below(Base::of(&file.metadata()?), ReadAt::len(file)?))
    }

    /// The bytes of a block device by its number, if there is one.
    fn of_device(device: u64) -> Option<Extent> {
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        // sysfs counts in sectors of 512 bytes, whatever the device does.
        let sectors = number(Path::new(&format!("/sys/dev/block/{major}:{minor}/size")))?;
        Some(Extent::below(Base::Device(device), sectors.saturating_mul(512)))
    }

    /// These bytes where they lie in the end.
    fn below(mut base: Base, size: u64) -> Extent {
        let mut start = 0u64;
        for _ in 0..MAX_DEPTH {
            let Base::Device(device) = base else { break };
            let Some((below, offset)) = below(device) else { break };
            base = below;
            start = start.saturating_add(offset);
        }
        Extent { base, range: start..start.saturating_add(size) }
    }
}

impl Base {
    fn of(metadata: &Metadata) -> Base {
        if metadata.file_type().is_block_device() {
            Base::Device(metadata.rdev())
        } else {
            Base::File { dev: metadata.dev(), ino: metadata.ino() }
        }
    }
}

/// What lies under a block device, and at which byte the device begins there.
fn below(device: u64) -> Option<(Base, u64)> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let dir = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    if dir.join("partition").exists() {
        let start = number(&dir.join("start"))?;
        return Some((Base::Device(device_number(&dir.parent()?.join("dev"))?), start * 512));
    }
    let backing = fs::read_to_string(dir.join("loop/backing_file")).ok()?;
    let backing = PathBuf::from(backing.strip_suffix('\n').unwrap_or(&backing));
    let offset = number(&dir.join("loop/offset")).unwrap_or(0);
    Some((Base::of(&fs::metadata(backing).ok()?), offset))
}

/// What uses some bytes of a file or device: a file system that is mounted there, or a device of
/// device-mapper and the like that lies over them. Loop devices in between hide nothing, and are no
/// use themselves.
pub(crate) fn user_of(file: &File, range: Range<u64>) -> io::Result<Option<String>> {
    let wanted = Extent::of(file)?.part(range);
    let is_there = |device: u64| {
        // Its size is that of the whole device, so a part of it that is looked at overlaps.
        Extent::of_device(device).is_some_and(|used| used.overlaps(&wanted))
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    for mount in mounts.lines().filter_map(Mount::parse) {
        if mount.devices().any(is_there) {
            return Ok(Some(format!("mounted at {}", mount.place)));
        }
    }
    for device in fs::read_dir("/sys/class/block")?.flatten() {
        let holders = fs::read_dir(device.path().join("holders"));
        let Some(holder) = holders.ok().and_then(|holders| holders.flatten().next()) else {
            continue;
        };
        if device_number(&device.path().join("dev")).is_some_and(is_there) {
            return Ok(Some(format!("under {}", holder.file_name().display())));
        }
    }
    Ok(None)
}

/// A line of `/proc/self/mountinfo`, whose fields have no blanks: those are escaped.
struct Mount<'a> {
    device: Option<u64>,
    place: &'a str,
    source: Option<&'a Path>,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let mut fields = line.split(' ');
        let (device, place) = (fields.nth(2)?, fields.nth(1)?);
        let source = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').nth(1));
        Some(Mount { device: number_of(device), place, source: source.map(Path::new) })
    }

    /// The device that is mounted, and the one that is said to be: file systems over several
    /// devices have a number of their own.
    fn devices(&self) -> impl Iterator<Item = u64> {
        let named = self.source.filter(|source| source.is_absolute());
        let named = named.and_then(|source| fs::metadata(source).ok());
        let named = named.filter(|it| it.file_type().is_block_device()).map(|it| it.rdev());
        self.device.into_iter().chain(named)
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn device_number(path: &Path) -> Option<u64> {
    number_of(fs::read_to_string(path).ok()?.trim())
}

/// `MAJOR:MINOR`.
fn number_of(text: &str) -> Option<u64> {
    let (major, minor) = text.split_once(':')?;
    Some(rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_has_a_device_a_place_and_a_source() {
        let line = "36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/null rw";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(mount.device, Some(rustix::fs::makedev(98, 0)));
        assert_eq!((mount.place, mount.source), ("/mnt/a\\040b", Some(Path::new("/dev/null"))));
        // What is no block device is none.
        assert_eq!(mount.devices().count(), 1);
        assert!(Mount::parse("36 35").is_none());
    }

    #[test]
    fn g05_links_lead_to_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name| dir.path().join(name);
        fs::write(path("a"), [1; 512]).unwrap();
        fs::write(path("b"), [1; 512]).unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        std::os::unix::fs::symlink(path("a"), path("soft")).unwrap();
        let open = |name| File::open(path(name)).unwrap();
        assert_eq!(relation(&open("a"), &open("b")).unwrap(), Relation::Distinct);
        assert_eq!(relation(&open("a"), &open("hard")).unwrap(), Relation::Same);
        assert_eq!(relation(&open("a"), &open("soft")).unwrap(), Relation::Same);
    }
}
