//! An image in the making: its hash tree, its parity, and where they go.

mod formatted;
mod identity;
mod maker;
mod overlay;
mod padding;
mod parity;
mod set;
mod sidecars;
mod target;
mod tree;
mod write;

pub(crate) use self::formatted::Formatted;
pub(crate) use self::identity::Identity;
pub(crate) use self::maker::TreeMaker;
pub(crate) use self::padding::{Tail, lock};
pub(crate) use self::parity::ParityPlan;
pub(crate) use self::set::{
    FileRole, PublishedSet, SetContent, SetFile, SetOutputs, SetParts, SetSignatures,
};
pub(crate) use self::sidecars::SidecarSet;
pub(crate) use self::target::HashTarget;
pub(crate) use self::tree::PlannedTree;
pub(crate) use self::write::{Rest, write};
