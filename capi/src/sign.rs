//! Signatures: made in one step or two, and checked.

use std::ffi::{CStr, c_char, c_int, c_void};

use verity_sign::{
    Certificate, PrivateKey, Signatory, SignatureBuilder, SignatureDigest, verify_detached,
};

use crate::failure::{Failure, verity_error};
use crate::flags::{self, EMBED_CERTIFICATE, SUBJECT_KEY_ID};
use crate::guard::{guarded, quietly};
use crate::library::{hand_out_bytes, verity_blob, verity_digest};
use crate::pointers::{bytes, check, get, hand_out, optional_text, put, take};

pub(crate) struct verity_certificate(Certificate);

pub(crate) struct verity_key(PrivateKey);

impl verity_certificate {
    /// A builder of signatures, with the choices of a host.
    pub(crate) fn builder(&self, flags: u32) -> Result<SignatureBuilder, Failure> {
        flags::check(flags, EMBED_CERTIFICATE | SUBJECT_KEY_ID)?;
        let builder = SignatureBuilder::new(self.0.clone())
            .with_embedded_certificate(flags & EMBED_CERTIFICATE != 0);
        Ok(builder.with_subject_key_identifier(flags & SUBJECT_KEY_ID != 0)?)
    }
}

impl verity_key {
    pub(crate) fn private(&self) -> &PrivateKey {
        &self.0
    }
}

/// The certificates that a host has pinned.
///
/// # Safety
/// The pointer is NULL, or points to so many pointers to certificates that live.
pub(crate) unsafe fn pinned(
    pinned: *const *const verity_certificate,
    count: usize,
) -> Result<Vec<Certificate>, Failure> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if count > MOST_PINNED {
        return Err(Failure::argument(format!("pinned: more than {MOST_PINNED} certificates")));
    }
    check(pinned, "pinned")?;
    // SAFETY: as above, and there are few.
    let pointers = unsafe { std::slice::from_raw_parts(pinned, count) };
    let certificate = |pointer: &*const verity_certificate| {
        // SAFETY: as above.
        unsafe { get(*pointer, "pinned") }.map(|certificate| certificate.0.clone())
    };
    pointers.iter().map(certificate).collect()
}

/// Nobody trusts more signers.
const MOST_PINNED: usize = 4096;

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_certificate_parse(
    file: *const c_void,
    size: usize,
    out: *mut *mut verity_certificate,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        unsafe {
            let certificate = Certificate::parse(bytes(file, size, "bytes")?)?;
            hand_out(out, verity_certificate(certificate), "out")
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_certificate_free(certificate: *mut verity_certificate) {
    // SAFETY: NULL, or a certificate that is not freed yet.
    quietly(|| drop(unsafe { take(certificate) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_key_parse(
    file: *const c_void,
    size: usize,
    passphrase: *const c_char,
    out: *mut *mut verity_key,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(out, "out")?;
        // SAFETY: NULL, or what the header asks for.
        let (file, passphrase) =
            unsafe { (bytes(file, size, "bytes")?, optional_text(passphrase, "passphrase")?) };
        let key = match passphrase {
            Some(passphrase) => PrivateKey::parse_encrypted(file, passphrase.as_bytes())?,
            None => PrivateKey::parse(file)?,
        };
        // SAFETY: room for a handle.
        unsafe { hand_out(out, verity_key(key), "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_key_free(key: *mut verity_key) {
    // SAFETY: NULL, or a key that is not freed yet.
    quietly(|| drop(unsafe { take(key) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_sign(
    key: *const verity_key,
    certificate: *const verity_certificate,
    flags: u32,
    content: *const c_void,
    size: usize,
    out: *mut verity_blob,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(out, "out")?;
        // SAFETY: NULL, or what the header asks for.
        let (key, certificate, content) = unsafe {
            (get(key, "key")?, get(certificate, "certificate")?, bytes(content, size, "content")?)
        };
        let signatory = Signatory::new(key.private(), certificate.builder(flags)?)?;
        let signature = signatory.sign_detached(content)?;
        // SAFETY: room for bytes.
        unsafe { hand_out_bytes(out, signature) }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_sign_digest(
    certificate: *const verity_certificate,
    content: *const c_void,
    size: usize,
    digest: *mut verity_digest,
    digest_name: *mut *const c_char,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(digest, "digest")?;
        // SAFETY: NULL, or what the header asks for.
        let (certificate, content) =
            unsafe { (get(certificate, "certificate")?, bytes(content, size, "content")?) };
        let builder = certificate.builder(0)?;
        let to_be_signed = builder.prepare(content);
        // SAFETY: NULL, or room for it.
        unsafe {
            if !digest_name.is_null() {
                let name = name_of(to_be_signed.digest_algorithm()).as_ptr();
                put(digest_name, name, "digest_name")?;
            }
            put(digest, verity_digest::new(&to_be_signed.digest()), "digest")
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn name_of(digest: SignatureDigest) -> &'static CStr {
    match digest.name() {
        "sha384" => c"sha384",
        "sha512" => c"sha512",
        _ => c"sha256",
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_sign_attach(
    certificate: *const verity_certificate,
    flags: u32,
    content: *const c_void,
    size: usize,
    raw: *const c_void,
    raw_size: usize,
    out: *mut verity_blob,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(out, "out")?;
        // SAFETY: NULL, or what the header asks for.
        let (certificate, content, raw) = unsafe {
            (
                get(certificate, "certificate")?,
                bytes(content, size, "content")?,
                bytes(raw, raw_size, "raw")?,
            )
        };
        let builder = certificate.builder(flags)?;
        let signature = builder.attach(&builder.prepare(content), raw)?;
        // SAFETY: room for bytes.
        unsafe { hand_out_bytes(out, signature) }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_signature_check(
    signature: *const c_void,
    signature_size: usize,
    content: *const c_void,
    size: usize,
    trusted: *const *const verity_certificate,
    count: usize,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (signature, content, trusted) = unsafe {
            (
                bytes(signature, signature_size, "signature")?,
                bytes(content, size, "content")?,
                pinned(trusted, count)?,
            )
        };
        verify_detached(signature, content, &trusted)?;
        Ok(())
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_have_the_librarys_names() {
        for digest in SignatureDigest::ALL {
            assert_eq!(name_of(*digest).to_str(), Ok(digest.name()));
        }
    }
}
