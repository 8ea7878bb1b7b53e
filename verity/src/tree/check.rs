//! The one place where a block is found right or wrong.

use std::io;

use crate::hash::digest;
use crate::io::{ReadAt, is_about_source};
use crate::{BlockRef, Corruption, Digest, Error, Geometry, Report};

use super::Tree;

/// Says what is wrong with a block: its digest first, then, in a hash block, bytes that belong to
/// no digest. The bytes of a data block do not matter beside their digest, and may be left out.
#[inline]
pub(crate) fn judge(
    geometry: &Geometry,
    block: BlockRef,
    expected: &[u8],
    actual: &[u8],
    bytes: &[u8],
) -> Option<Corruption> {
    if expected != actual {
        return Some(Corruption::Digest { expected: digest(expected), actual: digest(actual) });
    }
    let BlockRef::Hash { level, block } = block else { return None };
    let offset = geometry.spare_byte(level, block, bytes)?;
    Some(Corruption::SpareBytes { offset })
}

/// What is the matter with a block that is not right.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is not what the tree says.
    Corrupt(Corruption),
    /// It cannot be read.
    Unreadable(io::Error),
}

impl Fault {
    /// Whether a server does not answer, or the like: other bytes cannot be had from it either, and
    /// each that was asked for would take its timeout.
    fn is_about_source(&self) -> bool {
        matches!(self, Fault::Unreadable(error) if is_about_source(error))
    }

    fn into_error(self, block: BlockRef) -> Error {
        match self {
            Fault::Corrupt(corruption) => Error::Corrupt(Report::of_one(block, corruption)),
            Fault::Unreadable(source) => Error::Read { block, source },
        }
    }
}

impl<H: ReadAt> Tree<H> {
    /// Hashes a block and says what is wrong with it.
    pub(crate) fn check(
        &self,
        block: BlockRef,
        expected: &[u8],
        bytes: &[u8],
    ) -> Option<Corruption> {
        let mut room = [0; Digest::MAX_SIZE];
        let actual = &mut room[..self.hasher.digest_size()];
        self.hasher.hash_many(bytes, bytes.len(), actual);
        judge(self.params.geometry(), block, expected, actual, bytes)
    }

    /// Asks the repair for other bytes of a block, and checks them in turn. With `Ok`, `bytes` are
    /// the block's; otherwise the error is the fault that was found before, or that of a whole
    /// source which the repair needs.
    pub(crate) fn ask_repair(
        &self,
        block: BlockRef,
        fault: Fault,
        expected: &[u8],
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        let counts = self.counts();
        match fault {
            Fault::Corrupt(_) => counts.corruptions.add(1),
            Fault::Unreadable(_) => counts.read_errors.add(1),
        }
        if let Some(repair) = &self.repair
            && !fault.is_about_source()
        {
            match repair.repair(block, bytes) {
                Ok(true) if self.check(block, expected, bytes).is_none() => {
                    counts.repairs.add(1);
                    return Ok(());
                }
                Err(source) if is_about_source(&source) => {
                    return Err(Error::Recovery { block, source });
                }
                Ok(_) | Err(_) => {}
            }
        }
        Err(fault.into_error(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Params;

    #[test]
    fn a_wrong_digest_comes_before_bytes_that_belong_to_none() {
        let params = Params::builder().data_blocks(300).build().unwrap();
        let judge = |block, actual: [u8; 32], bytes: &[u8]| {
            super::judge(params.geometry(), block, &[1; 32], &actual, bytes)
        };
        // The last hash block of level 0 holds 44 digests.
        let mut bytes = vec![0; 4096];
        bytes[..44 * 32].fill(0xee);
        let last = BlockRef::Hash { level: 0, block: 2 };
        assert_eq!(judge(last, [1; 32], &bytes), None);
        bytes[44 * 32] = 1;
        let spare = Some(Corruption::SpareBytes { offset: 44 * 32 });
        assert_eq!(judge(last, [1; 32], &bytes), spare);
        let wrong = judge(last, [2; 32], &bytes);
        let (expected, actual) = (digest(&[1; 32]), digest(&[2; 32]));
        assert_eq!(wrong, Some(Corruption::Digest { expected, actual }));
        let data = BlockRef::Data { block: 2 };
        assert_eq!((judge(data, [1; 32], &[]), judge(data, [2; 32], &[])), (None, wrong));
    }
}
