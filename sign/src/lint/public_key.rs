//! Signatures as the kernel checks them, down to the error. Only predictions rest on this: it takes
//! keys, digests and encodings that the crate's own verifier refuses.
//!
//! Sources: the kernel's `public_key.c`, `rsa.c`, `rsa-pkcs1pad.c`, `ecdsa.c`.

use std::cell::OnceCell;

use num_bigint::BigUint;
use p256::ecdsa::signature::hazmat::PrehashVerifier;

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
    /// Of RSA: the padded digest.
    opened: OnceCell<Result<Vec<u8>, KernelError>>,
}

impl<'a> PublicKey<'a> {
    /// Says that this is a signature by the key.
    pub(super) fn claim(self, scheme: Scheme, hash: Hash, signature: &'a [u8]) -> Claim<'a> {
        Claim { key: self, scheme, hash, signature, opened: OnceCell::new() }
    }
}

impl Claim<'_> {
    /// Whether the signature holds over this digest, and if not, with which error; none if that is too much work.
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
            (Key::P192, Scheme::Ecdsa) => {
                let size = Size { words: 3, bytes: 24 };
                ecdsa(bytes, digest, signature, size, |key, digest, r, s| {
                    let key = p192::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(invalid)?;
                    let scalars = (array::<24>(r)?, array::<24>(s)?);
                    let signature = p192::ecdsa::Signature::from_scalars(scalars.0, scalars.1);
                    key.verify_prehash(digest, &signature.map_err(bad)?).map_err(rejected)
                })
            }
            (Key::P256, Scheme::Ecdsa) => {
                let size = Size { words: 4, bytes: 32 };
                ecdsa(bytes, digest, signature, size, |key, digest, r, s| {
                    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(invalid)?;
                    let scalars = (array::<32>(r)?, array::<32>(s)?);
                    let signature = p256::ecdsa::Signature::from_scalars(scalars.0, scalars.1);
                    key.verify_prehash(digest, &signature.map_err(bad)?).map_err(rejected)
                })
            }
            (Key::P384, Scheme::Ecdsa) => {
                let size = Size { words: 6, bytes: 48 };
                ecdsa(bytes, digest, signature, size, |key, digest, r, s| {
                    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(invalid)?;
                    let scalars = (array::<48>(r)?, array::<48>(s)?);
                    let signature = p384::ecdsa::Signature::from_scalars(scalars.0, scalars.1);
                    key.verify_prehash(digest, &signature.map_err(bad)?).map_err(rejected)
                })
            }
            (Key::P521, Scheme::Ecdsa) => {
                let size = Size { words: 9, bytes: 66 };
                ecdsa(bytes, digest, signature, size, |key, digest, r, s| {
                    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(invalid)?;
                    let scalars = (array::<66>(r)?, array::<66>(s)?);
                    let signature = p521::ecdsa::Signature::from_scalars(scalars.0, scalars.1);
                    key.verify_prehash(digest, &signature.map_err(bad)?).map_err(rejected)
                })
            }
        }
    }

    /// In the unit of [`Effort`], about.
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

/// The two numbers of a public key or signature. The kernel looks at each as soon as it has it, before it reads on: at
/// the first alone, and then at both.
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

/// Of a public key of RSA: the exponent is not longer than the modulus.
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
    let size = usize::try_from(size).map_err(invalid)?;
    let value = BigUint::from_bytes_be(signature);
    let one = BigUint::from(1_u8);
    if signature.len() != size || value <= one || value >= &n - &one {
        return Err(Inval);
    }
    let message = value.modpow(&BigUint::from_bytes_be(e), &n).to_bytes_be();
    let mut padded = vec![0; size.saturating_sub(message.len())];
    padded.extend(message);
    Ok(padded)
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

/// Of a curve: the kernel keeps numbers in 64-bit words.
#[derive(Clone, Copy)]
struct Size {
    words: usize,
    bytes: usize,
}

fn ecdsa(
    key: &[u8],
    digest: &[u8],
    signature: &[u8],
    size: Size,
    verify: impl Fn(&[u8], &[u8], &[u8], &[u8]) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let point = key.strip_prefix(&[4]).ok_or(Inval)?;
    if point.len() != size.bytes * 2 {
        return Err(Inval);
    }
    let (r, s) = two_integers(signature, |r, s| words(s.unwrap_or(r), size).map(drop))?;
    let (r, s) = (scalar(r, size)?, scalar(s, size)?);
    // Shorter digests are numbers all the same.
    let digest = match digest.len() < size.bytes {
        true => [vec![0; size.bytes - digest.len()], digest.to_vec()].concat(),
        false => digest.to_vec(),
    };
    verify(key, &digest, &r, &s)
}

/// What of a number goes into the kernel's words.
fn words(bytes: &[u8], size: Size) -> Result<&[u8], KernelError> {
    match bytes.len().checked_sub(size.words * 8) {
        Some(1) => bytes.strip_prefix(&[0]).ok_or(Inval),
        Some(2..) => Err(Inval),
        _ if bytes.is_empty() => Err(Inval),
        _ => Ok(bytes),
    }
}

/// Bytes of a number of the curve's size.
fn scalar(bytes: &[u8], size: Size) -> Result<Vec<u8>, KernelError> {
    let most = size.words * 8;
    let bytes = words(bytes, size)?;
    let mut padded = vec![0; most - bytes.len()];
    padded.extend(bytes);
    let (over, scalar) = padded.split_at(most - size.bytes);
    match over.iter().all(|&byte| byte == 0) {
        true => Ok(scalar.to_vec()),
        false => Err(Badmsg),
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], KernelError> {
    bytes.try_into().map_err(invalid)
}
