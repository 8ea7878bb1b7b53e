//! What lies beside an image, in the order in which it is to appear.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use verity_sign::{Sidecar, Sidecars, Signatory};

use crate::failure::{Failure, verity_error};
use crate::flags::{EMBED_CERTIFICATE, SIGNATURE_PARTITION, SUBJECT_KEY_ID, check as check_flags};
use crate::guard::{guarded, quietly};
use crate::library::{hand_out_bytes, verity_blob, verity_digest};
use crate::manifest::manifest;
use crate::params::verity_params;
use crate::pointers::{bytes, check, get, hand_out, put, take};
use crate::sign::{verity_certificate, verity_key};
use crate::trust::verity_image;

/// The contents of the files beside an image.
pub(crate) struct verity_sidecars(Mutex<Sidecars>);

impl verity_sidecars {
    /// Puts signed ones in the place of those that are there, unless signing fails.
    fn sign(
        &self,
        flags: u32,
        sign: impl FnOnce(Sidecars) -> Result<Sidecars, Failure>,
    ) -> Result<(), Failure> {
        check_flags(flags, EMBED_CERTIFICATE | SUBJECT_KEY_ID | SIGNATURE_PARTITION)?;
        let mut sidecars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unsigned = Sidecars::unsigned(sidecars.manifest().clone());
        let mut signed = sign(unsigned)?;
        if flags & SIGNATURE_PARTITION != 0 {
            signed = signed.with_signature_partition()?;
        }
        *sidecars = signed;
        Ok(())
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_sidecars_new(
    image: *const verity_image,
    params: *const verity_params,
    root: *const verity_digest,
    out: *mut *mut verity_sidecars,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        unsafe {
            let sidecars = Mutex::new(Sidecars::unsigned(manifest(image, params, root)?));
            hand_out(out, verity_sidecars(sidecars), "out")
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_sidecars_sign(
    sidecars: *mut verity_sidecars,
    key: *const verity_key,
    certificate: *const verity_certificate,
    flags: u32,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (sidecars, key, certificate) = unsafe {
            (get(sidecars, "sidecars")?, get(key, "key")?, get(certificate, "certificate")?)
        };
        sidecars.sign(flags, |unsigned| {
            let builder = certificate.builder(flags & !SIGNATURE_PARTITION)?;
            let signatory = Signatory::new(key.private(), builder)?;
            Ok(unsigned.sign(&signatory)?)
        })
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_sidecars_attach(
    sidecars: *mut verity_sidecars,
    certificate: *const verity_certificate,
    flags: u32,
    root_raw: *const c_void,
    root_raw_size: usize,
    manifest_raw: *const c_void,
    manifest_raw_size: usize,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (sidecars, certificate, raw) = unsafe {
            (
                get(sidecars, "sidecars")?,
                get(certificate, "certificate")?,
                [
                    bytes(root_raw, root_raw_size, "root_raw")?,
                    bytes(manifest_raw, manifest_raw_size, "manifest_raw")?,
                ],
            )
        };
        sidecars.sign(flags, |unsigned| {
            let builder = certificate.builder(flags & !SIGNATURE_PARTITION)?;
            Ok(unsigned.attach(&builder, raw)?)
        })
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_sidecars_part(
    sidecars: *const verity_sidecars,
    part: u32,
    out: *mut verity_blob,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(out, "out")?;
        // SAFETY: NULL, or what the header asks for.
        let sidecars = unsafe { get(sidecars, "sidecars") }?;
        let part = part_of(part)?;
        let sidecars = sidecars.0.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: room for bytes.
        unsafe {
            match sidecars.content(part) {
                Some(content) => hand_out_bytes(out, content),
                None => put(out, verity_blob { data: ptr::null_mut(), size: 0 }, "out"),
            }
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_sidecars_free(sidecars: *mut verity_sidecars) {
    // SAFETY: NULL, or sidecars that are not freed yet.
    quietly(|| drop(unsafe { take(sidecars) }));
}

/// The part of a number.
fn part_of(number: u32) -> Result<Sidecar, Failure> {
    Ok(match number {
        PART_ROOT_HASH => Sidecar::RootHash,
        PART_ROOT_HASH_SIGNATURE => Sidecar::RootHashSignature,
        PART_SIGNATURE_PARTITION => Sidecar::SignaturePartition,
        PART_MANIFEST => Sidecar::Manifest,
        PART_MANIFEST_SIGNATURE => Sidecar::ManifestSignature,
        _ => return Err(Failure::argument(format!("part: there is no number {number}"))),
    })
}

/// The root hash as text.
const PART_ROOT_HASH: u32 = 1;
/// Its signature.
const PART_ROOT_HASH_SIGNATURE: u32 = 2;
/// What systemd's signature partition holds.
const PART_SIGNATURE_PARTITION: u32 = 3;
/// The manifest.
const PART_MANIFEST: u32 = 4;
/// Its signature.
const PART_MANIFEST_SIGNATURE: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_numbered_in_the_order_in_which_they_appear() {
        let numbered: Vec<_> = (1..).map_while(|number| part_of(number).ok()).collect();
        assert_eq!(numbered, Sidecar::ALL);
        assert!(part_of(0).is_err() && part_of(u32::MAX).is_err());
    }
}
