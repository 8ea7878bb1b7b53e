//! What can go wrong with files, each with the path it happened to.

use std::fmt;
use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType as RawType, Stat};
use rustix::io::Errno;

/// An input or output that cannot be used, changed or failed.
///
/// Messages name the path, quoted and with unprintable bytes escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Another run, or a mount, holds it.
    #[error("{path:?} is in use by another run or mounted")]
    Busy {
        /// The output.
        path: PathBuf,
    },
    /// It is not what it was when the run began.
    #[error("{path:?} changed during the run: {what}")]
    Changed {
        /// The input, or the file an output was copied from.
        path: PathBuf,
        /// What is different.
        what: Change,
    },
    /// A set of outputs is there in part.
    #[error("already in place: {in_place:?}, already removed: {removed:?}; the rest is not")]
    Incomplete {
        /// The outputs that have their new contents, in order.
        in_place: Vec<PathBuf>,
        /// The files that are gone.
        removed: Vec<PathBuf>,
        /// Why the others are not in place.
        source: Box<PublishError>,
    },
    /// The system refused something.
    #[error("cannot {operation} {path:?}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The path does not name a file, or one that this module uses itself.
    #[error("{path:?} cannot be an output: no file name, or one that is kept for temporary files")]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// It is no file that could be read or replaced.
    #[error("{path:?} is {what}")]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        what: FileKind,
    },
    /// An output is one of the inputs.
    #[error("the output {path:?} is the input {input:?}")]
    SameFile {
        /// The output.
        path: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// The name of the temporary file is taken by something that no run of ours left there.
    #[error("{path:?} is in the way and {what}: remove it if nobody needs it")]
    Temporary {
        /// The temporary file.
        path: PathBuf,
        /// Why it is not touched.
        what: Distrust,
    },
}

impl PublishError {
    /// The file it is about.
    pub fn path(&self) -> &Path {
        match self {
            PublishError::Busy { path }
            | PublishError::Changed { path, .. }
            | PublishError::Io { path, .. }
            | PublishError::Name { path }
            | PublishError::NotRegular { path, .. }
            | PublishError::SameFile { path, .. }
            | PublishError::Temporary { path, .. } => path,
            PublishError::Incomplete { source, .. } => source.path(),
        }
    }

    /// The error of a system call on `path`, for `map_err`.
    pub(super) fn io<E: Into<io::Error>>(
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> PublishError {
        move |error| PublishError::Io { operation, path: path.to_owned(), source: error.into() }
    }

    pub(super) fn busy(path: &Path) -> PublishError {
        PublishError::Busy { path: path.to_owned() }
    }

    pub(super) fn not_regular(path: &Path, what: FileKind) -> PublishError {
        PublishError::NotRegular { path: path.to_owned(), what }
    }

    /// An error of the system's own making, for conditions that it reports by number.
    pub(super) fn errno(operation: &'static str, path: &Path, errno: Errno) -> PublishError {
        PublishError::io(operation, path)(errno)
    }
}

/// What changed about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It was written or its metadata was set: the modification or change time differs.
    Modified,
    /// The path names another file, or none.
    Replaced,
    /// The size differs.
    Size {
        /// The size when the run began, in bytes.
        before: u64,
        /// The size now, in bytes.
        after: u64,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Modified => f.write_str("it was modified"),
            Change::Replaced => f.write_str("the path names another file"),
            Change::Size { before, after } => {
                write!(f, "its size went from {before} to {after} bytes")
            }
        }
    }
}

/// The kinds of file that an output or input may turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A block device where a regular file is needed.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A regular file where a block device is needed.
    Regular,
    /// A socket.
    Socket,
    /// A symbolic link, which could lead to any file.
    Symlink,
    /// Something else.
    Unknown,
}

impl FileKind {
    pub(super) fn of(stat: &Stat) -> FileKind {
        match RawType::from_raw_mode(stat.st_mode) {
            RawType::BlockDevice => FileKind::BlockDevice,
            RawType::CharacterDevice => FileKind::CharacterDevice,
            RawType::Directory => FileKind::Directory,
            RawType::Fifo => FileKind::Fifo,
            RawType::RegularFile => FileKind::Regular,
            RawType::Socket => FileKind::Socket,
            RawType::Symlink => FileKind::Symlink,
            RawType::Unknown => FileKind::Unknown,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FileKind::BlockDevice => "a block device, not a regular file",
            FileKind::CharacterDevice => "a character device, not a regular file",
            FileKind::Directory => "a directory, not a regular file",
            FileKind::Fifo => "a pipe, not a regular file",
            FileKind::Regular => "a regular file, not a block device",
            FileKind::Socket => "a socket, not a regular file",
            FileKind::Symlink => "a symbolic link: name the file that it leads to",
            FileKind::Unknown => "not a regular file",
        })
    }
}

impl From<FileType> for FileKind {
    fn from(file_type: FileType) -> FileKind {
        if file_type.is_file() {
            FileKind::Regular
        } else if file_type.is_dir() {
            FileKind::Directory
        } else if file_type.is_symlink() {
            FileKind::Symlink
        } else if file_type.is_fifo() {
            FileKind::Fifo
        } else if file_type.is_socket() {
            FileKind::Socket
        } else if file_type.is_char_device() {
            FileKind::CharacterDevice
        } else if file_type.is_block_device() {
            FileKind::BlockDevice
        } else {
            FileKind::Unknown
        }
    }
}

/// Why a file under a temporary file's name is not taken for the remains of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distrust {
    /// It has other names: removing or writing it could reach another file.
    HardLinked,
    /// It is not a regular file.
    NotRegular(FileKind),
    /// It belongs to another user.
    OtherOwner {
        /// The owner's user id.
        uid: u32,
    },
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distrust::HardLinked => f.write_str("has other names (hard links)"),
            Distrust::NotRegular(kind) => write!(f, "is {kind}"),
            Distrust::OtherOwner { uid } => write!(f, "belongs to user id {uid}"),
        }
    }
}
