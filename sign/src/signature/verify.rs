//! Checking a detached signature, more strictly than the kernel does.
//!
//! Accepted is what `envelope` makes and what `openssl smime -sign -noattr` makes, byte for byte one
//! encoding: the message is decoded, encoded again and compared. (`openssl smime -certfile` writes its SET
//! of certificates unsorted. The kernel and openssl take that; here it stays an error, which says what to
//! do: anybody could sort them otherwise, and a signature has one spelling.) Trust is a certificate in the
//! caller's hand: the signer's, of which a message embeds at best a copy, or an authority's, to which
//! what a message embeds must lead (`trust`). Making is the business of `builder`.

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{CertificateSet, SignedData, SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5911, rfc5912};
use der::asn1::AnyRef;
use der::{Any, Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use verity::RootHash;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::content::{Mistake, newline_mistakes, root_hash_content, root_hash_mistakes};
use crate::algorithm::{SignatureDigest, signature_oid};
use crate::canonical::first_difference;
use crate::certificate::{
    Certificate, ToBeSigned, Validity, check_issuers, message_version, names, printable,
};
use crate::error::{Error, SignatureError};
use crate::trust::{Authorities, Embedded, Trust, verify_chain};

/// Signatures are at most this long, in bytes: what the kernel reads from a user key.
pub const MAX_SIGNATURE_BYTES: u64 = 32_767;

const MAX: usize = 32_767;

/// Who signed, once that is established.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedBy {
    certificate: Certificate,
    digest: SignatureDigest,
    embeds_certificate: bool,
    authority: Option<Certificate>,
}

impl SignedBy {
    /// The signer's certificate: the caller's pinned copy, or one that an authority vouches for.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The trusted authority that vouches for the certificate; none if the certificate is pinned.
    pub fn authority(&self) -> Option<&Certificate> {
        self.authority.as_ref()
    }

    /// The digest that the signature uses.
    pub fn digest(&self) -> SignatureDigest {
        self.digest
    }

    /// Whether the signature embeds the certificate too.
    pub fn embeds_certificate(&self) -> bool {
        self.embeds_certificate
    }

    /// Whether the signer's certificate is within its dates at `now` (unix seconds). An expired
    /// certificate is no reason for refusal where it is pinned, as it is none for the kernel: the
    /// caller reports it.
    pub fn validity_at(&self, now: u64) -> Validity {
        self.certificate.validity_at(now)
    }
}

/// Checks a signature over a root hash (see [`root_hash_content`]).
///
/// # Errors
///
/// [`Error::Signature`]; when the signer signed a well-known wrong form of the root hash, such as
/// one with a newline, it says which.
pub fn verify_root_hash<'t>(
    signature: &[u8],
    root_hash: &RootHash,
    trusted: impl Into<Trust<'t>>,
) -> Result<SignedBy, Error> {
    let content = Content {
        name: "root hash",
        bytes: root_hash_content(root_hash).into_bytes(),
        mistakes: || root_hash_mistakes(root_hash),
    };
    Ok(verify(signature, &content, trusted.into())?)
}

/// Checks a signature over any bytes.
///
/// # Errors
///
/// [`Error::Signature`].
pub fn verify_detached<'t>(
    signature: &[u8],
    content: &[u8],
    trusted: impl Into<Trust<'t>>,
) -> Result<SignedBy, Error> {
    Ok(verify_named(signature, content, "content", trusted.into())?)
}

/// [`verify_detached`] with a name for the content in messages.
pub(crate) fn verify_named(
    signature: &[u8],
    content: &[u8],
    name: &'static str,
    trusted: Trust<'_>,
) -> Result<SignedBy, SignatureError> {
    let content = Content { name, bytes: content.to_vec(), mistakes: || newline_mistakes(content) };
    verify(signature, &content, trusted)
}

/// What a signature should cover, and what it might cover by mistake.
struct Content<M> {
    name: &'static str,
    bytes: Vec<u8>,
    mistakes: M,
}

fn verify(
    signature: &[u8],
    content: &Content<impl Fn() -> Vec<Mistake>>,
    trusted: Trust<'_>,
) -> Result<SignedBy, SignatureError> {
    if matches!(trusted, Trust::Pinned([])) {
        return Err(SignatureError::NothingTrusted);
    }
    let data = decode(signature)?;
    let signer = single_signer(&data)?;
    let digest = signer_digest(&data, signer)?;
    match trusted {
        Trust::Pinned(pinned) => by_pinned(&data, signer, digest, content, pinned),
        Trust::Authorities(authorities) => {
            by_authority(&data, signer, digest, content, authorities)
        }
    }
}

fn by_pinned(
    data: &SignedData,
    signer: &SignerInfo,
    digest: SignatureDigest,
    content: &Content<impl Fn() -> Vec<Mistake>>,
    pinned: &[Certificate],
) -> Result<SignedBy, SignatureError> {
    let embedded = embedded(data.certificates.as_ref())?;
    let candidates = candidates(signer, pinned)?;
    let certificate = signed_by(signer, digest, content, &candidates)?;
    if let Some(embedded) = &embedded {
        check_embedded(embedded, certificate)?;
    }
    Ok(SignedBy {
        certificate: certificate.clone(),
        digest,
        embeds_certificate: embedded.is_some(),
        authority: None,
    })
}

fn by_authority(
    data: &SignedData,
    signer: &SignerInfo,
    digest: SignatureDigest,
    content: &Content<impl Fn() -> Vec<Mistake>>,
    authorities: &Authorities,
) -> Result<SignedBy, SignatureError> {
    let embedded = Embedded::read(data.certificates.as_ref())?;
    let (certificate, authority) = verify_chain(&signer.sid, embedded, authorities)?;
    signed_by(signer, digest, content, &[&certificate])?;
    Ok(SignedBy { certificate, digest, embeds_certificate: true, authority: Some(authority) })
}

/// The one of the certificates whose key has signed the content.
fn signed_by<'c>(
    signer: &SignerInfo,
    digest: SignatureDigest,
    content: &Content<impl Fn() -> Vec<Mistake>>,
    candidates: &[&'c Certificate],
) -> Result<&'c Certificate, SignatureError> {
    check_key(signer, digest, candidates)?;
    let signed_by = |bytes: &[u8]| {
        candidates.iter().copied().find(|candidate| holds(signer, digest, candidate, bytes))
    };
    if let Some(certificate) = signed_by(&content.bytes) {
        return Ok(certificate);
    }
    let mistakes = (content.mistakes)();
    let made = mistakes.iter().find(|(bytes, _)| signed_by(bytes).is_some());
    let signed_instead = made.map(|&(_, name)| name);
    Err(SignatureError::Mismatch { content: content.name, signed_instead })
}

/// Bytes to structure: one canonical DER message and nothing behind it.
fn decode(signature: &[u8]) -> Result<SignedData, SignatureError> {
    match signature {
        [] => return Err(SignatureError::Empty),
        _ if signature.len() > MAX => {
            return Err(SignatureError::TooLarge { actual: signature.len(), limit: MAX });
        }
        _ if signature.starts_with(b"-----BEGIN ") => return Err(SignatureError::Pem),
        _ => {}
    }
    let mut reader = SliceReader::new(signature).map_err(malformed)?;
    let outer = ContentInfo::decode(&mut reader).map_err(malformed)?;
    let count = usize::try_from(reader.remaining_len()).unwrap_or(usize::MAX);
    if count > 0 {
        return Err(SignatureError::TrailingBytes { count });
    }
    if outer.content_type != rfc5911::ID_SIGNED_DATA {
        return Err(SignatureError::NotSignedData { actual: outer.content_type.to_string() });
    }
    let data: SignedData = outer.content.decode_as().map_err(malformed)?;
    let again = Any::encode_from(&data)
        .and_then(|content| ContentInfo { content_type: outer.content_type, content }.to_der())
        .map_err(malformed)?;
    match first_difference(&again, signature) {
        Some(_) if !certificates_are_sorted(&outer.content) => {
            Err(SignatureError::UnsortedCertificates)
        }
        Some(offset) => Err(SignatureError::NotCanonical { offset }),
        None => Ok(data),
    }
}

/// Whether the certificates of a SignedData are in the order of their encodings, as a SET OF in DER has
/// them. The decoder sorts what it reads; who meets a tool that leaves them as they are given should be told.
fn certificates_are_sorted(signed_data: &Any) -> bool {
    let tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    let Some(set) = elements(signed_data.value()).into_iter().find(|one| one.tag() == tag) else {
        return true;
    };
    let encodings: Vec<_> = elements(set.value()).iter().map(|one| one.to_der().ok()).collect();
    encodings.is_sorted()
}

/// The elements that stand one behind the other, as far as they can be read.
fn elements(der: &[u8]) -> Vec<AnyRef<'_>> {
    let mut elements = Vec::new();
    if let Ok(mut reader) = SliceReader::new(der) {
        elements.extend(std::iter::from_fn(|| AnyRef::decode(&mut reader).ok()));
    }
    elements
}

/// The message's shape, down to the one signer that it must have.
fn single_signer(data: &SignedData) -> Result<&SignerInfo, SignatureError> {
    if data.encap_content_info.econtent.is_some() {
        return Err(SignatureError::EmbeddedContent);
    }
    if data.encap_content_info.econtent_type != rfc5911::ID_DATA {
        let actual = data.encap_content_info.econtent_type.to_string();
        return Err(SignatureError::ContentType { actual });
    }
    if data.crls.is_some() {
        return Err(SignatureError::Crls);
    }
    let [signer] = data.signer_infos.0.as_slice() else {
        return Err(SignatureError::Signers { actual: data.signer_infos.0.len() });
    };
    if signer.unsigned_attrs.is_some() {
        return Err(SignatureError::UnsignedAttributes);
    }
    if let Some(attributes) = &signer.signed_attrs {
        let smime = attributes.iter().any(|attribute| attribute.oid == SMIME_CAPABILITIES);
        return Err(match smime {
            true => SignatureError::SmimeCapabilities,
            false => SignatureError::SignedAttributes,
        });
    }
    check_versions(data, signer)?;
    Ok(signer)
}

/// Both versions go with how the signer is named; the kernel refuses a mixture.
fn check_versions(data: &SignedData, signer: &SignerInfo) -> Result<(), SignatureError> {
    let expected = message_version(&signer.sid);
    for (part, version) in [("SignedData", data.version), ("SignerInfo", signer.version)] {
        if version != expected {
            let (actual, expected) = (version as u8, expected as u8);
            return Err(SignatureError::Version { part, actual, expected });
        }
    }
    Ok(())
}

fn signer_digest(
    data: &SignedData,
    signer: &SignerInfo,
) -> Result<SignatureDigest, SignatureError> {
    let digest = SignatureDigest::from_oid(signer.digest_alg.oid)
        .ok_or_else(|| unsupported(signer.digest_alg.oid, "is not a digest accepted here"))?;
    // openssl writes NULL parameters (smime) or none (cms); both are in use.
    if signer.digest_alg.parameters.as_ref().is_some_and(|parameters| !parameters.is_null()) {
        return Err(unsupported(signer.digest_alg.oid, "has parameters"));
    }
    match data.digest_algorithms.as_slice() {
        [outside] if *outside == signer.digest_alg => Ok(digest),
        _ => Err(SignatureError::DigestMismatch),
    }
}

/// The embedded certificates, if there is such a field; whose they are is decided later.
fn embedded(
    set: Option<&CertificateSet>,
) -> Result<Option<Vec<&x509_cert::Certificate>>, SignatureError> {
    let Some(set) = set else { return Ok(None) };
    let certificates = set.0.iter().map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => Ok(certificate),
        CertificateChoices::Other(_) => Err(SignatureError::ForeignCertificate),
    });
    certificates.collect::<Result<_, _>>().map(Some)
}

/// The signer's own certificate must be among them, and the others must lead on from it. None of them
/// adds trust.
fn check_embedded(
    embedded: &[&x509_cert::Certificate],
    signer: &Certificate,
) -> Result<(), SignatureError> {
    let (own, others): (Vec<_>, Vec<_>) =
        embedded.iter().copied().partition(|one| *one == signer.parsed());
    match own.len() == 1 && check_issuers(signer, &others).is_ok() {
        true => Ok(()),
        false => Err(SignatureError::ForeignCertificate),
    }
}

/// The pinned certificates that the signature can mean. Several may share issuer and serial number,
/// for instance two copies of a test authority.
fn candidates<'a>(
    signer: &SignerInfo,
    trusted: &'a [Certificate],
) -> Result<Vec<&'a Certificate>, SignatureError> {
    let candidates: Vec<_> =
        trusted.iter().filter(|certificate| names(&signer.sid, certificate)).collect();
    match (candidates.is_empty(), &signer.sid) {
        (false, _) => Ok(candidates),
        (true, SignerIdentifier::IssuerAndSerialNumber(id)) => Err(SignatureError::UnknownSigner {
            issuer: printable(&id.issuer),
            serial: hex::encode(id.serial_number.as_bytes()),
        }),
        (true, SignerIdentifier::SubjectKeyIdentifier(identifier)) => {
            let identifier = hex::encode(identifier.0.as_bytes());
            Err(SignatureError::UnknownKeyIdentifier { identifier })
        }
    }
}

/// At least one candidate's key must go with the algorithm that the signature names.
fn check_key(
    signer: &SignerInfo,
    digest: SignatureDigest,
    candidates: &[&Certificate],
) -> Result<(), SignatureError> {
    let algorithm = &signer.signature_algorithm;
    if !KNOWN.contains(&algorithm.oid) {
        return Err(unsupported(algorithm.oid, "is not a signature algorithm accepted here"));
    }
    match candidates {
        [] => Ok(()),
        [first, ..] if !candidates.iter().any(|one| fits(algorithm, digest, one)) => {
            Err(SignatureError::AlgorithmMismatch {
                algorithm: algorithm.oid.to_string(),
                digest,
                key: first.key_type(),
            })
        }
        _ => Ok(()),
    }
}

/// Whether the signature algorithm is the one for this key and digest, parameters included.
fn fits(
    algorithm: &AlgorithmIdentifierOwned,
    digest: SignatureDigest,
    certificate: &Certificate,
) -> bool {
    let parameters = algorithm.parameters.as_ref();
    let parameters_fit = match certificate.key_type().is_rsa() {
        true => parameters.is_some_and(|parameters| parameters.is_null()),
        false => parameters.is_none(),
    };
    parameters_fit && signature_oid(certificate.key_type(), digest) == algorithm.oid
}

fn holds(
    signer: &SignerInfo,
    digest: SignatureDigest,
    certificate: &Certificate,
    content: &[u8],
) -> bool {
    fits(&signer.signature_algorithm, digest, certificate)
        && certificate
            .public_key()
            .verifies(&ToBeSigned::new(content, digest), signer.signature.as_bytes())
}

fn malformed(error: der::Error) -> SignatureError {
    SignatureError::Malformed { reason: error.to_string() }
}

fn unsupported(oid: ObjectIdentifier, what: &str) -> SignatureError {
    SignatureError::UnsupportedAlgorithm { actual: format!("{oid} ({what})") }
}

const KNOWN: &[ObjectIdentifier] = &[
    rfc5912::RSA_ENCRYPTION,
    rfc5912::ECDSA_WITH_SHA_256,
    rfc5912::ECDSA_WITH_SHA_384,
    rfc5912::ECDSA_WITH_SHA_512,
];

/// smimeCapabilities (RFC 8551 2.5.2).
const SMIME_CAPABILITIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.15");
