//! What every worker is told beside its task.

use std::num::NonZeroUsize;

use crate::{Algorithm, Error};

use super::crew::{self, Crew};
use super::kernels::Kernels;
use super::progress::Progress;

/// How work is done, and who is told of it. No result depends on it.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    /// How many threads of its own; without a number, those of the rayon pool that the caller runs
    /// in, or a thread for each CPU.
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) kernels: Kernels,
    pub(crate) progress: &'a dyn Progress,
}

impl Work<'_> {
    /// On whatever threads there are, by the fastest kernels for an algorithm, without reports.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Work { threads: None, kernels: Kernels::detect(algorithm), progress: &() }
    }

    /// Runs `work`, which is about `size` bytes, on its threads.
    pub(crate) fn run<T: Send>(
        &self,
        size: u64,
        work: impl FnOnce(Crew) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        crew::install(self.threads, size, work)
    }
}
