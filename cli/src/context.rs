//! What every command is given beside its options: who may stop it, and whose kernels work.

use std::num::NonZeroUsize;
use std::thread;

use verity::Algorithm;
use verity::internals::{FecPlatform, Platform};

use crate::signals::Signals;

/// What every command is given beside its options.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) signals: Signals,
    /// Whose kernels hash; the fastest ones unless given.
    pub(crate) platform: Option<Platform>,
    /// Whose kernels make parity; the fastest ones unless given.
    pub(crate) fec_platform: Option<FecPlatform>,
    /// Whether what is said before the outcome is JSON too.
    pub(crate) json: bool,
}

impl Context {
    /// Whose kernels hash by this algorithm; `--verbose` says so.
    pub(crate) fn platform(&self, algorithm: Algorithm) -> Platform {
        let platform = self.platform.unwrap_or_else(|| Platform::detect(algorithm));
        tracing::debug!("platform: {platform}");
        platform
    }

    /// Whose kernels make parity.
    pub(crate) fn fec_platform(&self) -> FecPlatform {
        self.fec_platform.unwrap_or_else(FecPlatform::detect)
    }
}

/// The number of threads that was asked for, or one for each processor.
pub(crate) fn threads_or_all(threads: Option<NonZeroUsize>) -> NonZeroUsize {
    threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}
