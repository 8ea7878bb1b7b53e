//! One hash area, as `format`, `dump` and `build` report it.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use verity::{HashArea, Params};

use super::parity::FecEntry;
use crate::command::dump::Dumped;
use crate::making::{FileDigest, Formatted};
use crate::quoted::Quoted;

/// What a superblock states, and what follows from it. The order of the fields is the order of the
/// keys.
///
/// The text has the lines of veritysetup 2.6.1, byte for byte: scripts take them apart.
#[derive(Serialize)]
pub(super) struct HeaderDocument {
    /// The device or file with the hash area.
    #[serde(skip)]
    path: String,
    uuid: Option<String>,
    hash_type: u32,
    data_blocks: u64,
    data_block_size: u32,
    hash_blocks: u64,
    hash_block_size: u32,
    algorithm: &'static str,
    salt: String,
    root_hash: Option<String>,
    superblock: bool,
    hash_area_offset: u64,
    hash_start: u64,
    levels: usize,
    data_bytes: u64,
    /// From the start of the hash device to the end of the hash area, or of the parity behind it.
    hash_device_bytes: u64,
    /// Where the hash area ends.
    #[serde(skip)]
    hash_area_end: u64,
    /// Bytes of the data that the tree does not cover, if there is data.
    uncovered_bytes: Option<u64>,
    /// Zeros that the data got, if there is data.
    padding_bytes: Option<u64>,
    /// The parity that was made, or described.
    fec: Option<FecEntry>,
    /// The digest of all of the data, if it was asked for.
    image_digest: Option<DigestEntry>,
    /// Whether that lies on the hash device.
    #[serde(skip)]
    fec_with_hash: bool,
}

/// A digest of all of the data. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct DigestEntry {
    algorithm: &'static str,
    digest: String,
}

impl From<&FileDigest> for DigestEntry {
    fn from(digest: &FileDigest) -> DigestEntry {
        DigestEntry { algorithm: digest.algorithm.name(), digest: hex::encode(&digest.value) }
    }
}

impl HeaderDocument {
    fn new(path: &Path, params: &Params, area: &HashArea) -> HeaderDocument {
        HeaderDocument {
            path: Quoted(path).to_string(),
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
            padding_bytes: None,
            fec: None,
            image_digest: None,
            fec_with_hash: false,
        }
    }
}

impl From<&Dumped> for HeaderDocument {
    fn from(facts: &Dumped) -> HeaderDocument {
        let superblock = &facts.superblock;
        let with_hash = facts.parity.as_ref().filter(|_| facts.is_parity_with_hash);
        HeaderDocument {
            uuid: Some(superblock.uuid().to_string()),
            hash_device_bytes: with_hash.map_or(facts.area.end(), |parity| parity.range().end),
            fec: facts.parity.as_ref().map(FecEntry::from),
            fec_with_hash: facts.is_parity_with_hash,
            ..HeaderDocument::new(&facts.hash, superblock.params(), &facts.area)
        }
    }
}

impl From<&Formatted> for HeaderDocument {
    fn from(facts: &Formatted) -> HeaderDocument {
        let (tree, area) = (&facts.tree, &facts.tree.area);
        let header = HeaderDocument::new(&facts.hash, &tree.params, area);
        let fec_end = facts.parity_with_hash().map_or(area.end(), |parity| parity.range().end);
        HeaderDocument {
            uuid: area.has_superblock().then(|| tree.uuid.to_string()),
            root_hash: Some(facts.root_hash.to_string()),
            hash_device_bytes: fec_end,
            uncovered_bytes: Some(facts.uncovered_bytes),
            padding_bytes: Some(tree.padding),
            fec: facts.parity.as_ref().map(FecEntry::from),
            fec_with_hash: facts.parity_with_hash().is_some(),
            image_digest: facts.image_digest.as_ref().map(DigestEntry::from),
            ..header
        }
    }
}

impl fmt::Display for HeaderDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "VERITY header information for {}", self.path)?;
        writeln!(f, "UUID:            \t{}", self.uuid.as_deref().unwrap_or_default())?;
        writeln!(f, "Hash type:       \t{}", self.hash_type)?;
        writeln!(f, "Data blocks:     \t{}", self.data_blocks)?;
        writeln!(f, "Data block size: \t{}", self.data_block_size)?;
        writeln!(f, "Hash blocks:     \t{}", self.hash_blocks)?;
        writeln!(f, "Hash block size: \t{}", self.hash_block_size)?;
        writeln!(f, "Hash algorithm:  \t{}", self.algorithm)?;
        if let Some(fec) = &self.fec {
            writeln!(f, "FEC RS roots:   \t{}", fec.fec_roots)?;
            writeln!(f, "FEC blocks:     \t{}", fec.parity_blocks)?;
        }
        writeln!(f, "Salt:            \t{}", self.salt)?;
        if let Some(root_hash) = &self.root_hash {
            writeln!(f, "Root hash:      \t{root_hash}")?;
        }
        self.device_sizes(f)?;
        match self.padding_bytes {
            None | Some(0) => Ok(()),
            Some(zeros) => writeln!(f, "Padding:         \t{zeros} zero bytes behind the data"),
        }?;
        match &self.image_digest {
            None => Ok(()),
            Some(DigestEntry { algorithm, digest }) => {
                writeln!(f, "Image {algorithm}:    \t{digest}")
            }
        }
    }
}

impl HeaderDocument {
    /// The size of each device that begins with the hash area, or with the parity.
    fn device_sizes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (with_hash, alone) = match &self.fec {
            Some(fec) if self.fec_with_hash => (fec.parity_bytes, None),
            fec => (0, fec.as_ref().filter(|fec| fec.offset_bytes == 0)),
        };
        if self.hash_area_offset == 0 {
            // The tree and the parity, without what is between them.
            let size = self.hash_area_end + with_hash;
            writeln!(f, "Hash device size: \t{size} [bytes]")?;
        }
        if let Some(fec) = alone {
            writeln!(f, "FEC device size: \t{} [bytes]", fec.parity_bytes)?;
        }
        Ok(())
    }
}
