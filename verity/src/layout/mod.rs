//! What lies where: parameters, sizes, places and names of blocks, and the bytes that state them.
//!
//! The ground floor. Nothing here reads, writes, hashes or starts a thread; everything else asks.
//!
//! ```text
//!  params (algorithm, hash_type, block sizes, salt) ──> geometry: levels and slots
//!                 │                                          │
//!                 ├── superblock, seed                       v
//!                 └───────────> hash_area: superblock and tree on the hash device
//!                               fec_area: parity, and what it covers
//! ```

// Safety rests on these sums, and a program that links the library may be built without
// overflow checks: what could leave 64 bits is checked, or ends where nothing can be read.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod algorithm;
mod block;
mod corruption;
mod digest;
mod fec_area;
mod geometry;
mod hash_area;
mod hash_type;
mod params;
mod params_error;
mod seed;
mod superblock;

pub use self::algorithm::{Algorithm, AlgorithmError};
pub(crate) use self::block::Layer;
pub use self::block::{BlockRef, BlockSize};
pub use self::corruption::{BlockRange, CorruptRange, Corruption, Report};
pub use self::digest::{Digest, DigestError, RootHash, Salt, SaltError};
pub(crate) use self::fec_area::CODEWORD;
pub use self::fec_area::{FecArea, FecError};
pub use self::geometry::{Geometry, HashSlot, Level};
pub use self::hash_area::{HashArea, HashAreaError};
pub use self::hash_type::HashType;
pub use self::params::{Params, ParamsBuilder};
pub use self::params_error::ParamsError;
pub use self::seed::uuid_from_seed;
pub use self::superblock::{Superblock, SuperblockError, Uuid};
