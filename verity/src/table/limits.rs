//! How long things may be, and how many.

/// The longest line that is read, in bytes: far above what the kernel takes.
pub(super) const MAX_LINE: usize = 64 * 1024;
/// The longest value of `dm-mod.create=`, in bytes.
pub(super) const MAX_VALUE: usize = 4095;
/// The most devices in one value of `dm-mod.create=`.
pub(super) const MAX_DEVICES: usize = 256;
/// The longest name, in bytes (`DM_NAME_LEN` less the NUL).
pub(super) const MAX_NAME: usize = 127;
/// The longest UUID, in bytes (`DM_UUID_LEN` less the NUL).
pub(super) const MAX_UUID: usize = 128;
/// Minor numbers have 20 bits.
pub(super) const MAX_MINOR: u32 = (1 << 20) - 1;
