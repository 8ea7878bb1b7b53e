//! What a disk image is to be: every input is open, every size is known, and nothing is written.

use std::io;

use verity::disk::types::{Content, MountPoint, PartitionType};
use verity::disk::{NewPartition, Table};
use verity::internals::Kernels;
use verity::io::{ReadAt, WriteAt};
use verity::publish::Input;
use verity::table::{self as dm, DeviceName, FecOptions, TableOptions, systemd_parameters};
use verity::{
    Builder, BuiltImage, CopiedHoles, Error, ImageBuilder, RootHash, Uuid, uuid_from_seed,
};

use super::image::PreparedImage;
use super::layout::{check_layout, content_size, fills, layout};
use super::{Created, CreatedImage, Options};
use crate::context::{Context, threads_or_all};
use crate::disks;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::library_error::{class_of, from_library};
use crate::making::{Filling, Identity, Layout, LayoutPartition, Placed, written_back};
use crate::outputs::mode_of_copy;
use crate::parameters::Parameters;
use crate::progress::{Meter, Step};
use crate::table_options::unusable;

/// What is to be made of what: every input is open, and no output.
pub(super) struct Draft<'a> {
    pub(super) options: &'a Options,
    pub(super) images: Vec<PreparedImage>,
    pub(super) layout: Layout,
    /// The inputs of partitions that are filled with a file.
    pub(super) files: Vec<Option<Input>>,
    pub(super) placed: Vec<Placed>,
    pub(super) size: u64,
    /// Which partition is filled with which image's root hash.
    pub(super) fills: Vec<(usize, MountPoint)>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(options: &'a Options, is_signed: bool) -> Result<Draft<'a>, CommandError> {
        if options.root.is_none() && options.usr.is_none() {
            return Err(CommandError::usage("--root or --usr names what is to be verified"));
        }
        let mut images = Vec::new();
        for (mount_point, path) in
            [(MountPoint::Root, &options.root), (MountPoint::Usr, &options.usr)]
        {
            if let Some(path) = path {
                images.push(PreparedImage::new(options, mount_point, path)?);
            }
        }
        let mut layout = layout(options, &images, is_signed)?;
        if options.fill_both {
            layout.fill_both()?;
        }
        check_layout(&layout, &images, is_signed)?;
        let fills = fills(options, &layout, &images)?;
        let mut files = Vec::new();
        for partition in &layout.partitions {
            files.push(match &partition.filling {
                Filling::File(path) => Some(inputs::open_device(path)?),
                _ => None,
            });
        }
        let content: Vec<_> = layout
            .partitions
            .iter()
            .zip(&files)
            .map(|(partition, file)| content_size(partition, file.as_ref(), &images))
            .collect();
        let (placed, size) = layout.place(&content, options.align, options.sector_size)?;
        Ok(Draft { options, images, layout, files, placed, size, fills })
    }

    /// Hashes every image, and writes nothing.
    pub(super) fn plan(self, context: &Context) -> Result<Created, CommandError> {
        let mut root_hashes = Vec::new();
        for image in &self.images {
            root_hashes.push(self.hash(image, context)?);
        }
        let table = self.table(&root_hashes)?;
        self.created(&root_hashes, &table)
    }

    /// Hashes the data of an image, and keeps nothing of it.
    fn hash(&self, image: &PreparedImage, context: &Context) -> Result<RootHash, CommandError> {
        let meter = self.meter(image, context);
        let params = &image.tree.params;
        let kernels = context.kernels(params.algorithm());
        let builder = self.with(Builder::new(params), kernels, &meter);
        let source = image.tree.padded(&image.data);
        let built = builder.build(&source, &Nowhere, &image.tree.area);
        self.checked(image, built, context)
    }

    /// Copies and hashes the data of an image in one pass, and writes its hash area.
    pub(super) fn build(
        &self,
        image: &PreparedImage,
        hash: &(impl ReadAt + WriteAt),
        copy: &dyn WriteAt,
        context: &Context,
    ) -> Result<BuiltImage, CommandError> {
        let plan = image.tree.plan(image.parity.as_ref())?;
        let meter = self.meter(image, context);
        let kernels = context.kernels(plan.params().algorithm());
        let (built, synced) = written_back(copy, |copy| {
            let with = |builder| self.with(builder, kernels, &meter);
            let builder = ImageBuilder::new(&plan)
                .with(|builder| with(builder).copy_to(copy, CopiedHoles::Kept))
                // It is when it is published.
                .unsynced();
            builder.build(&image.tree.padded(&image.data), hash)
        });
        let built = self.checked(image, built, context)?;
        synced.or_fail(Class::Io, &self.options.output)?;
        Ok(built)
    }

    fn meter(&self, image: &PreparedImage, context: &Context) -> Meter {
        Meter::new(Step::Hashing, image.tree.params.data_size(), &context.signals)
    }

    /// How the work is done.
    fn with<'b>(&self, builder: Builder<'b>, kernels: Kernels, meter: &'b Meter) -> Builder<'b> {
        builder.threads(threads_or_all(self.options.threads)).kernels(kernels).progress(meter)
    }

    /// What was made of an image, unless the data changed meanwhile.
    fn checked<T>(
        &self,
        image: &PreparedImage,
        built: Result<T, Error>,
        context: &Context,
    ) -> Result<T, CommandError> {
        let path = &self.options.output;
        let built = built.map_err(|error| match error {
            // Inputs are only read.
            Error::Write { .. } => CommandError::new(class_of(&error), error).at(path),
            Error::Grow { source, .. } | Error::WriteSuperblock { source } => {
                CommandError::new(Class::Io, source).at(path)
            }
            error => from_library(error, image.data.path(), path, &context.signals),
        });
        image.data.check()?;
        built
    }

    /// The permission bits of what is made: those that all inputs have, whose bytes are in it.
    pub(super) fn mode(&self) -> u32 {
        let inputs = self.images.iter().map(|image| &image.data).chain(self.files.iter().flatten());
        inputs.map(|input| mode_of_copy(Some(input))).fold(0o666, |all, mode| all & mode)
    }

    /// Where a part of an image lies.
    pub(super) fn place_of(&self, mount: MountPoint, content: Content) -> Option<&Placed> {
        let wanted = Filling::Verity(mount, content);
        let found = self.layout.partitions.iter().position(|one| one.filling == wanted);
        found.and_then(|index| self.placed.get(index))
    }

    pub(super) fn index_of(&self, mount: MountPoint) -> Result<usize, CommandError> {
        let index = self.images.iter().position(|image| image.mount_point == mount);
        index.ok_or_else(|| CommandError::usage(format!("there is no {} image", mount.name())))
    }

    pub(super) fn table(&self, root_hashes: &[RootHash]) -> Result<Table, CommandError> {
        let (options, sector) = (self.options, self.options.sector_size.bytes());
        let mut partitions = Vec::new();
        for (index, (partition, placed)) in
            self.layout.partitions.iter().zip(&self.placed).enumerate()
        {
            let label = partition.label.parse().map_err(|error| {
                CommandError::new(Class::Usage, anyhow::Error::new(error))
                    .noting(format!("partition {}", partition.name))
            })?;
            partitions.push(Some(NewPartition {
                type_guid: partition.type_guid,
                uuid: self.uuid(index, partition, root_hashes)?,
                first_lba: placed.start / sector,
                last_lba: (placed.start + placed.size) / sector - 1,
                attributes: partition.attributes,
                label,
            }));
        }
        let disk = derived(options.seed.as_deref(), "disk")?;
        Table::new(options.sector_size, self.size / sector, disk, &partitions)
            .map_err(|error| disks::failed(error, &options.output))
    }

    /// The UUID of a partition: given, an end of the root hash, or of the seed.
    fn uuid(
        &self,
        index: usize,
        partition: &LayoutPartition,
        root_hashes: &[RootHash],
    ) -> Result<Uuid, CommandError> {
        if let Some(uuid) = partition.uuid {
            return Ok(uuid);
        }
        let kind = PartitionType::of_guid(partition.type_guid);
        if let (Filling::Verity(mount, _), Some(kind)) = (&partition.filling, kind)
            && let Some(uuid) = kind.uuid(&root_hashes[self.index_of(*mount)?])
        {
            return Ok(uuid);
        }
        derived(self.options.seed.as_deref(), &format!("partition {}", index + 1))
    }

    /// What is, or would be, made, without what lies beside.
    pub(super) fn created(
        self,
        root_hashes: &[RootHash],
        table: &Table,
    ) -> Result<Created, CommandError> {
        let mut images = Vec::new();
        for (image, root_hash) in self.images.iter().zip(root_hashes) {
            images.push(CreatedImage {
                mount_point: image.mount_point,
                root_hash: *root_hash,
                tree: image.tree.clone(),
                parity: image.parity,
                kernel_parameters: self.kernel_parameters(image, root_hash, table)?,
            });
        }
        Ok(Created {
            output: self.options.output.clone(),
            size: self.size,
            sector_size: self.options.sector_size,
            disk_uuid: table.disk_uuid(),
            partitions: table.partitions().collect(),
            images,
            signed_by: None,
            files: Vec::new(),
            filled: Vec::new(),
            is_planned: self.options.plan,
            is_emitted: self.options.emit,
        })
    }

    /// What systemd's generator is to be told of an image: by the UUIDs of its partitions.
    fn kernel_parameters(
        &self,
        image: &PreparedImage,
        root_hash: &RootHash,
        table: &Table,
    ) -> Result<String, CommandError> {
        let device = |content| {
            let wanted = Filling::Verity(image.mount_point, content);
            let index = self.layout.partitions.iter().position(|one| one.filling == wanted);
            let partition = index.and_then(|index| table.partitions().nth(index));
            let uuid = partition.map(|partition| partition.uuid()).unwrap_or_default();
            DeviceName::new(format!("PARTUUID={uuid}")).map_err(unusable)
        };
        let (data, hash) = (device(Content::Data)?, device(Content::Verity)?);
        let fec = image.parity.as_ref().map(|parity| FecOptions::new(hash.clone(), parity));
        let (params, area) = (image.tree.params.clone(), &image.tree.area);
        dm::Table::new(params, *root_hash, data, hash, area.hash_start())
            .and_then(|table| table.with_options(TableOptions { fec, ..TableOptions::default() }))
            .and_then(|table| systemd_parameters(image.mount_point.name(), &table, area))
            .map_err(unusable)
    }
}

/// Takes everything, and keeps nothing.
struct Nowhere;

impl ReadAt for Nowhere {
    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        Ok(0)
    }
}

impl WriteAt for Nowhere {
    fn write_at(&self, buf: &[u8], _offset: u64) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn resize(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A UUID that follows from the seed, or a random one.
fn derived(seed: Option<&str>, what: &str) -> Result<Uuid, CommandError> {
    match seed {
        Some(seed) => Ok(uuid_from_seed(&format!("{seed}\0{what}"))),
        None => Identity::choose(&Parameters::default(), None).map(|identity| identity.uuid),
    }
}
