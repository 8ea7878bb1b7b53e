//! What a caller says about a hash tree and about parity, each part given or not.
//!
//! These groups serve commands that make an image (what is missing has defaults) and commands that
//! read one (what is given is a pin).

use std::path::{Path, PathBuf};

use verity::{
    Algorithm, BlockSize, FecArea, HashArea, HashType, Params, ParamsBuilder, ParamsError, Pins,
    Salt, Superblock, Uuid,
};

use crate::error::{Class, CommandError, OrFail};

/// The parameters of a hash tree and the place of its hash area, as far as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) hash_type: Option<HashType>,
    pub(crate) data_block_size: Option<BlockSize>,
    pub(crate) hash_block_size: Option<BlockSize>,
    pub(crate) data_blocks: Option<u64>,
    pub(crate) salt: Option<Salt>,
    pub(crate) uuid: Option<Uuid>,
    /// Where the hash area begins, in bytes.
    pub(crate) hash_offset: Option<u64>,
    pub(crate) no_superblock: bool,
}

impl Parameters {
    /// A builder with everything that was given except the amount of data; defaults for the rest.
    pub(crate) fn builder(&self) -> ParamsBuilder {
        let mut builder = Params::builder();
        if let Some(algorithm) = self.algorithm {
            builder = builder.algorithm(algorithm);
        }
        if let Some(hash_type) = self.hash_type {
            builder = builder.hash_type(hash_type);
        }
        if let Some(size) = self.data_block_size {
            builder = builder.data_block_size(size);
        }
        if let Some(size) = self.hash_block_size {
            builder = builder.hash_block_size(size);
        }
        if let Some(salt) = &self.salt {
            builder = builder.salt(salt.clone());
        }
        builder
    }

    /// The parameters of a tree over data of `data_size` bytes, or over the data blocks that were
    /// given.
    pub(crate) fn params(&self, data_size: u64) -> Result<Params, CommandError> {
        let params = match self.data_blocks {
            Some(blocks) => self.builder().data_blocks(blocks).build(),
            None => self.builder().data_size(data_size).build(),
        };
        let params = params.map_err(explain)?;
        if params.data_size() > data_size {
            let (needed, blocks) = (params.data_size(), params.data_blocks());
            return Err(CommandError::message(
                Class::Metadata,
                format!("{blocks} data blocks take {needed} bytes, but the data has {data_size}"),
            ));
        }
        Ok(params)
    }

    /// Where the hash area lies, by the offset and the superblock option.
    pub(crate) fn hash_area(&self, params: &Params) -> Result<HashArea, CommandError> {
        HashArea::new(params, self.hash_area_offset(), !self.no_superblock)
            .map_err(|error| CommandError::new(Class::Metadata, error))
    }

    /// Where the hash area begins, in bytes; 0 unless given.
    pub(crate) fn hash_area_offset(&self) -> u64 {
        self.hash_offset.unwrap_or(0)
    }

    /// The size of a data block: the default, unless given.
    pub(crate) fn block_size(&self) -> BlockSize {
        self.data_block_size.unwrap_or_default()
    }

    /// What was given, and for the rest what an old superblock states; but not how much data there
    /// is. Where no superblock is to be, there is no UUID.
    pub(crate) fn or_of(&self, old: &Superblock) -> Parameters {
        let params = old.params();
        Parameters {
            algorithm: self.algorithm.or(Some(params.algorithm())),
            hash_type: self.hash_type.or(Some(params.hash_type())),
            data_block_size: self.data_block_size.or(Some(params.data_block_size())),
            hash_block_size: self.hash_block_size.or(Some(params.hash_block_size())),
            salt: self.salt.clone().or_else(|| Some(params.salt().clone())),
            uuid: self.uuid.or_else(|| (!self.no_superblock).then(|| old.uuid())),
            ..self.clone()
        }
    }

    /// What was given, as pins.
    pub(crate) fn pins(&self) -> Pins {
        Pins {
            algorithm: self.algorithm,
            hash_type: self.hash_type,
            data_block_size: self.data_block_size,
            hash_block_size: self.hash_block_size,
            data_blocks: self.data_blocks,
            salt: self.salt.clone(),
        }
    }

    /// Refuses a UUID where no superblock can hold it.
    pub(crate) fn check_uuid_has_a_place(&self) -> Result<(), CommandError> {
        if self.no_superblock && self.uuid.is_some() {
            return Err(CommandError::usage(
                "--uuid has no effect with --no-superblock: only a superblock holds a UUID",
            ));
        }
        Ok(())
    }
}

/// No file or device has more bytes.
const MAX_FILE_SIZE: u64 = u64::MAX / 2;

/// Refuses a place on a file or device that no file or device has.
pub(crate) fn check_end(what: &str, end: u64) -> Result<(), CommandError> {
    if end <= MAX_FILE_SIZE {
        return Ok(());
    }
    let words = format!(
        "the {what} would end at byte {end}, but no file or device has more than {MAX_FILE_SIZE} \
         bytes"
    );
    Err(CommandError::message(Class::Metadata, words))
}

fn explain(error: ParamsError) -> CommandError {
    let hint = match error {
        ParamsError::UnprotectedTail { data_size, block_size, .. } if data_size > block_size => {
            "; --data-blocks says how many blocks the tree covers"
        }
        _ => "",
    };
    CommandError::message(Class::Metadata, format!("{error}{hint}"))
}

/// What a caller says about the parity of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParitySource {
    /// The device or file with the parity.
    pub(crate) device: Option<PathBuf>,
    /// Where the parity begins on it, in bytes.
    pub(crate) offset: Option<u64>,
    pub(crate) roots: Option<u32>,
    /// How many blocks it covers.
    pub(crate) blocks: Option<u64>,
}

impl ParitySource {
    /// Where the parity lies on its device, and what it covers: so many blocks as were given, or as
    /// with veritysetup the data, and the hash device from the tree to its end, or to the parity on
    /// it. `is_with_hash` says that the parity is on the hash device, which has, or will have,
    /// `hash_size` bytes.
    pub(crate) fn area(
        &self,
        params: &Params,
        hash_area: &HashArea,
        hash: &Path,
        hash_size: u64,
        is_with_hash: bool,
    ) -> Result<FecArea, CommandError> {
        let (roots, offset) = (self.roots.unwrap_or(DEFAULT_ROOTS), self.offset.unwrap_or(0));
        let area = match self.blocks {
            Some(blocks) => FecArea::new(params, hash_area, roots, blocks, offset),
            None => {
                let end = if is_with_hash { offset } else { hash_size }.max(hash_area.end());
                FecArea::covering(params, hash_area, roots, end, offset)
            }
        };
        let area = area.or_fail(Class::Metadata, self.device.as_deref().unwrap_or(hash))?;
        if self.blocks.is_some() && !is_with_hash {
            check_covered(&area, params, hash_area, hash_size).map_err(|error| error.at(hash))?;
        }
        Ok(area)
    }
}

/// Refuses parity over blocks that a hash device of this size does not have.
fn check_covered(
    fec: &FecArea,
    params: &Params,
    area: &HashArea,
    hash_size: u64,
) -> Result<(), CommandError> {
    let end = fec.covered_end(params, area);
    if end > hash_size {
        let words = format!(
            "the hash device has {hash_size} bytes, \
             but parity over {} blocks (--fec-blocks) covers it up to {end}",
            fec.blocks(),
        );
        return Err(CommandError::message(Class::Metadata, words));
    }
    Ok(())
}

/// The roots of parity unless another number is given, as veritysetup has it.
const DEFAULT_ROOTS: u32 = 2;
