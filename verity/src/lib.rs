//! Placeholder crate page.

#![deny(unsafe_code)]

mod algorithm;
mod area;
mod digest;
mod error;
mod geometry;
mod hash;
pub mod io;
mod params;
mod progress;
pub mod publish;
mod superblock;
pub mod table;
mod trust;

pub use self::algorithm::{Algorithm, AlgorithmError};
pub use self::area::{HashArea, HashAreaError};
pub use self::digest::{Digest, DigestError, RootHash, Salt, SaltError};
pub use self::error::{BlockRef, Corruption, Error};
pub use self::geometry::{Geometry, HashSlot, Level};
pub use self::params::{BlockSize, HashType, Params, ParamsBuilder, ParamsError};
pub use self::progress::Progress;
pub use self::superblock::{Superblock, SuperblockError, Uuid};
pub use self::trust::{Origin, PinMismatch, Pins, TrustError, TrustedParams};
