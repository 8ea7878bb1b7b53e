//! Where bytes come from and go to: positioned reads and writes that many threads can share.
//!
//! [`ReadAt`] and [`WriteAt`] take an offset with every call, so there is no cursor and no lock.
//! They are implemented for [`File`](std::fs::File) (regular files and block devices), for byte
//! slices and vectors, and for anything that a caller writes. [`Cursor`] adds a position where one
//! is wanted. [`Source`] is what the builder reads; with feature `mmap` it is also a mapped file.

mod ahead;
mod blocks;
mod copy;
mod cursor;
mod extent;
mod file;
#[cfg(feature = "http")]
pub mod http;
mod known_extent;
#[expect(unsafe_code, reason = "the calls that map a file, unmap it, and advise on it")]
mod mapping;
mod memory;
mod read_at;
pub(crate) mod read_buffer;
mod source;
mod window;
mod write_at;

pub(crate) use self::ahead::Ahead;
#[doc(hidden)]
pub use self::blocks::is_about_source;
pub(crate) use self::blocks::{
    FailedBlock, ReadFailure, first_unreadable, read_blocks, read_each, write_blocks,
};
pub use self::copy::copy_file;
pub use self::cursor::Cursor;
pub use self::extent::Extent;
pub(crate) use self::known_extent::KnownExtent;
pub use self::mapping::Mapping;
pub use self::memory::MemoryFile;
pub use self::read_at::ReadAt;
pub(crate) use self::read_at::read_up_to;
pub(crate) use self::read_buffer::ReadBuffer;
pub use self::source::Source;
pub use self::window::Window;
pub use self::write_at::WriteAt;
