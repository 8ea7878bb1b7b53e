//! What lies in a slot beside the image: zeros.

use std::ops::Range;

use crate::Error;
use crate::io::{Extent, ReadAt, ReadBuffer, WriteAt};
use crate::number::{to_len, to_u64};
use crate::work;

use super::{Settings, is_much};

/// What is read at a time, in bytes.
const PART: u64 = 1 << 20;

/// Writes zeros to those of some bytes that are others; returns how many bytes were written. They
/// are synced as they become many, and not at the end.
///
/// # Errors
/// When the device cannot be read or written, or the work is cancelled.
pub fn zero_rest<D: ReadAt + WriteAt + ?Sized>(
    device: &D,
    range: Range<u64>,
    settings: &Settings<'_>,
) -> Result<u64, Error> {
    let mut written = 0;
    each_part(device, range, settings, |bytes, offset| {
        if !is_all_zero(bytes) {
            bytes.fill(0);
            device.write_all_at(bytes, offset)?;
            let before = written;
            written += to_u64(bytes.len());
            if is_much(before, written) {
                device.sync()?;
            }
        }
        Ok(true)
    })?;
    Ok(written)
}

/// Whether some bytes are all zeros.
///
/// # Errors
/// When the device cannot be read, or the work is cancelled.
pub fn is_zero<D: ReadAt + ?Sized>(
    device: &D,
    range: Range<u64>,
    settings: &Settings<'_>,
) -> Result<bool, Error> {
    let mut is_zero = true;
    each_part(device, range, settings, |bytes, _| {
        is_zero = is_all_zero(bytes);
        Ok(is_zero)
    })?;
    Ok(is_zero)
}

/// Shows each part that is no hole, as long as the answer is yes.
fn each_part<D: ReadAt + ?Sized>(
    device: &D,
    range: Range<u64>,
    settings: &Settings<'_>,
    mut see: impl FnMut(&mut [u8], u64) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut bytes = ReadBuffer::default();
    let mut offset = range.start;
    while offset < range.end {
        let mut end = offset.saturating_add(PART).min(range.end);
        match device.extent_at(offset).beyond(offset) {
            Extent::Hole { end: hole } => end = hole.min(range.end),
            extent => {
                end = end.min(extent.end());
                bytes.sized(to_len(end - offset));
                device.read_exact_at(&mut bytes, offset)?;
                if !see(&mut bytes, offset)? {
                    return Ok(());
                }
            }
        }
        work::advance(settings.reports_to(), end - offset)?;
        offset = end;
    }
    Ok(())
}

fn is_all_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
