//! How an update goes about its work. No result depends on it, but how much is fetched does.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::work::{Kernels, Work};
use crate::{Params, Progress};

/// How an update goes about its work.
///
/// ```
/// use std::num::NonZeroUsize;
/// use verity::update::Settings;
///
/// let two = NonZeroUsize::new(2).unwrap();
/// let settings = Settings::new().threads(two).max_requests(two).bridge(64 << 10);
/// # let _ = settings;
/// ```
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    threads: Option<NonZeroUsize>,
    kernels: Option<Kernels>,
    progress: &'a dyn Progress,
    max_requests: NonZeroUsize,
    bridge: u64,
    chunk: u64,
    sync_period: Duration,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Settings::new()
    }
}

impl<'a> Settings<'a> {
    /// Works in the rayon pool of the caller or on a thread for each CPU, with 8 requests at a time
    /// and gaps of up to 16 KiB bridged, and reports no progress.
    pub fn new() -> Settings<'a> {
        Settings {
            threads: None,
            kernels: None,
            progress: &(),
            max_requests: NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN),
            bridge: 16 << 10,
            chunk: 4 << 20,
            sync_period: Duration::from_secs(5),
        }
    }

    /// Hashes on that many threads of its own.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Works by these kernels instead of the fastest ones.
    #[doc(hidden)]
    #[must_use]
    pub fn kernels(mut self, kernels: Kernels) -> Self {
        self.kernels = Some(kernels);
        self
    }

    /// Reports the bytes that were hashed, copied or fetched.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Sets how many requests are under way at a time.
    #[must_use]
    pub fn max_requests(mut self, requests: NonZeroUsize) -> Self {
        self.max_requests = requests;
        self
    }

    /// Sets how many bytes that are not wanted a request may go over, so that there are fewer of
    /// them.
    #[must_use]
    pub fn bridge(mut self, bytes: u64) -> Self {
        self.bridge = bytes;
        self
    }

    /// Sets how many bytes are on their way at once, for tests of what is moved within a slot.
    #[doc(hidden)]
    #[must_use]
    pub fn chunk(mut self, bytes: u64) -> Self {
        self.chunk = bytes;
        self
    }

    /// Sets how long data that was written waits for a sync when more is written, for tests of what
    /// a power cut takes.
    #[doc(hidden)]
    #[must_use]
    pub fn sync_every(mut self, period: Duration) -> Self {
        self.sync_period = period;
        self
    }

    pub(super) fn sync_period(&self) -> Duration {
        self.sync_period
    }

    pub(super) fn chunk_bytes(&self) -> u64 {
        self.chunk
    }

    pub(super) fn bridge_bytes(&self) -> u64 {
        self.bridge
    }

    pub(super) fn reports_to(&self) -> &'a dyn Progress {
        self.progress
    }

    /// How blocks are hashed.
    pub(super) fn work(&self, params: &Params) -> Work<'a> {
        let kernels = self.kernels.unwrap_or_else(|| Kernels::detect(params.algorithm()));
        Work { threads: self.threads, kernels, progress: self.progress }
    }

    /// How blocks are fetched: a thread for each request.
    pub(super) fn fetching(&self, params: &Params) -> Work<'a> {
        Work { threads: Some(self.max_requests), ..self.work(params) }
    }
}
