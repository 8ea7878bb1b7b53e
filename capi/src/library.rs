//! What is asked of the library as a whole, and small values: errors, digests, bytes of any length.

use std::ffi::{c_char, c_int};
use std::mem;
use std::ptr;

use verity::{Algorithm, BlockRef, Digest, RootHash};

use crate::failure::{DATA, Failure, level_of, verity_error};
use crate::guard::{guarded, quietly};
use crate::pointers::{get, put, take, text};

const ABI: u32 = 1;

#[unsafe(no_mangle)]
extern "C" fn verity_abi() -> u32 {
    ABI
}

#[unsafe(no_mangle)]
extern "C" fn verity_version() -> *const c_char {
    // A literal of bytes that ends with a NUL.
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_algorithm(
    name: *const c_char,
    digest_size: *mut u32,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        unsafe {
            let algorithm: Algorithm = text(name, "name")?.parse()?;
            put(digest_size, algorithm.digest_size(), "digest_size")
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[repr(C)]
pub(crate) struct verity_error_info {
    code: i32,
    os_errno: i32,
    has_block: i32,
    level: i32,
    block: u64,
    message: *const c_char,
    class_name: *const c_char,
    reserved: [u64; 4],
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_error_get(error: *const verity_error, info: *mut verity_error_info) {
    quietly(|| {
        // SAFETY: NULL, or an error of the library that is not freed yet.
        let error = unsafe { get(error, "error") }.ok();
        let block = error.and_then(|error| error.failure.block);
        let described = verity_error_info {
            code: error.map_or(0, |error| error.failure.code()),
            os_errno: error.map_or(0, |error| error.failure.os_errno),
            has_block: i32::from(block.is_some()),
            level: block.map_or(DATA, level_of),
            block: block.map_or(0, BlockRef::block),
            message: error.map_or(c"success".as_ptr(), |error| error.message.as_ptr()),
            class_name: error.map_or(c"success", |error| error.failure.code.class_name()).as_ptr(),
            reserved: [0; 4],
        };
        // SAFETY: NULL, or a place for a description.
        let _ = unsafe { put(info, described, "info") };
    });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn verity_error_free(error: *mut verity_error) {
    // SAFETY: NULL, or an error of the library that is not freed yet.
    quietly(|| drop(unsafe { take(error) }));
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct verity_digest {
    bytes: [u8; 64],
    size: u32,
}

impl verity_digest {
    pub(crate) fn new(digest: &[u8]) -> verity_digest {
        let mut bytes = [0; 64];
        bytes[..digest.len()].copy_from_slice(digest);
        verity_digest { bytes, size: u32::try_from(digest.len()).unwrap_or(64) }
    }

    /// Reads a root hash of a host.
    ///
    /// # Safety
    /// The pointer is NULL, or points to a digest.
    pub(crate) unsafe fn read(pointer: *const verity_digest) -> Result<RootHash, Failure> {
        // SAFETY: as above.
        let digest = unsafe { get(pointer, "root") }?;
        let size = usize::try_from(digest.size).unwrap_or(usize::MAX);
        let bytes = digest.bytes.get(..size);
        let bytes = bytes.ok_or_else(|| Failure::argument("root: no digest has so many bytes"))?;
        Ok(RootHash::new(Digest::new(bytes)?))
    }
}

impl From<RootHash> for verity_digest {
    fn from(root_hash: RootHash) -> verity_digest {
        verity_digest::new(root_hash.as_ref())
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_digest_parse(
    hex: *const c_char,
    digest: *mut verity_digest,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        unsafe {
            let parsed: RootHash = text(hex, "hex")?.parse()?;
            put(digest, parsed.into(), "digest")
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_digest_text(
    digest: *const verity_digest,
    out: *mut [c_char; 129],
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let text = unsafe { verity_digest::read(digest) }?.to_string();
        let mut letters = [0; 129];
        for (place, letter) in letters.iter_mut().zip(text.bytes()) {
            *place = c_char::from_ne_bytes([letter]);
        }
        // SAFETY: NULL, or room for so many letters.
        unsafe { put(out, letters, "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[repr(C)]
pub(crate) struct verity_blob {
    pub(crate) data: *mut u8,
    pub(crate) size: usize,
}

/// Hands out bytes, and a NUL behind them.
///
/// # Safety
/// The pointer is NULL, or points to room for a blob.
pub(crate) unsafe fn hand_out_bytes(
    out: *mut verity_blob,
    mut bytes: Vec<u8>,
) -> Result<(), Failure> {
    crate::pointers::check(out, "out")?;
    let size = bytes.len();
    bytes.push(0);
    let data = Box::into_raw(bytes.into_boxed_slice()).cast();
    // SAFETY: as above.
    unsafe { put(out, verity_blob { data, size }, "out") }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_blob_free(blob: *mut verity_blob) {
    quietly(|| {
        if blob.is_null() {
            return;
        }
        // SAFETY: it is a blob.
        let verity_blob { data, size } =
            unsafe { mem::replace(&mut *blob, verity_blob { data: ptr::null_mut(), size: 0 }) };
        if !data.is_null() {
            // SAFETY: these bytes were handed out with one more behind them, and are taken once.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data, size + 1)) });
        }
    });
}
