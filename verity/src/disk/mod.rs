//! Disks: their partition tables, the partitions in them, and which of them boots next.
//!
//! ```text
//!  LBA 0   1        2 ...                                                  ... last
//!  [MBR][primary ][array][ partitions .................................. ][array][backup ]
//!        header                                                                  header
//! ```
//!
//! [`Table`] reads both copies of a GUID partition table (UEFI specification, section 5), judges
//! them, chooses one and says what is wrong with the other. It never renumbers partitions and keeps
//! every byte that it does not know. What changes it makes is an [`Update`]: writes in an order in
//! which one copy is whole at any moment. A window makes a partition a source and a target like
//! any other ([`Window`](crate::io::Window)). Types and names of partitions are in [`types`], boot
//! flags of slots in [`slots`].
//!
//! Nothing authenticates a partition table: checksums are against accidents. What stands in one
//! must never widen what is trusted.

// Safety rests on these sums, and a program that links the library may be built without
// overflow checks: what a disk says is checked, or ends where nothing can be read.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod attributes;
mod copy;
mod entry;
mod error;
mod header;
mod label;
mod mbr;
mod new;
mod sector;
mod select;
pub mod slots;
mod table;
pub mod types;
mod update;

pub use self::attributes::Attributes;
pub use self::entry::Partition;
pub use self::error::{CopyFault, DiskError, Fault};
pub use self::label::{Label, LabelError};
pub use self::mbr::Mbr;
pub use self::new::NewPartition;
pub use self::sector::{SectorSize, TableCopy};
pub use self::select::{SelectError, Selector};
pub use self::table::Table;
pub use self::update::{Step, Update};
