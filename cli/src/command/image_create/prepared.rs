//! A disk image in the making: every output is open, and all of it appears at the end.

use std::path::{Path, PathBuf};

use verity::BuiltImage;
use verity::disk::Table;
use verity::disk::types::{Content, MountPoint};
use verity::internals::to_u64;
use verity::io::{Window, WriteAt};
use verity::publish::{Input, Output, OutputSet, Removal};
use verity_sign::{Sidecar, Sidecars};

use super::draft::Draft;
use super::image::PreparedImage;
use super::{Created, Filled, Options};
use crate::context::Context;
use crate::copying::Copying;
use crate::disks;
use crate::error::{Class, CommandError, OrFail};
use crate::making::{self, FillError, Filling, Placed, SidecarSet};
use crate::outputs::{self, write_bytes};
use crate::signing::{OpenedKey, Vouching};

/// An image whose every input and output is open, before the first byte is read.
pub(super) struct Prepared<'a> {
    options: &'a Options,
    context: &'a Context,
    key: Option<OpenedKey<'a>>,
    draft: Draft<'a>,
    output: Output,
    manifests: Vec<ManifestOutputs>,
    /// Partitions as files of their own, by their numbers in the layout.
    parts: Vec<(usize, Output)>,
    /// What an earlier run has left beside the disk, and would speak of another one.
    stale: Vec<Removal>,
}

/// Where what vouches for an image goes.
struct ManifestOutputs {
    manifest: Output,
    signature: Option<Output>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(
        options: &'a Options,
        context: &'a Context,
    ) -> Result<Prepared<'a>, CommandError> {
        let key = options.signing.as_ref().map(|signing| signing.open(context)).transpose()?;
        let draft = Draft::new(options, key.is_some())?;
        let (mut manifests, mut stale) = (Vec::new(), Vec::new());
        for image in &draft.images {
            let [manifest, signature] = disk_manifest(&options.output, image.mount_point)?;
            let signature = match key {
                Some(_) => Some(outputs::create(&signature)?),
                None => {
                    stale.push(outputs::removal(&signature)?);
                    None
                }
            };
            manifests.push(ManifestOutputs { manifest: outputs::create(&manifest)?, signature });
        }
        for mount_point in [MountPoint::Root, MountPoint::Usr] {
            if draft.images.iter().all(|image| image.mount_point != mount_point) {
                for path in disk_manifest(&options.output, mount_point)? {
                    stale.push(outputs::removal(&path)?);
                }
            }
        }
        let output = outputs::create_with_mode(&options.output, draft.mode())?;
        let parts = if options.split { parts(&draft)? } else { Vec::new() };
        Ok(Prepared { options, context, key, draft, output, manifests, parts, stale })
    }

    /// Writes everything, and makes it appear.
    pub(super) fn write(self) -> Result<Created, CommandError> {
        let path = &self.options.output;
        let draft = &self.draft;
        WriteAt::resize(self.output.file(), draft.size).or_fail(Class::Io, path)?;
        let (key, not_after) = (self.key.as_ref(), self.options.not_after);
        let vouching = Vouching { key, not_after, partition: true };
        let mut made = Vec::new();
        for image in &draft.images {
            let built = self.write_image(image)?;
            made.push(vouching.of(image.image.clone(), &built)?);
        }
        for ((partition, file), placed) in
            draft.layout.partitions.iter().zip(&draft.files).zip(&draft.placed)
        {
            if let Some(file) = file {
                self.copy(file, placed)?;
            }
            if let Filling::Verity(mount, Content::VeritySig) = partition.filling {
                self.write_signature(&made[draft.index_of(mount)?], placed)?;
            }
        }
        let filled = self.fill(&made)?;
        self.copy_images()?;
        let root_hashes: Vec<_> = made.iter().map(Sidecars::root_hash).collect();
        let table = draft.table(&root_hashes)?;
        let update = table.update().map_err(|error| disks::failed(error, path))?;
        update.apply(self.output.file()).or_fail(Class::Io, path)?;
        for (index, output) in &self.parts {
            let from = self.part(&draft.placed[*index])?;
            let size = draft.placed[*index].size;
            WriteAt::resize(output.file(), size).or_fail(Class::Io, output.path())?;
            let copying = Copying::new(output.path(), size, &self.context.signals);
            let copied = copying.bytes(&from, output.file(), size);
            copying.finish(copied, path)?;
        }
        self.publish(&made, filled, &table)
    }

    /// Copies and hashes the data of an image in one pass, and writes its hash area.
    fn write_image(&self, image: &PreparedImage) -> Result<BuiltImage, CommandError> {
        let window = |content| match self.draft.place_of(image.mount_point, content) {
            Some(placed) => self.part(placed),
            None => Window::new(self.output.file(), 0..0).or_fail(Class::Io, self.output.path()),
        };
        let (data, hash) = (window(Content::Data)?, window(Content::Verity)?);
        self.draft.build(image, &hash, &data, self.context)
    }

    /// A partition of the image.
    fn part(&self, placed: &Placed) -> Result<Window<&std::fs::File>, CommandError> {
        Window::new(self.output.file(), placed.start..placed.start + placed.size)
            .or_fail(Class::Io, &self.options.output)
    }

    /// Puts root hashes in place of markers.
    fn fill(&self, made: &[Sidecars]) -> Result<Vec<Filled>, CommandError> {
        let mut filled = Vec::new();
        for (fill, (index, mount_point)) in self.options.fills.iter().zip(&self.draft.fills) {
            let root_hash = made[self.draft.index_of(*mount_point)?].root_hash().to_string();
            let part = self.part(&self.draft.placed[*index])?;
            let is_stopped = || self.context.signals.raised();
            let (marker, value) = (fill.marker.as_bytes(), root_hash.as_bytes());
            let places = making::fill(&part, marker, value, &is_stopped).map_err(|error| {
                let class = match error {
                    FillError::Io(_) => Class::Io,
                    _ => Class::Metadata,
                };
                let note = format!("partition {}", fill.partition);
                CommandError::new(class, error).noting(note).at(&self.options.output)
            });
            self.context.signals.check()?;
            let partition = fill.partition.clone();
            filled.push(Filled { partition, mount_point: *mount_point, places: places? });
        }
        Ok(filled)
    }

    /// Copies the images into a second slot.
    fn copy_images(&self) -> Result<(), CommandError> {
        let draft = &self.draft;
        for (partition, placed) in draft.layout.partitions.iter().zip(&draft.placed) {
            let Filling::Copy(mount, content) = partition.filling else { continue };
            let Some(from) = draft.place_of(mount, content) else { continue };
            let size = from.size.min(placed.size);
            let copying = Copying::new(&self.options.output, size, &self.context.signals);
            let copied = copying.bytes(&self.part(from)?, &self.part(placed)?, size);
            copying.finish(copied, &self.options.output)?;
        }
        Ok(())
    }

    fn write_signature(&self, made: &Sidecars, placed: &Placed) -> Result<(), CommandError> {
        let path = &self.options.output;
        let bytes = made.content(Sidecar::SignaturePartition).unwrap_or_default();
        if to_u64(bytes.len()) > placed.size {
            let words = format!(
                "the signature partition has {} bytes, {} are needed",
                placed.size,
                bytes.len()
            );
            return Err(CommandError::message(Class::Metadata, words).at(path));
        }
        self.output.file().write_all_at(&bytes, placed.start).or_fail(Class::Io, path)
    }

    /// Copies the content of a partition. Holes stay holes.
    fn copy(&self, file: &Input, placed: &Placed) -> Result<(), CommandError> {
        let target = self.part(placed)?;
        let copying = Copying::new(&self.options.output, file.size(), &self.context.signals);
        let copied = copying.bytes(file, &target, file.size());
        file.check()?;
        copying.finish(copied, file.path())
    }

    /// Writes what lies beside, and makes everything appear: the image, then what vouches for it.
    fn publish(
        self,
        made: &[Sidecars],
        filled: Vec<Filled>,
        table: &Table,
    ) -> Result<Created, CommandError> {
        self.context.signals.check()?;
        for image in &self.draft.images {
            image.data.check_path()?;
        }
        let mut files = Vec::new();
        let set = self.stale.into_iter().fold(OutputSet::new(), OutputSet::removal);
        let mut set = set.output(self.output);
        for (_, part) in self.parts {
            files.push(part.path().to_owned());
            set = set.output(part);
        }
        let mut last = Vec::new();
        for (outputs, made) in self.manifests.into_iter().zip(made) {
            write_bytes(&outputs.manifest, &made.manifest().to_bytes())?;
            files.push(outputs.manifest.path().to_owned());
            set = set.output(outputs.manifest);
            let signature = made.content(Sidecar::ManifestSignature);
            if let (Some(output), Some(signature)) = (outputs.signature, signature) {
                write_bytes(&output, &signature)?;
                last.push(output);
            }
        }
        for output in last {
            files.push(output.path().to_owned());
            set = set.output(output);
        }
        let root_hashes: Vec<_> = made.iter().map(Sidecars::root_hash).collect();
        let created = self.draft.created(&root_hashes, table)?;
        let signed_by = self.key.map(|key| key.builder().certificate().fingerprint());
        set.commit()?;
        Ok(Created { signed_by, files, filled, ..created })
    }
}

/// Files of their own for partitions that hold something: `OUT.NAME.raw`.
fn parts(draft: &Draft<'_>) -> Result<Vec<(usize, Output)>, CommandError> {
    let path = &draft.options.output;
    let stem = SidecarSet::new(path, None, false)?.stem;
    let (mut parts, mut names) = (Vec::new(), Vec::new());
    for (index, partition) in draft.layout.partitions.iter().enumerate() {
        if !matches!(partition.filling, Filling::File(_) | Filling::Verity(..) | Filling::Copy(..))
        {
            continue;
        }
        let plain = |letter: char| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => letter,
            _ => '_',
        };
        let name: String = partition.name.chars().map(plain).collect();
        let before = names.iter().filter(|other| **other == name).count();
        let mut file = stem.clone();
        file.push(match before {
            0 => format!(".{name}.raw"),
            before => format!(".{name}-{}.raw", before + 1),
        });
        names.push(name);
        parts.push((index, outputs::create_with_mode(&path.with_file_name(file), draft.mode())?));
    }
    Ok(parts)
}

/// Where the manifest of an image in a disk lies, and its signature: beside the disk image.
fn disk_manifest(disk: &Path, mount_point: MountPoint) -> Result<[PathBuf; 2], CommandError> {
    let set = SidecarSet::in_disk(disk, mount_point)?;
    Ok([set.manifest, set.manifest_signature])
}
