//! What was just written, read from the storage again and not from memory that still has it.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags, fadvise};
use verity::internals::{to_len, to_u64};
use verity::io::{ReadAt, Window};
use verity::publish::InPlace;

use crate::error::{Class, CommandError, OrFail};

/// How something is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadBack {
    /// By direct reads, which pass the page cache by.
    Direct,
    /// Once the kernel was asked to drop what it has in memory.
    CacheDropped,
}

/// A part of a file or device that was written, by a new descriptor.
#[derive(Debug)]
pub(crate) struct FreshDevice {
    window: Window<FreshFile>,
    name: PathBuf,
}

#[derive(Debug)]
struct FreshFile {
    file: File,
    is_direct: bool,
}

/// What direct reads begin and end on, in bytes: no sector is larger.
const ALIGNMENT: u64 = 4096;

/// The most that is read directly with one call, in bytes.
const MOST: u64 = 1 << 20;

impl FreshDevice {
    /// Opens these bytes of a device again. What was written to it is on its storage by now.
    pub(crate) fn open(
        written: &InPlace,
        range: Range<u64>,
        name: &Path,
    ) -> Result<FreshDevice, CommandError> {
        let is_direct = written.is_block_device();
        let mut options = OpenOptions::new();
        options.read(true);
        if is_direct {
            let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
            options.custom_flags(flags);
        } else {
            // What was not written back by now stays; so it was synced.
            fadvise(written.file(), 0, None, Advice::DontNeed).or_fail(Class::Io, name)?;
        }
        let file = options.open(written.path()).or_fail(Class::Io, name)?;
        let identity = |file: &File| file.metadata().map(|it| (it.dev(), it.ino(), it.rdev()));
        let (old, new) = (identity(written.file()), identity(&file));
        if old.or_fail(Class::Io, name)? != new.or_fail(Class::Io, name)? {
            let words = "another file has this name now";
            return Err(CommandError::message(Class::Changed, words).at(name));
        }
        let window = Window::new(FreshFile { file, is_direct }, range);
        Ok(FreshDevice { window: window.or_fail(Class::Io, name)?, name: name.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.name
    }

    pub(super) fn size(&self) -> u64 {
        let range = self.window.range();
        range.end - range.start
    }

    /// How it is read.
    pub(crate) fn read_back(&self) -> ReadBack {
        match self.window.inner().is_direct {
            true => ReadBack::Direct,
            false => ReadBack::CacheDropped,
        }
    }
}

impl ReadAt for FreshDevice {
    fn len(&self) -> io::Result<u64> {
        Ok(self.size())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.window.read_at(buf, offset)
    }
}

impl ReadAt for FreshFile {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.file)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.is_direct {
            true => self.read_directly(buf, offset),
            false => self.file.read_at(buf, offset),
        }
    }
}

impl FreshFile {
    /// Reads whole sectors into memory that begins where they may, and copies what is wanted.
    fn read_directly(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = to_u64(buf.len()).min(MOST);
        let start = offset - offset % ALIGNMENT;
        let end = offset.saturating_add(wanted).next_multiple_of(ALIGNMENT);
        let len = to_len(end - start);
        let mut room = vec![0; len + to_len(ALIGNMENT)];
        let skipped = room.as_ptr().align_offset(to_len(ALIGNMENT)).min(to_len(ALIGNMENT));
        let aligned = &mut room[skipped..][..len];
        let size = self.file.read_at(aligned, start)?;
        let first = to_len(offset - start);
        let size = size.saturating_sub(first).min(to_len(wanted));
        buf[..size].copy_from_slice(&aligned[first..][..size]);
        Ok(size)
    }
}
