//! Which kernels this CPU can run, from the fastest to the one that every CPU can.

use std::fmt;

/// A way to hash blocks that this CPU has. Every one gives the same digests; they differ in speed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Ordinary instructions.
    Portable,
}

impl Platform {
    /// The fastest one here.
    pub fn detect() -> Platform {
        Platform::available().next().unwrap_or(Platform::Portable)
    }

    /// All that can run here, the fastest first.
    pub fn available() -> impl Iterator<Item = Platform> {
        std::iter::once(Platform::Portable)
    }

    /// The one with this name, if it can run here.
    pub fn named(name: &str) -> Option<Platform> {
        Platform::available().find(|platform| platform.name() == name)
    }

    /// Its name: `portable`, `avx2`, `sha-ni` or `avx512` on x86-64; `portable`, `neon` or `sha2` on ARM.
    pub fn name(self) -> &'static str {
        match self {
            Platform::Portable => "portable",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
