//! Where an image comes from: a set, a directory with one, a disk image, a server with any of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::disk::types::{Content, MountPoint, PartitionType};
use verity::disk::{Partition, SectorSize, Table};
use verity::internals::to_len;
use verity::io::ReadAt;
use verity_sign::{
    MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURE_PARTITION_BYTES, SignaturePartition,
    VerifiedManifest,
};

use crate::disks::{self, PartitionName};
use crate::error::{Class, CommandError, OrFail};
use crate::image::{Device, OpenedImage};
use crate::making::SidecarSet;
use crate::parameters::ParitySource;
use crate::storage;
use crate::trust::{self, Trusted};

/// An opened source. Nothing but its manifest is trusted.
pub(super) struct Source {
    pub(super) verified: VerifiedManifest,
    pub(super) image: OpenedImage,
    /// The superblock and what lies behind it, up to the tree, as the manifest states them.
    pub(super) region: Vec<u8>,
    /// What the signature partition holds, checked by certificate.
    pub(super) signature: Option<Vec<u8>>,
}

impl Source {
    /// Opens what a caller names. What the signature partition holds is read only if it is wanted.
    pub(super) fn open(
        path: &Path,
        trusted: &Trusted,
        with_signature: bool,
    ) -> Result<Source, CommandError> {
        match Named::of(path)? {
            Named::Set { image, set } => Source::of_set(&image, &set, trusted, with_signature),
            Named::Disk(disk) => Source::of_disk(*disk, trusted, with_signature),
        }
    }

    fn of_set(
        image: &Path,
        set: &SidecarSet,
        trusted: &Trusted,
        with_signature: bool,
    ) -> Result<Source, CommandError> {
        let verified = manifest(set, trusted)?;
        let data = Arc::new(Device::open(image)?);
        let image = OpenedImage::with_sidecars(data, &set.hash, &verified)?;
        let signature = match with_signature {
            true => read_small(&set.signature_partition, MAX_SIGNATURE_PARTITION_BYTES)?,
            false => None,
        };
        let path = &set.signature_partition;
        Source::checked(verified, image, signature.map(|bytes| (path.clone(), bytes)), trusted)
    }

    fn of_disk(
        disk: DiskSource,
        trusted: &Trusted,
        with_signature: bool,
    ) -> Result<Source, CommandError> {
        let (mount_point, data) = disk.data()?;
        let set = SidecarSet::in_disk(&disk.path, mount_point)?;
        let verified = manifest(&set, trusted)?;
        let (data, hash) = disk.partitions(mount_point, data, &verified)?;
        let (data, hash) = (Arc::new(disk.part(&data)?), Arc::new(disk.part(&hash)?));
        let image = OpenedImage::of_manifest(&verified, data, hash, &ParitySource::default())?;
        let signature = match with_signature {
            true => disk.signature(mount_point, &verified)?,
            false => None,
        };
        Source::checked(verified, image.require_superblock()?, signature, trusted)
    }

    fn checked(
        verified: VerifiedManifest,
        image: OpenedImage,
        signature: Option<(PathBuf, Vec<u8>)>,
        trusted: &Trusted,
    ) -> Result<Source, CommandError> {
        let manifest = verified.manifest();
        let area = manifest.hash_area();
        if area.check_behind_data(manifest.params()).is_ok() && area.file_size() > 0 {
            let words = "the image holds its hash area itself, behind the data: install takes a \
                         hash area of its own, as verity build makes it without --single-file";
            return Err(CommandError::message(Class::Metadata, words).at(image.data().path()));
        }
        // Read once more, and these very bytes are checked.
        let range = area.superblock_region();
        let mut region = vec![0; to_len(range.end - range.start)];
        let path = image.hash().path();
        image.hash().read_exact_at(&mut region, range.start).or_fail(Class::Io, path)?;
        verified.check_superblock(&region).or_fail(Class::Metadata, path)?;
        let signature = match signature {
            None => None,
            Some((path, bytes)) => {
                SignaturePartition::parse(&bytes)
                    .and_then(|it| it.verify(&manifest.root_hash(), trusted.trust()).map(drop))
                    .or_fail(Class::Trust, &path)?;
                Some(bytes)
            }
        };
        Ok(Source { verified, image, region, signature })
    }
}

/// What a name of a source stands for.
enum Named {
    Set { image: PathBuf, set: Box<SidecarSet> },
    Disk(Box<DiskSource>),
}

impl Named {
    fn of(path: &Path) -> Result<Named, CommandError> {
        if disks::is_url(path) {
            return match PartitionName::of(path) {
                Some(name) => Named::disk(name.disk.clone(), Some(name)),
                None => Named::set(path, |path| Ok(Device::open_if_there(path)?.is_some())),
            };
        }
        if let Some(name) = PartitionName::of(path) {
            return Named::disk(name.disk.clone(), Some(name));
        }
        if path.is_dir() {
            return Named::set(&only_image(path)?, exists);
        }
        let set = SidecarSet::new(path, None, false)?;
        if !exists(&set.manifest)? && exists(path)? {
            let file = fs::File::open(path).or_fail(Class::Io, path)?;
            let sector_size = storage::sector_size(&file).and_then(SectorSize::new);
            if Table::read(&file, sector_size).is_ok() {
                return Named::disk(path.to_owned(), None);
            }
        }
        Named::set(path, exists)
    }

    fn disk(path: PathBuf, name: Option<PartitionName>) -> Result<Named, CommandError> {
        Ok(Named::Disk(Box::new(DiskSource::open(path, name)?)))
    }

    /// A set by the name of its image, with or without `.raw`.
    fn set(
        path: &Path,
        is_there: impl Fn(&Path) -> Result<bool, CommandError>,
    ) -> Result<Named, CommandError> {
        let set = SidecarSet::new(path, None, false)?;
        let mut raw = path.to_owned().into_os_string();
        raw.push(".raw");
        let raw = PathBuf::from(raw);
        let is_raw = path.extension().is_some_and(|extension| extension == "raw");
        let image = if !is_raw && !is_there(path)? && is_there(&raw)? { raw } else { path.into() };
        Ok(Named::Set { image, set: Box::new(set) })
    }
}

fn exists(path: &Path) -> Result<bool, CommandError> {
    path.try_exists().or_fail(Class::Io, path)
}

/// The image of the only set in a directory, without `.raw`.
fn only_image(directory: &Path) -> Result<PathBuf, CommandError> {
    const SUFFIX: &str = ".manifest.json";
    let mut stems = Vec::new();
    for entry in fs::read_dir(directory).or_fail(Class::Io, directory)? {
        let name = entry.or_fail(Class::Io, directory)?.file_name();
        stems.extend(name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).map(str::to_owned));
    }
    stems.sort_unstable();
    match stems.as_slice() {
        [only] => Ok(directory.join(only)),
        [] => {
            let words = "there is no manifest in this directory";
            Err(CommandError::message(Class::Trust, words).at(directory))
        }
        several => {
            let words = format!("there are several images here, name one: {}", several.join(", "));
            Err(CommandError::usage(words).at(directory))
        }
    }
}

/// Reads and checks the manifest of a set, wherever that lies. Nothing weaker stands in for it.
fn manifest(set: &SidecarSet, trusted: &Trusted) -> Result<VerifiedManifest, CommandError> {
    let Some(bytes) = read_small(&set.manifest, MAX_MANIFEST_BYTES)? else {
        let words = "there is no manifest, and nothing else says how large the image is and which \
                     one: a signature of the root hash does not";
        return Err(CommandError::message(Class::Trust, words).at(&set.manifest));
    };
    let Some(signature) = read_small(&set.manifest_signature, MAX_SIGNATURE_BYTES)? else {
        let words = "there is no signature";
        return Err(CommandError::message(Class::Trust, words).at(&set.manifest_signature));
    };
    trust::manifest_of(&bytes, &signature, &set.manifest, trusted)
}

/// Reads a whole file of at most `limit` bytes, if it is there.
fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, CommandError> {
    let Some(device) = Device::open_if_there(path)? else { return Ok(None) };
    if device.size() > limit {
        let words = format!("the file is longer than {limit} bytes");
        return Err(CommandError::message(Class::Trust, words).at(path));
    }
    let mut bytes = vec![0; to_len(device.size())];
    device.read_exact_at(&mut bytes, 0).or_fail(Class::Io, path)?;
    Ok(Some(bytes))
}

/// A disk image that the source is a part of.
struct DiskSource {
    path: PathBuf,
    device: Device,
    table: Table,
    selected: Option<Partition>,
}

impl DiskSource {
    fn open(path: PathBuf, name: Option<PartitionName>) -> Result<DiskSource, CommandError> {
        let device = Device::open(&path)?;
        let file = device.input().map(verity::publish::Input::file);
        let table = disks::read_table(&device, file.and_then(storage::sector_size), &path)?;
        let sector_size = u32::try_from(table.sector_size().bytes()).ok();
        let selected = name.map(|name| name.find(&device, sector_size)).transpose()?;
        Ok(DiskSource { path, device, table, selected })
    }

    /// Which image is meant: that of the partition that was named, or the only one that has a
    /// manifest.
    fn data(&self) -> Result<(MountPoint, Option<Partition>), CommandError> {
        if let Some(selected) = &self.selected {
            let kind = PartitionType::of_guid(selected.type_guid());
            let mount_point = kind.map_or(MountPoint::Root, PartitionType::mount_point);
            return Ok((mount_point, Some(*selected)));
        }
        let mut found = Vec::new();
        for mount_point in [MountPoint::Root, MountPoint::Usr] {
            if exists(&SidecarSet::in_disk(&self.path, mount_point)?.manifest)? {
                found.push(mount_point);
            }
        }
        match found.as_slice() {
            [] => {
                let words = "no manifest lies beside this disk, and a signature of the root hash \
                             does not say how large the image is, nor which one";
                Err(CommandError::message(Class::Trust, words).at(&self.path))
            }
            [only] => Ok((*only, None)),
            _ => {
                let words = "there are two images on this disk: name one by DISK#root or DISK#usr";
                Err(CommandError::usage(words).at(&self.path))
            }
        }
    }

    /// The partitions of data and hash area: those with the UUIDs of the root hash, or the set that
    /// was named.
    fn partitions(
        &self,
        mount_point: MountPoint,
        data: Option<Partition>,
        verified: &VerifiedManifest,
    ) -> Result<(Partition, Partition), CommandError> {
        let root_hash = verified.manifest().root_hash();
        let by_uuid = |content| {
            self.table.partitions().find(|found| {
                PartitionType::of_guid(found.type_guid()).is_some_and(|kind| {
                    (kind.mount_point(), kind.content()) == (mount_point, content)
                        && kind.uuid(&root_hash) == Some(found.uuid())
                })
            })
        };
        if let (Some(data), Some(hash)) = (by_uuid(Content::Data), by_uuid(Content::Verity)) {
            return Ok((data, hash));
        }
        let named = |name: String| {
            let Ok(selector) = name.parse();
            self.table.select(&selector).ok()
        };
        let sets = ('a'..='z').filter_map(|letter| {
            Some((named(format!("root-{letter}"))?, named(format!("hash-{letter}"))?))
        });
        let is_meant =
            |found: &Partition| data.as_ref().is_none_or(|data| data.number() == found.number());
        let mut sets = sets.filter(|(found, _)| is_meant(found));
        sets.next().filter(|_| mount_point == MountPoint::Root).ok_or_else(|| {
            let words = format!(
                "no partitions have the UUIDs of the {} image's root hash, {root_hash}",
                mount_point.name()
            );
            CommandError::message(Class::Metadata, words).at(&self.path)
        })
    }

    /// What the signature partition of this root hash holds, if there is one.
    fn signature(
        &self,
        mount_point: MountPoint,
        verified: &VerifiedManifest,
    ) -> Result<Option<(PathBuf, Vec<u8>)>, CommandError> {
        let is_one = |found: &Partition| {
            let kind = PartitionType::of_guid(found.type_guid());
            let is_one = kind.is_some_and(|kind| {
                (kind.mount_point(), kind.content()) == (mount_point, Content::VeritySig)
            });
            is_one && found.size() <= MAX_SIGNATURE_PARTITION_BYTES
        };
        let found: Vec<_> = self.table.partitions().filter(is_one).collect();
        disks::refuse_many_signatures(found.len(), &self.path)?;
        for found in found {
            let name = self.name(&found);
            let mut bytes = vec![0; to_len(found.size())];
            self.part(&found)?.read_exact_at(&mut bytes, 0).or_fail(Class::Io, &name)?;
            let stated = SignaturePartition::parse(&bytes).map(|it| it.root_hash());
            if stated.is_ok_and(|stated| stated == verified.manifest().root_hash()) {
                return Ok(Some((name, bytes)));
            }
        }
        Ok(None)
    }

    /// A partition. Of a disk here it is no file that is called so, nor that of a disk that has
    /// taken its place.
    fn part(&self, partition: &Partition) -> Result<Device, CommandError> {
        let name = self.name(partition);
        match self.device.input() {
            Some(disk) => Device::part_of(disk, partition.range(), name),
            None => Device::open(&name),
        }
    }

    fn name(&self, partition: &Partition) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!("#{}", partition.number()));
        name.into()
    }
}
