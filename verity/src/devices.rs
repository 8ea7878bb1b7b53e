//! What is asked of devices before their blocks: how long they are, and for a superblock.

use std::io::ErrorKind;

use crate::io::{ReadAt, read_up_to};
use crate::{Error, FecArea, Superblock, SuperblockError, TrustedParams};

impl Superblock {
    /// Reads the superblock at `offset` bytes of a hash device.
    ///
    /// # Errors
    /// When the offset is not a multiple of 512 bytes, the device ends before 512 bytes are read,
    /// or the bytes are no superblock.
    pub fn read(hash: &impl ReadAt, offset: u64) -> Result<Superblock, Error> {
        if !offset.is_multiple_of(Self::SIZE) {
            return Err(SuperblockError::Unaligned { offset }.into());
        }
        if offset >= hash.len()? {
            return Err(SuperblockError::Truncated { size: 0 }.into());
        }
        let mut bytes = [0; Self::LEN];
        let size = read_up_to(hash, &mut bytes, offset)?;
        Ok(Superblock::parse(&bytes[..size])?)
    }
}

impl TrustedParams {
    /// Refuses data and hash devices that are too short for the tree.
    pub(crate) fn check_lengths(
        &self,
        data: &(impl ReadAt + ?Sized),
        hash: &(impl ReadAt + ?Sized),
    ) -> Result<(), Error> {
        let (needed, actual) = (self.params().data_size(), data.len()?);
        if actual < needed {
            return Err(Error::ShortData { needed, actual });
        }
        if self.hash_area().hash_blocks() > 0 {
            let (needed, actual) = (self.hash_area().end(), hash.len()?);
            if actual < needed {
                return Err(Error::ShortHashArea { needed, actual });
            }
        }
        Ok(())
    }
}

impl FecArea {
    /// Refuses a FEC device that ends before the parity does.
    pub(crate) fn check_length(&self, fec: &(impl ReadAt + ?Sized)) -> Result<(), Error> {
        let (parity, actual) = (self.range(), fec.len()?);
        if actual < parity.end {
            let round = actual.saturating_sub(parity.start) / self.round_size();
            return Err(Error::ReadParity { round, source: ErrorKind::UnexpectedEof.into() });
        }
        Ok(())
    }
}
