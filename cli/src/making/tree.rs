//! A hash tree that is to be made: parameters, place and UUID.

use verity::publish::Input;
use verity::{HashArea, Params, Superblock, Uuid};

use super::identity::Identity;
use crate::error::CommandError;
use crate::parameters::Parameters;
use crate::quoted::Quoted;

/// A hash tree that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct PlannedTree {
    pub(crate) params: Params,
    pub(crate) area: HashArea,
    pub(crate) uuid: Uuid,
}

impl PlannedTree {
    /// A tree over this data, with defaults for what was not given.
    pub(crate) fn new(
        parameters: &Parameters,
        identity: Identity,
        data: &Input,
    ) -> Result<PlannedTree, CommandError> {
        let salted = Parameters { salt: Some(identity.salt), ..parameters.clone() };
        let params = salted.params(data.size()).map_err(|error| error.at(data.path()))?;
        let area = parameters.hash_area(&params)?;
        Ok(PlannedTree { params, area, uuid: identity.uuid })
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
