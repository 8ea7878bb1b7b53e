//! What a client is told of blocks that it has not read: which are zero, and which are holes.

use super::limits::MAX_EXTENTS;
use super::protocol::{CMD_FLAG_REQ_ONE, Request, STATE_HOLE, STATE_ZERO};
use crate::io::{Extent, ReadAt};

/// Lengths and flags of the extents from the start of a request on: at least one, and no further
/// than the request goes. The source is asked [`MAX_EXTENTS`] times at most, so that the work does
/// not depend on the length of the request. Once `stop` says so it is not asked again.
pub(super) fn extents<R: ReadAt>(
    source: &R,
    request: &Request,
    stop: &dyn Fn() -> bool,
) -> Vec<(u32, u32)> {
    let mut extents: Vec<(u32, u32)> = Vec::new();
    let (mut offset, mut remaining) = (request.offset, request.length);
    for _ in 0..MAX_EXTENTS {
        let extent = source.extent_at(offset).beyond(offset);
        let length = u32::try_from(extent.end() - offset).unwrap_or(u32::MAX).min(remaining);
        let flags = flags(extent);
        match extents.last_mut() {
            Some((last, same)) if *same == flags => *last += length,
            Some(_) if request.flags & CMD_FLAG_REQ_ONE != 0 => break,
            _ => extents.push((length, flags)),
        }
        offset += u64::from(length);
        remaining -= length;
        if remaining == 0 || stop() {
            break;
        }
    }
    extents
}

fn flags(extent: Extent) -> u32 {
    match extent {
        Extent::Data { .. } => 0,
        Extent::Hole { .. } => STATE_HOLE | STATE_ZERO,
        Extent::Zero { .. } => STATE_ZERO,
    }
}
