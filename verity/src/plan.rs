//! Sizes beforehand: how large a hash area gets, and how much data fits a partition together with its own.

use crate::{Error, HashArea, Params, ParamsBuilder};

/// An image's data and hash area, before anything is read.
///
/// ```
/// use verity::{Params, Plan};
///
/// // The hash partition for an image of 460 MiB.
/// let plan = Plan::for_image(Params::builder(), 460 << 20, true)?;
/// assert_eq!(plan.hash_area().end(), 930 * 4096);
///
/// // The largest image for a partition of 64 MiB that is to hold the hash area too.
/// let plan = Plan::for_partition(Params::builder(), 64 << 20, true)?;
/// assert_eq!(plan.params().data_blocks(), 16255);
/// # Ok::<(), verity::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    params: Params,
    hash_area: HashArea,
}

impl Plan {
    /// An image of `image_size` bytes, with its hash area at the start of a device or file of its own.
    ///
    /// # Errors
    /// When no tree can have these parameters, or the image is not a whole number of data blocks.
    pub fn for_image(
        params: ParamsBuilder,
        image_size: u64,
        superblock: bool,
    ) -> Result<Plan, Error> {
        let params = params.data_size(image_size).build()?;
        let hash_area = HashArea::new(&params, 0, superblock)?;
        Ok(Plan { params, hash_area })
    }

    /// The largest image whose data and hash area, one behind the other, fit `partition_size` bytes.
    ///
    /// # Errors
    /// When not even one data block fits, or no tree can have these parameters.
    pub fn for_partition(
        params: ParamsBuilder,
        partition_size: u64,
        superblock: bool,
    ) -> Result<Plan, Error> {
        let with = |data_blocks| {
            let params = params.clone().data_blocks(data_blocks).build()?;
            Plan::behind_data(params, superblock)
        };
        let fits = |data_blocks| {
            with(data_blocks).is_ok_and(|plan| plan.hash_area.end() <= partition_size)
        };
        let smallest = with(1)?;
        let (mut fit, mut too_many) =
            (1, partition_size / u64::from(smallest.params.data_block_size()) + 1);
        if !fits(fit) {
            let (needed, actual) = (smallest.hash_area.end(), partition_size);
            return Err(Error::PartitionTooSmall { needed, actual });
        }
        while too_many - fit > 1 {
            let middle = fit + (too_many - fit) / 2;
            if fits(middle) { fit = middle } else { too_many = middle }
        }
        with(fit)
    }

    /// The hash area that begins where the data ends (on the next hash block, if there is no superblock).
    ///
    /// # Errors
    /// When it would end beyond 2^64 bytes.
    pub fn behind_data(params: Params, superblock: bool) -> Result<Plan, Error> {
        let data_size = params.data_size();
        let grid = if superblock { 1 } else { u64::from(params.hash_block_size()) };
        let offset = data_size
            .checked_next_multiple_of(grid)
            .ok_or(crate::HashAreaError::TooLarge { offset: data_size })?;
        let hash_area = HashArea::new(&params, offset, superblock)?;
        Ok(Plan { params, hash_area })
    }

    /// The parameters, with the number of data blocks.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The place and size of the hash area.
    pub fn hash_area(&self) -> HashArea {
        self.hash_area
    }
}
