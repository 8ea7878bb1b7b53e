//! A target's directory, held open: names in it cannot be led elsewhere by renaming directories.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{FileKind, PublishError};

const SUFFIX: &str = ".verity-tmp";
/// The longest file name of Linux's file systems, in bytes.
const NAME_MAX: usize = 255;

/// Where an output is to appear: an open directory and a name in it.
#[derive(Debug)]
pub(super) struct Place {
    directory: File,
    name: OsString,
    path: PathBuf,
}

impl Place {
    pub(super) fn new(path: &Path) -> Result<Place, PublishError> {
        let name = path.file_name().filter(|name| !is_temporary(name));
        let name = name.ok_or_else(|| PublishError::Name { path: path.to_owned() })?;
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(parent, flags, Mode::empty())
            .map_err(PublishError::io("open the directory", parent))?;
        Ok(Place { directory: File::from(directory), name: name.to_owned(), path: path.to_owned() })
    }

    /// The target, as the caller named it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// What the target is at the moment, if there is one; anything but a regular file is refused.
    pub(super) fn regular_file(&self) -> Result<Option<Metadata>, PublishError> {
        let metadata = self.metadata(&self.name).map_err(self.io("look up"))?;
        match metadata.as_ref().map(|metadata| FileKind::from(metadata.file_type())) {
            None | Some(FileKind::Regular) => Ok(metadata),
            Some(kind) => Err(PublishError::not_regular(&self.path, kind)),
        }
    }

    /// What a name stands for, without following it if it is a symbolic link.
    pub(super) fn metadata(&self, name: &OsStr) -> io::Result<Option<Metadata>> {
        match self.open(name, OFlags::PATH, Mode::empty()) {
            Ok(file) => file.metadata().map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The same without a descriptor, which cannot always be had.
    pub(super) fn stat(&self, name: &OsStr) -> Result<Option<Stat>, Errno> {
        match rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Opens a name, never through a symbolic link and never waiting for the other end of a pipe.
    pub(super) fn open(&self, name: &OsStr, flags: OFlags, mode: Mode) -> Result<File, Errno> {
        let wait = if flags.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NONBLOCK };
        let flags = flags | wait | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::io::retry_on_intr(|| rustix::fs::openat(&self.directory, name, flags, mode))
            .map(File::from)
    }

    /// Puts the file of that name in the target's place.
    pub(super) fn replace_by(&self, name: &OsStr) -> Result<(), PublishError> {
        rustix::fs::renameat(&self.directory, name, &self.directory, &self.name)
            .map_err(self.io("rename the new contents to"))
    }

    pub(super) fn unlink(&self, name: &OsStr) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())
    }

    /// Makes renames and removals last.
    pub(super) fn sync(&self) -> Result<(), PublishError> {
        self.directory.sync_all().map_err(self.io("sync the directory of"))
    }

    pub(super) fn temporary_name(&self) -> OsString {
        temporary_name(&self.name)
    }

    pub(super) fn io<E: Into<io::Error>>(
        &self,
        operation: &'static str,
    ) -> impl FnOnce(E) -> PublishError {
        PublishError::io(operation, &self.path)
    }
}

/// `.NAME.verity-tmp`, or a hash of the name where that would be too long.
fn temporary_name(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".");
    if 1 + name.len() + SUFFIX.len() <= NAME_MAX {
        temporary.push(name);
    } else {
        temporary.push(hex::encode(Sha256::digest(name.as_bytes())));
    }
    temporary.push(SUFFIX);
    temporary
}

fn is_temporary(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(SUFFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c14_temporary_names_fit_and_differ() {
        assert_eq!(temporary_name(OsStr::new("root.verity")), ".root.verity.verity-tmp");
        let not_utf8 = OsStr::from_bytes(b"a\xffb\n");
        assert_eq!(temporary_name(not_utf8).as_bytes(), b".a\xffb\n.verity-tmp");
        for len in [1, 242, 243, 244, 255] {
            let names = ["a", "b"].map(|text| temporary_name(OsStr::new(&text.repeat(len))));
            assert!(names[0].len() <= NAME_MAX && is_temporary(&names[0]), "{names:?}");
            assert_ne!(names[0], names[1]);
        }
    }
}
