//! A hash tree that is to be made: parameters, place and UUID.

use verity::publish::Input;
use verity::{BlockSize, FecArea, HashArea, Params, Plan, Superblock, Uuid};

use super::identity::Identity;
use super::padding::{PaddedFile, Tail, missing};
use crate::error::{Class, CommandError};
use crate::packed;
use crate::parameters::{Parameters, check_end};
use crate::quoted::Quoted;

/// A hash tree that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct PlannedTree {
    pub(crate) params: Params,
    pub(crate) area: HashArea,
    pub(crate) uuid: Uuid,
    /// How many zeros the data is to get, all of which the tree covers.
    pub(crate) padding: u64,
}

impl PlannedTree {
    /// A tree over this data, with defaults for what was not given.
    pub(crate) fn new(
        parameters: &Parameters,
        identity: Identity,
        data: &Input,
        tail: Tail,
    ) -> Result<PlannedTree, CommandError> {
        let salted = Parameters { salt: Some(identity.salt), ..parameters.clone() };
        let padding = match (tail, parameters.data_blocks) {
            (Tail::Padded, _) => missing(data.size(), parameters.block_size()),
            (Tail::Refused, None) => refuse_tail(data, parameters.block_size())?,
            (Tail::Refused, Some(_)) => 0,
        };
        let size = data.size().saturating_add(padding);
        let params = salted.params(size).map_err(|error| error.at(data.path()))?;
        let area = parameters.hash_area(&params)?;
        check_end("hash area", area.end())?;
        Ok(PlannedTree { params, area, uuid: identity.uuid, padding })
    }

    /// The size of the data with its zeros, in bytes.
    pub(crate) fn padded_size(&self, data: &Input) -> u64 {
        data.size() + self.padding
    }

    /// The data with its zeros.
    pub(crate) fn padded<'a>(&self, data: &'a Input) -> PaddedFile<'a> {
        PaddedFile { file: data, size: data.size(), padding: self.padding }
    }

    /// All that is to be made, as the library takes it.
    pub(crate) fn plan(&self, parity: Option<&FecArea>) -> Result<Plan, CommandError> {
        let plan = Plan::new(self.params.clone(), self.area)
            .map_err(|error| CommandError::new(Class::Metadata, error))?
            .with_uuid(self.uuid);
        match parity {
            Some(area) => {
                plan.with_fec_area(*area).map_err(|error| CommandError::new(Class::Metadata, error))
            }
            None => Ok(plan),
        }
    }

    /// The superblock, if the hash area has one.
    pub(crate) fn superblock(&self) -> Option<[u8; 512]> {
        let superblock = Superblock::new(self.params.clone(), self.uuid);
        self.area.has_superblock().then(|| superblock.to_bytes())
    }

    /// Warns of what is unusual about the tree.
    pub(crate) fn warn(&self, data: &Input, uncovered: u64) {
        if uncovered > 0 {
            tracing::warn!(
                "{}: {uncovered} bytes behind the data blocks of --data-blocks stay unprotected",
                Quoted(data.path()),
            );
        }
        if self.params.algorithm().is_legacy() {
            tracing::warn!("{} is legacy: collisions are known", self.params.algorithm());
        }
        if self.params.hash_type().is_legacy() {
            tracing::warn!("hash type 0 is legacy: new images should have type 1");
        }
        if self.params.data_block_size().bytes() > 4096 {
            tracing::warn!(
                "data blocks of {} bytes are larger than a page of 4096 bytes: \
                 most kernels cannot activate that",
                self.params.data_block_size(),
            );
        }
    }
}

/// Refuses data that does not end with a block; there is no padding then.
fn refuse_tail(data: &Input, block: BlockSize) -> Result<u64, CommandError> {
    let (size, zeros) = (data.size(), missing(data.size(), block));
    if zeros == 0 {
        return Ok(0);
    }
    let (blocks, tail) = (size / u64::from(block), size % u64::from(block));
    let cover = match blocks {
        0 => String::new(),
        _ => format!("; --data-blocks {blocks} leaves the last {tail} bytes unprotected"),
    };
    let words = format!(
        "the data has {size} bytes, which is no multiple of the data block size {block}: --pad \
         appends {zeros} zeros, as `truncate -s %{block} FILE` does beforehand{cover}{}",
        packed::hint(data),
    );
    Err(CommandError::message(Class::Metadata, words).at(data.path()))
}
