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

/// Compares two opened files.
pub(crate) fn relation(a: &File, b: &File) -> io::Result<Relation> {
    let (a, b) = (Extent::of(a)?, Extent::of(b)?);
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

    /// The bytes of an open file or device.
    pub(crate) fn of(file: &File) -> io::Result<Extent> {
        let size = ReadAt::len(file)?;
        let mut base = Base::of(&file.metadata()?);
        let mut start = 0u64;
        for _ in 0..MAX_DEPTH {
            let Base::Device(device) = base else { break };
            let Some((below, offset)) = below(device) else { break };
            base = below;
            start = start.saturating_add(offset);
        }
        Ok(Extent { base, range: start..start.saturating_add(size) })
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

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn device_number(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

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
