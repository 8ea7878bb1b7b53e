//! Build and verify dm-verity hash trees: the Linux kernel's format, byte for byte what
//! `veritysetup` writes.
//!
//! dm-verity protects a read-only block device with a tree of digests: the digests of the data
//! blocks are packed into hash blocks, their digests into further hash blocks, up to one whose
//! digest is the root hash. With a trusted root hash and trusted parameters every block can be
//! checked.
//!
//! ```text
//!  data        |b0|b1|b2| ............................ |bn-1|
//!                 \  |  /
//!  level 0         |hb|hb| ........................ |hb|     digests of data blocks
//!                    \ |
//!  level 1            |hb| ... |hb|                          digests of level-0 hash blocks
//!                        \   /
//!  level 2               |hb|  ── its digest ──> root hash
//!
//!  hash device  [superblock, padding][level 2][level 1][level 0]
//! ```
//!
//! [`Params`] says what a tree looks like and cannot be wrong; [`Geometry`] and [`HashArea`] say
//! where everything lies, and [`FecArea`] where parity does; [`Builder`] makes tree and parity, and
//! [`ImageBuilder`] all that a [`Plan`] says, in the order that is safe; [`Verifier`] checks an
//! image against [`TrustedParams`], which remember where they come from; [`VerifiedReader`] reads
//! any part of one and proves what it returns; [`Repairer`] and [`FecRepair`] recover corrupt
//! blocks from the parity. Files, block devices, slices and your own types come in through
//! [`io::ReadAt`] and [`io::WriteAt`]. Root hash signatures and manifests are
//! in the crate `dm-verity-sign`.
//!
//! ```
//! use std::sync::Mutex;
//! use verity::{Builder, HashArea, Params, Salt, TrustedParams, Verifier};
//!
//! let image = vec![0x5a; 1 << 20];
//! let params = Params::builder().data_size(1 << 20).salt(Salt::from_seed("demo")).build()?;
//! let area = HashArea::new(&params, 0, false)?;
//! let hash = Mutex::new(Vec::new());
//! let root_hash = Builder::new(&params).build(&image, &hash, &area)?;
//!
//! let trusted = TrustedParams::pinned(params, root_hash, area)?;
//! Verifier::new(trusted).verify(&image, &hash)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Data that is not there yet is pushed: [`StreamBuilder`] is an [`io::Write`](std::io::Write).
//! [`Rehasher`] makes the tree of an image that changed in part from the tree before.
//!
//! The library never prints. Unless told otherwise it hashes in the rayon pool that its caller runs
//! in, or else in a pool of its own for each call; rayon's global one is never started. With
//! feature `mmap` the builder also takes a mapped file as its source; with features `http`
//! and `https`, a file on an HTTP server is a source like any other.
//!
//! The public interface is what this page lists: everything at the top, and the modules [`io`],
//! [`disk`], [`nbd`], [`publish`], [`table`] and [`update`].

// The examples of the page of this crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(not(unix))]
compile_error!("verity reads and writes files at offsets, as Unix does");

mod build;
mod cpu;
mod devices;
pub mod disk;
mod error;
#[cfg_attr(
    not(any(target_arch = "aarch64", target_arch = "x86_64")),
    allow(dead_code, reason = "what kernels share is there for CPUs without kernels too")
)]
mod fec;
#[cfg_attr(
    not(any(target_arch = "aarch64", target_arch = "x86_64")),
    allow(dead_code, reason = "what kernels share is there for CPUs without kernels too")
)]
mod hash;
pub mod io;
mod layout;
mod lock;
pub mod nbd;
mod number;
mod plan;
pub mod publish;
mod read;
mod repair;
pub mod table;
mod tree;
mod trust;
pub mod update;
mod verify;
mod work;

pub use self::build::{
    BlockIndex, BlockIndexError, Builder, BuiltImage, Changes, CopiedHoles, ImageBuilder,
    ImageDigest, ImageDigestAlgorithm, Rehashed, Rehasher, StreamBuilder, Streamed,
};
pub use self::devices::{Devices, Sharing};
pub use self::error::{Error, ErrorClass};
pub use self::layout::{
    Algorithm, AlgorithmError, BlockRange, BlockRef, BlockSize, CorruptRange, Corruption, Digest,
    DigestError, FecArea, FecError, Geometry, HashArea, HashAreaError, HashSlot, HashType, Level,
    Params, ParamsBuilder, ParamsError, Report, RootHash, Salt, SaltError, Superblock,
    SuperblockError, Uuid, uuid_from_seed,
};
pub use self::plan::Plan;
pub use self::read::{ReadError, VerifiedReader};
pub use self::repair::{FecRepair, ParityReport, RepairSink, Repaired, Repairer};
pub use self::tree::{Counters, Repair};
pub use self::trust::{Origin, PinMismatch, Pins, TrustError, TrustedParams};
pub use self::verify::{Verified, Verifier};
pub use self::work::Progress;

/// For the other crates of this workspace, and for its tests, which choose among kernels.
/// No part of the interface.
#[doc(hidden)]
pub mod internals {
    pub use crate::fec::{Decoder, Encoder, FecPlatform};
    pub use crate::hash::{BlockHasher, ChosenKernel, ChosenKernels, Platform};
    pub use crate::io::read_buffer::ReadBuffer;
    pub use crate::lock::unpoisoned;
    pub use crate::number::{to_len, to_u64};
    pub use crate::work::Kernels;
}
