//! What a kernel is given at a time.

use crate::io::Ahead;

use super::message::Message;

/// Some blocks of one message size that a kernel hashes together.
pub(super) struct Group<'a, W> {
    /// What all messages have in common.
    pub(super) message: &'a Message<W>,
    /// The blocks, back to back; at least one.
    pub(super) blocks: &'a [u8],
    /// What will be hashed after them.
    pub(super) next: Ahead,
    /// Room for their digests, back to back.
    pub(super) digests: &'a mut [u8],
}
