//! An image in the making.

pub(crate) mod sidecars;
