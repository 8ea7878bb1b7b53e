//! The 64 attribute bits of a partition.

use std::fmt;

/// The attribute bits of a partition. Bits 0 to 2 are those of the UEFI specification, bits 48 to
/// 63 mean what the type of the partition says; the others are kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attributes(u64);

impl Attributes {
    /// Bit 0: the platform needs the partition.
    pub const REQUIRED: u32 = 0;
    /// Bit 1: firmware shows no block device for it.
    pub const NO_BLOCK_IO: u32 = 1;
    /// Bit 2: a BIOS may boot it.
    pub const LEGACY_BOOTABLE: u32 = 2;
    /// Bit 59 of discoverable partitions: the file system is grown when it is mounted.
    pub const GROW_FILE_SYSTEM: u32 = 59;
    /// Bit 60 of discoverable partitions: it is mounted read-only.
    pub const READ_ONLY: u32 = 60;
    /// Bit 63 of discoverable partitions: it is not discovered.
    pub const NO_AUTO: u32 = 63;

    /// These bits.
    pub const fn new(bits: u64) -> Attributes {
        Attributes(bits)
    }

    /// All bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether a bit is set. There is none from 64 on.
    pub const fn is_set(self, bit: u32) -> bool {
        matches!(self.0.checked_shr(bit), Some(bits) if bits & 1 == 1)
    }

    /// The attributes with a bit set or cleared; those from 64 on stay as they are.
    #[must_use]
    pub const fn with(self, bit: u32, is_set: bool) -> Attributes {
        self.with_field(bit, 1, if is_set { 1 } else { 0 })
    }

    /// The number in `width` bits from `first` on.
    pub(super) const fn field(self, first: u32, width: u32) -> u64 {
        match self.0.checked_shr(first) {
            Some(bits) => bits & mask(width),
            None => 0,
        }
    }

    /// The attributes with another number in `width` bits from `first` on.
    pub(super) const fn with_field(self, first: u32, width: u32, value: u64) -> Attributes {
        match (mask(width).checked_shl(first), value.checked_shl(first)) {
            (Some(mask), Some(value)) => Attributes(self.0 & !mask | value & mask),
            _ => self,
        }
    }
}

/// The lowest `width` bits.
const fn mask(width: u32) -> u64 {
    match 1_u64.checked_shl(width) {
        Some(above) => above.saturating_sub(1),
        None => u64::MAX,
    }
}

/// `0x` and 16 hex digits.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:#018x}", self.0))
    }
}
