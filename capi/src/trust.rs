//! What is verified against, and who vouches for it.

use std::ffi::{CString, c_char, c_int};

use verity::{FecArea, Origin, TrustedParams};
use verity_sign::VerifiedManifest;

use crate::failure::{Code, Failure, verity_error};
use crate::guard::{guarded, quietly};
use crate::library::verity_digest;
use crate::params::{Layout, verity_params};
use crate::pointers::{check_struct_size, get, hand_out, put, sized, take, text};

/// What is verified against.
pub(crate) struct verity_trusted {
    pub(crate) trusted: TrustedParams,
    pub(crate) layout: Layout,
    /// Of a manifest.
    image: Option<ImageTexts>,
}

struct ImageTexts {
    name: CString,
    label: CString,
    version: u64,
    size_bytes: u64,
    not_after: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct verity_image {
    size: u32,
    reserved0: u32,
    name: *const c_char,
    label: *const c_char,
    version: u64,
    size_bytes: u64,
    not_after: u64,
    reserved: [u64; 4],
}

/// An image as a host describes it.
pub(crate) struct ImageInput<'a> {
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) version: u64,
    pub(crate) size_bytes: u64,
    pub(crate) not_after: Option<u64>,
}

impl verity_image {
    /// Reads the description of a host.
    ///
    /// # Safety
    /// The pointer is NULL, or points to an image whose texts live as long as the result.
    pub(crate) unsafe fn read<'a>(pointer: *const verity_image) -> Result<ImageInput<'a>, Failure> {
        // SAFETY: as above; the struct is made of integers and pointers.
        let image = unsafe { sized(pointer, "image") }?;
        if image.reserved0 != 0 || image.reserved != [0; 4] {
            return Err(Failure::argument("image: reserved members are not 0"));
        }
        // SAFETY: as above.
        let (name, label) = unsafe {
            (
                text(image.name, "image.name")?,
                crate::pointers::optional_text(image.label, "image.label")?,
            )
        };
        Ok(ImageInput {
            name,
            label: label.unwrap_or(""),
            version: image.version,
            size_bytes: image.size_bytes,
            not_after: Some(image.not_after).filter(|&not_after| not_after != 0),
        })
    }
}

impl verity_trusted {
    /// What a manifest states whose signature was verified.
    pub(crate) fn of_manifest(verified: &VerifiedManifest) -> verity_trusted {
        let manifest = verified.manifest();
        let image = manifest.image();
        // A manifest with a control character in a name is refused.
        let text = |text: &str| CString::new(text).unwrap_or_default();
        verity_trusted {
            trusted: verified.trusted_params().clone(),
            layout: Layout {
                params: manifest.params().clone(),
                hash_area: manifest.hash_area(),
                fec_area: manifest.fec_area(),
                uuid: verity::Uuid::nil(),
                from_superblock: false,
            },
            image: Some(ImageTexts {
                name: text(image.name()),
                label: text(image.label()),
                version: image.version(),
                size_bytes: image.size_bytes(),
                not_after: manifest.not_after().unwrap_or(0),
            }),
        }
    }

    /// Where parity lies, as far as anybody has said.
    pub(crate) fn fec_area(&self) -> Result<FecArea, Failure> {
        let none = || Failure::argument("trusted: its parameters say nothing of parity");
        self.layout.fec_area.ok_or_else(none)
    }

    fn vouched_by(&self) -> c_int {
        match self.trusted.origin() {
            Origin::Manifest => 3,
            Origin::Pinned => 2,
            _ => 1,
        }
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn verity_trusted_pinned(
    params: *const verity_params,
    root: *const verity_digest,
    out: *mut *mut verity_trusted,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (layout, root) =
            unsafe { (verity_params::read_layout(params)?, verity_digest::read(root)?) };
        if layout.from_superblock {
            let words = "params: they are those of a superblock, for which nothing vouches";
            return Err(Failure::new(Code::Untrusted, words));
        }
        let trusted = TrustedParams::pinned(layout.params.clone(), root, layout.hash_area)?;
        // SAFETY: NULL, or room for a handle.
        unsafe { hand_out(out, verity_trusted { trusted, layout, image: None }, "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_trusted_unauthenticated(
    params: *const verity_params,
    root: *const verity_digest,
    out: *mut *mut verity_trusted,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (layout, root) =
            unsafe { (verity_params::read_layout(params)?, verity_digest::read(root)?) };
        let (params, area) = (layout.params.clone(), layout.hash_area);
        let trusted = TrustedParams::from_unauthenticated_assumptions(params, root, area)?;
        // SAFETY: NULL, or room for a handle.
        unsafe { hand_out(out, verity_trusted { trusted, layout, image: None }, "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_trusted_get(
    trusted: *const verity_trusted,
    params: *mut verity_params,
    root: *mut verity_digest,
    vouched_by: *mut c_int,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        unsafe {
            let trusted = get(trusted, "trusted")?;
            if !params.is_null() {
                verity_params::from(&trusted.layout).write(params)?;
            }
            if !root.is_null() {
                put(root, trusted.trusted.root_hash().into(), "root")?;
            }
            if !vouched_by.is_null() {
                put(vouched_by, trusted.vouched_by(), "vouched_by")?;
            }
        }
        Ok(())
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_trusted_image(
    trusted: *const verity_trusted,
    image: *mut verity_image,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (trusted, size) = unsafe { (get(trusted, "trusted")?, get(image, "image")?.size) };
        check_struct_size::<verity_image>(size, "image")?;
        let none = || Failure::argument("trusted: it does not come from a manifest");
        let texts = trusted.image.as_ref().ok_or_else(none)?;
        let described = verity_image {
            size,
            reserved0: 0,
            name: texts.name.as_ptr(),
            label: texts.label.as_ptr(),
            version: texts.version,
            size_bytes: texts.size_bytes,
            not_after: texts.not_after,
            reserved: [0; 4],
        };
        // SAFETY: there is room for an image, whose size was checked.
        unsafe { put(image, described, "image") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn verity_trusted_free(trusted: *mut verity_trusted) {
    // SAFETY: NULL, or what is trusted and not freed yet.
    quietly(|| drop(unsafe { take(trusted) }));
}
