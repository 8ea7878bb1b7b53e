//! What an image is read from: a file, a block device, or with feature `http` a file on an HTTP
//! server.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

#[cfg(feature = "http")]
use verity::io::Window;
#[cfg(feature = "http")]
use verity::io::http::{HttpError, HttpSource};
use verity::io::{Extent, Mapping, ReadAt};
use verity::publish::Input;
use verity::{Error, Superblock, SuperblockError};

use super::fresh::FreshDevice;
use crate::context::Context;
#[cfg(feature = "http")]
use crate::disks::PartitionName;
use crate::disks::is_url;
#[cfg(feature = "http")]
use crate::error::Class;
use crate::error::CommandError;
use crate::inputs;
use crate::library_error::from_library;
use crate::packed;
use crate::storage::{self, Relation};

/// An opened data or hash device.
#[derive(Debug)]
pub(crate) enum Device {
    Local(Input),
    #[cfg(feature = "http")]
    Remote(RemoteFile),
    /// What was just written, opened anew.
    Fresh(FreshDevice),
}

/// A file on a server, or a part of one.
#[cfg(feature = "http")]
#[derive(Debug)]
pub(crate) struct RemoteFile {
    source: HttpSource,
    /// How it was named.
    name: PathBuf,
    part: Option<Range<u64>>,
}

/// What was asked of a server, and got.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
}

impl Fetched {
    /// Both together.
    pub(super) fn plus(self, other: Fetched) -> Fetched {
        Fetched { requests: self.requests + other.requests, bytes: self.bytes + other.bytes }
    }
}

impl Device {
    /// Opens a device, read-only. A name that begins with `http://` or `https://` is a URL, never a
    /// file.
    pub(crate) fn open(path: &Path) -> Result<Device, CommandError> {
        if is_url(path) {
            return Device::remote(path);
        }
        Ok(Device::Local(inputs::open_device(path)?))
    }

    /// A part of an open disk, called `name`. No path is looked up for it, so that it is of the
    /// disk whose table says where it lies.
    pub(crate) fn part_of(
        disk: &Input,
        range: Range<u64>,
        name: PathBuf,
    ) -> Result<Device, CommandError> {
        Ok(Device::Local(inputs::part_of(disk, range, name)?))
    }

    #[cfg(feature = "http")]
    fn remote(path: &Path) -> Result<Device, CommandError> {
        let partition = PartitionName::of(path);
        let file = partition.as_ref().map_or(path, |name| &name.disk);
        let Some(url) = file.to_str() else {
            return Err(CommandError::usage("not a usable URL: it is not UTF-8").at(path));
        };
        let options = HttpSource::options();
        #[cfg(feature = "https")]
        let options = options.authorities(super::authorities::of_servers()?);
        let source = options.open(url).map_err(|error| {
            let (class, hint) = match error {
                HttpError::Url { .. } | HttpError::Https => (Class::Usage, ""),
                HttpError::Tls { .. } => (Class::Io, "; --cacert names other authorities"),
                _ => (Class::Io, ""),
            };
            CommandError::new(class, error).adding(hint).at(path)
        })?;
        let part = match partition {
            Some(name) => Some(name.find(&source, None)?.range()),
            None => None,
        };
        Ok(Device::Remote(RemoteFile { source, name: path.to_owned(), part }))
    }

    #[cfg(not(feature = "http"))]
    fn remote(path: &Path) -> Result<Device, CommandError> {
        Err(CommandError::usage("URLs take a verity that is built with feature http").at(path))
    }

    /// Opens a device, if it is there: not a file that is none, nor one that its server has not.
    pub(crate) fn open_if_there(path: &Path) -> Result<Option<Device>, CommandError> {
        if !is_url(path) && path.try_exists().is_ok_and(|exists| !exists) {
            return Ok(None);
        }
        match Device::open(path) {
            Err(error) if error.is_about_missing_file() => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// How it was named.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Device::Local(input) => input.path(),
            #[cfg(feature = "http")]
            Device::Remote(remote) => &remote.name,
            Device::Fresh(fresh) => fresh.path(),
        }
    }

    /// The size when it was opened, in bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Device::Local(input) => input.size(),
            #[cfg(feature = "http")]
            Device::Remote(remote) => {
                remote.part.as_ref().map_or(remote.source.size(), |part| part.end - part.start)
            }
            Device::Fresh(fresh) => fresh.size(),
        }
    }

    /// Whether it may be larger than the image on it.
    pub(crate) fn is_fixed(&self) -> bool {
        match self {
            Device::Local(input) => input.is_fixed(),
            #[cfg(feature = "http")]
            Device::Remote(remote) => remote.part.is_some(),
            Device::Fresh(_) => true,
        }
    }

    /// The file, if it is one here.
    pub(crate) fn input(&self) -> Option<&Input> {
        match self {
            Device::Local(input) => Some(input),
            #[cfg(feature = "http")]
            Device::Remote(_) => None,
            Device::Fresh(_) => None,
        }
    }

    /// The size of the sectors of a block device, in bytes.
    pub(crate) fn sector_size(&self) -> Option<u32> {
        self.input().and_then(|input| storage::sector_size(input.file()))
    }

    /// What to add to a message about a device that looks packed.
    pub(crate) fn packed_hint(&self) -> String {
        // What lies on a server is not read once more for a hint.
        self.input().map_or_else(String::new, packed::hint)
    }

    /// What was fetched, if it lies on a server.
    pub(crate) fn fetched(&self) -> Option<Fetched> {
        match self {
            Device::Local(_) | Device::Fresh(_) => None,
            #[cfg(feature = "http")]
            Device::Remote(remote) => {
                let traffic = remote.source.traffic();
                Some(Fetched { requests: traffic.requests, bytes: traffic.bytes })
            }
        }
    }

    /// Fails if it has changed since it was opened. With a file on a server every single read does.
    pub(crate) fn check(&self) -> Result<(), CommandError> {
        match self.input() {
            Some(input) => Ok(input.check()?),
            None => Ok(()),
        }
    }

    /// How the bytes of two devices relate.
    pub(crate) fn relation(&self, other: &Device) -> io::Result<Relation> {
        match (self.input(), other.input()) {
            (Some(a), Some(b)) => storage::relation(a, b),
            _ if self.path() == other.path() => Ok(Relation::Same),
            _ => Ok(Relation::Distinct),
        }
    }

    fn source(&self) -> &dyn ReadAt {
        match self {
            Device::Local(input) => input,
            #[cfg(feature = "http")]
            Device::Remote(remote) => remote,
            Device::Fresh(fresh) => fresh,
        }
    }
}

#[cfg(feature = "http")]
impl RemoteFile {
    fn window(&self) -> Option<Window<&HttpSource>> {
        Window::new(&self.source, self.part.clone()?).ok()
    }
}

#[cfg(feature = "http")]
impl ReadAt for RemoteFile {
    fn len(&self) -> io::Result<u64> {
        self.window().map_or_else(|| ReadAt::len(&self.source), |window| window.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.window() {
            Some(window) => window.read_at(buf, offset),
            None => self.source.read_at(buf, offset),
        }
    }

    fn extent_at(&self, offset: u64) -> Extent {
        match self.window() {
            Some(window) => window.extent_at(offset),
            None => self.source.extent_at(offset),
        }
    }

    fn expect_sequential(&self) {
        self.source.expect_sequential();
    }
}

/// Reads the superblock at `offset` bytes of a hash device; `hint` is what to say where there is
/// none.
pub(crate) fn read_superblock(
    hash: &Device,
    offset: u64,
    hint: &str,
    context: &Context,
) -> Result<Superblock, CommandError> {
    Superblock::read(hash, offset).map_err(|error| {
        let is_none = matches!(
            error,
            Error::Superblock(SuperblockError::Magic | SuperblockError::Truncated { .. })
        );
        let failure = from_library(error, hash.path(), hash.path(), &context.signals);
        let failure = failure.at(hash.path());
        match is_none {
            true => failure.adding(&format!("{hint}{}", hash.packed_hint())),
            false => failure,
        }
    })
}

impl ReadAt for Device {
    fn len(&self) -> io::Result<u64> {
        self.source().len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.source().read_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        self.source().extent_at(offset)
    }

    fn expect_sequential(&self) {
        self.source().expect_sequential();
    }

    fn mapping(&self) -> Option<Mapping> {
        self.source().mapping()
    }
}
