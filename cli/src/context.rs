//! What every command is given beside its options: who may stop it, whose kernels work, and where
//! to say what cannot wait for the outcome.

use std::num::NonZeroUsize;
use std::thread;

use verity::internals::{FecPlatform, Platform};
use verity::{Algorithm, TrustedParams};

use crate::error::CommandError;
use crate::signals::Signals;

/// What every command is given beside its options.
pub(crate) struct Context {
    pub(crate) signals: Signals,
    /// Whose kernels hash; the fastest ones unless given.
    pub(crate) platform: Option<Platform>,
    /// Whose kernels make parity; the fastest ones unless given.
    pub(crate) fec_platform: Option<FecPlatform>,
    /// Supplied by the front end, which knows how to print.
    pub(crate) announce: Announce,
}

/// Says what cannot wait for the outcome.
pub(crate) type Announce = Box<dyn Fn(&Ready) -> Result<(), CommandError> + Sync>;

impl Context {
    /// The kernels of a run that hashes by this algorithm; `--verbose` names them.
    pub(crate) fn kernels(&self, algorithm: Algorithm) -> Kernels {
        let hash = self.platform.unwrap_or_else(|| Platform::detect(algorithm));
        let fec = self.fec_platform.unwrap_or_else(FecPlatform::detect);
        tracing::debug!("platform: {hash}");
        Kernels { hash, fec }
    }
}

/// Whose kernels work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernels {
    /// Those that hash.
    pub(crate) hash: Platform,
    /// Those that make parity and recover blocks.
    pub(crate) fec: FecPlatform,
}

/// Clients can connect now: said before the outcome, which comes with the end of the server.
#[derive(Debug)]
pub(crate) struct Ready {
    /// How clients name the export.
    pub(crate) uri: String,
    pub(crate) export_name: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) trusted: TrustedParams,
    /// Who signed the manifest.
    pub(crate) signer: Option<String>,
}

/// The number of threads that was asked for, or one for each processor.
pub(crate) fn threads_or_all(threads: Option<NonZeroUsize>) -> NonZeroUsize {
    threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}
