//! Files that a run makes, and removes if it fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use verity::publish::Leftover;

use crate::outputs::OWNER_ONLY;

/// A file that was not there before. Removed when dropped, and by a signal, unless it is kept.
pub(super) struct NewFile {
    made: Arc<Made>,
    kept: bool,
    _leftover: Leftover,
}

/// A file under its name.
struct Made {
    path: PathBuf,
    /// Open, so that no other file can get its number.
    file: File,
}

impl NewFile {
    /// Makes an empty file where there is none; returns `None` where there is something.
    ///
    /// # Errors
    /// When what is there cannot be read, or nothing can be made there.
    pub(super) fn unless_there(path: &Path) -> io::Result<Option<NewFile>> {
        match open(path, OFlags::NONBLOCK, OpenOptions::new().read(true)) {
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        NewFile::create(path).map(Some)
    }

    /// Makes an empty file where nothing is, not even a link.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] where there is something; else when nothing can be made there.
    pub(super) fn create(path: &Path) -> io::Result<NewFile> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(OWNER_ONLY).open(path)?;
        let made = Arc::new(Made { path: std::path::absolute(path)?, file });
        let remembered = Arc::clone(&made);
        let leftover = Leftover::new(move || remembered.remove());
        Ok(NewFile { made, kept: false, _leftover: leftover })
    }

    /// The file, for writing.
    pub(super) fn file(&self) -> &File {
        &self.made.file
    }

    /// Lets it stay.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            self.made.remove();
        }
    }
}

impl Made {
    /// Removes the name, if it still stands for the file.
    fn remove(&self) {
        let named = fs::symlink_metadata(&self.path).and_then(|named| {
            let made = self.file.metadata()?;
            Ok((named.dev(), named.ino()) == (made.dev(), made.ino()))
        });
        if named.unwrap_or(false) {
            // Nobody is left to report to.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens a file without waiting for the other end of a pipe.
fn open(path: &Path, flags: OFlags, options: &mut OpenOptions) -> io::Result<File> {
    // The bits of all flags lie below the sign.
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(path)
}

/// A file that text is written to.
pub(super) enum TextFile {
    /// One that was not there before.
    New(NewFile),
    There(File),
}

impl TextFile {
    /// Opens a file to write text to, as it is or new, for its owner only. Nothing is cut off yet.
    pub(super) fn open(path: &Path) -> io::Result<TextFile> {
        match NewFile::create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            new => return new.map(TextFile::New),
        }
        let mut options = OpenOptions::new();
        // Through a link to nothing, too.
        options.write(true).create(true).truncate(false).mode(OWNER_ONLY);
        open(path, OFlags::NOCTTY, &mut options).map(TextFile::There)
    }

    pub(super) fn file(&self) -> &File {
        match self {
            TextFile::New(new) => new.file(),
            TextFile::There(file) => file,
        }
    }

    /// Lets it stay, if it is new.
    pub(super) fn keep(self) {
        if let TextFile::New(new) = self {
            new.keep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_goes_unless_it_is_kept_and_another_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        let new = || NewFile::unless_there(&path).unwrap();
        drop(new().unwrap());
        assert!(!path.exists());
        new().unwrap().keep();
        assert!(path.exists());
        assert!(new().is_none());
        assert!(path.exists());

        fs::remove_file(&path).unwrap();
        let made = new().unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(made);
        assert!(path.exists());
    }

    #[test]
    fn what_cannot_be_made_is_an_error() {
        for path in ["", "/no/such/directory/file"] {
            assert!(NewFile::unless_there(Path::new(path)).is_err(), "{path:?}");
        }
    }
}
