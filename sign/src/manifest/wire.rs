//! The manifest's bytes: the keys in their order, and the rule that there is one spelling only.
//!
//! Bytes are decoded, checked, encoded again and compared: what serde tolerates (white space,
//! another order, a missing `null`, a needless escape) does not come out as the same bytes.

use serde::{Deserialize, Serialize};
use verity::{Algorithm, BlockSize, HashArea, HashType, Params, RootHash, Salt};

use super::{Fec, Image, Manifest, field};
use crate::canonical::first_difference;
use crate::error::{Error, ManifestError, quoted};

// The order of the fields is the order in the file.

#[derive(Deserialize, Serialize)]
#[serde(expecting = "an object that is a manifest", deny_unknown_fields)]
struct WireManifest {
    manifest_version: u64,
    image: WireImage,
    root_hash: String,
    algorithm: String,
    hash_type: u32,
    data_block_size: u32,
    hash_block_size: u32,
    data_blocks: u64,
    salt: String,
    hash_area: WireHashArea,
    fec: Option<WireFec>,
    not_after: Option<u64>,
}

#[derive(Deserialize, Serialize)]
#[serde(expecting = "the object image", deny_unknown_fields)]
struct WireImage {
    name: String,
    version: u64,
    label: String,
    size_bytes: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(expecting = "the object hash_area", deny_unknown_fields)]
struct WireHashArea {
    offset_bytes: u64,
    hash_start: u64,
    hash_blocks: u64,
    superblock_sha256: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(expecting = "the object fec", deny_unknown_fields)]
struct WireFec {
    fec_roots: u32,
    offset_bytes: u64,
    fec_blocks: u64,
}

/// Only the version, to tell a later format from a broken one.
#[derive(Deserialize)]
struct WireVersion {
    manifest_version: u64,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let wire: WireManifest =
        serde_json::from_slice(bytes).map_err(|error| malformed(bytes, &error))?;
    if wire.manifest_version != VERSION {
        return Err(ManifestError::Version { actual: wire.manifest_version });
    }
    let manifest = wire.check()?;
    match first_difference(&to_bytes(&manifest), bytes) {
        Some(offset) => Err(ManifestError::NotCanonical { offset }),
        None => Ok(manifest),
    }
}

pub(super) fn to_bytes(manifest: &Manifest) -> Vec<u8> {
    serde_json::to_vec(&WireManifest::from(manifest))
        .expect("strings and integers always serialise")
}

impl WireManifest {
    fn check(self) -> Result<Manifest, ManifestError> {
        let params = self.params()?;
        let hash_area = self.hash_area.check(&params)?;
        let root_hash: RootHash = parsed("root_hash", &self.root_hash)?;
        let image = Image::new(
            self.image.name,
            self.image.version,
            self.image.label,
            self.image.size_bytes,
        )
        .map_err(inner)?;
        let superblock_sha256 = match &self.hash_area.superblock_sha256 {
            Some(hex) => Some(sha256_from_hex(hex)?),
            None => None,
        };
        let fec = match self.fec {
            Some(fec) => {
                Some(Fec::new(fec.fec_roots, fec.offset_bytes, fec.fec_blocks).map_err(inner)?)
            }
            None => None,
        };
        let not_after = self.not_after;
        let manifest =
            Manifest { image, params, root_hash, hash_area, superblock_sha256, fec, not_after };
        manifest.check()?;
        Ok(manifest)
    }

    fn params(&self) -> Result<Params, ManifestError> {
        Params::builder()
            .algorithm(parsed::<Algorithm>("algorithm", &self.algorithm)?)
            .hash_type(
                HashType::try_from(self.hash_type).map_err(|error| named("hash_type", error))?,
            )
            .data_block_size(block_size("data_block_size", self.data_block_size)?)
            .hash_block_size(block_size("hash_block_size", self.hash_block_size)?)
            .data_blocks(self.data_blocks)
            .salt(parsed::<Salt>("salt", &self.salt)?)
            .build()
            .map_err(|error| named("data_blocks", error))
    }
}

impl WireHashArea {
    /// The layout follows from the offset; what the file says about it must agree.
    fn check(&self, params: &Params) -> Result<HashArea, ManifestError> {
        let area = HashArea::new(params, self.offset_bytes, self.superblock_sha256.is_some())
            .map_err(|error| named("hash_area.offset_bytes", error))?;
        agrees("hash_area.hash_start", self.hash_start, area.hash_start())?;
        agrees("hash_area.hash_blocks", self.hash_blocks, area.hash_blocks())?;
        Ok(area)
    }
}

impl From<&Manifest> for WireManifest {
    fn from(manifest: &Manifest) -> WireManifest {
        let (params, area) = (&manifest.params, &manifest.hash_area);
        WireManifest {
            manifest_version: VERSION,
            image: WireImage {
                name: manifest.image.name.clone(),
                version: manifest.image.version,
                label: manifest.image.label.clone(),
                size_bytes: manifest.image.size_bytes,
            },
            root_hash: manifest.root_hash.to_string(),
            algorithm: params.algorithm().name().to_owned(),
            hash_type: params.hash_type().number(),
            data_block_size: params.data_block_size().bytes(),
            hash_block_size: params.hash_block_size().bytes(),
            data_blocks: params.data_blocks(),
            salt: params.salt().to_string(),
            hash_area: WireHashArea {
                offset_bytes: area.offset(),
                hash_start: area.hash_start(),
                hash_blocks: area.hash_blocks(),
                superblock_sha256: manifest.superblock_sha256.map(hex::encode),
            },
            fec: manifest.fec.map(|fec| WireFec {
                fec_roots: fec.fec_roots,
                offset_bytes: fec.offset_bytes,
                fec_blocks: fec.fec_blocks,
            }),
            not_after: manifest.not_after,
        }
    }
}

fn malformed(bytes: &[u8], error: &serde_json::Error) -> ManifestError {
    match serde_json::from_slice(bytes) {
        Ok(WireVersion { manifest_version }) if manifest_version != VERSION => {
            ManifestError::Version { actual: manifest_version }
        }
        _ => ManifestError::Malformed { reason: quoted(error) },
    }
}

fn parsed<T: std::str::FromStr<Err: ToString>>(
    name: &'static str,
    text: &str,
) -> Result<T, ManifestError> {
    text.parse().map_err(|error| named(name, error))
}

fn block_size(name: &'static str, bytes: u32) -> Result<BlockSize, ManifestError> {
    BlockSize::new(bytes).map_err(|error| named(name, error))
}

fn agrees(name: &'static str, actual: u64, expected: u64) -> Result<(), ManifestError> {
    match actual == expected {
        true => Ok(()),
        false => Err(field(name, format!("{actual} where {expected} follows from the rest"))),
    }
}

fn sha256_from_hex(text: &str) -> Result<[u8; 32], ManifestError> {
    let mut sha256 = [0; 32];
    hex::decode_to_slice(text, &mut sha256)
        .map_err(|error| named("hash_area.superblock_sha256", error))?;
    Ok(sha256)
}

fn named(name: &'static str, error: impl ToString) -> ManifestError {
    field(name, error.to_string())
}

/// The parts report manifest errors in the crate's error type.
fn inner(error: Error) -> ManifestError {
    match error {
        Error::Manifest(error) => error,
        other => ManifestError::Malformed { reason: other.to_string() },
    }
}

/// The version that this file reads and writes.
const VERSION: u64 = 1;
