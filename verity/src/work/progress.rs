//! Progress and cancellation of long work.

use std::ops::ControlFlow;

use crate::Error;

/// Hears how far a build or a verification has come, and may stop it.
///
/// Called from whatever threads do the work, at least once for every
/// buffer read, so it should be quick.
///
/// ```
/// use std::ops::ControlFlow;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// struct Count(AtomicU64);
///
/// impl verity::Progress for Count {
///     fn advance(&self, bytes: u64) -> ControlFlow<()> {
///         self.0.fetch_add(bytes, Ordering::Relaxed);
///         ControlFlow::Continue(())
///     }
/// }
/// ```
pub trait Progress: Sync {
    /// Told of `bytes` more bytes read and hashed (0 before the first ones). Answering
    /// [`ControlFlow::Break`] ends the work with [`Error::Cancelled`](crate::Error::Cancelled); a
    /// few calls may follow, from threads that are in the middle of a buffer.
    fn advance(&self, bytes: u64) -> ControlFlow<()>;
}

/// Does not listen, and never cancels.
impl Progress for () {
    fn advance(&self, _bytes: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Tells of more bytes; an error if the work is to stop.
pub(crate) fn advance(progress: &dyn Progress, bytes: u64) -> Result<(), Error> {
    match progress.advance(bytes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled),
    }
}
