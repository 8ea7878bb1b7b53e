//! The image of a slot, every block of it, before the slot may boot.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::RootHash;
use verity::disk::Partition;
use verity::disk::slots::{Scheme, TableSlots};

use crate::context::Context;
use crate::error::CommandError;
use crate::image::{self, Device, Effort, ImageSource, LockedDisk, OpenedImage};
use crate::parameters::{Parameters, ParitySource};
use crate::trust::{RootHashSource, TrustSource};

/// What the image of a slot is held against.
#[derive(Debug)]
pub(crate) struct SlotImage {
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) root: RootHashSource,
    pub(crate) trust: TrustSource,
    pub(crate) threads: Option<NonZeroUsize>,
}

impl SlotImage {
    /// Reads all of a slot's image against its tree; returns the root hash.
    pub(super) fn verify(
        &self,
        slots: &TableSlots<'_>,
        slot: usize,
        (disk, path): (&LockedDisk, &Path),
        context: &Context,
    ) -> Result<RootHash, CommandError> {
        if self.manifest.is_none() && self.root == RootHashSource::default() {
            let words = "--verify needs to know what the slot should hold: --manifest FILE with \
                         --certificate CERT, or --root-hash HEX, or --root-hash-file FILE";
            return Err(CommandError::usage(words));
        }
        let partitions = self.devices(slots, slot, path)?;
        // Only for messages: a file could have such a name.
        let [data, hash] = partitions.map(|partition| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!("#{}", partition.number()));
            PathBuf::from(name)
        });
        let input = disk.input(path)?;
        let source = ImageSource {
            data,
            hash,
            root: self.root.clone(),
            manifest: self.manifest.clone(),
            trust: self.trust.clone(),
            parameters: Parameters::default(),
            parity: ParitySource::default(),
            root_hash_signature: None,
        };
        let device = |partition: &Partition, name: &Path| {
            Device::part_of(&input, partition.range(), name.to_owned()).map(Arc::new)
        };
        let devices =
            || Ok([device(&partitions[0], &source.data)?, device(&partitions[1], &source.hash)?]);
        let image = OpenedImage::open_on(&source, devices, context)?.require_superblock()?;
        let effort = Effort { threads: self.threads, ..Effort::default() };
        let verified = image::verify(&image, effort, context)?;
        Ok(verified.trusted.root_hash())
    }

    /// Where data and hash area lie.
    fn devices(
        &self,
        slots: &TableSlots<'_>,
        slot: usize,
        disk: &Path,
    ) -> Result<[Partition; 2], CommandError> {
        let partitions = slots.partitions_of(slot);
        let found = match (slots.scheme(), partitions.as_slice()) {
            (Scheme::Bottlerocket, [_, root, hash, ..]) => Some([*root, *hash]),
            // Data and hash area are in one partition, and only a manifest says where.
            (Scheme::ChromeOs, [_, root]) => Some([*root, *root]),
            (Scheme::Flatcar, [usr]) => Some([*usr, *usr]),
            _ => None,
        };
        let Some(found) = found else {
            let words = "the partitions of the slot are not all there, so --verify has nothing \
                         to read";
            return Err(CommandError::message(crate::error::Class::Metadata, words).at(disk));
        };
        if found[0].number() == found[1].number() && self.manifest.is_none() {
            let words = format!(
                "the hash area of a {} slot lies behind its data, and only --manifest says where",
                slots.scheme().name()
            );
            return Err(CommandError::usage(words));
        }
        Ok(found)
    }
}
