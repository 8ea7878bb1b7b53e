//! Nodes under `/dev/mapper`: waiting for udev to make them, or making them.

mod cookie;
mod nodes;
mod udev;

pub(crate) use self::cookie::Cookie;
pub(crate) use self::nodes::{block_number, is_right, make, make_directory, remove};
pub use self::udev::Udev;
