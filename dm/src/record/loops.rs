//! `struct loop_info64` and `struct loop_config`.

use super::DeviceNumber;
use super::bytes::{put, text, u32_at, u64_at};

/// The loop device refuses to be written.
pub const LOOP_READ_ONLY: u32 = 1;
/// The loop device is detached when it is closed last.
pub const LOOP_AUTOCLEAR: u32 = 4;

const OFFSET: usize = 24;
const SIZE_LIMIT: usize = 32;
const NAME: usize = 56;
const NAME_SIZE: usize = 64;

/// What is known of a loop device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopInfo {
    /// The device that holds the file system of the file.
    pub device: DeviceNumber,
    /// The inode of the file.
    pub inode: u64,
    /// The first byte of the file that the device shows.
    pub offset: u64,
    /// How many bytes it shows at most, 0 for all.
    pub size_limit: u64,
    /// Flags, such as [`LOOP_AUTOCLEAR`].
    pub flags: u32,
    /// The name of the file as it was typed, cut at 63 bytes.
    pub name: String,
}

impl LoopInfo {
    /// The size of the record, in bytes.
    pub const SIZE: usize = 232;

    /// Reads the record.
    #[must_use]
    pub fn parse(bytes: &[u8; Self::SIZE]) -> LoopInfo {
        let number = |at| u64_at(bytes, at).unwrap_or_default();
        LoopInfo {
            device: DeviceNumber::from_kernel(number(0)),
            inode: number(8),
            offset: number(24),
            size_limit: number(32),
            flags: u32_at(bytes, 52).unwrap_or_default(),
            name: text(&bytes[NAME..NAME + NAME_SIZE]),
        }
    }

    /// The record by which a whole file is attached under this name.
    #[must_use]
    pub fn encode(flags: u32, name: &[u8], offset: u64, size_limit: u64) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        put(&mut bytes, OFFSET, &offset.to_ne_bytes());
        put(&mut bytes, SIZE_LIMIT, &size_limit.to_ne_bytes());
        put(&mut bytes, 52, &flags.to_ne_bytes());
        put(&mut bytes, NAME, &name[..name.len().min(NAME_SIZE - 1)]);
        bytes
    }

    /// Whether these flags are all set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }
}

/// `struct loop_config`: the descriptor of the file, the sector size in bytes (0 for 512), and a
/// `struct loop_info64`.
#[must_use]
pub fn loop_config(descriptor: u32, sector_size: u32, info: &[u8; LoopInfo::SIZE]) -> [u8; 304] {
    let mut bytes = [0; 304];
    put(&mut bytes, 0, &descriptor.to_ne_bytes());
    put(&mut bytes, 4, &sector_size.to_ne_bytes());
    put(&mut bytes, 8, info);
    bytes
}
