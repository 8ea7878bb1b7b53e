//! Results of a repair and of a check of parity.

use std::io;
use std::ops::Range;

use crate::{BlockRange, BlockRef, Report};

/// Where repaired blocks go. `()` drops them: a dry run.
///
/// Each block comes once, whole, and hashes as the root hash says. Called from many threads, in no
/// promised order; while blocks come, the image is still being read, so a sink may write into it,
/// each block to its own place.
///
/// ```
/// use std::io;
/// use verity::{BlockRef, HashArea, Params, RepairSink, io::WriteAt};
///
/// /// Files that are repaired in place, or copies of them.
/// struct Files<D, H> {
///     data: D,
///     hash: H,
///     params: Params,
///     hash_area: HashArea,
/// }
///
/// impl<D: WriteAt, H: WriteAt> RepairSink for Files<D, H> {
///     fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
///         match block {
///             BlockRef::Data { block } => {
///                 let block_size = u64::from(self.params.data_block_size());
///                 self.data.write_all_at(bytes, block * block_size)
///             }
///             BlockRef::Hash { level, block } => {
///                 let offset = self.hash_area.offset_of(&self.params, level, block);
///                 self.hash.write_all_at(bytes, offset)
///             }
///         }
///     }
/// }
/// ```
pub trait RepairSink: Sync {
    /// Takes the right bytes of a block that was corrupt or could not be read.
    ///
    /// # Errors
    /// When it cannot keep them. The repair ends with [`Error::Write`](crate::Error::Write).
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()>;
}

impl RepairSink for () {
    fn put(&self, _block: BlockRef, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl<S: RepairSink + ?Sized> RepairSink for &S {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        (**self).put(block, bytes)
    }
}

/// The result of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// The blocks that were recovered, up to the limit: higher hash levels first, then lower ones,
    /// then data, each by position.
    pub repaired: Vec<BlockRange>,
    /// How many blocks were recovered, listed or not.
    pub repaired_blocks: u64,
    /// Whether there are more recovered ranges than listed.
    pub truncated: bool,
    /// How many rounds with blocks that are still corrupt were not tried: nothing vouches for the
    /// parameters, and parity has given back no block of the 16 rounds that were. 0 where the
    /// parameters are authenticated.
    pub untried_rounds: u64,
    /// What is still corrupt, up to the limit. `None`: with the recovered blocks the image is
    /// whole.
    pub beyond: Option<Report>,
}

/// Parity that is not that of the blocks it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParityReport {
    /// The rounds whose parity differs, in order, up to the limit.
    pub ranges: Vec<Range<u64>>,
    /// How many rounds those are, listed or not.
    pub rounds: u64,
    /// Whether there are more ranges than listed.
    pub truncated: bool,
    /// How many rounds were compared: those with a block of data or tree.
    pub compared: u64,
}

impl ParityReport {
    /// Whether all parity is as it should be.
    pub fn is_intact(&self) -> bool {
        self.rounds == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parity_is_intact_where_no_round_differs() {
        let report =
            |rounds| ParityReport { ranges: vec![], rounds, truncated: false, compared: 9 };
        assert!(report(0).is_intact());
        assert!(!report(1).is_intact());
    }

    /// A sink that is lent gets what a sink gets.
    #[test]
    fn a_reference_to_a_sink_hands_blocks_on() {
        struct Full;
        impl RepairSink for Full {
            fn put(&self, _block: BlockRef, _bytes: &[u8]) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        fn put(sink: impl RepairSink) -> io::Result<()> {
            sink.put(BlockRef::Data { block: 0 }, &[])
        }
        assert_eq!(put(&Full).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
