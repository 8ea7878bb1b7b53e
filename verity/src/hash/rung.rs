//! A kernel on a platform's ladder: what it hashes at a time, and when it is worth it.

use super::group::Group;

/// A kernel on a platform's ladder.
pub(super) struct Rung<W> {
    /// What it is, for people.
    pub(super) name: &'static str,
    pub(super) lanes: usize,
    pub(super) least: usize,
    pub(super) hash: Box<HashGroup<W>>,
}

impl<W> Rung<W> {
    /// A kernel that takes up to `lanes` blocks at a time; with fewer
    /// than `least`, narrower ones are faster.
    pub(super) fn new(
        name: &'static str,
        lanes: usize,
        least: usize,
        hash: impl Fn(Group<'_, W>) + Send + Sync + 'static,
    ) -> Rung<W> {
        Rung { name, lanes, least, hash: Box::new(hash) }
    }

    /// This kernel for any number of blocks.
    #[cfg(test)]
    pub(super) fn for_any_number(self) -> Rung<W> {
        Rung { least: 1, ..self }
    }
}

type HashGroup<W> = dyn Fn(Group<'_, W>) + Send + Sync;
