//! How much of anything a client gets.

/// The longest request, in bytes: what clients assume where they are not told.
pub const MAX_REQUEST: u32 = 32 * 1024 * 1024;

/// What a session reads, and sends, at once, in bytes.
pub const BUFFER_SIZE: usize = 1024 * 1024;

/// How many attempts to recover blocks a request has. A recovered block takes one, a round that
/// cannot be solved 16.
pub(super) const MAX_ATTEMPTS: u32 = 256;

/// How often the source is asked for one request of the status of blocks: how many extents a reply
/// may have.
pub const MAX_EXTENTS: u32 = 64;

/// How many options a client may send.
pub const MAX_OPTIONS: u32 = 64;

/// How many bytes the data of an option may have.
pub const MAX_OPTION_BYTES: u32 = 16 * 1024;

/// The longest string, in bytes: what the protocol allows.
pub(super) const MAX_STRING: usize = 4096;
