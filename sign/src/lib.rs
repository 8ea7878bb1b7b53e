//! Signatures for dm-verity images, made and checked without openssl.
//!
//! Two things are signed, both as a detached PKCS#7 message in the one shape that the Linux kernel
//! takes (docs/FORMAT.md describes it byte by byte):
//!
//! - the **root hash**, as lower-case hex text, for the kernel and systemd
//!   ([`Signatory::sign_root_hash`], [`verify_root_hash`]);
//! - a **[`Manifest`]**, which binds the image's name, size and version, all parameters of the tree
//!   and the place of the hash area ([`Signatory::sign_manifest`], [`Manifest::verify`]). A root
//!   hash alone binds none of these.
//!
//! [`Sidecars`] are all that lies beside an image that was built, made and handed out in the order
//! that is safe.
//!
//! Trust is a certificate in the caller's hand: a pinned [`Certificate`] of the signer, or those of
//! [`Authorities`] to which the signer's must lead. Nothing that a message embeds is trusted, and
//! there is no weaker mode to fall back to. Keys are RSA 2048, 3072, 4096 and ECDSA
//! P-256, P-384, P-521.
//!
//! A [`SignaturePartition`] is a signed root hash in the form in which systemd finds it on a disk.
//! [`AcceptedImages`] is what a machine remembers in order to refuse older images. [`lint`]
//! predicts whether a kernel would take a signature, which is another question and vouches for
//! nothing.
//!
//! A [`Signer`] signs: a [`PrivateKey`] from a file, another program ([`ExternalSigner`]), a token
//! (feature `pkcs11`), or your own implementation of the trait. Where the key is on another
//! machine, a [`SignatureBuilder`] says what must be signed there, and takes the raw signature.
//!
//! ```
//! use verity_sign::{Certificate, PrivateKey, Signatory, SignatureBuilder, verify_root_hash};
//!
//! // Never use this key for anything but an example: it is public.
//! let key = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem");
//! let certificate = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem");
//! let certificate = Certificate::parse(certificate)?;
//! let builder = SignatureBuilder::new(certificate.clone());
//! let signatory = Signatory::new(PrivateKey::parse(key)?, builder)?;
//!
//! let root_hash: verity::RootHash = "ab".repeat(32).parse()?;
//! let signature = signatory.sign_root_hash(&root_hash)?;
//!
//! let signed_by = verify_root_hash(&signature, &root_hash, &[certificate])?;
//! assert_eq!(signed_by.certificate().subject(), "CN=verity test p256,O=TEST KEY DO NOT USE");
//!
//! let other: verity::RootHash = "cd".repeat(32).parse()?;
//! assert!(verify_root_hash(&signature, &other, &[signed_by.certificate().clone()]).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A good signature cannot say that the image is the newest one (`image.version` and `not_after` of
//! the manifest are for that), nor that nobody has stolen the signer's key.

#![forbid(unsafe_code)]

// The examples of pages that need both libraries.
#[cfg(doctest)]
#[doc = include_str!("../../docs/READING.md")]
struct Reading;

#[cfg(doctest)]
#[doc = include_str!("../../docs/LINKING.md")]
struct Linking;

#[cfg(doctest)]
#[doc = include_str!("../../docs/SIGNING.md")]
struct Signing;

mod accepted;
mod algorithm;
mod canonical;
mod certificate;
mod date;
mod error;
mod form;
#[cfg(feature = "lint")]
pub mod lint;
mod manifest;
mod sidecars;
mod signatory;
mod signature;
mod signature_partition;
mod signer;
mod trust;

// The public interface is:
pub use crate::accepted::{AcceptedImages, MAX_STATE_BYTES};
pub use crate::algorithm::{KeyType, SignatureDigest, UnknownSignatureDigest};
pub use crate::certificate::input::MAX_KEY_BYTES;
pub use crate::certificate::{
    Certificate, CertificateBundle, Fingerprint, PublicKey, ToBeSigned, Validity,
};
#[cfg(feature = "pkcs11")]
pub use crate::error::Pkcs11Error;
pub use crate::error::{
    CertificateError, Class, Error, InputError, KeyError, ManifestError, PolicyError,
    SignatureError, SignaturePartitionError, SignerError, SigningError, StateError,
};
pub use crate::manifest::{Fec, Image, MAX_MANIFEST_BYTES, Manifest, VerifiedManifest};
pub use crate::sidecars::{Sidecar, Sidecars};
pub use crate::signatory::Signatory;
pub use crate::signature::{
    MAX_SIGNATURE_BYTES, SignatureBuilder, SignedBy, root_hash_content, verify_detached,
    verify_root_hash,
};
pub use crate::signature_partition::{MAX_SIGNATURE_PARTITION_BYTES, SignaturePartition};
pub use crate::signer::{
    DIGEST_ALGORITHM_VARIABLE, ExternalSigner, ExternalSignerError, KEY_ALGORITHM_VARIABLE,
    PrivateKey, Signer,
};
#[cfg(feature = "pkcs11")]
pub use crate::signer::{Pkcs11Signer, Pkcs11Token, Pkcs11Uri, Pkcs11UriError};
#[cfg(feature = "authorities")]
pub use crate::trust::Authorities;
pub use crate::trust::Trust;
