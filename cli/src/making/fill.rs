//! Markers in the content of a partition that are replaced by what is known only when the images
//! are made: the root hash, which the boot line needs.

use std::fs::File;
use std::io;

use verity::internals::{ReadBuffer, to_len, to_u64};
use verity::io::{Extent, ReadAt, Window, WriteAt};

/// Why a partition is not filled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FillError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the marker does not occur in it")]
    NotFound,
    #[error("the marker occurs in more than {MOST_PLACES} places")]
    TooMany,
    #[error(
        "the marker at byte {0} lies in a PE file that is signed, and any change makes the \
         signature void: put the root hash in before it is signed, which image create --plan tells"
    )]
    Signed(u64),
}

/// Replaces each marker by a value of the same length; returns where they were, in bytes.
pub(crate) fn fill(
    part: &Window<&File>,
    marker: &[u8],
    value: &[u8],
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<u64>, FillError> {
    let places = find(part, marker, is_stopped)?;
    for place in &places {
        part.write_all_at(value, *place)?;
    }
    Ok(places)
}

/// Where a marker is, in ascending order and none over another.
fn find(
    part: &impl ReadAt,
    marker: &[u8],
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<u64>, FillError> {
    let size = part.len()?;
    let mut places: Vec<u64> = Vec::new();
    let mut buffer = ReadBuffer::with_len(READ_AT_ONCE + marker.len());
    // Up to where signed files reach that begin before what is looked at.
    let (mut offset, mut signed_end) = (0, 0);
    while offset < size {
        if is_stopped() {
            return Err(io::Error::other("stopped").into());
        }
        if let Extent::Hole { end } = part.extent_at(offset)
            && end.min(size) - offset > to_u64(buffer.len())
        {
            // No marker of zeros is taken, so none reaches into the hole by more than its length.
            offset = end.min(size) - to_u64(marker.len());
            offset -= offset % SECTOR;
            continue;
        }
        let bytes = &mut buffer[..to_len((size - offset).min(to_u64(READ_AT_ONCE + marker.len())))];
        part.read_exact_at(bytes, offset)?;
        for at in 0..bytes.len().min(READ_AT_ONCE) {
            let place = offset + to_u64(at);
            if place.is_multiple_of(SECTOR) && bytes[at..].starts_with(b"MZ") {
                signed_end = signed_end.max(place.saturating_add(signed_size(part, place)?));
            }
            if bytes[at] != marker[0] || !bytes[at..].starts_with(marker) {
                continue;
            }
            if places.last().is_some_and(|last| place < last + to_u64(marker.len())) {
                continue;
            }
            if place < signed_end {
                return Err(FillError::Signed(place));
            }
            if places.len() == MOST_PLACES {
                return Err(FillError::TooMany);
            }
            places.push(place);
        }
        offset += to_u64(bytes.len().min(READ_AT_ONCE));
    }
    if places.is_empty() { Err(FillError::NotFound) } else { Ok(places) }
}

/// How many bytes a PE file has that begins here, up to the end of its certificate table; 0 where
/// there is no such table, or no such file.
fn signed_size(part: &impl ReadAt, start: u64) -> io::Result<u64> {
    let size = part.len()?;
    let bytes_at = |offset: u64, len: usize| -> io::Result<Option<Vec<u8>>> {
        let Some(place) = start.checked_add(offset) else { return Ok(None) };
        if place.checked_add(to_u64(len)).is_none_or(|end| end > size) {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        part.read_exact_at(&mut bytes, place)?;
        Ok(Some(bytes))
    };
    let number = |bytes: &[u8], at: usize| {
        let field = bytes.get(at..at + 4).and_then(|field| field.try_into().ok());
        u64::from(u32::from_le_bytes(field.unwrap_or_default()))
    };
    let Some(header) = bytes_at(60, 4)? else { return Ok(0) };
    let header = number(&header, 0);
    // Signature, file header and the start of the optional header.
    let Some(bytes) = bytes_at(header, 24 + 2)? else { return Ok(0) };
    // Where the number of the directories stands in the optional header.
    let directories = match (&bytes[..4], &bytes[24..]) {
        (b"PE\0\0", [0x0b, 0x01]) => 92,
        (b"PE\0\0", [0x0b, 0x02]) => 108,
        _ => return Ok(0),
    };
    let Some(count) = bytes_at(header + 24 + directories, 4)? else { return Ok(0) };
    if number(&count, 0) <= CERTIFICATES {
        return Ok(0);
    }
    let entry = header + 24 + directories + 4 + 8 * CERTIFICATES;
    let Some(entry) = bytes_at(entry, 8)? else { return Ok(0) };
    match (number(&entry, 0), number(&entry, 4)) {
        (_, 0) => Ok(0),
        (offset, length) => Ok(offset + length),
    }
}

/// The number of the directory of a PE file that names its certificate table.
const CERTIFICATES: u64 = 4;
/// Files begin at sectors, in every file system that firmware reads.
const SECTOR: u64 = 512;
/// How many bytes are looked at at a time: whole sectors.
const READ_AT_ONCE: usize = 1 << 20;
/// More places are no boot line.
const MOST_PLACES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: [u8; 64] = [b'@'; 64];

    fn places(bytes: &[u8]) -> Result<Vec<u64>, FillError> {
        find(&bytes.to_vec(), &MARKER, &|| false)
    }

    /// A PE file of 4096 bytes whose certificate table has the last `certificates` of them.
    fn pe(certificates: u32, is_64: bool) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[60..64].copy_from_slice(&128_u32.to_le_bytes());
        bytes[128..132].copy_from_slice(b"PE\0\0");
        bytes[152..154].copy_from_slice(if is_64 { &[0x0b, 0x02] } else { &[0x0b, 0x01] });
        let directories = 152 + if is_64 { 108 } else { 92 };
        bytes[directories..directories + 4].copy_from_slice(&16_u32.to_le_bytes());
        let entry = directories + 4 + 32;
        bytes[entry..entry + 4].copy_from_slice(&(4096 - certificates).to_le_bytes());
        bytes[entry + 4..entry + 8].copy_from_slice(&certificates.to_le_bytes());
        bytes
    }

    #[test]
    fn markers_are_found_wherever_reads_are_cut() {
        for at in [0, 1, READ_AT_ONCE - 65, READ_AT_ONCE - 64, READ_AT_ONCE - 1, READ_AT_ONCE] {
            let mut bytes = vec![0; 2 * READ_AT_ONCE + 100];
            bytes[at..at + 64].copy_from_slice(&MARKER);
            let end = bytes.len();
            bytes[end - 64..].copy_from_slice(&MARKER);
            assert_eq!(places(&bytes).unwrap(), [to_u64(at), to_u64(end - 64)], "{at}");
        }
        // Markers over one another are one.
        assert_eq!(places(&[b'@'; 130]).unwrap(), [0, 64]);
        assert!(matches!(places(&[0; 5000]), Err(FillError::NotFound)));
        assert!(matches!(places(&[b'@'; 64 * 1001]), Err(FillError::TooMany)));
    }

    #[test]
    fn a_marker_in_a_signed_file_is_refused_and_none_beside_it() {
        for is_64 in [true, false] {
            let disk = |certificates, at: usize| {
                let mut bytes = [vec![0; 512], pe(certificates, is_64), vec![0; 4096]].concat();
                bytes[at..at + 64].copy_from_slice(&MARKER);
                places(&bytes)
            };
            assert!(matches!(disk(8, 2000), Err(FillError::Signed(2000))));
            assert_eq!(disk(0, 2000).unwrap(), [2000]);
            assert_eq!(disk(8, 300).unwrap(), [300]);
            assert_eq!(disk(8, 4608).unwrap(), [4608]);
        }
    }
}
