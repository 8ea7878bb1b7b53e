//! The verified tree: which digest must a block have, and is it right.
//!
//! Readers, repairs and verifications ask here. The way from the root hash down
//! is in `path`, hash blocks that were verified are kept in `cache`, and whether a block is right is
//! decided in `check`, which asks a `repair` for other bytes if there is one.

mod cache;
mod check;
mod counters;
mod path;
mod repair;
mod scratch;

pub(crate) use self::cache::HashCache;
pub use self::counters::Counters;
pub(crate) use self::counters::Line;
pub(crate) use self::path::Tree;
pub use self::repair::Repair;
pub(crate) use self::scratch::{Scratch, room};

/// The bound of the cache unless another one is asked for, in bytes: all hash blocks of 8 GB at the usual
/// parameters.
pub(crate) const CACHE_SIZE: u64 = 64 * 1024 * 1024;
