//! Who signs what, and how the signature looks: from options to a key that is open, and to a
//! signature in its file.

mod content;
mod key;
mod key_file;
mod opened;
mod publish;
mod secret;
mod shape;
mod terminal;
mod token;
mod vouching;

pub(crate) use self::content::{Signable, SignedContent};
pub(crate) use self::key::SigningKey;
pub(crate) use self::opened::{OpenedKey, Signing};
pub(crate) use self::publish::{SignatureOutputs, Signed, publish};
pub(crate) use self::secret::SecretSource;
pub(crate) use self::shape::{SignatureShape, builder, certificates};
pub(crate) use self::vouching::Vouching;
