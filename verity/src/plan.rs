//! Sizes beforehand: how large hash area and parity get, and how much data fits a partition
//! together with its own.

use crate::{
    Error, FecArea, FecError, HashArea, HashAreaError, Params, ParamsBuilder, Superblock, Uuid,
};

/// An image's data and hash area, and its parity if there is to be any, before anything is read.
/// [`ImageBuilder`](crate::ImageBuilder) makes what is planned.
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
///
/// // The largest image for one that is to hold parity behind them as well.
/// let plan = Plan::for_partition_with_fec(Params::builder(), 64 << 20, true, 2)?;
/// assert_eq!((plan.params().data_blocks(), plan.end()), (16126, 64 << 20));
/// # Ok::<(), verity::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    params: Params,
    hash_area: HashArea,
    fec_area: Option<FecArea>,
    uuid: Uuid,
}

impl Plan {
    /// A hash area that lies anywhere.
    ///
    /// # Errors
    /// When the hash area was made for other parameters.
    pub fn new(params: Params, hash_area: HashArea) -> Result<Plan, HashAreaError> {
        hash_area.check_belongs_to(&params)?;
        Ok(Plan { params, hash_area, fec_area: None, uuid: Uuid::nil() })
    }

    /// An image of `image_size` bytes, with its hash area at the start of a device or file of its
    /// own.
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
        Ok(Plan::new(params, hash_area)?)
    }

    /// Adds parity right behind the hash area, on the same device: [`FecArea::behind_hash_area`].
    ///
    /// ```
    /// use verity::{Params, Plan};
    ///
    /// // The hash partition for an image of 460 MiB, with parity.
    /// let plan = Plan::for_image(Params::builder(), 460 << 20, true)?.with_fec(2)?;
    /// assert_eq!(plan.end(), (930 + 940) * 4096);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When data and hash blocks differ in size, there are not 2 to 24 roots, or the parity would
    /// end beyond 2^64 bytes.
    pub fn with_fec(self, roots: u32) -> Result<Plan, FecError> {
        let fec_area = FecArea::behind_hash_area(&self.params, &self.hash_area, roots)?;
        Ok(Plan { fec_area: Some(fec_area), ..self })
    }

    /// Adds parity that lies anywhere, on the hash device or on one of its own.
    ///
    /// # Errors
    /// When the parity was made for other parameters.
    pub fn with_fec_area(self, fec_area: FecArea) -> Result<Plan, FecError> {
        fec_area.check_belongs_to(&self.params, &self.hash_area)?;
        Ok(Plan { fec_area: Some(fec_area), ..self })
    }

    /// Sets the UUID of the superblock, which is nil otherwise.
    #[must_use]
    pub fn with_uuid(self, uuid: Uuid) -> Plan {
        Plan { uuid, ..self }
    }

    /// The largest image whose data and hash area, one behind the other, fit `partition_size`
    /// bytes.
    ///
    /// # Errors
    /// When not even one data block fits, or no tree can have these parameters.
    pub fn for_partition(
        params: ParamsBuilder,
        partition_size: u64,
        superblock: bool,
    ) -> Result<Plan, Error> {
        largest(partition_size, |data_blocks| {
            Plan::behind_data(params.clone().data_blocks(data_blocks).build()?, superblock)
        })
    }

    /// The largest image whose data, hash area and parity, one behind the other, fit
    /// `partition_size` bytes.
    ///
    /// # Errors
    /// When not even one data block fits, no tree can have these parameters, data and hash blocks
    /// differ in size, or there are not 2 to 24 roots.
    pub fn for_partition_with_fec(
        params: ParamsBuilder,
        partition_size: u64,
        superblock: bool,
        roots: u32,
    ) -> Result<Plan, Error> {
        largest(partition_size, |data_blocks| {
            let params = params.clone().data_blocks(data_blocks).build()?;
            Ok(Plan::behind_data(params, superblock)?.with_fec(roots)?)
        })
    }

    /// The hash area that begins where the data ends (on the next hash block, if there is no
    /// superblock).
    ///
    /// # Errors
    /// When it would end beyond 2^64 bytes.
    pub fn behind_data(params: Params, superblock: bool) -> Result<Plan, Error> {
        let data_size = params.data_size();
        let grid = if superblock { 1 } else { u64::from(params.hash_block_size()) };
        let offset = data_size
            .checked_next_multiple_of(grid)
            .ok_or(HashAreaError::TooLarge { offset: data_size })?;
        let hash_area = HashArea::new(&params, offset, superblock)?;
        Ok(Plan::new(params, hash_area)?)
    }

    /// The parameters, with the number of data blocks.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The place and size of the hash area.
    pub fn hash_area(&self) -> HashArea {
        self.hash_area
    }

    /// The place and size of the parity, if there is to be any.
    pub fn fec_area(&self) -> Option<FecArea> {
        self.fec_area
    }

    /// The UUID of the superblock.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The superblock, if there is to be one.
    pub fn superblock(&self) -> Option<Superblock> {
        let superblock = || Superblock::new(self.params.clone(), self.uuid);
        self.hash_area.has_superblock().then(superblock)
    }

    /// The bytes from the superblock to the tree, which a manifest binds, if there is to be a
    /// superblock: [`Superblock::region`].
    pub fn superblock_region(&self) -> Option<Vec<u8>> {
        self.superblock().map(|superblock| superblock.region(&self.hash_area))
    }

    /// Where hash area and parity end in bytes, if both are on the hash device: how large that is
    /// at least.
    pub fn end(&self) -> u64 {
        self.fec_area.map_or(self.hash_area.end(), |fec_area| fec_area.range().end)
    }
}

/// The plan with the most data blocks that ends within `partition_size` bytes. Where it ends never
/// comes earlier with more data blocks, so that halving finds it.
fn largest(partition_size: u64, with: impl Fn(u64) -> Result<Plan, Error>) -> Result<Plan, Error> {
    let fits = |data_blocks| with(data_blocks).is_ok_and(|plan| plan.end() <= partition_size);
    let smallest = with(1)?;
    let (mut fit, mut too_many) =
        (1, partition_size / u64::from(smallest.params.data_block_size()) + 1);
    if !fits(fit) {
        return Err(Error::PartitionTooSmall { needed: smallest.end(), actual: partition_size });
    }
    while too_many - fit > 1 {
        let middle = fit + (too_many - fit) / 2;
        if fits(middle) { fit = middle } else { too_many = middle }
    }
    with(fit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockSize;

    #[test]
    fn f10_parity_that_cannot_be_is_refused() {
        let unequal = || Params::builder().hash_block_size(BlockSize::MIN);
        for refused in [
            Plan::for_partition_with_fec(unequal(), 1 << 30, true, 2),
            Plan::for_image(unequal(), 1 << 20, true).and_then(|plan| Ok(plan.with_fec(2)?)),
        ] {
            assert!(matches!(refused, Err(Error::Fec(FecError::BlockSizes { .. }))));
        }
        for roots in [0, 1, 25, u32::MAX] {
            let refused = Plan::for_partition_with_fec(Params::builder(), 1 << 30, true, roots);
            assert!(matches!(refused, Err(Error::Fec(FecError::Roots { .. }))));
        }
        let refused = Plan::for_partition_with_fec(Params::builder(), 4 * 4096 - 1, true, 2);
        assert!(matches!(refused, Err(Error::PartitionTooSmall { needed: 16384, actual: 16383 })));
    }
}
