//! What systemd's signature partition holds: the root hash, the signature, and who signed.
//!
//! It is one line of JSON with NUL bytes behind it, as `systemd-repart` writes it and the
//! Discoverable Disk Image specification (UAPI.3) describes it; docs/FORMAT.md shows every byte.
//! The signature is the one that the kernel takes, and it is checked here as everywhere. Only one
//! spelling is read.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use verity::RootHash;
use verity::internals::to_u64;

use crate::canonical::first_difference;
use crate::certificate::Certificate;
use crate::error::{Error, SignaturePartitionError, quoted};
use crate::signature::{SignedBy, verify_root_hash};
use crate::trust::Trust;

/// Signature partitions are at most this long, in bytes: what systemd reads of one.
pub const MAX_SIGNATURE_PARTITION_BYTES: u64 = to_u64(MAX);

/// A root hash and its signature, as systemd finds them in a partition of their own.
///
/// ```
/// use verity_sign::{Certificate, PrivateKey, Signatory, SignatureBuilder, SignaturePartition};
///
/// // Never use this key for anything but an example: it is public.
/// let key = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem");
/// let certificate = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem");
/// let certificate = Certificate::parse(certificate)?;
/// let builder = SignatureBuilder::new(certificate.clone()).with_embedded_certificate(true);
/// let signatory = Signatory::new(PrivateKey::parse(key)?, builder)?;
///
/// let root_hash: verity::RootHash = "ab".repeat(32).parse()?;
/// let signature = signatory.sign_root_hash(&root_hash)?;
/// let partition = SignaturePartition::new(&root_hash, signature, &certificate)?;
/// let bytes = partition.to_bytes();
/// assert_eq!(bytes.len(), 16384);
///
/// let read = SignaturePartition::parse(&bytes)?;
/// let signed_by = read.verify(&root_hash, &[certificate])?;
/// assert_eq!(signed_by.certificate().key_type().name(), "ecdsa-p256");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignaturePartition {
    root_hash: RootHash,
    certificate_fingerprint: Option<String>,
    signature: Vec<u8>,
}

// The order of the fields is the order in the partition, and the names are systemd's.

#[derive(Deserialize, Serialize)]
#[serde(
    expecting = "an object that is a signature partition",
    deny_unknown_fields,
    rename_all = "camelCase"
)]
struct WirePartition {
    root_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_fingerprint: Option<String>,
    signature: String,
}

impl SignaturePartition {
    /// Puts together a root hash, its signature, and the certificate of the key that signed.
    ///
    /// # Errors
    ///
    /// [`Error::Signature`] when it is not that certificate's signature of that root hash.
    pub fn new(
        root_hash: &RootHash,
        signature: Vec<u8>,
        certificate: &Certificate,
    ) -> Result<SignaturePartition, Error> {
        verify_root_hash(&signature, root_hash, std::slice::from_ref(certificate))?;
        let certificate_fingerprint = Some(certificate.fingerprint().to_string());
        Ok(SignaturePartition { root_hash: *root_hash, certificate_fingerprint, signature })
    }

    /// Reads a partition, or a file with the content of one. The signature is not checked yet.
    ///
    /// # Errors
    ///
    /// [`Error::SignaturePartition`] when it is longer than [`MAX_SIGNATURE_PARTITION_BYTES`], when
    /// anything but NUL bytes follows the first NUL byte, or when the text before that is not the
    /// one spelling of the three fields.
    pub fn parse(bytes: &[u8]) -> Result<SignaturePartition, Error> {
        if bytes.len() > MAX {
            return Err(SignaturePartitionError::TooLarge { limit: MAX }.into());
        }
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let (text, padding) = bytes.split_at(end);
        if let Some(byte) = padding.iter().position(|byte| *byte != 0) {
            return Err(SignaturePartitionError::Padding { offset: end + byte }.into());
        }
        let wire: WirePartition =
            serde_json::from_slice(text).map_err(|error| malformed(quoted(error)))?;
        let partition = SignaturePartition {
            root_hash: wire
                .root_hash
                .parse()
                .map_err(|error| malformed(format!("rootHash: {error}")))?,
            certificate_fingerprint: wire.certificate_fingerprint,
            signature: Base64::decode_vec(&wire.signature)
                .map_err(|error| malformed(format!("signature: {error}")))?,
        };
        match first_difference(partition.text().as_bytes(), text) {
            Some(offset) => Err(SignaturePartitionError::NotCanonical { offset }.into()),
            None => Ok(partition),
        }
    }

    /// The whole content of the partition: 16384 bytes, or the next multiple of 4096 that a
    /// signature with a long chain takes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.text().into_bytes();
        bytes.resize(bytes.len().next_multiple_of(UNIT).max(USUAL), 0);
        bytes
    }

    /// The root hash that the partition claims to be about. Only [`SignaturePartition::verify`]
    /// vouches for it.
    pub fn root_hash(&self) -> RootHash {
        self.root_hash
    }

    /// The signature, which is not checked yet.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Checks that the partition is about this root hash, and signed by somebody who is trusted.
    ///
    /// # Errors
    ///
    /// [`Error::SignaturePartition`] when it is about another root hash, or states the fingerprint
    /// of another certificate than the signer's; [`Error::Signature`] when the signature does not
    /// hold.
    pub fn verify<'t>(
        &self,
        root_hash: &RootHash,
        trusted: impl Into<Trust<'t>>,
    ) -> Result<SignedBy, Error> {
        if self.root_hash != *root_hash {
            let (actual, expected) = (self.root_hash.to_string(), root_hash.to_string());
            return Err(SignaturePartitionError::RootHash { actual, expected }.into());
        }
        let signed_by = verify_root_hash(&self.signature, root_hash, trusted)?;
        let expected = signed_by.certificate().fingerprint().to_string();
        match &self.certificate_fingerprint {
            Some(actual) if *actual != expected => {
                let actual = quoted(actual);
                Err(SignaturePartitionError::Fingerprint { actual, expected }.into())
            }
            _ => Ok(signed_by),
        }
    }

    fn text(&self) -> String {
        let wire = WirePartition {
            root_hash: self.root_hash.to_string(),
            certificate_fingerprint: self.certificate_fingerprint.clone(),
            signature: Base64::encode_string(&self.signature),
        };
        serde_json::to_string(&wire).expect("strings always serialise")
    }
}

fn malformed(reason: String) -> SignaturePartitionError {
    SignaturePartitionError::Malformed { reason }
}

const MAX: usize = 4_194_304;

/// The size that `systemd-repart` makes, in bytes.
const USUAL: usize = 16_384;

/// A partition is whole sectors, which are at most this large, in bytes.
const UNIT: usize = 4096;
