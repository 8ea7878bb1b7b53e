//! The one place where a block is found right or wrong.

use std::io;
use std::sync::Arc;

use crate::hash::{BlockHasher, digest};
use crate::{BlockRef, Corruption, Digest, Error, Report};

use super::counters::Counting;
use super::repair::Repair;

/// What it takes to check blocks.
pub(crate) struct Checker {
    pub(crate) hasher: BlockHasher,
    pub(crate) repair: Option<Arc<dyn Repair>>,
    pub(crate) counting: Counting,
}

impl Checker {
    pub(crate) fn new(hasher: BlockHasher) -> Checker {
        Checker { hasher, repair: None, counting: Counting::default() }
    }

    /// Checks a block that was read into `bytes`, or could not be; asks the repair if it is not right. `also`
    /// looks for what else may be wrong with a block of the right digest. With `Ok`, `bytes` are the block's.
    pub(crate) fn check_one(
        &self,
        block: BlockRef,
        read: io::Result<()>,
        expected: &[u8],
        bytes: &mut [u8],
        also: impl Fn(&[u8]) -> Option<Corruption>,
    ) -> Result<(), Error> {
        let corruption = match read {
            Ok(()) => self.corruption(expected, bytes, &also).map(Ok),
            Err(error) => Some(Err(error)),
        };
        match corruption {
            None => Ok(()),
            Some(found) => self.repaired(block, found, expected, bytes, also),
        }
    }

    /// Asks the repair for other bytes of a block, and compares them in turn; without them, the error is what
    /// was found before.
    pub(crate) fn repaired(
        &self,
        block: BlockRef,
        found: io::Result<Corruption>,
        expected: &[u8],
        bytes: &mut [u8],
        also: impl Fn(&[u8]) -> Option<Corruption>,
    ) -> Result<(), Error> {
        let line = self.counting.line();
        match found {
            Ok(_) => line.corruptions.add(1),
            Err(_) => line.read_errors.add(1),
        }
        if let Some(repair) = &self.repair
            && repair.repair(block, bytes).unwrap_or(false)
            && self.corruption(expected, bytes, &also).is_none()
        {
            line.repairs.add(1);
            return Ok(());
        }
        Err(match found {
            Ok(corruption) => Error::Corrupt(Report::of_one(block, corruption)),
            Err(source) => Error::Read { block, source },
        })
    }

    pub(crate) fn corruption(
        &self,
        expected: &[u8],
        bytes: &[u8],
        also: impl Fn(&[u8]) -> Option<Corruption>,
    ) -> Option<Corruption> {
        let mut room = [0; Digest::MAX_SIZE];
        let actual = &mut room[..self.hasher.digest_size()];
        self.hasher.hash_many(bytes, bytes.len(), actual);
        match expected == actual {
            true => also(bytes),
            false => {
                Some(Corruption::Digest { expected: digest(expected), actual: digest(actual) })
            }
        }
    }
}
