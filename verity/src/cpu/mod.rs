//! What this CPU can do, asked in one place and handed out as tokens.
//!
//! A token is the proof that the CPU has certain instructions: nothing outside of this folder makes
//! one. Kernels are methods of their token, so safe code cannot reach a kernel that the CPU lacks.
//!
//! ```text
//!  x86_64, aarch64   the tokens; what the CPU says of its make, as plain numbers
//!  token             how a token is found
//!  entries           from a token into functions that are compiled for its instructions
//!  platforms         a list of kernels with a name for each, and what can be asked of it
//! ```
//!
//! The kernels themselves, and which of them is the fastest, are in `hash` and `fec`.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod entries;
mod platforms;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod token;
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "CPUID is an unsafe function in the oldest compiler that is supported"
)]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use self::aarch64::{Neon, Sha2, Sha512};
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
pub(crate) use self::entries::entries;
pub(crate) use self::platforms::platforms;
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use self::x86_64::tests::identity;
#[cfg(target_arch = "x86_64")]
pub(crate) use self::x86_64::{Avx2, Avx512, Avx512Units, Gfni, Identity, ShaNi, ShaNiVl};
