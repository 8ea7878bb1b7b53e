//! What a key signs: some content by a digest, in each of the forms that signers take.

use const_oid::ObjectIdentifier;
use der::asn1::{Null, OctetString};
use der::{Encode, Sequence};

use crate::algorithm::SignatureDigest;

/// What a [`Signer`](crate::Signer) signs: some content, and the digest that the signature uses.
///
/// Some signers take the content, some its digest, some the digest in PKCS#1's envelope; all three
/// lead to the same signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToBeSigned {
    content: Vec<u8>,
    digest: SignatureDigest,
}

impl ToBeSigned {
    pub(crate) fn new(content: &[u8], digest: SignatureDigest) -> ToBeSigned {
        ToBeSigned { content: content.to_vec(), digest }
    }

    /// The content: a root hash in hex, or the bytes of a manifest.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The digest that the signature uses.
    pub fn digest_algorithm(&self) -> SignatureDigest {
        self.digest
    }

    /// The content's digest.
    pub fn digest(&self) -> Vec<u8> {
        self.digest.hash(&self.content)
    }

    /// The content's digest in PKCS#1's DigestInfo (RFC 8017 9.2). An RSA signer that does not know
    /// of digests, such as PKCS#11's mechanism CKM_RSA_PKCS, pads and signs this.
    ///
    /// # Panics
    ///
    /// Never: a digest of at most 64 bytes can be encoded.
    pub fn digest_info(&self) -> Vec<u8> {
        let info = DigestInfo {
            algorithm: DigestAlgorithm { oid: self.digest.oid(), parameters: Null },
            digest: OctetString::new(self.digest()).expect("a digest is short"),
        };
        info.to_der().expect("a digest is short")
    }
}

#[derive(Sequence)]
struct DigestInfo {
    algorithm: DigestAlgorithm,
    digest: OctetString,
}

#[derive(Sequence)]
struct DigestAlgorithm {
    oid: ObjectIdentifier,
    parameters: Null,
}
