//! The one shape of signature that is made: a detached CMS SignedData (PKCS#7) without attributes.
//!
//! The kernel's parser decides the shape: the signer named by issuer and serial number (version 1) or
//! by key identifier (version 3), content type data with no content, `rsaEncryption` (not
//! `sha256WithRSAEncryption`) or `ecdsa-with-SHA*`. docs/FORMAT.md lists every field. Nothing is signed here: the raw signature
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

use super::SignatureBuilder;
use crate::algorithm::{SignatureDigest, signature_oid};
use crate::certificate::Certificate;

/// Puts a raw signature into its envelope.
pub(crate) fn assemble(
    builder: &SignatureBuilder,
    digest: SignatureDigest,
    signature: &[u8],
) -> der::Result<Vec<u8>> {
    let certificate = builder.certificate();
    let key_type = certificate.key_type();
    let (version, sid) = match builder.names_subject_key_identifier() {
        true => (CmsVersion::V3, by_key_identifier(certificate)?),
        false => (CmsVersion::V1, by_issuer(certificate)),
    };
    let digest_alg = digest_algorithm(digest, version);
    let signer = SignerInfo {
        version,
        sid,
        digest_alg: digest_alg.clone(),
        signed_attrs: None,
        signature_algorithm: AlgorithmIdentifierOwned {
            oid: signature_oid(key_type, digest),
            parameters: key_type.is_rsa().then(|| Null.into()),
        },
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let data = SignedData {
        version,
        digest_algorithms: SetOfVec::try_from(vec![digest_alg])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: rfc5911::ID_DATA,
            econtent: None,
        },
        certificates: certificates(builder)?,
        crls: None,
        signer_infos: SignerInfos::try_from(vec![signer])?,
    };
    let content_type = rfc5911::ID_SIGNED_DATA;
    ContentInfo { content_type, content: Any::encode_from(&data)? }.to_der()
}

/// PKCS#7 (version 1) has NULL parameters, CMS (version 3) none, as openssl writes the two.
fn digest_algorithm(digest: SignatureDigest, version: CmsVersion) -> AlgorithmIdentifierOwned {
    let parameters = (version == CmsVersion::V1).then(|| Null.into());
    AlgorithmIdentifierOwned { oid: digest.oid(), parameters }
}

fn certificates(builder: &SignatureBuilder) -> der::Result<Option<CertificateSet>> {
    if !builder.embeds_certificate() {
        return Ok(None);
    }
    let all = [builder.certificate()].into_iter().chain(builder.chain());
    let choices: Vec<_> =
        all.map(|one| CertificateChoices::Certificate(one.parsed().clone())).collect();
    choices.try_into().map(Some)
}

/// A signer's certificate by its issuer's name and its serial number.
pub(crate) fn by_issuer(certificate: &Certificate) -> SignerIdentifier {
    let tbs = certificate.parsed().tbs_certificate();
    SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
        issuer: tbs.issuer().clone(),
        serial_number: tbs.serial_number().clone(),
    })
}

fn by_key_identifier(certificate: &Certificate) -> der::Result<SignerIdentifier> {
    let identifier = certificate.subject_key_identifier();
    identifier
        .map(SignerIdentifier::SubjectKeyIdentifier)
        .ok_or_else(|| der::Tag::OctetString.value_error().into())
}

/// Whether `sid` can mean this certificate.
pub(crate) fn names(sid: &SignerIdentifier, certificate: &Certificate) -> bool {
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(_) => *sid == by_issuer(certificate),
        SignerIdentifier::SubjectKeyIdentifier(identifier) => {
            certificate.subject_key_identifier().as_ref() == Some(identifier)
        }
    }
}
