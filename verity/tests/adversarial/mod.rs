//! Hostile images, hostile storage and hostile superblocks, in process. Each test is named after
//! the adversarial case that it shows (`s13_…`) and claims one thing.
//!
//! The images are made by the slow twin, not by the builder, so that an error of the builder cannot
//! hide one of the verifier. `support` makes them; `storage` is what misbehaves under them.

mod build;
mod claims;
mod concurrency;
mod data;
mod faults;
mod geometry;
mod holes;
mod order;
mod read;
pub(crate) mod storage;
mod superblock;
pub(crate) mod support;
mod tree;
mod trust;
