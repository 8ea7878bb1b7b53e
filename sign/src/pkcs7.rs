//! The one shape of signature that is made: a detached CMS SignedData (PKCS#7) without attributes.
//!
//! The kernel's parser decides the shape: version 1, the signer named by issuer and serial number,
//! content type data with no content, `rsaEncryption` (not `sha256WithRSAEncryption`) or
//! `ecdsa-with-SHA*`. docs/FORMAT.md lists every field. Nothing is signed here: the raw signature
//! comes in from outside, whoever made it. Reading is the business of `verify`.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use const_oid::db::rfc5911;
use der::asn1::{Null, OctetString, SetOfVec};
use der::{Any, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::algorithm::{Scheme, SignatureDigest};
use crate::certificate::Certificate;

/// Puts a raw signature into its envelope.
pub(crate) fn assemble(
    certificate: &Certificate,
    digest: SignatureDigest,
    scheme: &Scheme,
    signature: &[u8],
    embed_certificate: bool,
) -> der::Result<Vec<u8>> {
    let digest = AlgorithmIdentifierOwned { oid: digest.oid(), parameters: Some(Null.into()) };
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(signer_id(certificate)),
        digest_alg: digest.clone(),
        signed_attrs: None,
        signature_algorithm: AlgorithmIdentifierOwned {
            oid: scheme.oid,
            parameters: certificate.key_type().is_rsa().then(|| Null.into()),
        },
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let data = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![digest])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: rfc5911::ID_DATA,
            econtent: None,
        },
        certificates: match embed_certificate {
            true => Some(certificate_set(certificate)?),
            false => None,
        },
        crls: None,
        signer_infos: SignerInfos::try_from(vec![signer])?,
    };
    let content_type = rfc5911::ID_SIGNED_DATA;
    ContentInfo { content_type, content: Any::encode_from(&data)? }.to_der()
}

/// How a signature names the certificate of its signer.
pub(crate) fn signer_id(certificate: &Certificate) -> IssuerAndSerialNumber {
    let tbs = certificate.parsed().tbs_certificate();
    IssuerAndSerialNumber {
        issuer: tbs.issuer().clone(),
        serial_number: tbs.serial_number().clone(),
    }
}

fn certificate_set(certificate: &Certificate) -> der::Result<CertificateSet> {
    vec![CertificateChoices::Certificate(certificate.parsed().clone())].try_into()
}
