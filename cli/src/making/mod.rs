//! An image in the making: its hash tree, its parity, and where they go.

mod copied;
mod fill;
mod formatted;
mod guests;
mod identity;
mod layout;
mod maker;
mod old_tree;
mod overlay;
mod padding;
mod parity;
mod root_hash;
mod set;
mod sidecars;
mod streamed;
mod target;
mod tree;
mod write;

pub(crate) use self::copied::CopyPlace;
pub(crate) use self::fill::{FillError, fill};
pub(crate) use self::formatted::Formatted;
pub(crate) use self::guests::{FileDigest, GuestOptions, Guests};
pub(crate) use self::identity::Identity;
pub(crate) use self::layout::{Filling, Layout, LayoutPartition, Placed, type_named};
pub(crate) use self::maker::TreeMaker;
pub(crate) use self::old_tree::OldTree;
pub(crate) use self::padding::{Tail, lock};
pub(crate) use self::parity::ParityPlan;
pub(crate) use self::root_hash::{print_root_hash, root_hash_output, with_root_hash};
pub(crate) use self::set::{FileRole, PublishedSet, SetFile, SetOutputs, SetParts};
pub(crate) use self::sidecars::SidecarSet;
pub(crate) use self::streamed::StreamMaker;
pub(crate) use self::target::HashTarget;
pub(crate) use self::tree::PlannedTree;
pub(crate) use self::write::{Rest, write};
