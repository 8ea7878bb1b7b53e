//! What is to be opened: the name, what lies below it, and its table.

use verity::table::{DeviceName, FecOptions, KeyDescription, Table, TableError, TableOptions};
use verity::{HashArea, Params, RootHash, Uuid};

use crate::error::{Error, Role};
use crate::place::Place;
use crate::record::MapperName;

use super::below::{Below, Wanted};

/// A device that is to be.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: MapperName,
    pub(super) uuid: Option<Uuid>,
    pub(super) params: Params,
    pub(super) root_hash: RootHash,
    pub(super) hash_start: u64,
    /// Without parity and key.
    pub(super) options: TableOptions,
    pub(super) data: Place,
    pub(super) hash: Place,
    pub(super) fec: Option<Parity>,
    pub(super) signature: Option<Vec<u8>>,
    pub(super) is_shared: bool,
}

/// Parity that belongs to the device.
#[derive(Clone, Debug)]
pub(super) struct Parity {
    pub(super) place: Place,
    pub(super) start: u64,
    pub(super) blocks: u64,
    pub(super) roots: u32,
}

impl Plan {
    /// The files and devices that are to be below, in the order in which the original opens them.
    pub(super) fn wanted(&self) -> Result<Vec<Wanted>, Error> {
        let (params, area) = (&self.params, self.tree()?);
        let hash_block_size = params.hash_block_size().bytes();
        let wanted = |role, place: &Place, block_size, needed| {
            let is_exclusive = role == Role::Data && !self.is_shared;
            Wanted { role, place: place.clone(), block_size, needed, is_exclusive }
        };
        let mut all = vec![
            wanted(Role::Hash, &self.hash, hash_block_size, area.tree_range().end),
            wanted(Role::Data, &self.data, params.data_block_size().bytes(), params.data_size()),
        ];
        // Whether it holds the parity is left to the kernel, whose versions differ in that.
        all.extend(self.fec.iter().map(|fec| wanted(Role::Fec, &fec.place, hash_block_size, 0)));
        Ok(all)
    }

    fn tree(&self) -> Result<HashArea, Error> {
        let block_size = u64::from(self.params.hash_block_size().bytes());
        let hash_start = self.hash_start;
        let too_large = TableError::HashStartTooLarge { hash_start };
        let offset = hash_start.checked_mul(block_size).ok_or(too_large)?;
        let area = HashArea::new(&self.params, offset, false);
        Ok(area.map_err(TableError::HashArea)?)
    }

    /// The name of the key, which the table has as one word: the kernel takes backslashes out of
    /// it.
    pub(super) fn key_description(&self) -> String {
        let uuid = self.uuid.map(|uuid| uuid.to_string() + "-").unwrap_or_default();
        format!("verity:{uuid}{}", self.name.kernel().replace('\\', "_"))
    }

    /// The table over the devices below, each by its number.
    pub(super) fn table(&self, below: &Below) -> Result<Table, Error> {
        let device = |role| {
            let number = below.number(role).map(|number| number.to_string()).unwrap_or_default();
            DeviceName::new(number)
        };
        let fec = self.fec.as_ref().map(|fec| {
            let Parity { start, blocks, roots, .. } = *fec;
            device(Role::Fec).map(|device| FecOptions { device, start, blocks, roots })
        });
        let key = self.signature.as_ref().map(|_| KeyDescription::new(self.key_description()));
        let options = TableOptions {
            fec: fec.transpose()?,
            root_hash_sig_key_desc: key.transpose()?,
            ..self.options.clone()
        };
        let (data, hash) = (device(Role::Data)?, device(Role::Hash)?);
        let table = Table::new(self.params.clone(), self.root_hash, data, hash, self.hash_start)?;
        Ok(table.with_options(options)?)
    }
}
