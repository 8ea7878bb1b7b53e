//! Why a connection ends, or why something cannot be exported.

use std::io;

use super::limits::{MAX_OPTION_BYTES, MAX_OPTIONS, MAX_REQUEST, MAX_STRING};

/// Why a connection must be closed. A failed request is not an error here: the client is told and
/// the session goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// What was verified could not be had again: see [`Session::serve`](super::Session::serve).
    #[error("a block that was good could not be read again a moment later")]
    Changed(#[source] io::Error),
    /// The client wants something unknown from the start.
    #[error("the client sent the unknown flags {flags:#x}")]
    ClientFlags {
        /// The flags that it sent.
        flags: u32,
    },
    /// The client does not speak NBD, or stopped doing so.
    #[error("the client sent {found:#x} where NBD has {expected:#x}")]
    Magic {
        /// What must have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// An option longer than any that makes sense.
    #[error("the client sent an option of {length} bytes, more than {MAX_OPTION_BYTES}")]
    OptionLength {
        /// The length, in bytes.
        length: u32,
    },
    /// The server was asked to stop: see [`Session::stop_when`](super::Session::stop_when).
    #[error("the server ends")]
    Stopped,
    /// The client sends options without end.
    #[error("the client did not come to an end within {MAX_OPTIONS} options")]
    TooManyOptions,
    /// The connection failed, timed out, or ended within a message.
    #[error("the connection failed")]
    Transport(#[from] io::Error),
    /// The client asked for another export, in a way that has no answer but the end.
    #[error("the client asked for an export that is not here")]
    UnknownExport,
    /// A write so long that it is not worth being read before it is refused.
    #[error("the client sent a write of {length} bytes, more than {MAX_REQUEST}")]
    WriteLength {
        /// The length, in bytes.
        length: u32,
    },
}

/// What cannot be exported so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The length of the source cannot be told.
    #[error(transparent)]
    Source(#[from] io::Error),
    /// Names and descriptions have at most 4096 bytes and no NUL among them.
    #[error("a name or a description has at most {MAX_STRING} bytes, and no NUL")]
    Text,
}
