//! An image that is there: opened, vouched for, read, and what its parity makes of it.

pub(crate) mod device;
mod opened;
pub(crate) mod parity;
pub(crate) mod pieces;
pub(crate) mod recovery;
pub(crate) mod verification;

pub(crate) use self::device::Device;
pub(crate) use self::opened::{Image, ImageReader, ImageSource, Reading};
