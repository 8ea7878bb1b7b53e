//! Fields of records, at their offsets, in the byte order of the machine.

const CANNOT_BE_ASKED: &str = "the kernel cannot be asked";
const MALFORMED: &str = "the kernel's answer is malformed";

/// An answer that the kernel would not give, such as a record that does not lie within it; or a
/// request that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", if *.is_request { CANNOT_BE_ASKED } else { MALFORMED })]
pub struct RecordError {
    is_request: bool,
    what: &'static str,
}

impl RecordError {
    pub(crate) const fn of_answer(what: &'static str) -> RecordError {
        RecordError { is_request: false, what }
    }

    pub(super) const fn of_request(what: &'static str) -> RecordError {
        RecordError { is_request: true, what }
    }
}

/// The bytes of a field, if it lies within.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_ne_bytes)
}

pub(super) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    field(bytes, at).map(i32::from_ne_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    field(bytes, at).map(u64::from_ne_bytes)
}

/// The text up to the first NUL, or to the end. What is not UTF-8 is replaced.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// An offset or a size of a record, which is at most one of an answer in memory.
pub(super) fn place(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Writes into a record of our own, whose layout is known.
pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}
