//! Where the blocks of an image lie: on which device, and at which byte there.

use std::ops::Range;
use std::path::{Path, PathBuf};

use verity::{BlockRef, HashArea, Params, TrustedParams};

/// The devices of an image and the blocks on them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    params: Params,
    area: HashArea,
    data: PathBuf,
    hash: PathBuf,
}

impl Places {
    /// The places of an image on these two devices.
    pub(crate) fn new(trusted: &TrustedParams, data: &Path, hash: &Path) -> Places {
        Places {
            params: trusted.params().clone(),
            area: trusted.hash_area(),
            data: data.to_owned(),
            hash: hash.to_owned(),
        }
    }

    /// The first byte of a block on its device.
    pub(crate) fn offset(&self, block: BlockRef) -> u64 {
        match block {
            BlockRef::Data { block } => block * u64::from(self.params.data_block_size()),
            BlockRef::Hash { level, block } => self.area.offset_of(&self.params, level, block),
        }
    }

    /// The device of a block.
    pub(crate) fn path(&self, block: BlockRef) -> &Path {
        match block {
            BlockRef::Data { .. } => &self.data,
            BlockRef::Hash { .. } => &self.hash,
        }
    }

    /// The size of a block of that kind, in bytes.
    pub(crate) fn block_size(&self, block: BlockRef) -> u64 {
        match block {
            BlockRef::Data { .. } => self.params.data_block_size().into(),
            BlockRef::Hash { .. } => self.params.hash_block_size().into(),
        }
    }

    /// Whether it is the only block of the highest level, which the root hash alone vouches for.
    pub(crate) fn is_top(&self, block: BlockRef) -> bool {
        let top = self.params.geometry().levels().len().checked_sub(1);
        block.level().map(usize::from) == top
    }
}

/// How many of `data_size` bytes no hash covers. Those of hash area and parity do not count, if
/// they are `own` bytes of the same device.
pub(crate) fn uncovered_bytes(params: &Params, data_size: u64, own: &[Range<u64>]) -> u64 {
    let behind = |range: &Range<u64>| {
        range.end.min(data_size).saturating_sub(range.start.max(params.data_size()))
    };
    let own = own.iter().map(behind).fold(0, u64::saturating_add);
    data_size.saturating_sub(params.data_size()).saturating_sub(own)
}
