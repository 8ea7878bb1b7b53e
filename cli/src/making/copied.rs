//! A copy of the data that is made while it is hashed.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use verity::CopiedHoles;
use verity::io::WriteAt;
use verity::publish::{InPlace, Input, Output, OutputSet};

use super::target::relate;
use crate::disks::PartitionName;
use crate::error::{Class, CommandError, OrFail};
use crate::outputs;
use crate::sizes;
use crate::storage::{self, Relation};

/// Where a copy goes, as a caller says it: a file, or a place in one that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyPlace {
    path: PathBuf,
    /// In bytes; a file of its own unless given.
    offset: Option<u64>,
}

impl CopyPlace {
    /// What follows the last `@` is a place in the file before it, unless there is a file of the
    /// whole name.
    pub(crate) fn of(path: PathBuf) -> CopyPlace {
        if path.symlink_metadata().is_ok() {
            return CopyPlace { path, offset: None };
        }
        let bytes = path.as_os_str().as_bytes();
        let split = bytes.iter().rposition(|byte| *byte == b'@').and_then(|at| {
            let offset = sizes::bytes(str::from_utf8(&bytes[at + 1..]).ok()?).ok()?;
            let file = Path::new(std::ffi::OsStr::from_bytes(&bytes[..at]));
            (!file.as_os_str().is_empty()).then(|| (file.to_owned(), offset))
        });
        match split {
            Some((path, offset)) => CopyPlace { path, offset: Some(offset) },
            None => CopyPlace { path, offset: None },
        }
    }

    /// The file that it is, or is in.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is no file of its own.
    pub(crate) fn is_in_something(&self) -> bool {
        self.offset.is_some() || self.is_device()
    }

    /// Whether the whole of it is a place in something.
    fn is_device(&self) -> bool {
        PartitionName::of(&self.path).is_some()
            || self.path.metadata().is_ok_and(|it| !it.is_file() && !it.is_dir())
    }
}

/// A copy in the making.
pub(crate) enum CopyTarget {
    /// A file of its own, which appears with everything else.
    File(Output),
    /// A part of what is there.
    InPlace(InPlace),
}

impl CopyTarget {
    /// Opens what `size` bytes of data are copied to; nothing is written yet.
    pub(crate) fn open(
        place: &CopyPlace,
        data: &Input,
        size: u64,
    ) -> Result<CopyTarget, CommandError> {
        let path = &place.path;
        if place.offset.is_none() && !place.is_device() {
            let output = outputs::create_copy(path, Some(data))?;
            WriteAt::resize(output.file(), size).or_fail(Class::Io, path)?;
            return Ok(CopyTarget::File(output));
        }
        let device = outputs::in_place(path, data)?;
        let start = place.offset.unwrap_or(0);
        let (range, room) = (device.range(), device.size().saturating_sub(start));
        if room < size {
            let words = format!("there are {room} bytes for a copy of {size}");
            return Err(CommandError::message(Class::Metadata, words).at(path));
        }
        let start = range.start + start;
        let part = device.part(start..start + size, path.clone())?;
        if relate(data, &part, path)? != Relation::Distinct {
            return Err(CommandError::usage("a copy over its own data").at(path));
        }
        if storage::are_one_file(data, &part).or_fail(Class::Io, path)? {
            // Our own writes would hide whether somebody else changes the data meanwhile.
            let words = "data and copy lie in one file: --copy-to takes another one, or a device";
            return Err(CommandError::usage(words).at(path));
        }
        Ok(CopyTarget::InPlace(part))
    }

    /// Opens what a stream is copied to, however long it will be; nothing is written yet.
    pub(crate) fn open_for_stream(place: &CopyPlace) -> Result<CopyTarget, CommandError> {
        let path = &place.path;
        if place.offset.is_none() && !place.is_device() {
            return Ok(CopyTarget::File(outputs::create_copy(path, None)?));
        }
        let device = outputs::in_place_alone(path)?;
        let (range, start) = (device.range(), place.offset.unwrap_or(0));
        if start >= device.size() {
            let words = format!("there are {} bytes, and none from {start} on", device.size());
            return Err(CommandError::message(Class::Metadata, words).at(path));
        }
        Ok(CopyTarget::InPlace(device.part(range.start + start..range.end, path.clone())?))
    }

    /// What becomes of the holes of the data.
    pub(super) fn holes(&self) -> CopiedHoles {
        match self {
            CopyTarget::File(_) => CopiedHoles::Kept,
            CopyTarget::InPlace(_) => CopiedHoles::Written,
        }
    }

    /// Adds a finished copy to what appears together, or syncs it where it lies.
    pub(super) fn finish(self, set: OutputSet) -> Result<OutputSet, CommandError> {
        match self {
            CopyTarget::File(output) => Ok(set.output(output)),
            CopyTarget::InPlace(device) => {
                WriteAt::sync(&device).or_fail(Class::Io, device.path())?;
                Ok(set)
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            CopyTarget::File(output) => output.path(),
            CopyTarget::InPlace(device) => device.path(),
        }
    }

    fn sink(&self) -> &dyn WriteAt {
        match self {
            CopyTarget::File(output) => output.file(),
            CopyTarget::InPlace(device) => device,
        }
    }
}

impl WriteAt for CopyTarget {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.sink().write_at(buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.sink().resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sink().sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_follows_the_last_sign() {
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str| CopyPlace::of(dir.path().join(name));
        std::fs::write(dir.path().join("a@1"), []).unwrap();
        assert_eq!(of("a@1").offset, None);
        assert_eq!(of("b@1M"), CopyPlace { path: dir.path().join("b"), offset: Some(1 << 20) });
        assert_eq!(of("b@x").offset, None);
        assert_eq!(of("c").offset, None);
    }
}
