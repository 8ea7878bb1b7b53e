//! Target records: what a table consists of, in requests and in answers.

use super::bytes::{RecordError, i32_at, place, put, text, u32_at, u64_at};

const SIZE: usize = 40;
const NEXT: usize = 20;
const TYPE: usize = 24;
const TYPE_SIZE: usize = 16;

/// One target of a table, or of its status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetRecord {
    /// Where the target begins on the device, in sectors of 512 bytes.
    pub start: u64,
    /// How long it is, in sectors of 512 bytes.
    pub sectors: u64,
    /// An error of the target, 0 without one.
    pub status: i32,
    /// The type, such as `verity`.
    pub kind: String,
    /// Parameters in a table, else the status text.
    pub text: String,
}

/// The record of the only target of a table that is to be loaded, with its parameters.
///
/// # Errors
/// When the type is longer than 15 bytes, or a text holds a NUL.
pub fn encode_target(kind: &str, sectors: u64, parameters: &str) -> Result<Vec<u8>, RecordError> {
    if kind.len() >= TYPE_SIZE || kind.contains('\0') || parameters.contains('\0') {
        return Err(RecordError::of_request(
            "the type of a target is too long, or a text has a NUL",
        ));
    }
    let size = (SIZE + parameters.len() + 1).next_multiple_of(8);
    let next = u32::try_from(size).map_err(|_| RecordError::of_request("the table has 4 GiB"))?;
    let mut bytes = vec![0; size];
    put(&mut bytes, 8, &sectors.to_ne_bytes());
    put(&mut bytes, NEXT, &next.to_ne_bytes());
    put(&mut bytes, TYPE, kind.as_bytes());
    put(&mut bytes, SIZE, parameters.as_bytes());
    Ok(bytes)
}

/// Reads `count` target records, as many as the answer's header announces.
///
/// The kernel counts the way to the next record from the first one, and also fills it in on the
/// last one.
///
/// # Errors
/// When a record does not lie within the payload, or reaches into the next one.
pub fn parse_targets(payload: &[u8], count: u32) -> Result<Vec<TargetRecord>, RecordError> {
    let beyond = RecordError::of_answer("a target lies beyond its end");
    let mut records = Vec::new();
    let mut at = 0;
    for index in 0..count {
        let next = payload.get(at..).and_then(|rest| u32_at(rest, NEXT)).ok_or(beyond)?;
        let is_last = index + 1 == count;
        let end = if is_last { payload.len() } else { place(next) };
        let record = payload.get(at..end).and_then(parse_target);
        records.push(record.ok_or(beyond)?);
        at = end;
    }
    Ok(records)
}

fn parse_target(bytes: &[u8]) -> Option<TargetRecord> {
    Some(TargetRecord {
        start: u64_at(bytes, 0)?,
        sectors: u64_at(bytes, 8)?,
        status: i32_at(bytes, 16)?,
        kind: text(bytes.get(TYPE..TYPE + TYPE_SIZE)?),
        text: text(bytes.get(SIZE..)?),
    })
}
