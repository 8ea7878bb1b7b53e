//! The image that is read, by commands and by readers: fresh random bytes without holes, on a disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};
use verity_benches::reads::KnownImage;
use verity_benches::record::Input;
use verity_testdata::files::TempDir;

/// An image, which is gone when it is dropped, with all that was made of it.
pub(crate) struct Image {
    pub(crate) bytes: u64,
    seed: u64,
    directory: TempDir,
}

impl Image {
    /// Writes an image. It is synced, so that no write-back runs beside the measurement, and read
    /// from the disk once, so that it lies in the page cache as storage brings it: in larger pieces
    /// than a program that writes leaves there, which the kernel hands out and maps faster.
    pub(crate) fn write(directory: &Path, input: &Input) -> Result<Image, String> {
        let wrong = |error: io::Error| format!("{}: {error}", directory.display());
        let directory = TempDir::with_prefix_in("compare-", directory).map_err(wrong)?;
        let image = Image { bytes: input.bytes, seed: input.seed, directory };
        eprintln!("compare: writing {} MiB of random bytes", input.bytes >> 20);
        image.fill(input.seed).map_err(wrong)?;
        image.cool().map_err(wrong)?;
        image.warm().map_err(wrong)?;
        Ok(image)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// Where a command puts its output.
    pub(crate) fn hash(&self) -> PathBuf {
        self.directory.path().join("hash")
    }

    /// Where a command puts its parity.
    pub(crate) fn fec(&self) -> PathBuf {
        self.directory.path().join("fec")
    }

    /// Where a command puts what it reads.
    pub(crate) fn copy(&self) -> PathBuf {
        self.directory.path().join("copy")
    }

    /// Whether the copy is the image, byte for byte; removes it.
    pub(crate) fn check_copy(&self) -> Result<(), String> {
        let mut copy = File::open(self.copy()).map_err(|error| error.to_string())?;
        let is_whole = KnownImage::is_written(&mut copy, self.bytes, self.seed);
        fs::remove_file(self.copy()).map_err(|error| error.to_string())?;
        match is_whole {
            Ok(true) => Ok(()),
            Ok(false) => Err("other bytes than those of the image".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Brings it into the page cache.
    pub(crate) fn warm(&self) -> io::Result<()> {
        io::copy(&mut File::open(self.path())?, &mut io::sink()).map(drop)
    }

    /// Drops it from the page cache, which takes no rights: its pages are clean.
    pub(crate) fn cool(&self) -> io::Result<()> {
        fadvise(File::open(self.path())?, 0, None, Advice::DontNeed).map_err(io::Error::from)
    }

    /// Removes the last outputs, as far as there are any.
    pub(crate) fn remove_outputs(&self) -> io::Result<()> {
        [self.hash(), self.fec()].iter().try_for_each(|path| match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        })
    }

    fn fill(&self, seed: u64) -> io::Result<()> {
        let mut file = File::create(self.path())?;
        KnownImage::write(&mut file, self.bytes, seed)?;
        file.sync_all()
    }
}
