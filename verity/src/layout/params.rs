//! The parameters of a hash tree, checked once.
//!
//! Everything else in the library takes a [`Params`]; having one means that its sizes are allowed
//! and its geometry fits. Where the hash area lies is not a parameter but a
//! [`HashArea`](crate::HashArea).

use super::{Algorithm, BlockSize, Geometry, HashType, ParamsError, Salt};

/// The parameters of one hash tree, known to be consistent.
///
/// ```
/// use verity::{Params, Salt};
///
/// let params = Params::builder().data_size(64 << 20).salt(Salt::new(&[7; 32])?).build()?;
/// assert_eq!(params.data_blocks(), 16384);
/// assert_eq!(params.geometry().hash_blocks(), 129);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    algorithm: Algorithm,
    hash_type: HashType,
    data_block_size: BlockSize,
    hash_block_size: BlockSize,
    data_blocks: u64,
    salt: Salt,
    geometry: Geometry,
}

impl Params {
    /// Starts from sha256, hash type 1, blocks of 4096 bytes and no salt.
    pub fn builder() -> ParamsBuilder {
        ParamsBuilder::default()
    }

    /// Starts from everything that these parameters say about how a block is hashed, without an
    /// amount of data.
    ///
    /// ```
    /// use verity::{Params, Salt};
    ///
    /// let params = Params::builder().data_blocks(300).salt(Salt::new(&[7; 32])?).build()?;
    /// assert_eq!(params.to_builder().data_blocks(300).build()?, params);
    /// assert!(params.to_builder().build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_builder(&self) -> ParamsBuilder {
        ParamsBuilder {
            algorithm: self.algorithm,
            hash_type: self.hash_type,
            data_block_size: self.data_block_size,
            hash_block_size: self.hash_block_size,
            data: None,
            salt: self.salt.clone(),
        }
    }

    /// The hash algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How blocks are salted and digests packed.
    pub fn hash_type(&self) -> HashType {
        self.hash_type
    }

    /// The size of a data block.
    pub fn data_block_size(&self) -> BlockSize {
        self.data_block_size
    }

    /// The size of a hash block.
    pub fn hash_block_size(&self) -> BlockSize {
        self.hash_block_size
    }

    /// How many data blocks the tree covers; at least 1.
    pub fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    /// How many bytes of data the tree covers.
    pub fn data_size(&self) -> u64 {
        self.data_blocks.saturating_mul(u64::from(self.data_block_size))
    }

    /// The salt.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The levels of the tree and where they lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }
}

/// Collects the parameters of a hash tree; see [`Params::builder`].
#[derive(Clone, Debug, Default)]
pub struct ParamsBuilder {
    algorithm: Algorithm,
    hash_type: HashType,
    data_block_size: BlockSize,
    hash_block_size: BlockSize,
    data: Option<Extent>,
    salt: Salt,
}

/// How much data there is, as the caller states it.
#[derive(Clone, Copy, Debug)]
enum Extent {
    Blocks(u64),
    Bytes(u64),
}

impl ParamsBuilder {
    /// Sets the hash algorithm. The default is sha256.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets the hash type. The default is 1.
    #[must_use]
    pub fn hash_type(mut self, hash_type: HashType) -> Self {
        self.hash_type = hash_type;
        self
    }

    /// Sets the size of a data block. The default is 4096 bytes.
    #[must_use]
    pub fn data_block_size(mut self, size: BlockSize) -> Self {
        self.data_block_size = size;
        self
    }

    /// Sets the size of a hash block. The default is 4096 bytes.
    #[must_use]
    pub fn hash_block_size(mut self, size: BlockSize) -> Self {
        self.hash_block_size = size;
        self
    }

    /// Sets the salt. The default is the empty one.
    #[must_use]
    pub fn salt(mut self, salt: Salt) -> Self {
        self.salt = salt;
        self
    }

    /// Sets how many data blocks the tree covers. Replaces an earlier size.
    #[must_use]
    pub fn data_blocks(mut self, blocks: u64) -> Self {
        self.data = Some(Extent::Blocks(blocks));
        self
    }

    /// Sets how many bytes of data there are; the tree covers all of them. Replaces an earlier
    /// count.
    #[must_use]
    pub fn data_size(mut self, bytes: u64) -> Self {
        self.data = Some(Extent::Bytes(bytes));
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// When there is no data, a hash block holds fewer than two digests, the sizes do not fit 64
    /// bits, or the data size is not a whole number of data blocks
    /// ([`ParamsError::UnprotectedTail`]).
    pub fn build(self) -> Result<Params, ParamsError> {
        let data_blocks = self.count_data_blocks()?;
        let too_large =
            ParamsError::TooLarge { data_blocks, data_block_size: self.data_block_size.bytes() };
        data_blocks.checked_mul(u64::from(self.data_block_size)).ok_or(too_large)?;
        let geometry = Geometry::new(
            data_blocks,
            self.algorithm.digest_size(),
            self.hash_type,
            self.hash_block_size,
        )?;
        Ok(Params {
            algorithm: self.algorithm,
            hash_type: self.hash_type,
            data_block_size: self.data_block_size,
            hash_block_size: self.hash_block_size,
            data_blocks,
            salt: self.salt,
            geometry,
        })
    }

    fn count_data_blocks(&self) -> Result<u64, ParamsError> {
        let block_size = u64::from(self.data_block_size);
        let blocks = match self.data {
            None => 0,
            Some(Extent::Blocks(blocks)) => blocks,
            Some(Extent::Bytes(data_size)) => {
                let blocks = self.data_block_size.whole_blocks(data_size);
                let tail = data_size.saturating_sub(blocks.saturating_mul(block_size));
                if tail != 0 {
                    return Err(ParamsError::UnprotectedTail { data_size, tail, block_size });
                }
                blocks
            }
        };
        if blocks == 0 { Err(ParamsError::NoData) } else { Ok(blocks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g06_a_tail_is_refused_with_its_length() {
        let error = Params::builder().data_size(5000).build().unwrap_err();
        assert_eq!(
            error,
            ParamsError::UnprotectedTail { data_size: 5000, tail: 904, block_size: 4096 }
        );
        assert!(error.to_string().contains("904 bytes would be unprotected"));
    }

    #[test]
    fn g01_sizes_beyond_64_bits_are_refused() {
        for blocks in [(1 << 52), 1 << 63, u64::MAX] {
            let error = Params::builder().data_blocks(blocks).build().unwrap_err();
            assert!(matches!(error, ParamsError::TooLarge { .. }), "{error}");
        }
        let largest = Params::builder().data_blocks((1 << 52) - 1).build().unwrap();
        assert_eq!(largest.data_size(), u64::MAX - 4095);
    }

    #[test]
    fn s11_no_data_is_refused() {
        assert_eq!(Params::builder().data_blocks(0).build(), Err(ParamsError::NoData));
        assert_eq!(Params::builder().data_size(0).build(), Err(ParamsError::NoData));
        assert_eq!(Params::builder().build(), Err(ParamsError::NoData));
    }
}
