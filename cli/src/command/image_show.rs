//! `verity image show`: what lies on a disk, and how far its partition table can be believed.

use std::path::PathBuf;

use verity::disk::slots::Scheme;
use verity::disk::types::{Content, MountPoint, PartitionType};
use verity::disk::{Fault, Partition, SectorSize, Table, TableCopy};
use verity::io::{ReadAt, Window};
use verity::{RootHash, Superblock, Uuid};
use verity_sign::{
    MAX_MANIFEST_BYTES, MAX_SIGNATURE_PARTITION_BYTES, Manifest, SignaturePartition,
};

use crate::disks;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{Device, ShownSlots, shown_slots};
use crate::inputs;
use crate::making::SidecarSet;

/// Which disk to look at.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) disk: PathBuf,
    /// Manifests of images on it; those beside the disk unless any is given.
    pub(crate) manifests: Vec<PathBuf>,
}

/// What was found on a disk.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) disk: PathBuf,
    pub(crate) sector_size: SectorSize,
    pub(crate) sectors: u64,
    pub(crate) disk_uuid: Uuid,
    pub(crate) usable: (u64, u64),
    /// The copy that was read.
    pub(crate) chosen: TableCopy,
    pub(crate) faults: Vec<Fault>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) sets: Vec<VeritySet>,
    pub(crate) slots: Option<ShownSlots>,
    pub(crate) manifests: Vec<ShownManifest>,
}

/// What a manifest states of an image on the disk; nobody has verified it here.
#[derive(Debug)]
pub(crate) struct ShownManifest {
    pub(crate) path: PathBuf,
    pub(crate) image_name: String,
    pub(crate) image_version: u64,
    pub(crate) root_hash: RootHash,
    /// The partitions of data and hash area that have the UUIDs of the root hash.
    pub(crate) data: Option<u32>,
    pub(crate) hash: Option<u32>,
}

/// Partitions that belong together: data, hash area and signature, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VeritySet {
    /// What is known of it: the type of its data, or the letter of a set of Bottlerocket.
    pub(crate) name: String,
    pub(crate) data: Option<u32>,
    pub(crate) hash: Option<u32>,
    pub(crate) signature: Option<u32>,
    /// The root hash that the signature partition states, which nobody has verified here.
    pub(crate) stated_root_hash: Option<String>,
    /// Whether there is a superblock at the start of the hash area.
    pub(crate) has_superblock: bool,
    /// Whether the UUIDs of data and hash area are the ends of the stated root hash.
    pub(crate) is_discoverable: Option<bool>,
}

/// Looks at a disk; nothing on it is verified.
pub(crate) fn run(options: &Options) -> Result<Shown, CommandError> {
    let disk = Device::open(&options.disk)?;
    let mut table = disks::read_quietly(&disk, disk.sector_size(), &options.disk)?;
    let sets = sets(&table, &disk).or_fail(Class::Io, &options.disk)?;
    let slots = shown_slots(&mut table);
    let manifests = manifests(options, &table)?;
    disk.check()?;
    Ok(Shown {
        disk: options.disk.clone(),
        sector_size: table.sector_size(),
        sectors: table.sectors(),
        disk_uuid: table.disk_uuid(),
        usable: table.usable(),
        chosen: table.chosen(),
        faults: table.faults().to_vec(),
        partitions: table.partitions().collect(),
        sets,
        slots,
        manifests,
    })
}

/// What manifests state that were named, or that lie beside the disk.
fn manifests(options: &Options, table: &Table) -> Result<Vec<ShownManifest>, CommandError> {
    let mut paths = options.manifests.clone();
    if paths.is_empty() {
        for mount_point in [MountPoint::Root, MountPoint::Usr] {
            let beside = SidecarSet::in_disk(&options.disk, mount_point)?.manifest;
            paths.extend(beside.is_file().then_some(beside));
        }
    }
    let shown = paths.into_iter().map(|path| {
        let bytes = inputs::read_small(&path, MAX_MANIFEST_BYTES, Class::Metadata)?;
        let manifest = Manifest::parse(&bytes).or_fail(Class::Metadata, &path)?;
        let root_hash = manifest.root_hash();
        let with_uuid = |content| {
            let mut partitions = table.partitions().filter(|found| {
                let kind = PartitionType::of_guid(found.type_guid());
                let kind = kind.filter(|kind| kind.content() == content);
                kind.and_then(|kind| kind.uuid(&root_hash)) == Some(found.uuid())
            });
            partitions.next().map(|found| found.number())
        };
        Ok(ShownManifest {
            image_name: manifest.image().name().to_owned(),
            image_version: manifest.image().version(),
            root_hash,
            data: with_uuid(Content::Data),
            hash: with_uuid(Content::Verity),
            path,
        })
    });
    shown.collect()
}

/// Which partitions belong together.
fn sets(table: &Table, disk: &impl ReadAt) -> std::io::Result<Vec<VeritySet>> {
    let mut sets = Vec::new();
    let of_type = |wanted: PartitionType| {
        let is_wanted = move |found: &Partition| found.type_guid() == wanted.guid();
        table.partitions().filter(is_wanted).collect::<Vec<_>>()
    };
    let signatures = signatures(table, disk);
    let mut taken = Vec::new();
    for partition in table.partitions() {
        let Some(kind) = PartitionType::of_guid(partition.type_guid()) else { continue };
        let other = |content| PartitionType::new(kind.mount_point(), kind.architecture(), content);
        if kind.content() != Content::Verity {
            continue;
        }
        let of_signature = other(Content::VeritySig).guid();
        let signed = signatures.iter().find(|(found, root_hash)| {
            found.type_guid() == of_signature && kind.uuid(root_hash) == Some(partition.uuid())
        });
        let datas = of_type(other(Content::Data));
        let data = match signed {
            Some((_, root_hash)) => {
                let uuid = other(Content::Data).uuid(root_hash);
                datas.iter().find(|found| Some(found.uuid()) == uuid)
            }
            None => None,
        };
        // Without a signature that tells, the first that no other set has.
        let is_free = |found: &&Partition| !taken.contains(&found.number());
        let data = data.or_else(|| datas.iter().find(is_free)).map(Partition::number);
        let root_hash = signed.map(|(_, root_hash)| *root_hash);
        let uuid_of = |number: u32| table.partition(number).ok().map(|found| found.uuid());
        let set = VeritySet {
            name: other(Content::Data).to_string(),
            is_discoverable: root_hash
                .map(|root_hash| data.and_then(uuid_of) == other(Content::Data).uuid(&root_hash)),
            stated_root_hash: root_hash.map(|root_hash| root_hash.to_string()),
            data,
            hash: Some(partition.number()),
            signature: signed.map(|(found, _)| found.number()),
            has_superblock: has_superblock(disk, &partition)?,
        };
        taken.extend(data);
        sets.push(set);
    }
    sets.extend(bottlerocket_sets(table, disk)?);
    Ok(sets)
}

/// Root and hash partition n belong together.
fn bottlerocket_sets(table: &Table, disk: &impl ReadAt) -> std::io::Result<Vec<VeritySet>> {
    let mut sets = Vec::new();
    for letter in 'a'..='z' {
        let named = |kind: &str| {
            let Ok(selector) = format!("{kind}-{letter}").parse();
            table.select(&selector).ok()
        };
        let (Some(boot), Some(root), Some(hash)) = (named("boot"), named("root"), named("hash"))
        else {
            break;
        };
        if boot.type_guid() != Scheme::Bottlerocket.type_guid() {
            break;
        }
        sets.push(VeritySet {
            name: format!("bottlerocket-{letter}"),
            data: Some(root.number()),
            hash: Some(hash.number()),
            signature: None,
            stated_root_hash: None,
            has_superblock: has_superblock(disk, &hash)?,
            is_discoverable: None,
        });
    }
    Ok(sets)
}

fn has_superblock(disk: &impl ReadAt, partition: &Partition) -> std::io::Result<bool> {
    let window = Window::new(disk, partition.range())?;
    Ok(Superblock::read(&window, 0).is_ok())
}

/// The signature partitions, with the root hashes that they state.
fn signatures(table: &Table, disk: &impl ReadAt) -> Vec<(Partition, verity::RootHash)> {
    let is_one = |found: &Partition| {
        let kind = PartitionType::of_guid(found.type_guid());
        kind.is_some_and(|kind| kind.content() == Content::VeritySig)
    };
    let found = table.partitions().filter(is_one).take(disks::MOST_SIGNATURES);
    found.filter_map(|found| Some((found, signature(disk, &found)?.root_hash()))).collect()
}

/// What a signature partition holds, if it is one.
fn signature(disk: &impl ReadAt, partition: &Partition) -> Option<SignaturePartition> {
    if partition.size() > MAX_SIGNATURE_PARTITION_BYTES {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(partition.size()).ok()?];
    disk.read_exact_at(&mut bytes, partition.range().start).ok()?;
    SignaturePartition::parse(&bytes).ok()
}
