//! Where the data can be seen while it is hashed.

use std::ops::Range;

use crate::Error;

/// Sees every data block that is read to be hashed, and every hole.
///
/// Called from all threads that work, for each block once, in no
/// promised order. An error ends the work.
pub(crate) trait Tap: Sync {
    /// Data blocks from number `first_block` on, back to back: the bytes that were hashed.
    fn data(&self, first_block: u64, blocks: &[u8]) -> Result<(), Error>;

    /// Data blocks in a hole: zeros, which were not read.
    fn hole(&self, blocks: Range<u64>) -> Result<(), Error>;

    /// Some blocks will not come: the work has failed. A tap that lets threads wait for one another
    /// lets them go.
    fn stop(&self) {}
}
