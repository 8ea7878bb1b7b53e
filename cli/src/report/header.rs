//! The facts about one hash area, as `format`, `dump` and `build` report them.

use std::path::{Path, PathBuf};

use serde::Serialize;
use verity::{FecArea, HashArea, Params, RootHash, Uuid};

/// What a superblock states, and what follows from it. The order of the fields is the order of the
/// keys.
#[derive(Debug, Serialize)]
pub(crate) struct Header {
    /// The device or file with the hash area.
    #[serde(skip)]
    pub(crate) path: PathBuf,
    pub(crate) uuid: Option<String>,
    pub(crate) hash_type: u32,
    pub(crate) data_blocks: u64,
    pub(crate) data_block_size: u32,
    pub(crate) hash_blocks: u64,
    pub(crate) hash_block_size: u32,
    pub(crate) algorithm: &'static str,
    pub(crate) salt: String,
    pub(crate) root_hash: Option<String>,
    pub(crate) superblock: bool,
    pub(crate) hash_area_offset: u64,
    pub(crate) hash_start: u64,
    pub(crate) levels: usize,
    pub(crate) data_bytes: u64,
    /// From the start of the hash device to the end of the hash area, or of the parity behind it.
    pub(crate) hash_device_bytes: u64,
    /// Where the hash area ends.
    #[serde(skip)]
    pub(crate) hash_area_end: u64,
    /// Bytes of the data that the tree does not cover, if there is data.
    pub(crate) uncovered_bytes: Option<u64>,
    /// The parity that was made.
    pub(crate) fec: Option<Fec>,
}

/// Where parity is and what it covers. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Fec {
    pub(crate) offset_bytes: u64,
    /// The same in blocks.
    pub(crate) fec_start: u64,
    pub(crate) fec_roots: u32,
    /// How many blocks are covered.
    pub(crate) fec_blocks: u64,
    pub(crate) rounds: u64,
    pub(crate) parity_blocks: u64,
    pub(crate) parity_bytes: u64,
    /// Whether it is on the hash device.
    #[serde(skip)]
    pub(crate) with_hash: bool,
}

impl Header {
    pub(crate) fn new(path: &Path, params: &Params, area: &HashArea) -> Header {
        Header {
            path: path.to_owned(),
            uuid: None,
            hash_type: params.hash_type().number(),
            data_blocks: params.data_blocks(),
            data_block_size: params.data_block_size().bytes(),
            hash_blocks: area.hash_blocks(),
            hash_block_size: params.hash_block_size().bytes(),
            algorithm: params.algorithm().name(),
            salt: params.salt().to_string(),
            root_hash: None,
            superblock: area.has_superblock(),
            hash_area_offset: area.offset(),
            hash_start: area.hash_start(),
            levels: params.geometry().levels().len(),
            data_bytes: params.data_size(),
            hash_device_bytes: area.end(),
            hash_area_end: area.end(),
            uncovered_bytes: None,
            fec: None,
        }
    }

    /// The same with the superblock's UUID.
    pub(crate) fn with_uuid(mut self, uuid: Uuid) -> Header {
        self.uuid = Some(uuid.to_string());
        self
    }

    /// The same with how many bytes of the data the tree leaves out.
    pub(crate) fn with_uncovered_bytes(mut self, uncovered_bytes: u64) -> Header {
        self.uncovered_bytes = Some(uncovered_bytes);
        self
    }

    /// The same with the parity that goes with it, on the hash device or elsewhere.
    pub(crate) fn with_fec(mut self, area: &FecArea, with_hash: bool) -> Header {
        if with_hash {
            self.hash_device_bytes = area.range().end;
        }
        self.fec = Some(Fec { with_hash, ..Fec::from(area) });
        self
    }

    /// The same with a root hash, which no superblock holds.
    pub(crate) fn with_root_hash(mut self, root_hash: RootHash) -> Header {
        self.root_hash = Some(root_hash.to_string());
        self
    }
}

impl From<&FecArea> for Fec {
    fn from(area: &FecArea) -> Fec {
        Fec {
            offset_bytes: area.range().start,
            fec_start: area.start(),
            fec_roots: area.roots(),
            fec_blocks: area.blocks(),
            rounds: area.rounds(),
            parity_blocks: area.rounds() * u64::from(area.roots()),
            parity_bytes: area.size(),
            with_hash: false,
        }
    }
}
