//! From a signer's embedded certificate to an authority.
//!
//! rustls-webpki builds the path, in bounded work (it checks at most 100 signatures). What it
//! leaves to others is here: key usage, the authority's own dates, needless certificates.

use std::time::Duration;

use cms::cert::CertificateChoices;
use cms::signed_data::{CertificateSet, SignerIdentifier};
use const_oid::db::rfc5280;
use der::Encode;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage};

use super::authorities::{Authorities, is_valid_at, key_usage};
use crate::certificate::{Certificate, MAX_EMBEDDED};
use crate::error::SignatureError;

/// The certificates of a message.
pub(crate) struct Embedded(Vec<Certificate>);

impl Embedded {
    pub(crate) fn read(set: Option<&CertificateSet>) -> Result<Embedded, SignatureError> {
        let choices = set.map(|set| set.0.as_slice()).unwrap_or_default();
        if choices.len() > MAX_EMBEDDED {
            let (actual, limit) = (choices.len(), MAX_EMBEDDED);
            return Err(SignatureError::TooManyCertificates { actual, limit });
        }
        // A certificate that occurs twice would be another spelling.
        if (0..choices.len()).any(|index| choices[..index].contains(&choices[index])) {
            return Err(SignatureError::ForeignCertificate);
        }
        choices.iter().map(read_one).collect::<Result<_, _>>().map(Embedded)
    }

    /// The one certificate that a signer's name means.
    fn of_signer(&self, signer: &SignerIdentifier) -> Result<&Certificate, SignatureError> {
        let mut matching = self.0.iter().filter(|one| one.is_named_by(signer));
        match (matching.next(), matching.next()) {
            (Some(leaf), None) => Ok(leaf),
            (Some(_), Some(_)) => Err(chain("two certificates have the signer's name")),
            (None, _) => Err(chain("the signer's certificate is not embedded")),
        }
    }

    /// Each of them must be on the path, or an authority. They are not signed: with needless ones,
    /// which anybody could add, one signature would have many spellings.
    fn check_needed(
        &self,
        leaf: &Certificate,
        path: &Path<'_>,
        authorities: &Authorities,
    ) -> Result<(), SignatureError> {
        let is_needed = |one: &Certificate| {
            one == leaf
                || path.intermediates.contains(&one)
                || authorities.certificates().contains(one)
        };
        match self.0.iter().all(is_needed) {
            true => Ok(()),
            false => Err(SignatureError::ForeignCertificate),
        }
    }
}

fn read_one(choice: &CertificateChoices) -> Result<Certificate, SignatureError> {
    let CertificateChoices::Certificate(parsed) = choice else {
        return Err(SignatureError::ForeignCertificate);
    };
    let der = parsed.to_der().map_err(|error| chain(error.to_string()))?;
    Certificate::from_der(&der).map_err(|error| chain(error.to_string()))
}

/// The signer's certificate, and the authority that vouches for it.
pub(crate) fn verify_chain(
    signer: &SignerIdentifier,
    embedded: Embedded,
    authorities: &Authorities,
) -> Result<(Certificate, Certificate), SignatureError> {
    if authorities.certificates().is_empty() {
        return Err(SignatureError::NothingTrusted);
    }
    let leaf = embedded.of_signer(signer)?;
    let path = build_path(leaf, &embedded.0, authorities)?;
    check_usage(leaf, &path.intermediates)?;
    check_anchor(&path, authorities.at())?;
    embedded.check_needed(leaf, &path, authorities)?;
    Ok((leaf.clone(), path.authority.clone()))
}

/// The way from a signer's certificate up to an authority.
struct Path<'a> {
    intermediates: Vec<&'a Certificate>,
    authority: &'a Certificate,
}

/// Builds the path, and checks on it what rustls-webpki checks.
fn build_path<'a>(
    leaf: &Certificate,
    embedded: &'a [Certificate],
    authorities: &'a Authorities,
) -> Result<Path<'a>, SignatureError> {
    let trusted = ders(authorities.certificates());
    let anchors = trusted.iter().map(anchor_from_trusted_cert);
    let anchors: Vec<_> = anchors.collect::<Result<_, _>>().map_err(refused)?;
    let intermediates = ders(embedded.iter().filter(|one| *one != leaf));
    let leaf = CertificateDer::from(leaf.der());
    let leaf = EndEntityCert::try_from(&leaf).map_err(refused)?;
    let verified = leaf
        .verify_for_usage(
            ALGORITHMS,
            &anchors,
            &intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(authorities.at())),
            // An issuer need not say what it issues for; the signer must, see `check_usage`.
            KeyUsage::required_if_present(rfc5280::ID_KP_CODE_SIGNING.as_bytes()),
            None,
            None,
        )
        .map_err(refused)?;
    let find = |der: CertificateDer<'_>| embedded.iter().find(|one| one.der() == der.as_ref());
    let links = verified.intermediate_certificates().map(|link| find(link.der()));
    let authority = anchors.iter().position(|anchor| anchor == verified.anchor());
    let authority = authority.and_then(|index| authorities.certificates().get(index));
    match (links.collect::<Option<Vec<_>>>(), authority) {
        (Some(intermediates), Some(authority)) => Ok(Path { intermediates, authority }),
        _ => Err(chain("the path leads elsewhere")),
    }
}

fn ders<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> Vec<CertificateDer<'a>> {
    certificates.into_iter().map(|one| CertificateDer::from(one.der())).collect()
}

/// What path building leaves out: it takes an authority for a name and a key, without dates and
/// without a limit on the length of paths.
fn check_anchor(path: &Path<'_>, at: u64) -> Result<(), SignatureError> {
    if !is_valid_at(path.authority, at) {
        let subject = path.authority.short_subject();
        return Err(chain(format!("the authority {subject} is out of its dates")));
    }
    match allows_length(path.authority, path.intermediates.len()) {
        true => Ok(()),
        false => Err(chain(TOO_LONG)),
    }
}

/// Whether an authority allows this many others between itself and a signer.
fn allows_length(authority: &Certificate, intermediates: usize) -> bool {
    let tbs = authority.parsed().tbs_certificate();
    match tbs.get_extension::<BasicConstraints>() {
        Ok(Some((_, constraints))) => {
            constraints.path_len_constraint.is_none_or(|most| intermediates <= usize::from(most))
        }
        _ => false,
    }
}

/// Checks what the signer and those above it may use their keys for.
fn check_usage(leaf: &Certificate, issuers: &[&Certificate]) -> Result<(), SignatureError> {
    check_signer_usage(leaf)?;
    issuers.iter().try_for_each(|issuer| check_issuer_usage(issuer))
}

/// Key usage binds where it is stated; the signer's extended key usage must be stated.
fn check_signer_usage(leaf: &Certificate) -> Result<(), SignatureError> {
    match key_usage(leaf) {
        Some(Some(usage)) if !usage.digital_signature() => {
            return Err(chain("the signer's key usage lacks digitalSignature"));
        }
        Some(_) => {}
        None => return Err(chain("the signer's key usage is malformed")),
    }
    match leaf.parsed().tbs_certificate().get_extension::<ExtendedKeyUsage>() {
        Ok(Some((_, usage))) if usage.0.contains(&rfc5280::ID_KP_CODE_SIGNING) => Ok(()),
        Ok(_) => Err(chain("the signer's certificate is not for code signing")),
        Err(_) => Err(chain("the signer's extended key usage is malformed")),
    }
}

fn check_issuer_usage(issuer: &Certificate) -> Result<(), SignatureError> {
    match key_usage(issuer) {
        Some(Some(usage)) if !usage.key_cert_sign() => {
            let subject = issuer.short_subject();
            Err(chain(format!("the key usage of {subject} lacks keyCertSign")))
        }
        Some(_) => Ok(()),
        None => Err(chain("an issuer's key usage is malformed")),
    }
}

fn chain(reason: impl Into<String>) -> SignatureError {
    SignatureError::Chain { reason: reason.into() }
}

fn refused(error: webpki::Error) -> SignatureError {
    use webpki::Error as E;
    chain(match error {
        E::CaUsedAsEndEntity => "the signer is an authority itself".to_owned(),
        E::CertExpired { .. } => "a certificate of the chain has expired".to_owned(),
        E::CertNotValidYet { .. } => "a certificate of the chain is not valid yet".to_owned(),
        E::EmptyEkuExtension | E::RequiredEkuNotFoundContext(_) => {
            "a certificate of the chain is not for code signing".to_owned()
        }
        E::EndEntityUsedAsCa => "a certificate that is no authority has issued another".to_owned(),
        E::InvalidSignatureForPublicKey => {
            "a certificate of the chain is not signed by its issuer".to_owned()
        }
        E::MaximumPathBuildCallsExceeded
        | E::MaximumPathDepthExceeded
        | E::MaximumSignatureChecksExceeded => {
            "there are too many ways to an authority to try them all".to_owned()
        }
        E::NameConstraintViolation => "an issuer may not issue for that name".to_owned(),
        E::PathLenConstraintViolated => TOO_LONG.to_owned(),
        E::UnknownIssuer => "it leads to no authority that is trusted".to_owned(),
        E::UnsupportedCertVersion => {
            "a certificate of the chain is not of X.509 version 3".to_owned()
        }
        E::UnsupportedCriticalExtension => {
            "a certificate of the chain has a critical extension that is not known here".to_owned()
        }
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "a certificate of the chain is signed by an algorithm that is not accepted".to_owned()
        }
        other => format!("a certificate of the chain is malformed ({other:?})"),
    })
}

const TOO_LONG: &str = "the chain is longer than an issuer allows";

/// The algorithms of certificates: as for signatures, nothing weaker than what signs here.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    ring::ECDSA_P256_SHA256,
    ring::ECDSA_P256_SHA384,
    ring::ECDSA_P384_SHA256,
    ring::ECDSA_P384_SHA384,
    ring::RSA_PKCS1_2048_8192_SHA256,
    ring::RSA_PKCS1_2048_8192_SHA384,
    ring::RSA_PKCS1_2048_8192_SHA512,
];
