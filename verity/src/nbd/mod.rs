//! A read-only server of the Network Block Device protocol, for one client at a time.
//!
//! It serves anything that is [`ReadAt`](crate::io::ReadAt), over any [`Read`](std::io::Read) and
//! [`Write`](std::io::Write). What it is made for is a [`VerifiedReader`](crate::VerifiedReader):
//! then every byte that leaves is one that was proved a moment ago, and a corrupt block is an
//! input/output error of that block alone. Sockets, threads and time limits are the caller's. NBD
//! as it is spoken here has neither authentication nor encryption.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::os::unix::net::UnixStream;
//! use verity::nbd::{Export, negotiate};
//!
//! let image: Vec<u8> = (0..=255).collect();
//! let export = Export::new(image)?;
//! let (server, mut client) = UnixStream::pair()?;
//! let serving = std::thread::spawn(move || {
//!     let session = negotiate(&export, &server, &server).unwrap();
//!     session.unwrap().serve().unwrap();
//! });
//!
//! let mut greeting = [0; 18];
//! client.read_exact(&mut greeting)?;
//! assert_eq!(greeting[..8], *b"NBDMAGIC");
//! client.write_all(&3_u32.to_be_bytes())?; // fixed newstyle, no zeroes
//! client.write_all(b"IHAVEOPT\0\0\0\x01\0\0\0\0")?; // the export without a name
//! let mut reply = [0; 10];
//! client.read_exact(&mut reply)?;
//! assert_eq!(reply[..8], 256_u64.to_be_bytes());
//! drop(client);
//! serving.join().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is spoken
//!
//! The fixed newstyle handshake with the options `EXPORT_NAME`, `ABORT`, `LIST`, `INFO`, `GO` and
//! `STRUCTURED_REPLY`, and behind the last one `LIST_META_CONTEXT` and `SET_META_CONTEXT` with the
//! context `base:allocation`; others are answered with `ERR_UNSUP`, `STARTTLS` with `ERR_POLICY`.
//! Reads, in simple or in structured replies; the status of blocks, as the source tells its
//! [extents](crate::io::Extent); what would write is answered with `EPERM`, anything else with
//! `EINVAL`. Requests are answered in the order in which they come; a client that wants more
//! at a time opens more connections, as the flag `CAN_MULTI_CONN` invites it to.
//!
//! # Limits
//!
//! A client can send anything. A handshake takes at most [`MAX_OPTIONS`] options of at
//! most [`MAX_OPTION_BYTES`] bytes, a read at most [`MAX_REQUEST`] bytes, and a session less than
//! [`BUFFER_SIZE`] and 64 KiB of memory. For the status of blocks the source is asked at most
//! [`MAX_EXTENTS`] times, and the reply ends there; a client that wants to know more asks on. How
//! long a client may take is up to the transport.

mod error;
mod export;
mod handshake;
mod limits;
mod protocol;
mod session;
mod status;
mod wire;

pub use self::error::{ExportError, SessionError};
pub use self::export::Export;
pub use self::limits::{BUFFER_SIZE, MAX_EXTENTS, MAX_OPTION_BYTES, MAX_OPTIONS, MAX_REQUEST};
pub use self::session::{Session, Traffic, negotiate};
