//! The one shape of signature that is made: a detached CMS SignedData (PKCS#7) without attributes.
//!
//! The kernel's parser decides the shape: the signer named by issuer and serial number (version 1)
//! or by key identifier (version 3), content type data with no content, `rsaEncryption` (not
//! `sha256WithRSAEncryption`) or `ecdsa-with-SHA*`. docs/FORMAT.md lists every field. Nothing is
//! signed here: the raw signature comes in from outside. Reading is the business of `verify`.

use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use const_oid::db::rfc5911;
use der::asn1::{Null, OctetString, SetOfVec};
use der::{Any, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::algorithm::{KeyType, SignatureDigest, signature_oid};
use crate::certificate::{Certificate, message_version};

/// All that a message says beside the raw signature.
pub(super) struct Envelope<'a> {
    /// The key that signed.
    pub(super) key_type: KeyType,
    /// The digest that the signature uses.
    pub(super) digest: SignatureDigest,
    /// How the signer is named.
    pub(super) signer_id: SignerIdentifier,
    /// The certificates to embed. If there are none, the message has no such field.
    pub(super) certificates: Vec<&'a Certificate>,
}

impl Envelope<'_> {
    /// The message around a raw signature.
    pub(super) fn seal(&self, signature: &[u8]) -> der::Result<Vec<u8>> {
        let data = SignedData {
            version: self.version(),
            digest_algorithms: SetOfVec::try_from(vec![self.digest_algorithm()])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: rfc5911::ID_DATA,
                econtent: None,
            },
            certificates: self.certificate_set()?,
            crls: None,
            signer_infos: SignerInfos::try_from(vec![self.signer_info(signature)?])?,
        };
        let content_type = rfc5911::ID_SIGNED_DATA;
        ContentInfo { content_type, content: Any::encode_from(&data)? }.to_der()
    }

    fn signer_info(&self, signature: &[u8]) -> der::Result<SignerInfo> {
        Ok(SignerInfo {
            version: self.version(),
            sid: self.signer_id.clone(),
            digest_alg: self.digest_algorithm(),
            signed_attrs: None,
            signature_algorithm: AlgorithmIdentifierOwned {
                oid: signature_oid(self.key_type, self.digest),
                parameters: self.key_type.is_rsa().then(|| Null.into()),
            },
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        })
    }

    fn version(&self) -> CmsVersion {
        message_version(&self.signer_id)
    }

    /// PKCS#7 (version 1) has NULL parameters and CMS (version 3) has none, as openssl writes the
    /// two.
    fn digest_algorithm(&self) -> AlgorithmIdentifierOwned {
        let parameters = (self.version() == CmsVersion::V1).then(|| Null.into());
        AlgorithmIdentifierOwned { oid: self.digest.oid(), parameters }
    }

    fn certificate_set(&self) -> der::Result<Option<CertificateSet>> {
        if self.certificates.is_empty() {
            return Ok(None);
        }
        let choices = self.certificates.iter().map(|one| one.parsed().clone());
        let choices: Vec<_> = choices.map(CertificateChoices::Certificate).collect();
        choices.try_into().map(Some)
    }
}
