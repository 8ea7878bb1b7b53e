//! A message taken apart: one canonical encoding, in the one shape that is accepted.
//!
//! Accepted is what `envelope` makes and what `openssl smime -sign -noattr` makes, byte for byte
//! one encoding: the message is decoded, encoded again and compared. (`openssl smime -certfile`
//! writes its SET of certificates unsorted. The kernel and openssl take that. Here it stays an
//! error, which says what to do: otherwise anybody could sort them, and a signature has one
//! spelling.)

use cms::content_info::ContentInfo;
use cms::signed_data::{CertificateSet, SignedData, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911;
use der::asn1::AnyRef;
use der::{Any, Decode, Encode, SliceReader, Tag, TagNumber, Tagged};
use verity::internals::to_u64;

use crate::algorithm::SignatureDigest;
use crate::canonical::first_difference;
use crate::certificate::message_version;
use crate::error::SignatureError;
use crate::form::{self, Expected, Form};

/// Signatures are at most this long, in bytes: what the kernel reads from a user key.
pub const MAX_SIGNATURE_BYTES: u64 = to_u64(MAX);

const MAX: usize = 32_767;

/// What a well-formed message says. Nothing of it is verified yet.
pub(super) struct Message {
    /// The only signer.
    pub(super) signer: SignerInfo,
    /// The digest that the signer names, and the message too.
    pub(super) digest: SignatureDigest,
    /// The certificates that are embedded, if there is such a field.
    pub(super) certificates: Option<CertificateSet>,
}

impl Message {
    pub(super) fn parse(signature: &[u8]) -> Result<Message, SignatureError> {
        let data = decode(signature)?;
        let signer = single_signer(&data)?.clone();
        let digest = signer_digest(&data, &signer)?;
        Ok(Message { signer, digest, certificates: data.certificates })
    }
}

/// Bytes to structure: one canonical DER message and nothing behind it.
fn decode(signature: &[u8]) -> Result<SignedData, SignatureError> {
    match signature {
        [] => return Err(SignatureError::Empty),
        _ if signature.len() > MAX => {
            return Err(SignatureError::TooLarge { actual: signature.len(), limit: MAX });
        }
        _ => {}
    }
    let (outer, rest) = ContentInfo::from_der_partial(signature)
        .map_err(|error| other_form(signature).unwrap_or_else(|| malformed(error)))?;
    if !rest.is_empty() {
        return Err(SignatureError::TrailingBytes { count: rest.len() });
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

/// Whether the certificates of a SignedData are in the order of their encodings, as a SET OF in DER
/// has them. The decoder sorts what it reads, so this looks at the bytes: a user whose tool does
/// not sort should be told.
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

pub(super) fn unsupported(oid: ObjectIdentifier, what: &str) -> SignatureError {
    SignatureError::UnsupportedAlgorithm { actual: format!("{oid} ({what})") }
}

/// The error for bytes that are something well known, and no message.
fn other_form(signature: &[u8]) -> Option<SignatureError> {
    let found = form::of_signature(signature)?;
    let (name, advice) = (found.name(), found.advice(Expected::Message));
    match found.form {
        // What looks like a message is a malformed one, and text may be the beginning of anything.
        Form::Cut { actual, stated, .. } if actual < stated => {
            Some(SignatureError::Malformed { reason: format!("it is {name}") })
        }
        Form::Cut { .. } | Form::Pkcs7 | Form::Text => None,
        _ => Some(SignatureError::NotPkcs7 { found: name, advice }),
    }
}

fn malformed(error: der::Error) -> SignatureError {
    SignatureError::Malformed { reason: error.to_string() }
}

/// smimeCapabilities (RFC 8551 2.5.2).
const SMIME_CAPABILITIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.15");
