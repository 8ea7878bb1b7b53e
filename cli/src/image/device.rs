//! What an image is read from: a file, a block device, or with feature `http` a file on an HTTP
//! server.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[cfg(feature = "http")]
use verity::io::http::{HttpError, HttpSource};
use verity::io::{Extent, ReadAt};
use verity::publish::Input;
use verity::{Error, Superblock, SuperblockError};

use crate::context::Context;
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
    Remote(HttpSource),
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
    /// Opens a device, read-only. A name that begins with `http://` is a URL, never a file.
    pub(crate) fn open(path: &Path) -> Result<Device, CommandError> {
        if is_url(path) {
            return Device::remote(path);
        }
        Ok(Device::Local(inputs::open(path)?))
    }

    #[cfg(feature = "http")]
    fn remote(path: &Path) -> Result<Device, CommandError> {
        let Some(url) = path.to_str() else {
            return Err(CommandError::usage("not a usable URL: it is not UTF-8").at(path));
        };
        let source = HttpSource::open(url).map_err(|error| {
            let class = match error {
                HttpError::Url { .. } | HttpError::Https => Class::Usage,
                _ => Class::Io,
            };
            CommandError::new(class, error).at(path)
        })?;
        Ok(Device::Remote(source))
    }

    #[cfg(not(feature = "http"))]
    fn remote(path: &Path) -> Result<Device, CommandError> {
        Err(CommandError::usage("URLs take a verity that is built with feature http").at(path))
    }

    /// How it was named.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Device::Local(input) => input.path(),
            #[cfg(feature = "http")]
            Device::Remote(source) => Path::new(source.url()),
        }
    }

    /// The size when it was opened, in bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Device::Local(input) => input.size(),
            #[cfg(feature = "http")]
            Device::Remote(source) => source.size(),
        }
    }

    /// Whether it may be larger than the image on it.
    pub(crate) fn is_block_device(&self) -> bool {
        self.input().is_some_and(Input::is_block_device)
    }

    /// The file, if it is one here.
    pub(crate) fn input(&self) -> Option<&Input> {
        match self {
            Device::Local(input) => Some(input),
            #[cfg(feature = "http")]
            Device::Remote(_) => None,
        }
    }

    /// What to add to a message about a device that looks packed.
    pub(crate) fn packed_hint(&self) -> String {
        // What lies on a server is not read once more for a hint.
        self.input().map_or_else(String::new, |input| packed::hint(input.file()))
    }

    /// What was fetched, if it lies on a server.
    pub(crate) fn fetched(&self) -> Option<Fetched> {
        match self {
            Device::Local(_) => None,
            #[cfg(feature = "http")]
            Device::Remote(source) => {
                let traffic = source.traffic();
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
            (Some(a), Some(b)) => storage::relation(a.file(), b.file()),
            _ if self.path() == other.path() => Ok(Relation::Same),
            _ => Ok(Relation::Distinct),
        }
    }

    fn source(&self) -> &dyn ReadAt {
        match self {
            Device::Local(input) => input.file(),
            #[cfg(feature = "http")]
            Device::Remote(source) => source,
        }
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
}
