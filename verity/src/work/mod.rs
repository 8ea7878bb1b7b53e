//! How work is done: by which threads and kernels, in which order, and who hears of it.
//!
//! ```text
//!  attempts   how much work in vain a thread may do for one request
//!  options    what every worker is told: threads, kernels, progress
//!  kernels    whose kernels hash, and whose make parity
//!  crew       where work runs, and numbered units of it handed out in order: the one file that
//!             knows rayon
//!  progress   told of what is done; may stop it
//!  runs       data blocks from a source to their digests, a run at a time
//!  tap        sees each run as it is hashed
//!  pieces     what one thread takes at a time, in the order of the data
//!  units      what one thread takes at a time, in the order of parity
//! ```
//!
//! `build`, `verify`, `read` and `repair` work on top of it. No result
//! depends on what is chosen here.

mod attempts;
mod crew;
mod kernels;
mod options;
mod pieces;
mod progress;
mod runs;
mod tap;
mod units;

pub use self::kernels::Kernels;
pub use self::progress::Progress;

pub(crate) use self::attempts::{has_attempts, take_attempts, with_attempts};
pub(crate) use self::crew::Crew;
pub(crate) use self::options::Work;
pub(crate) use self::pieces::Pieces;
pub(crate) use self::progress::advance;
pub(crate) use self::runs::{RUN_SIZE, Run, RunBuffer, RunReader};
pub(crate) use self::tap::Tap;
pub(crate) use self::units::Units;
