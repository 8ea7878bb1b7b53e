//! The places where raw pointers of a host are read and written.
//!
//! NULL is an error everywhere. That anything else points to what the header asks for is the
//! caller's promise, and the reason why these functions are unsafe.

use std::ffi::{CStr, c_char, c_void};
use std::mem::size_of;

use crate::failure::Failure;

fn null(name: &str) -> Failure {
    Failure::argument(format!("{name} is NULL"))
}

/// What a pointer points to.
///
/// # Safety
/// It is NULL, or points to a value that lives, and is not written to, as long as the reference.
pub(crate) unsafe fn get<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: as above.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// Checks that there is a place before work is done for it.
pub(crate) fn check<T>(pointer: *const T, name: &str) -> Result<(), Failure> {
    if pointer.is_null() { Err(null(name)) } else { Ok(()) }
}

/// Puts a value in its place.
///
/// # Safety
/// The pointer is NULL, or points to room for the value.
pub(crate) unsafe fn put<T>(pointer: *mut T, value: T, name: &str) -> Result<(), Failure> {
    check(pointer, name)?;
    // SAFETY: as above.
    unsafe { pointer.write(value) };
    Ok(())
}

/// Hands out a handle, which the caller frees.
///
/// # Safety
/// The pointer is NULL, or points to room for a pointer.
pub(crate) unsafe fn hand_out<T>(
    pointer: *mut *mut T,
    value: T,
    name: &str,
) -> Result<(), Failure> {
    check(pointer, name)?;
    // SAFETY: as above.
    unsafe { pointer.write(Box::into_raw(Box::new(value))) };
    Ok(())
}

/// Takes a handle back, to be freed.
///
/// # Safety
/// It is NULL, or came from [`hand_out`] and was not taken back yet.
pub(crate) unsafe fn take<T>(pointer: *mut T) -> Option<Box<T>> {
    // SAFETY: as above.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
}

/// Bytes to read; none at NULL if their number is 0.
///
/// # Safety
/// The pointer is NULL, or points to so many bytes that live as long as the reference.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const c_void,
    size: usize,
    name: &str,
) -> Result<&'a [u8], Failure> {
    if size == 0 {
        return Ok(&[]);
    }
    check_size(size, name)?;
    check(pointer, name)?;
    // SAFETY: as above, and there are no more than an object can have.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), size) })
}

/// Bytes to write; none at NULL if their number is 0.
///
/// # Safety
/// The pointer is NULL, or points to so many bytes that nobody else reads or writes meanwhile. They
/// may have any value, and none is read.
pub(crate) unsafe fn buffer<'a>(
    pointer: *mut c_void,
    size: usize,
    name: &str,
) -> Result<&'a mut [u8], Failure> {
    if size == 0 {
        return Ok(&mut []);
    }
    check_size(size, name)?;
    check(pointer, name)?;
    // SAFETY: as above, and there are no more than an object can have.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer.cast(), size) })
}

fn check_size(size: usize, name: &str) -> Result<(), Failure> {
    match isize::try_from(size) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(Failure::argument(format!("{name}: {size} bytes are more than there can be")))
        }
    }
}

/// A text.
///
/// # Safety
/// The pointer is NULL, or points to bytes that end with a NUL and live as long as the reference.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    check(pointer, name)?;
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Failure::argument(format!("{name} is not UTF-8")))
}

/// A text that may be missing.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<Option<&'a str>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: as above.
    unsafe { text(pointer, name) }.map(Some)
}

/// A struct that begins with its size: what it has more than ours must be 0.
///
/// # Safety
/// `T` is a struct of C that is made of integers, pointers and optional functions, and begins with
/// a `u32`. The pointer is NULL, or points to such a size and as many bytes.
pub(crate) unsafe fn sized<T: Copy>(pointer: *const T, name: &str) -> Result<T, Failure> {
    check(pointer, name)?;
    // SAFETY: the size comes first.
    let size = unsafe { pointer.cast::<u32>().read() };
    check_struct_size::<T>(size, name)?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    // SAFETY: there are as many bytes as the size says, which are at least ours.
    let surplus = unsafe { bytes(pointer.cast::<c_void>(), size, name) }?;
    if surplus[size_of::<T>()..].iter().any(|&byte| byte != 0) {
        let words = format!("{name} has members that this library does not know");
        return Err(Failure::argument(words));
    }
    // SAFETY: all of ours is there.
    Ok(unsafe { pointer.read() })
}

/// Checks the size of a struct that begins with it.
pub(crate) fn check_struct_size<T>(size: u32, name: &str) -> Result<(), Failure> {
    let ours = size_of::<T>();
    match usize::try_from(size) {
        Ok(size) if (ours..=LARGEST).contains(&size) => Ok(()),
        _ => Err(Failure::argument(format!("{name}: its size is {size}, not {ours}"))),
    }
}

/// No struct will ever be larger, in bytes.
const LARGEST: usize = 65_536;
