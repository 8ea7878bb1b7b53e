//! What a verification rests on: root hashes, certificates and manifests, read from files.
//!
//! Everything here fails closed: a file that is missing, empty, unreadable or malformed is an
//! error.

mod certificates;
mod clock;
mod manifest;
mod root_hash;
mod root_hash_signature;
mod state;

pub(crate) use self::certificates::{TrustSource, Trusted, certificate, unreadable, warn_of_dates};
pub(crate) use self::clock::now;
pub(crate) use self::manifest::{check_image_name, manifest, manifest_of};
pub(crate) use self::root_hash::{MAX_ROOT_HASH_FILE, RootHashSource};
pub(crate) use self::root_hash_signature::{
    RootHashSignature, root_hash_signature, unchecked_signature,
};
pub(crate) use self::state::{Acceptance, StateFile};
