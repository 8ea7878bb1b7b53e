//! A verified image that goes into a disk image: its data, and the tree and parity it gets.

use std::path::Path;

use verity::FecArea;
use verity::disk::types::{Content, MountPoint};
use verity::publish::Input;
use verity_sign::Image;

use super::Options;
use crate::error::{Class, CommandError};
use crate::inputs;
use crate::making::{Identity, PlannedTree, SidecarSet, Tail};
use crate::packed;
use crate::parameters::Parameters;

/// A verified image that is to be.
pub(super) struct PreparedImage {
    pub(super) mount_point: MountPoint,
    pub(super) data: Input,
    pub(super) tree: PlannedTree,
    pub(super) parity: Option<FecArea>,
    pub(super) image: Image,
}

/// What a signature partition is given, in bytes; systemd-repart gives it as much.
const SIGNATURE_SIZE: u64 = 16384;

impl PreparedImage {
    pub(super) fn new(
        options: &Options,
        mount_point: MountPoint,
        path: &Path,
    ) -> Result<PreparedImage, CommandError> {
        let data = inputs::open_device(path)?;
        if !options.raw {
            packed::refuse(&data, path)?;
        }
        // Each image of a disk has a salt of its own.
        let seed = options.seed.as_deref().map(|seed| match mount_point {
            MountPoint::Root => seed.to_owned(),
            MountPoint::Usr => format!("{seed}\0usr"),
        });
        let parameters = Parameters::default();
        let identity = Identity::choose(&parameters, seed.as_deref())?;
        let tree = PlannedTree::new(&parameters, identity, &data, Tail::Padded)?;
        let parity = options.parity_roots.map(|roots| {
            FecArea::behind_hash_area(&tree.params, &tree.area, roots)
                .map_err(|error| CommandError::new(Class::Metadata, error))
        });
        let image = Image::new(
            image_name(options)?,
            options.image_version,
            options.label.as_str(),
            tree.padded_size(&data),
        );
        let image = image.map_err(|error| CommandError::new(Class::Usage, error))?;
        Ok(PreparedImage { mount_point, parity: parity.transpose()?, tree, image, data })
    }

    /// How long a part of it is, in bytes.
    pub(super) fn size_of(&self, content: Content) -> u64 {
        match content {
            Content::Data => self.tree.padded_size(&self.data),
            Content::Verity => {
                let end = self.parity.as_ref().map_or(0, |parity| parity.range().end);
                self.tree.area.file_size().max(end)
            }
            Content::VeritySig => SIGNATURE_SIZE,
        }
    }
}

/// The name in manifests and labels.
pub(super) fn image_name(options: &Options) -> Result<String, CommandError> {
    if let Some(name) = &options.image_name {
        return Ok(name.clone());
    }
    let stem = SidecarSet::new(&options.output, None, false)?.stem;
    stem.to_str().map(str::to_owned).ok_or_else(|| {
        CommandError::usage("the file name is not UTF-8: --image-name says another")
            .at(&options.output)
    })
}
