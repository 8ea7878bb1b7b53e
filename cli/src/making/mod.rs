//! An image in the making: its hash tree, its parity, and where they go.

mod job;
mod overlay;
mod parity;
mod sidecars;
mod target;
mod tree;
mod write;

pub(crate) use self::job::Job;
pub(crate) use self::parity::{FecOptions, Parity};
pub(crate) use self::sidecars::SideCars;
pub(crate) use self::target::Target;
pub(crate) use self::tree::Tree;
pub(crate) use self::write::write;
