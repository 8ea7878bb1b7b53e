//! How a signature names its signer (RFC 5652 5.3): by issuer and serial number, or by the subject
//! key identifier.

use cms::cert::IssuerAndSerialNumber;
use cms::content_info::CmsVersion;
use cms::signed_data::SignerIdentifier;

use super::Certificate;

/// A certificate by its issuer's name and its serial number.
pub(crate) fn by_issuer(certificate: &Certificate) -> SignerIdentifier {
    let tbs = certificate.parsed().tbs_certificate();
    SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
        issuer: tbs.issuer().clone(),
        serial_number: tbs.serial_number().clone(),
    })
}

/// A certificate by its subject key identifier, if it has one.
pub(crate) fn by_key_identifier(certificate: &Certificate) -> Option<SignerIdentifier> {
    certificate.subject_key_identifier().map(SignerIdentifier::SubjectKeyIdentifier)
}

/// Whether `signer` can mean this certificate.
pub(crate) fn names(signer: &SignerIdentifier, certificate: &Certificate) -> bool {
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(_) => *signer == by_issuer(certificate),
        SignerIdentifier::SubjectKeyIdentifier(_) => {
            by_key_identifier(certificate).as_ref() == Some(signer)
        }
    }
}

/// The version of a message and its signer: RFC 5652 ties it to how the signer is named.
pub(crate) fn message_version(signer: &SignerIdentifier) -> CmsVersion {
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(_) => CmsVersion::V1,
        SignerIdentifier::SubjectKeyIdentifier(_) => CmsVersion::V3,
    }
}
