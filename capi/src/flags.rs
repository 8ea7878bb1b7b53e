//! The flags of the header, by function.

use crate::failure::Failure;

/// Of parameters: the hash area has no superblock.
pub(crate) const NO_SUPERBLOCK: u32 = 1;
/// Of parameters: they were read from a superblock, so that nothing vouches for them.
pub(crate) const FROM_SUPERBLOCK: u32 = 2;

/// Of verification: look on after the first corrupt block.
pub(crate) const ALL: u32 = 1;
/// Of verification and readers: as the kernel's option `ignore_zero_blocks`.
pub(crate) const IGNORE_ZERO_BLOCKS: u32 = 2;
/// Of readers: as the kernel's option `check_at_most_once`.
pub(crate) const CHECK_AT_MOST_ONCE: u32 = 4;

/// Of signatures: they carry the certificate.
pub(crate) const EMBED_CERTIFICATE: u32 = 1;
/// Of signatures: the signer is named by the subject key identifier.
pub(crate) const SUBJECT_KEY_ID: u32 = 2;

/// Of what lies beside an image: systemd's signature partition too.
pub(crate) const SIGNATURE_PARTITION: u32 = 4;

/// Refuses flags that a function does not take.
pub(crate) fn check(flags: u32, known: u32) -> Result<(), Failure> {
    match flags & !known {
        0 => Ok(()),
        unknown => Err(Failure::argument(format!("flags: {unknown:#x} is not known here"))),
    }
}
