//! `verity plan`: every size.

use std::fmt;

use serde::Serialize;

use super::parity::FecEntry;
use crate::command::plan::Planned;

/// The sizes. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct PlannedDocument {
    algorithm: &'static str,
    hash_type: u32,
    data_block_size: u32,
    hash_block_size: u32,
    salt: Option<String>,
    uuid: Option<String>,
    superblock: bool,
    data_blocks: u64,
    data_bytes: u64,
    levels: usize,
    hash_blocks: u64,
    hash_area_offset: u64,
    hash_start: u64,
    /// Superblock, padding and tree.
    hash_area_bytes: u64,
    /// From the start of the device to the end of the hash area, or of the parity behind it.
    hash_device_bytes: u64,
    /// What remains of the partition.
    unused_bytes: Option<u64>,
    /// The parity.
    fec: Option<FecEntry>,
}

impl From<&Planned> for PlannedDocument {
    fn from(facts: &Planned) -> PlannedDocument {
        let Planned { params, area, parity, .. } = facts;
        let range = area.range();
        PlannedDocument {
            algorithm: params.algorithm().name(),
            hash_type: params.hash_type().number(),
            data_block_size: params.data_block_size().bytes(),
            hash_block_size: params.hash_block_size().bytes(),
            salt: facts.salt.as_ref().map(ToString::to_string),
            uuid: facts.uuid.map(|uuid| uuid.to_string()),
            superblock: area.has_superblock(),
            data_blocks: params.data_blocks(),
            data_bytes: params.data_size(),
            levels: params.geometry().levels().len(),
            hash_blocks: area.hash_blocks(),
            hash_area_offset: area.offset(),
            hash_start: area.hash_start(),
            hash_area_bytes: range.end - range.start,
            hash_device_bytes: parity.map_or(range.end, |parity| parity.range().end),
            unused_bytes: facts.unused_bytes,
            fec: parity.as_ref().map(FecEntry::from),
        }
    }
}

impl fmt::Display for PlannedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |label: &str, value: &dyn fmt::Display, unit: &str| {
            writeln!(f, "{:<17}\t{value}{unit}", format!("{label}:"))
        };
        line("Hash type", &self.hash_type, "")?;
        line("Hash algorithm", &self.algorithm, "")?;
        line("Data blocks", &self.data_blocks, "")?;
        line("Data block size", &self.data_block_size, "")?;
        line("Data size", &self.data_bytes, " [bytes]")?;
        line("Hash blocks", &self.hash_blocks, "")?;
        line("Hash block size", &self.hash_block_size, "")?;
        line("Hash levels", &self.levels, "")?;
        line("Hash area offset", &self.hash_area_offset, " [bytes]")?;
        line("Hash area size", &self.hash_area_bytes, " [bytes]")?;
        line("Hash start", &self.hash_start, "")?;
        line("Hash device size", &self.hash_device_bytes, " [bytes]")?;
        if let Some(fec) = &self.fec {
            line("FEC RS roots", &fec.fec_roots, "")?;
            line("FEC blocks", &fec.parity_blocks, "")?;
            line("FEC covers", &fec.fec_blocks, " [blocks]")?;
            line("FEC offset", &fec.offset_bytes, " [bytes]")?;
            line("FEC size", &fec.parity_bytes, " [bytes]")?;
        }
        if let Some(uuid) = &self.uuid {
            line("UUID", uuid, "")?;
        }
        if let Some(salt) = &self.salt {
            line("Salt", salt, "")?;
        }
        if let Some(unused) = &self.unused_bytes {
            line("Unused", unused, " [bytes]")?;
        }
        Ok(())
    }
}
