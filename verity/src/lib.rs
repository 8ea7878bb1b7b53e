//! Placeholder crate page.

#![deny(unsafe_code)]

mod algorithm;
mod area;
mod build;
mod digest;
mod error;
mod geometry;
mod hash;
pub mod io;
mod parallel;
mod params;
mod plan;
mod progress;
pub mod publish;
mod seed;
mod superblock;
pub mod table;
mod trust;
mod verify;

pub use self::algorithm::{Algorithm, AlgorithmError};
pub use self::area::{HashArea, HashAreaError};
pub use self::build::Builder;
pub use self::digest::{Digest, DigestError, RootHash, Salt, SaltError};
pub use self::error::{BlockRef, Corruption, Error};
pub use self::geometry::{Geometry, HashSlot, Level};
pub use self::params::{BlockSize, HashType, Params, ParamsBuilder, ParamsError};
pub use self::plan::Plan;
pub use self::progress::Progress;
pub use self::seed::uuid_from_seed;
pub use self::superblock::{Superblock, SuperblockError, Uuid};
pub use self::trust::{Origin, PinMismatch, Pins, TrustError, TrustedParams};
pub use self::verify::{CorruptRange, Report, Verified, Verifier};
