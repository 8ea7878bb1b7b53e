//! ECDSA keys: the scalar from SEC1 (RFC 5915), and signing with it.
//!
//! Signatures are deterministic (RFC 6979, with the digest that the signature uses): the same image
//! signed twice gives the same bytes, and no weak random number can betray the key.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode, Sequence};
use ecdsa::elliptic_curve::ops::Invert;
use ecdsa::elliptic_curve::subtle::CtOption;
use ecdsa::elliptic_curve::{CurveArithmetic, Scalar};
use ecdsa::{EcdsaCurve, Signature, SigningKey, hazmat};
use sha2::{Sha256, Sha384, Sha512};

use crate::algorithm::{KeyType, SignatureDigest};
use crate::certificate::{PublicKey, ToBeSigned};
use crate::error::KeyError;

/// A scalar on one of the curves. Its types wipe themselves when they are dropped.
pub(super) enum EcdsaKey {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

/// SEC1 ECPrivateKey (RFC 5915).
#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    parameters: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public_key: Option<BitStringRef<'a>>,
}

impl EcdsaKey {
    /// Reads an ECPrivateKey. `curve` and the public key `stated` are those that PKCS#8 states
    /// around it. Two curves must be the same one, and every public key must be the scalar's.
    pub(super) fn parse(
        sec1: &[u8],
        curve: Option<AnyRef<'_>>,
        stated: Option<BitStringRef<'_>>,
    ) -> Result<(EcdsaKey, PublicKey), KeyError> {
        let key = EcPrivateKey::from_der(sec1).map_err(super::malformed)?;
        if key.version != 1 {
            return Err(rejected("it is not version 1"));
        }
        let curve = match (curve, key.parameters) {
            (Some(outer), Some(inner)) if outer != inner => {
                return Err(rejected("it names two curves"));
            }
            (outer, inner) => outer.or(inner),
        };
        let curve: Option<ObjectIdentifier> = curve.and_then(|any| any.decode_as().ok());
        let curve =
            curve.ok_or_else(|| super::unsupported("EC without a named curve".to_owned()))?;
        let (secret, point) = EcdsaKey::from_scalar(curve, key.private_key.as_bytes())?;
        let mut stated = [stated, key.public_key].into_iter().flatten();
        if stated.any(|stated| stated.as_bytes() != Some(point.as_slice())) {
            return Err(rejected("its public key is another one's"));
        }
        let public_key =
            PublicKey::ecdsa(Some(curve), &point).map_err(|error| rejected(&error.to_string()))?;
        Ok((secret, public_key))
    }

    /// The key and its public point. The scalar must be as long as the curve's order: RFC 5915
    /// leaves no choice.
    fn from_scalar(
        curve: ObjectIdentifier,
        scalar: &[u8],
    ) -> Result<(EcdsaKey, Vec<u8>), KeyError> {
        let bad = |_| rejected("its scalar is none of the curve's");
        match KeyType::ecdsa(curve) {
            Some(KeyType::EcdsaP256) if scalar.len() == 32 => {
                let key = p256::ecdsa::SigningKey::from_slice(scalar).map_err(bad)?;
                let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                Ok((EcdsaKey::P256(key), point))
            }
            Some(KeyType::EcdsaP384) if scalar.len() == 48 => {
                let key = p384::ecdsa::SigningKey::from_slice(scalar).map_err(bad)?;
                let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                Ok((EcdsaKey::P384(key), point))
            }
            Some(KeyType::EcdsaP521) if scalar.len() == 66 => {
                let key = p521::ecdsa::SigningKey::from_slice(scalar).map_err(bad)?;
                let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                Ok((EcdsaKey::P521(key), point))
            }
            Some(_) => Err(rejected("its scalar is not as long as the curve's order")),
            None => Err(super::unsupported(format!("EC curve {curve}"))),
        }
    }

    /// Signs; the signature is DER of r and s.
    pub(super) fn sign(&self, to_be_signed: &ToBeSigned) -> Vec<u8> {
        match self {
            EcdsaKey::P256(key) => deterministic(key, to_be_signed).to_der().as_bytes().to_vec(),
            EcdsaKey::P384(key) => deterministic(key, to_be_signed).to_der().as_bytes().to_vec(),
            EcdsaKey::P521(key) => deterministic(key, to_be_signed).to_der().as_bytes().to_vec(),
        }
    }
}

fn deterministic<C>(key: &SigningKey<C>, to_be_signed: &ToBeSigned) -> Signature<C>
where
    C: EcdsaCurve + CurveArithmetic,
    Scalar<C>: Invert<Output = CtOption<Scalar<C>>>,
{
    let (scalar, digest) = (key.as_nonzero_scalar(), to_be_signed.digest());
    let (signature, _) = match to_be_signed.digest_algorithm() {
        SignatureDigest::Sha256 => {
            hazmat::sign_prehashed_rfc6979::<C, Sha256>(scalar, &digest, &[])
        }
        SignatureDigest::Sha384 => {
            hazmat::sign_prehashed_rfc6979::<C, Sha384>(scalar, &digest, &[])
        }
        SignatureDigest::Sha512 => {
            hazmat::sign_prehashed_rfc6979::<C, Sha512>(scalar, &digest, &[])
        }
    };
    signature
}

fn rejected(reason: &str) -> KeyError {
    KeyError::Rejected { reason: reason.to_owned() }
}
