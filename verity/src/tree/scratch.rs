//! The private buffers of a thread.

use std::cell::Cell;

use crate::io::ReadBuffer;

/// Buffers that a thread keeps from read to read: together at most a run of data, some hash blocks
/// and their digests.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) blocks: ReadBuffer,
    pub(crate) lookup: Lookup,
    pub(crate) actual: Vec<u8>,
}

/// The buffers for a question to the tree.
#[derive(Default)]
pub(crate) struct Lookup {
    /// Where hash blocks are read to on the way.
    pub(crate) hash_block: Vec<u8>,
    /// The answer, if it has several digests.
    pub(crate) digests: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

impl Scratch {
    /// Lends the buffers of this thread. They are taken away meanwhile: a source that is a verified
    /// reader itself gets others.
    pub(crate) fn with<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
        // A thread that is about to end has none left.
        let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
        let result = work(&mut scratch);
        let _ = SCRATCH.try_with(|cell| cell.set(scratch));
        result
    }
}

/// The first `len` bytes of a buffer, which grows if it must. What is in them is of no meaning.
pub(crate) fn grown(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}
