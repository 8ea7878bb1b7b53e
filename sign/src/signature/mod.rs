//! Signatures: how one looks, what it covers, and how it is checked.
//!
//! | to find | open |
//! |---|---|
//! | the choices that a signature leaves, and the two halves of making one | `builder` |
//! | what exactly is signed | `content` |
//! | the bytes around a raw signature | `envelope` |
//! | why a raw signature is refused | `mistake`, over `padding` |
//! | whose of several certificates a raw signature is | `attribution` |
//! | which messages are read, and what they say | `message` |
//! | whether a signature holds, and who signed | `verify` |
//!
//! No private key is known here: raw signatures come from `signer`, or from outside.

mod attribution;
mod builder;
mod content;
mod envelope;
mod message;
mod mistake;
mod padding;
mod verify;

pub use self::builder::SignatureBuilder;
pub use self::content::root_hash_content;
pub use self::message::MAX_SIGNATURE_BYTES;
pub(crate) use self::verify::verify_named;
pub use self::verify::{SignedBy, verify_detached, verify_root_hash};
