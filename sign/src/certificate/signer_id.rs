//! How a signature names its signer (RFC 5652 5.3): by issuer and serial number, or by the subject
//! key identifier.

use cms::cert::IssuerAndSerialNumber;
use cms::content_info::CmsVersion;
use cms::signed_data::SignerIdentifier;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use super::Certificate;

impl Certificate {
    /// The name by issuer and serial number.
    pub(crate) fn id_by_issuer(&self) -> SignerIdentifier {
        let tbs = self.parsed().tbs_certificate();
        SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: tbs.issuer().clone(),
            serial_number: tbs.serial_number().clone(),
        })
    }

    /// The name by the subject key identifier, if there is such an extension that can be read.
    pub(crate) fn id_by_key(&self) -> Option<SignerIdentifier> {
        let extension = self.parsed().tbs_certificate().get_extension::<SubjectKeyIdentifier>();
        let (_critical, identifier) = extension.ok().flatten()?;
        Some(SignerIdentifier::SubjectKeyIdentifier(identifier))
    }

    /// Whether a signature that names its signer so can mean this certificate.
    pub(crate) fn is_named_by(&self, signer: &SignerIdentifier) -> bool {
        match signer {
            SignerIdentifier::IssuerAndSerialNumber(_) => *signer == self.id_by_issuer(),
            SignerIdentifier::SubjectKeyIdentifier(_) => Some(signer) == self.id_by_key().as_ref(),
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
