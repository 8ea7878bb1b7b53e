//! Encrypted PKCS#8 keys: PBES2 (RFC 8018) with PBKDF2 or scrypt and AES.
//!
//! A file says itself how much work its decryption takes, so a limit is checked before any is done.

use const_oid::ObjectIdentifier;
use der::asn1::OctetStringRef;
use der::{Decode, Reader, SliceReader};
use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters, ScryptParams};
use zeroize::Zeroizing;

use crate::error::KeyError;

/// Decrypts the PrivateKeyInfo in an EncryptedPrivateKeyInfo.
pub(super) fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let plain = decrypt_unscrubbed(der, passphrase);
    scrub_stack();
    plain
}

/// Overwrites what the decryption has left on the stack: blocks of the key, and the key that was
/// derived from the passphrase. The crates below do not do that. Where these lie is up to the
/// compiler, so tests look for them (`tests/secrets.rs`, here and in the command).
#[inline(never)]
fn scrub_stack() {
    let mut stack = Zeroizing::new([0xff_u8; SCRUBBED]);
    std::hint::black_box(&mut stack);
}

#[inline(never)]
fn decrypt_unscrubbed(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info: EncryptedPrivateKeyInfo<&OctetStringRef> =
        EncryptedPrivateKeyInfo::from_der(der).map_err(|error| unreadable(der, &error))?;
    let parameters = parameters(&info.encryption_algorithm)?;
    check_cost(&parameters.kdf)?;
    let mut buffer = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
    let length = match parameters.decrypt_in_place(passphrase, &mut buffer) {
        Ok(plain) => plain.len(),
        Err(pkcs8::pkcs5::Error::DecryptFailed) => return Err(KeyError::Passphrase),
        Err(error) => {
            return Err(KeyError::UnsupportedEncryption { actual: error.to_string() });
        }
    };
    buffer.truncate(length);
    Ok(buffer)
}

fn parameters(scheme: &EncryptionScheme) -> Result<&Parameters, KeyError> {
    scheme.pbes2().ok_or_else(|| KeyError::UnsupportedEncryption {
        actual: format!("{} (PBES1)", scheme.oid()),
    })
}

/// Refuses what costs too much, and numbers that RFC 8018 and RFC 7914 rule out: the functions
/// below rely on their callers for that.
fn check_cost(kdf: &Kdf) -> Result<(), KeyError> {
    let (meaningless, excessive) = match kdf {
        Kdf::Pbkdf2(pbkdf2) => {
            (pbkdf2.iteration_count == 0, pbkdf2.iteration_count > MAX_ITERATIONS)
        }
        Kdf::Scrypt(scrypt) => (scrypt_is_meaningless(scrypt), scrypt_is_excessive(scrypt)),
        other => {
            let actual = other.oid().to_string();
            return Err(KeyError::UnsupportedEncryption { actual });
        }
    };
    match (meaningless, excessive) {
        (true, _) => {
            let actual = "its numbers for the passphrase are out of range".to_owned();
            Err(KeyError::UnsupportedEncryption { actual })
        }
        (false, true) => Err(KeyError::EncryptionCost),
        (false, false) => Ok(()),
    }
}

/// N must be a power of two and more than 1.
fn scrypt_is_meaningless(scrypt: &ScryptParams) -> bool {
    let cost = scrypt.cost_parameter;
    !cost.is_power_of_two() || cost == 1 || scrypt.block_size == 0 || scrypt.parallelization == 0
}

fn scrypt_is_excessive(scrypt: &ScryptParams) -> bool {
    let block = 128 * u64::from(scrypt.block_size);
    let blocks = block.saturating_mul(scrypt.parallelization.into());
    let memory = block.saturating_mul(scrypt.cost_parameter);
    let work = blocks.saturating_mul(scrypt.cost_parameter);
    memory > MAX_SCRYPT_MEMORY || blocks > MAX_SCRYPT_BLOCKS || work > MAX_SCRYPT_WORK
}

/// The error for a file that the decoder does not read: it is damaged, or of a scheme that the
/// decoder does not know. The decoder itself cannot tell.
fn unreadable(der: &[u8], error: &der::Error) -> KeyError {
    let actual = match scheme(der) {
        Ok(oid) if oid != PBES2 => format!("algorithm {oid}"),
        _ => error.to_string(),
    };
    KeyError::UnsupportedEncryption { actual }
}

/// The object identifier of the encryption.
fn scheme(der: &[u8]) -> der::Result<ObjectIdentifier> {
    let mut reader = SliceReader::new(der)?;
    reader.sequence(|outer| {
        outer
            .sequence(|inner| {
                let oid = ObjectIdentifier::decode(inner)?;
                inner.drain(inner.remaining_len())?;
                Ok(oid)
            })
            .and_then(|oid| {
                outer.drain(outer.remaining_len())?;
                Ok(oid)
            })
    })
}

/// PBKDF2 may take this many rounds, which are some seconds. OpenSSL makes 2048 unless told
/// otherwise.
const MAX_ITERATIONS: u32 = 10_000_000;

/// scrypt may take this many bytes of memory (128·N·r). OpenSSL makes it 16 MiB.
const MAX_SCRYPT_MEMORY: u64 = 256 << 20;

/// scrypt may take this many bytes beside it for its blocks (128·r·p). OpenSSL makes it 1 KiB.
const MAX_SCRYPT_BLOCKS: u64 = 16 << 20;

/// scrypt may go through this many bytes in all (128·N·r·p).
const MAX_SCRYPT_WORK: u64 = 4 * MAX_SCRYPT_MEMORY;

/// How much of the stack is overwritten after a decryption, in bytes: more than that uses.
const SCRUBBED: usize = 64 << 10;

/// PKCS#5's second scheme (RFC 8018).
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
