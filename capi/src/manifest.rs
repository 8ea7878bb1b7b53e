//! Manifests: made, and checked.

use std::ffi::{c_char, c_int, c_void};

use verity::io::ReadAt;
use verity_sign::{Fec, Image, Manifest};

use crate::device::{Opener, Use, verity_device};
use crate::failure::{Failure, verity_error};
use crate::guard::guarded;
use crate::library::{hand_out_bytes, verity_blob, verity_digest};
use crate::params::{Layout, verity_params};
use crate::pointers::{bytes, check, hand_out, optional_text};
use crate::sign::{pinned, verity_certificate};
use crate::trust::{verity_image, verity_trusted};

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_manifest(
    image: *const verity_image,
    params: *const verity_params,
    root: *const verity_digest,
    out: *mut verity_blob,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        unsafe { hand_out_bytes(out, manifest(image, params, root)?.to_bytes()) }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

/// The manifest of an image that was built so.
///
/// # Safety
/// The pointers are NULL, or what the header asks for.
pub(crate) unsafe fn manifest(
    image: *const verity_image,
    params: *const verity_params,
    root: *const verity_digest,
) -> Result<Manifest, Failure> {
    // SAFETY: as above.
    let (image, layout, root_hash) = unsafe {
        (
            verity_image::read(image)?,
            verity_params::read_layout(params)?,
            verity_digest::read(root)?,
        )
    };
    let about = Image::new(image.name, image.version, image.label, image.size_bytes)?;
    let region = layout.plan()?.superblock_region();
    let Layout { params, hash_area, fec_area, .. } = layout;
    let mut manifest = Manifest::new(about, params, root_hash, hash_area, region.as_deref())?;
    if let Some(area) = &fec_area {
        manifest = manifest.with_fec(Fec::from(area))?;
    }
    Ok(match image.not_after {
        Some(not_after) => manifest.with_not_after(not_after),
        None => manifest,
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_manifest_verify(
    manifest: *const c_void,
    size: usize,
    signature: *const c_void,
    signature_size: usize,
    trusted: *const *const verity_certificate,
    count: usize,
    name: *const c_char,
    now: u64,
    hash: *const verity_device,
    out: *mut *mut verity_trusted,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(out, "out")?;
        // SAFETY: NULL, or what the header asks for.
        let (manifest, signature, trusted, name, hash) = unsafe {
            (
                bytes(manifest, size, "manifest")?,
                bytes(signature, signature_size, "signature")?,
                pinned(trusted, count)?,
                optional_text(name, "name")?,
                Opener::default().open_optional(hash, "hash", Use::Read)?,
            )
        };
        let verified = Manifest::verify(manifest, signature, &trusted)?;
        if let Some(name) = name {
            verified.manifest().check_image_name(name)?;
        }
        if now != 0 {
            verified.check_not_after(now)?;
        }
        if let Some(range) = verified.manifest().superblock_region() {
            let missing = || Failure::argument("hash: the manifest binds the superblock on it");
            let hash = hash.ok_or_else(missing)?;
            // At most one hash block.
            let mut region = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
            let read = hash.read_exact_at(&mut region, range.start);
            read.map_err(|error| Failure::io("cannot read the superblock", &error))?;
            verified.check_superblock(&region)?;
        }
        // SAFETY: room for a handle.
        unsafe { hand_out(out, verity_trusted::of_manifest(&verified), "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}
