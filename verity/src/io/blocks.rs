//! Blocks in a row that are read or written with one call.

use std::io;

/// Which of `blocks` blocks cannot be read or written, and why, after all at once failed with `error`: found
/// by trying each `alone`, so that a report names the right one whatever went with it.
pub(crate) fn first_failing(
    error: io::Error,
    blocks: u64,
    mut alone: impl FnMut(u64) -> io::Result<()>,
) -> (u64, io::Error) {
    for block in 0..blocks {
        if let Err(error) = alone(block) {
            return (block, error);
        }
    }
    // This time every one went well; the failure happened all the same.
    (0, error)
}
