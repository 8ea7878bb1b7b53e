//! The manifest of an image that was made.

use verity::internals::to_len;
use verity::{FecArea, RootHash};
use verity_sign::{Image, Manifest};

use super::tree::PlannedTree;
use crate::error::{Class, CommandError};

/// Says of an image what its tree and parity are; `not_after` is in seconds since 1970.
pub(crate) fn manifest(
    image: Image,
    tree: &PlannedTree,
    parity: Option<&FecArea>,
    root_hash: RootHash,
    not_after: Option<u64>,
) -> Result<Manifest, CommandError> {
    let region = superblock_region(tree);
    let manifest =
        Manifest::new(image, tree.params.clone(), root_hash, tree.area, region.as_deref())
            .and_then(|manifest| match parity {
                Some(parity) => manifest.with_fec(parity.into()),
                None => Ok(manifest),
            })
            .map_err(|error| CommandError::new(Class::Metadata, error))?;
    Ok(match not_after {
        Some(seconds) => manifest.with_not_after(seconds),
        None => manifest,
    })
}

/// The superblock with the zeros behind it, up to the tree: what the manifest binds.
fn superblock_region(tree: &PlannedTree) -> Option<Vec<u8>> {
    let superblock = tree.superblock()?;
    let range = tree.area.superblock_region();
    // At most one hash block.
    let mut region = vec![0; to_len(range.end - range.start)];
    region[..superblock.len()].copy_from_slice(&superblock);
    Some(region)
}
