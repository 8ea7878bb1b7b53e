//! Checking a detached signature, more strictly than the kernel does.
//!
//! Trust is a certificate in the caller's hand: the signer's, of which a message embeds at best a
//! copy, or an authority's, to which the certificates that a message embeds must lead (`trust`).
//! Which messages are read at all says `message`. Making is the business of `builder`.

use cms::cert::CertificateChoices;
use cms::signed_data::{CertificateSet, SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use verity::RootHash;

use super::content::{Mistake, newline_mistakes, root_hash_content, root_hash_mistakes};
use super::message::{Message, unsupported};
use crate::algorithm::{SignatureDigest, signature_oid};
use crate::certificate::{Certificate, ToBeSigned, Validity, check_issuers, printable};
use crate::error::{Error, SignatureError};
use crate::trust::Trust;
#[cfg(feature = "authorities")]
use crate::trust::{Authorities, Embedded, verify_chain};

/// Who signed, as the check of a signature established it.
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

    /// The trusted authority that vouches for the certificate; `None` if the certificate is pinned.
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

    /// Whether the signer's certificate is within its dates at `now` (unix seconds). Where the
    /// certificate is pinned, its dates do not decide, as in the kernel: the caller reports them.
    pub fn validity_at(&self, now: u64) -> Validity {
        self.certificate.validity_at(now)
    }
}

/// Checks a signature over a root hash (see [`root_hash_content`]), whoever has made it: this
/// crate, `systemd-repart`, mkosi, or openssl without attributes.
///
/// It vouches for the root hash and for nothing else. An image without a manifest is verified under
/// it for the geometry that its superblock states, which nobody has signed:
///
/// ```
/// use verity::{Superblock, TrustedParams, Verifier};
/// use verity_sign::{Certificate, verify_root_hash};
///
/// # use std::sync::Mutex;
/// # use verity::io::WriteAt;
/// # use verity::{Builder, HashArea, Params, Salt, Uuid};
/// # use verity_sign::{PrivateKey, Signatory, SignatureBuilder};
/// # let certificate = include_bytes!("../../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem");
/// # let key = include_bytes!("../../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem");
/// # let image = vec![0x5a; 1 << 20];
/// # let params = Params::builder().data_size(1 << 20).salt(Salt::from_seed("demo")).build()?;
/// # let area = HashArea::new(&params, 0, true)?;
/// # let hash_device = Mutex::new(Vec::new());
/// # let root_hash = Builder::new(&params).build(&image, &hash_device, &area)?;
/// # let superblock = Superblock::new(params, Uuid::nil()).to_bytes();
/// # hash_device.write_all_at(&superblock, 0)?;
/// # let builder = SignatureBuilder::new(Certificate::parse(certificate)?);
/// # let theirs = Signatory::new(PrivateKey::parse(key)?, builder)?.sign_root_hash(&root_hash)?;
/// # let root_hash_file = root_hash.to_string();
/// // From files: the certificate, IMAGE.roothash, IMAGE.roothash.p7s, the image and its tree.
/// let signer = Certificate::parse(certificate)?;
/// let root_hash = root_hash_file.parse()?;
/// let signed_by = verify_root_hash(&theirs, &root_hash, &[signer])?;
///
/// let superblock = Superblock::read(&hash_device, 0)?;
/// let trusted = TrustedParams::from_unauthenticated_superblock(&superblock, 0, root_hash)?;
/// assert!(!trusted.origin().is_authenticated());
/// Verifier::new(trusted).verify(&image, &hash_device)?;
/// println!("every block is there that {} has signed", signed_by.certificate().subject());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Signature`]. When the signer signed a well-known wrong form of the root hash, such as
/// one with a newline, the error says which.
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
    let message = Message::parse(signature)?;
    match trusted {
        Trust::Pinned(pinned) => by_pinned(&message, content, pinned),
        #[cfg(feature = "authorities")]
        Trust::Authorities(authorities) => by_authority(&message, content, authorities),
    }
}

fn by_pinned(
    message: &Message,
    content: &Content<impl Fn() -> Vec<Mistake>>,
    pinned: &[Certificate],
) -> Result<SignedBy, SignatureError> {
    let embedded = embedded(message.certificates.as_ref())?;
    let candidates = candidates(&message.signer, pinned)?;
    let certificate = signed_by(message, content, &candidates)?;
    if let Some(embedded) = &embedded {
        check_embedded(embedded, certificate)?;
    }
    Ok(SignedBy {
        certificate: certificate.clone(),
        digest: message.digest,
        embeds_certificate: embedded.is_some(),
        authority: None,
    })
}

#[cfg(feature = "authorities")]
fn by_authority(
    message: &Message,
    content: &Content<impl Fn() -> Vec<Mistake>>,
    authorities: &Authorities,
) -> Result<SignedBy, SignatureError> {
    let embedded = Embedded::read(message.certificates.as_ref())?;
    let (certificate, authority) = verify_chain(&message.signer.sid, embedded, authorities)?;
    signed_by(message, content, &[&certificate])?;
    let authority = Some(authority);
    Ok(SignedBy { certificate, digest: message.digest, embeds_certificate: true, authority })
}

/// The certificate whose key has signed the content.
fn signed_by<'c>(
    message: &Message,
    content: &Content<impl Fn() -> Vec<Mistake>>,
    candidates: &[&'c Certificate],
) -> Result<&'c Certificate, SignatureError> {
    check_key(message, candidates)?;
    let signed_by =
        |bytes: &[u8]| candidates.iter().copied().find(|one| holds(message, one, bytes));
    if let Some(certificate) = signed_by(&content.bytes) {
        return Ok(certificate);
    }
    let mistakes = (content.mistakes)();
    let made = mistakes.iter().find(|(bytes, _)| signed_by(bytes).is_some());
    let signed_instead = made.map(|&(_, name)| name);
    Err(SignatureError::Mismatch { content: content.name, signed_instead })
}

/// The embedded certificates, if there is such a field. `check_embedded` decides whether they may
/// be there.
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

/// The signer's own certificate must be among the embedded ones, and the others must lead on from
/// it. None of them adds trust.
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

/// The pinned certificates that the signature can mean. Several may share issuer and serial number:
/// two test authorities of one name, for instance.
fn candidates<'a>(
    signer: &SignerInfo,
    trusted: &'a [Certificate],
) -> Result<Vec<&'a Certificate>, SignatureError> {
    let candidates: Vec<_> =
        trusted.iter().filter(|certificate| certificate.is_named_by(&signer.sid)).collect();
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
fn check_key(message: &Message, candidates: &[&Certificate]) -> Result<(), SignatureError> {
    let algorithm = message.signer.signature_algorithm.oid;
    if !KNOWN.contains(&algorithm) {
        return Err(unsupported(algorithm, "is not a signature algorithm accepted here"));
    }
    match candidates {
        [first, ..] if !candidates.iter().any(|one| fits(message, one)) => {
            Err(SignatureError::AlgorithmMismatch {
                algorithm: algorithm.to_string(),
                digest: message.digest,
                key: first.key_type(),
            })
        }
        _ => Ok(()),
    }
}

/// Whether the signature algorithm is the one for this key and digest, parameters included.
fn fits(message: &Message, certificate: &Certificate) -> bool {
    let algorithm = &message.signer.signature_algorithm;
    let parameters = algorithm.parameters.as_ref();
    let parameters_fit = match certificate.key_type().is_rsa() {
        true => parameters.is_some_and(|parameters| parameters.is_null()),
        false => parameters.is_none(),
    };
    parameters_fit && signature_oid(certificate.key_type(), message.digest) == algorithm.oid
}

/// Whether the message's signature is by this certificate's key over this content.
fn holds(message: &Message, certificate: &Certificate, content: &[u8]) -> bool {
    let to_be_signed = ToBeSigned::new(content, message.digest);
    let signature = message.signer.signature.as_bytes();
    fits(message, certificate) && certificate.public_key().verifies(&to_be_signed, signature)
}

const KNOWN: &[ObjectIdentifier] = &[
    rfc5912::RSA_ENCRYPTION,
    rfc5912::ECDSA_WITH_SHA_256,
    rfc5912::ECDSA_WITH_SHA_384,
    rfc5912::ECDSA_WITH_SHA_512,
];
