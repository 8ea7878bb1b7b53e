//! A hash tree that is to be made.

use std::path::Path;

use verity::publish::Input;
use verity::{HashArea, Params, Superblock, Uuid};

use crate::error::CommandError;
use crate::parameters::{Identity, Parameters};
use crate::quoted::Quoted;
use crate::report::header::Header;

/// The hash tree that is to be made.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) params: Params,
    pub(crate) area: HashArea,
    pub(crate) uuid: Uuid,
}

impl Tree {
    pub(crate) fn new(
        parameters: &Parameters,
        identity: Identity,
        data: &Input,
    ) -> Result<Tree, CommandError> {
        let salted = Parameters { salt: Some(identity.salt), ..parameters.clone() };
        let params = salted.params(data.size()).map_err(|error| error.at(data.path()))?;
        let area = parameters.hash_area(&params)?;
        Ok(Tree { params, area, uuid: identity.uuid })
    }

    /// The superblock, if it has one.
    pub(crate) fn superblock(&self) -> Option<[u8; 512]> {
        let superblock = Superblock::new(self.params.clone(), self.uuid);
        self.area.has_superblock().then(|| superblock.to_bytes())
    }

    pub(crate) fn header(&self, path: &Path, uncovered: u64) -> Header {
        let header = Header::new(path, &self.params, &self.area).with_uncovered_bytes(uncovered);
        if self.area.has_superblock() { header.with_uuid(self.uuid) } else { header }
    }

    /// Says what is unusual about it.
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
                "data blocks of {} bytes are larger than a page of 4096 bytes: most kernels cannot activate that",
                self.params.data_block_size(),
            );
        }
    }
}
