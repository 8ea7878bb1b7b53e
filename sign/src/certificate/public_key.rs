//! Public keys: which ones are accepted, and whether a raw signature is by one of them.
//!
//! ring verifies RSA. The crates of the two curves verify ECDSA, since ring does not have every
//! digest for both. What a signature covers and who is trusted is the business of `signature`.

use std::fmt;
use std::ops::Add;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use ecdsa::elliptic_curve::array::ArraySize;
use ecdsa::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use ecdsa::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize};
use ecdsa::signature::hazmat::PrehashVerifier;
use ecdsa::{EcdsaCurve, Signature, VerifyingKey};
use num_bigint::BigUint;
use ring::signature::{self, RsaParameters, UnparsedPublicKey};
use verity::internals::to_len;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::ToBeSigned;
use crate::algorithm::{KeyType, SignatureDigest};
use crate::error::{CertificateError, Error};

/// The public half of a key that signs here.
#[derive(Clone, Eq, PartialEq)]
pub struct PublicKey {
    key_type: KeyType,
    /// The contents of subjectPublicKey: RSAPublicKey in DER, or the uncompressed point.
    bytes: Vec<u8>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in DER, as most services and tools give out a public key.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when it is not a public key, or of a kind that is not supported.
    pub fn from_spki_der(der: &[u8]) -> Result<PublicKey, Error> {
        let info = SubjectPublicKeyInfoOwned::from_der(der).map_err(malformed)?;
        Ok(PublicKey::from_info(&info)?)
    }

    pub(crate) fn from_info(
        info: &SubjectPublicKeyInfoOwned,
    ) -> Result<PublicKey, CertificateError> {
        let bytes = info.subject_public_key.as_bytes().unwrap_or_default();
        match info.algorithm.oid {
            rfc5912::RSA_ENCRYPTION => PublicKey::rsa(bytes),
            rfc5912::ID_EC_PUBLIC_KEY => {
                let parameters = info.algorithm.parameters.as_ref();
                PublicKey::ecdsa(parameters.and_then(|any| any.decode_as().ok()), bytes)
            }
            other => Err(unsupported(format!("algorithm {other}"))),
        }
    }

    /// Reads RSAPublicKey in DER. The limits are those for a private key: ring would verify with
    /// other keys too, but nothing here makes them.
    pub(crate) fn rsa(der: &[u8]) -> Result<PublicKey, CertificateError> {
        let key = RsaPublicKey::from_der(der).map_err(malformed)?;
        let modulus = key.modulus.as_bytes();
        let leading = modulus.first().map_or(0, |first| first.leading_zeros());
        let bits = (modulus.len() * 8).saturating_sub(to_len(leading.into()));
        let key_type = KeyType::rsa(bits).ok_or_else(|| unsupported(format!("RSA {bits} bits")))?;
        if modulus.last().is_none_or(|last| last % 2 == 0) {
            return Err(unsupported("RSA with an even modulus".to_owned()));
        }
        match key.exponent.as_bytes() {
            [.., last] if last % 2 == 0 => Err(unsupported("RSA with an even exponent".to_owned())),
            [] | [_] | [_, _] => Err(unsupported("RSA with an exponent under 65537".to_owned())),
            exponent if exponent.len() > 4 => {
                Err(unsupported("RSA with an exponent over 32 bits".to_owned()))
            }
            _ => Ok(PublicKey { key_type, bytes: der.to_vec() }),
        }
    }

    /// Takes an uncompressed point. Whether it lies on the curve shows when it is used.
    pub(crate) fn ecdsa(
        curve: Option<ObjectIdentifier>,
        point: &[u8],
    ) -> Result<PublicKey, CertificateError> {
        let curve = curve.ok_or_else(|| unsupported("EC without a named curve".to_owned()))?;
        let key_type =
            KeyType::ecdsa(curve).ok_or_else(|| unsupported(format!("EC curve {curve}")))?;
        let length = key_type.scalar_size().map(|size| 1 + 2 * size);
        match point {
            [0x04, ..] if Some(point.len()) == length => {
                Ok(PublicKey { key_type, bytes: point.to_vec() })
            }
            _ => Err(unsupported("EC with a compressed or damaged point".to_owned())),
        }
    }

    /// What kind of key it is.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Whether `signature` is a raw signature by this key: PKCS#1 v1.5 for RSA, DER of r and s for
    /// ECDSA.
    pub fn verifies(&self, to_be_signed: &ToBeSigned, signature: &[u8]) -> bool {
        match self.key_type {
            KeyType::EcdsaP256 => self.verifies_ecdsa::<p256::NistP256>(to_be_signed, signature),
            KeyType::EcdsaP384 => self.verifies_ecdsa::<p384::NistP384>(to_be_signed, signature),
            KeyType::EcdsaP521 => self.verifies_ecdsa::<p521::NistP521>(to_be_signed, signature),
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
                let algorithm = rsa_parameters(to_be_signed.digest_algorithm());
                let key = UnparsedPublicKey::new(algorithm, &self.bytes);
                key.verify(to_be_signed.content(), signature).is_ok()
            }
        }
    }

    /// A raw signature by this key in the form that messages have: as it is, or of ECDSA the two
    /// numbers one behind the other, as tokens and web services give them. `None` if it is not by
    /// this key.
    pub(crate) fn recognize(&self, to_be_signed: &ToBeSigned, signature: &[u8]) -> Option<Vec<u8>> {
        if self.verifies(to_be_signed, signature) {
            return Some(signature.to_vec());
        }
        let der = self.two_numbers(signature)?;
        self.verifies(to_be_signed, &der).then_some(der)
    }

    /// DER of the two numbers of an ECDSA signature that stand one behind the other.
    fn two_numbers(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let size = self.key_type.scalar_size()?;
        let (r, s) = signature.split_at_checked(size).filter(|(_, s)| s.len() == size)?;
        let numbers = EcdsaSignature { r: UintRef::new(r).ok()?, s: UintRef::new(s).ok()? };
        numbers.to_der().ok()
    }

    /// What an RSA signature says by this key: the padded digest, as long as the modulus. Only
    /// messages rest on it.
    pub(crate) fn open_rsa(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let size = self.key_type.modulus_size().filter(|size| signature.len() == *size)?;
        let key = RsaPublicKey::from_der(&self.bytes).ok()?;
        let [modulus, exponent] =
            [key.modulus, key.exponent].map(|number| BigUint::from_bytes_be(number.as_bytes()));
        let opened = BigUint::from_bytes_be(signature).modpow(&exponent, &modulus);
        let digits = opened.to_bytes_be();
        Some([vec![0; size.saturating_sub(digits.len())], digits].concat())
    }

    fn verifies_ecdsa<C>(&self, to_be_signed: &ToBeSigned, signature: &[u8]) -> bool
    where
        C: EcdsaCurve + CurveArithmetic,
        AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
        FieldBytesSize<C>: ModulusSize,
        ecdsa::der::MaxSize<C>: ArraySize,
        <FieldBytesSize<C> as Add>::Output: Add<ecdsa::der::MaxOverhead> + ArraySize,
    {
        let key = VerifyingKey::<C>::from_sec1_bytes(&self.bytes);
        let signature = Signature::<C>::from_der(signature);
        let digest = to_be_signed.digest();
        key.and_then(|key| key.verify_prehash(&digest, &signature?)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.key_type)
    }
}

/// PKCS#1 RSAPublicKey (RFC 8017 A.1.1).
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// ECDSA-Sig-Value (RFC 5912 6).
#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// Makes RSAPublicKey in DER from its two numbers.
#[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "tokens give the numbers alone"))]
pub(crate) fn rsa_public_key_der(modulus: &[u8], exponent: &[u8]) -> der::Result<Vec<u8>> {
    RsaPublicKey { modulus: UintRef::new(modulus)?, exponent: UintRef::new(exponent)? }.to_der()
}

fn rsa_parameters(digest: SignatureDigest) -> &'static RsaParameters {
    match digest {
        SignatureDigest::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        SignatureDigest::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        SignatureDigest::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}

fn malformed(error: der::Error) -> CertificateError {
    CertificateError::Malformed { reason: error.to_string() }
}

fn unsupported(actual: String) -> CertificateError {
    CertificateError::UnsupportedKey { actual }
}
