//! Outputs that appear whole or not at all, and inputs that must not change meanwhile.
//!
//! For commands and build tools: an [`Output`] is made in a temporary file beside its target and
//! renamed over it when everything has reached the storage; an [`OutputSet`] does that with several
//! files in a given order; [`InPlace`] rewrites a block device so that an interrupted run leaves
//! something that does not verify. Runs on one output exclude each other. What is written is the
//! caller's business, and this is the only module of the library that deals with paths.
//!
//! # The temporary file
//!
//! The target `NAME` is made in `.NAME.verity-tmp` in the same directory, or, where that would be
//! too long, in a name made of its SHA-256. The file is locked (`flock`) for as long as it is
//! there, so it is also the lock that serialises runs. A run that was killed leaves it behind
//! without a lock; the next run on the same output removes it. Nothing else ever is removed:
//! neither other temporary files nor one that a running program holds. A program that ends itself
//! while other threads still work, as on a signal, calls [`remove_leftovers`] first.
//!
//! # What survives a crash
//!
//! Contents are synced before the rename and the directory after it. The target therefore has its
//! old contents or its new ones, after a kill as after a power cut, and once `commit` returned it
//! has the new ones.

mod appended;
mod directory;
mod error;
mod in_place;
mod input;
mod leftovers;
mod lock;
mod output;
mod set;
mod temporary;

pub use self::error::{Change, Distrust, FileKind, PublishError};
pub use self::in_place::{InPlace, Rewriting};
pub use self::input::Input;
pub use self::leftovers::{Leftover, remove_leftovers};
pub use self::output::{Output, write};
pub use self::set::{OutputSet, Removal};
