//! Forward error correction: contenders that make parity of blocks in memory and recover lost ones,
//! and damage that parity can repair.
//!
//! `message` is what is encoded, with the parity that every contender must make, and what is lost
//! of it; `sample` makes messages out of a seed. `encoders` and `decoders` are the contenders,
//! `reading` is the bound of their speed. `damage` spoils blocks of an image.

mod contender;
mod damage;
mod decoders;
mod encoders;
mod message;
mod reading;
mod sample;

pub use self::contender::Contender;
pub use self::damage::Damage;
pub use self::decoders::decoders;
pub use self::encoders::encoders;
pub use self::message::{Loss, Message};
pub use self::sample::random_message;

/// One codeword after the other by the crate `reed-solomon`.
pub const REED_SOLOMON: &str = "reed-solomon";
/// One codeword after the other by the crate `gf256`.
pub const GF256: &str = "gf256";
/// No parity: all words of the message are added up.
pub const READING: &str = "reading memory";

/// The numbers of roots that are compared: the fewest and the most that there are.
pub const ROOTS: [u32; 2] = [2, 24];

/// The bytes of a codeword.
const CODEWORD: usize = 255;

/// A codeword.
type Word = [u8; CODEWORD];
