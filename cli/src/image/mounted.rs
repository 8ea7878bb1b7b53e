//! The most frequent way to change an image by accident: a mount that writes.

use std::ops::Range;

use verity::io::ReadAt;
use verity::{BlockRef, Params};

use super::device::Device;

/// Where the superblock of an ext2, ext3 or ext4 file system lies, in bytes.
const SUPERBLOCK: Range<u64> = 1024..2048;

/// Where its magic number stands, and what that is.
const MAGIC: (u64, [u8; 2]) = (1024 + 56, [0x53, 0xef]);

/// Words on corrupt blocks that hold nothing but the superblock of a file system, which every mount
/// that writes changes. `blocks` is where they lie in the data, `is_all` says that all others are
/// right. The bytes are whatever lies there: it is only a hint.
pub(super) fn hint(
    data: &Device,
    params: &Params,
    first: BlockRef,
    blocks: u64,
    is_all: bool,
) -> &'static str {
    let BlockRef::Data { block } = first else { return "" };
    let block_size = u64::from(params.data_block_size());
    let place = SUPERBLOCK.start / block_size..SUPERBLOCK.end.div_ceil(block_size);
    if !place.contains(&block) || blocks > place.end - block {
        return "";
    }
    let mut magic = [0; 2];
    match data.read_exact_at(&mut magic, MAGIC.0) {
        Ok(()) if magic == MAGIC.1 => {}
        _ => return "",
    }
    match is_all {
        true => {
            "; nothing but the superblock of an ext2, ext3 or ext4 file system differs: \
             a mount that writes leaves that"
        }
        false => {
            "; this is the superblock of an ext2, ext3 or ext4 file system, which a mount that \
             writes changes: verify --all says whether anything else differs"
        }
    }
}
