//! Signatures as the kernel checks them, down to the error. Only predictions rest on this: it takes
//! keys, digests and encodings that the crate's own verifier refuses.
//!
//! Sources: the kernel's `public_key.c`, `rsa.c`, `rsa-pkcs1pad.c`, `ecdsa.c`.

use std::cell::OnceCell;

use ecdsa::elliptic_curve::array::typenum::Unsigned;
use ecdsa::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use ecdsa::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize};
use ecdsa::signature::hazmat::PrehashVerifier;
use ecdsa::{EcdsaCurve, Signature, VerifyingKey};
use num_bigint::BigUint;
use verity::internals::to_len;

use super::KernelError::{self, Badmsg, Inval, Keyrejected};
use super::algorithms::{Hash, Key, Scheme};
use super::ber::{Malformed, Reader, tag};
use super::effort::Effort;

/// A certificate's public key.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicKey<'a> {
    pub(super) key: Key,
    pub(super) bytes: &'a [u8],
}

/// A signature that is said to be by a key. What does not depend on the digest is computed once.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    key: PublicKey<'a>,
    scheme: Scheme,
    hash: Hash,
    signature: &'a [u8],
    /// Of RSA: the padded digest that the signature holds.
    opened: OnceCell<Result<Vec<u8>, KernelError>>,
}

impl<'a> PublicKey<'a> {
    /// Says that this is a signature by the key.
    pub(super) fn claim(self, scheme: Scheme, hash: Hash, signature: &'a [u8]) -> Claim<'a> {
        Claim { key: self, scheme, hash, signature, opened: OnceCell::new() }
    }
}

impl Claim<'_> {
    /// Whether the signature holds over this digest, and if not, with which error. `None` if that
    /// takes too much work.
    pub(super) fn check(&self, digest: &[u8], effort: &Effort) -> Option<Result<(), KernelError>> {
        if self.opened.get().is_none() && !effort.spend(self.cost()) {
            return None;
        }
        Some(self.verify(digest))
    }

    fn verify(&self, digest: &[u8]) -> Result<(), KernelError> {
        let Claim { scheme, hash, signature, .. } = *self;
        let PublicKey { key, bytes } = self.key;
        match (key, scheme) {
            (Key::Rsa, Scheme::Rsa) => {
                let opened = self.opened.get_or_init(|| open_rsa(bytes, signature));
                pkcs1(opened.as_ref().map_err(|error| *error)?, hash, digest)
            }
            (Key::Rsa | Key::Gost, _) | (_, Scheme::Rsa | Scheme::Ecrdsa) => Err(Keyrejected),
            (_, Scheme::Ecdsa) if matches!(hash, Hash::Other) => Err(Inval),
            (Key::P192, Scheme::Ecdsa) => ecdsa::<p192::NistP192>(bytes, digest, signature),
            (Key::P256, Scheme::Ecdsa) => ecdsa::<p256::NistP256>(bytes, digest, signature),
            (Key::P384, Scheme::Ecdsa) => ecdsa::<p384::NistP384>(bytes, digest, signature),
            (Key::P521, Scheme::Ecdsa) => ecdsa::<p521::NistP521>(bytes, digest, signature),
        }
    }

    /// About how much work it is, in the unit of [`Effort`].
    fn cost(&self) -> u32 {
        match self.key.key {
            Key::Rsa => rsa_cost(self.key.bytes),
            Key::Gost => 0,
            Key::P192 => 100,
            Key::P256 => 150,
            Key::P384 => 400,
            Key::P521 => 900,
        }
    }
}

fn malformed(_: Malformed) -> KernelError {
    Badmsg
}

fn invalid<E>(_: E) -> KernelError {
    Inval
}

fn bad<E>(_: E) -> KernelError {
    Badmsg
}

fn rejected<E>(_: E) -> KernelError {
    Keyrejected
}

/// The two numbers of a public key or signature. The kernel looks at each as soon as it has it,
/// before it reads on: at the first alone, and then at both.
fn two_integers(
    der: &[u8],
    look: impl Fn(&[u8], Option<&[u8]>) -> Result<(), KernelError>,
) -> Result<(&[u8], &[u8]), KernelError> {
    let mut reader = Reader::new(der);
    let sequence = reader.open(tag::SEQUENCE).map_err(malformed)?;
    let one = reader.leaf(tag::INTEGER).map_err(malformed)?.content;
    look(one, None)?;
    let other = reader.leaf(tag::INTEGER).map_err(malformed)?.content;
    look(one, Some(other))?;
    reader.close(sequence).map_err(malformed)?;
    Ok((one, other))
}

/// Modulus and exponent of an RSA key. The exponent is not longer than the modulus.
fn rsa_numbers(key: &[u8]) -> Result<(&[u8], &[u8]), KernelError> {
    two_integers(key, |n, e| match e {
        _ if n.is_empty() => Err(Inval),
        Some(e) if e.is_empty() || e.len() > n.len() => Err(Inval),
        _ => Ok(()),
    })
}

/// A multiplication for each bit of the exponent, which takes as long as the modulus squared.
fn rsa_cost(key: &[u8]) -> u32 {
    let Ok((n, e)) = rsa_numbers(key) else { return 0 };
    let words = u32::try_from(n.len().saturating_sub(1).div_ceil(256)).unwrap_or(u32::MAX);
    let bits = u32::try_from(e.len().saturating_mul(8)).unwrap_or(u32::MAX);
    bits.saturating_mul(words.saturating_mul(words))
}

/// What an RSA signature says: the padded digest, as long as the modulus.
fn open_rsa(key: &[u8], signature: &[u8]) -> Result<Vec<u8>, KernelError> {
    let (n, e) = rsa_numbers(key)?;
    let n = BigUint::from_bytes_be(n);
    // In whole words, as the kernel counts.
    let size = n.bits().div_ceil(64).saturating_mul(8);
    if !matches!(size, 64 | 128 | 192 | 256 | 384 | 512) {
        return Err(Inval);
    }
    let size = to_len(size);
    let value = BigUint::from_bytes_be(signature);
    let one = BigUint::from(1_u8);
    if signature.len() != size || value <= one || value >= &n - &one {
        return Err(Inval);
    }
    let message = value.modpow(&BigUint::from_bytes_be(e), &n).to_bytes_be();
    Ok(padded(&message, size))
}

/// EMSA-PKCS1-v1_5 (RFC 8017 9.2), taken apart in the kernel's order.
fn pkcs1(message: &[u8], hash: Hash, digest: &[u8]) -> Result<(), KernelError> {
    let prefix = digest_info(hash, digest.len()).ok_or(Inval)?;
    let message = message.strip_prefix(&[0]).ok_or(Inval)?;
    let padding = message.strip_prefix(&[1]).ok_or(Badmsg)?;
    let ones = padding.iter().take_while(|&&byte| byte == 0xff).count();
    let info = padding.get(ones..).and_then(|rest| rest.strip_prefix(&[0])).ok_or(Badmsg)?;
    if ones < 8 {
        return Err(Badmsg);
    }
    let actual = info.strip_prefix(prefix.as_slice()).ok_or(Badmsg)?;
    if actual == digest { Ok(()) } else { Err(Keyrejected) }
}

/// DER of DigestInfo, without the digest.
fn digest_info(hash: Hash, size: usize) -> Option<Vec<u8>> {
    if matches!(hash, Hash::Other) {
        return None;
    }
    let oid = hash.oid()?;
    let (oid, size) = (oid.as_bytes(), u8::try_from(size).ok()?);
    let id = u8::try_from(oid.len()).ok()?;
    let head = [0x30, id + 8 + size, 0x30, id + 4, 0x06, id];
    Some([&head, oid, &[0x05, 0x00, 0x04, size]].concat())
}

/// Verifies over one curve, and looks at everything in the kernel's order.
fn ecdsa<C>(key: &[u8], digest: &[u8], signature: &[u8]) -> Result<(), KernelError>
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let size = FieldBytesSize::<C>::USIZE;
    let point = key.strip_prefix(&[4]).ok_or(Inval)?;
    if point.len() != size * 2 {
        return Err(Inval);
    }
    let (r, s) = two_integers(signature, |r, s| words(s.unwrap_or(r), size).map(drop))?;
    let (r, s) = (scalar(r, size)?, scalar(s, size)?);
    let key = VerifyingKey::<C>::from_sec1_bytes(key).map_err(invalid)?;
    let signature = Signature::<C>::from_slice(&[r, s].concat()).map_err(bad)?;
    key.verify_prehash(&padded(digest, size), &signature).map_err(rejected)
}

/// What of a number goes into the kernel's words of 64 bits, for a curve of this size in bytes.
fn words(bytes: &[u8], size: usize) -> Result<&[u8], KernelError> {
    match bytes.len().checked_sub(size.next_multiple_of(8)) {
        Some(1) => bytes.strip_prefix(&[0]).ok_or(Inval),
        Some(2..) => Err(Inval),
        _ if bytes.is_empty() => Err(Inval),
        _ => Ok(bytes),
    }
}

/// A number in as many bytes as the curve has.
fn scalar(bytes: &[u8], size: usize) -> Result<Vec<u8>, KernelError> {
    let most = size.next_multiple_of(8);
    let padded = padded(words(bytes, size)?, most);
    let (over, scalar) = padded.split_at(most - size);
    match over.iter().all(|&byte| byte == 0) {
        true => Ok(scalar.to_vec()),
        false => Err(Badmsg),
    }
}

/// A number with zeros in front, if it is shorter.
fn padded(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut padded = vec![0; size.saturating_sub(bytes.len())];
    padded.extend(bytes);
    padded
}
