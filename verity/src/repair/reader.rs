//! Recovery of single blocks while a verified reader meets them.

use std::io;

use crate::io::ReadAt;
use crate::{BlockRef, Error, FecArea, Repair, TrustedParams};

/// Recovers corrupt blocks from the parity while they are read: a [`Repair`] for
/// [`VerifiedReader::repair`](crate::VerifiedReader::repair).
///
/// Reads the storage itself; share it by reference or [`Arc`](std::sync::Arc) where the reader owns it.
pub struct FecRepair<D, H, F> {
    #[expect(dead_code, reason = "read by what follows")]
    sources: (TrustedParams, FecArea, D, H, F),
}

impl<D: ReadAt, H: ReadAt, F: ReadAt> FecRepair<D, H, F> {
    /// A repair of `data` and its tree on `hash` by the parity on `fec`. Reads none of them yet.
    ///
    /// # Errors
    /// When the FEC area is that of other parameters, data, hash device or parity are shorter than they must be
    /// ([`Error::ReadParity`] for the parity), or a length cannot be told.
    pub fn new(
        trusted: TrustedParams,
        fec_area: FecArea,
        data: D,
        hash: H,
        fec: F,
    ) -> Result<FecRepair<D, H, F>, Error> {
        fec_area.check_belongs_to(trusted.params(), &trusted.hash_area())?;
        trusted.check_lengths(&data, &hash)?;
        Ok(FecRepair { sources: (trusted, fec_area, data, hash, fec) })
    }
}

impl<D: ReadAt, H: ReadAt, F: ReadAt> Repair for FecRepair<D, H, F> {
    fn repair(&self, _block: BlockRef, _bytes: &mut [u8]) -> io::Result<bool> {
        Ok(false)
    }
}
