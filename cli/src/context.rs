//! What every command is given beside its options: who may stop it, whose kernels work, and where
//! to say what cannot wait for the outcome.

use std::num::NonZeroUsize;
use std::sync::Once;
use std::thread;

use verity::internals::{FecPlatform, Kernels, Platform};
use verity::{Algorithm, TrustedParams};

use crate::error::CommandError;
use crate::signals::Signals;
use crate::signer::Signer;

/// What every command is given beside its options.
pub(crate) struct Context {
    pub(crate) signals: Signals,
    /// Whose kernels hash; the fastest ones unless given.
    pub(crate) platform: Option<Platform>,
    /// Whose kernels make parity; the fastest ones unless given.
    pub(crate) fec_platform: Option<FecPlatform>,
    /// Whether the kernels were named.
    pub(crate) named: Once,
    /// Supplied by the front end, which knows how to print.
    pub(crate) announce: Announce,
}

/// Says what cannot wait for the outcome.
pub(crate) type Announce = Box<dyn Fn(&Ready) -> Result<(), CommandError> + Sync>;

impl Context {
    /// The kernels of a run that hashes by this algorithm; `--verbose` names them.
    pub(crate) fn kernels(&self, algorithm: Algorithm) -> Kernels {
        let fastest = Kernels::detect(algorithm);
        let kernels = Kernels {
            hash: self.platform.unwrap_or(fastest.hash),
            fec: self.fec_platform.unwrap_or(fastest.fec),
        };
        // A run has one algorithm, so it names its kernels once.
        self.named.call_once(|| {
            tracing::debug!("platform: {}", kernels.hash);
            tracing::debug!("fec platform: {}", kernels.fec);
        });
        kernels
    }
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
    pub(crate) signer: Option<Signer>,
}

/// The number of threads that was asked for, or one for each processor.
pub(crate) fn threads_or_all(threads: Option<NonZeroUsize>) -> NonZeroUsize {
    threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}
